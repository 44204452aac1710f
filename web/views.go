package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/view"
	"github.com/evenkeel/evenkeel/declare"
)

// Views are addresses that people save; *view.Book keeps them.
type Views interface {
	List(ctx context.Context, who declare.PersonID, teams []declare.TeamID) ([]view.View, error)
	Save(ctx context.Context, now time.Time, me act.Identity, teams []declare.TeamID, v view.View) (view.View, error)
	Delete(ctx context.Context, now time.Time, me act.Identity, teams []declare.TeamID, id int64) error
}

type viewsView struct {
	Page
	Views     []view.View
	Name, URL string // of one that could not be saved
	Team      declare.TeamID
}

// teamsOf are those of a person in the catalogue.
func (s *site) teamsOf(id declare.PersonID) []declare.TeamID {
	if p := s.Workspace().Person(id); p != nil {
		return p.Teams
	}
	return nil
}

func (s *site) views(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.showViews(w, r, me, viewsView{Page: s.page(r, me, "Saved views", "views")}, http.StatusOK)
}

func (s *site) showViews(w http.ResponseWriter, r *http.Request, me act.Identity, v viewsView, status int) error {
	if s.Views == nil {
		return act.ErrNotFound
	}
	var err error
	if v.Views, err = s.Views.List(r.Context(), me.Person, s.teamsOf(me.Person)); err != nil {
		return err
	}
	s.render(w, status, "views", v)
	return nil
}

func (s *site) saveView(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if s.Views == nil {
		return act.ErrNotFound
	}
	if err := form(r); err != nil {
		return err
	}
	in := view.View{Name: r.PostFormValue("name"), URL: r.PostFormValue("url"), Team: declare.TeamID(r.PostFormValue("team"))}
	saved, err := s.Views.Save(r.Context(), s.Now(), me, s.teamsOf(me.Person), in)
	var invalid *act.InvalidError
	switch {
	case errors.As(err, &invalid):
		v := viewsView{Page: s.page(r, me, "Saved views", "views"), Name: in.Name, URL: in.URL, Team: in.Team}
		v.Problem = invalid.Error()
		return s.showViews(w, r, me, v, http.StatusUnprocessableEntity)
	case err != nil:
		return err
	}
	return after(w, r, saved.URL, "view-saved")
}

func (s *site) deleteView(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || s.Views == nil {
		return act.ErrNotFound
	}
	if err := s.Views.Delete(r.Context(), s.Now(), me, s.teamsOf(me.Person), id); err != nil {
		return err
	}
	return after(w, r, "/views", "view-removed")
}
