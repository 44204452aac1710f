package api

import (
	"context"
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

func (s *server) viewRoutes() []route {
	return []route{
		get("/views", "Saved views: yours, and those of your teams.", s.views),
		send(post, "/views", "Save a view: a page that looks at telemetry, under a name.", created, s.saveView),
		remove("/views/{view}", "Remove a saved view.", s.deleteView),
	}
}

func (s *server) teamsOf(id declare.PersonID) []declare.TeamID {
	if p := s.Workspace().Person(id); p != nil {
		return p.Teams
	}
	return nil
}

func (s *server) views(c *call, _ none) (List[view.View], error) {
	if s.Views == nil {
		return listOf[view.View](nil), nil
	}
	found, err := s.Views.List(c.Context(), c.me.Person, s.teamsOf(c.me.Person))
	return listOf(found), err
}

// NewView is a view to save.
type NewView struct {
	Name string         `json:"name" doc:"At most 100 characters; one view has it."`
	URL  string         `json:"url" doc:"Path and query of a page, as /explore?logs=severity%3Aerror."`
	Team declare.TeamID `json:"team,omitempty" doc:"One of yours, which then sees it too; default you alone."`
}

func (s *server) saveView(c *call, in NewView) (view.View, error) {
	if s.Views == nil {
		return view.View{}, act.ErrNotFound
	}
	return s.Views.Save(c.Context(), c.now, c.me, s.teamsOf(c.me.Person), view.View{Name: in.Name, URL: in.URL, Team: in.Team})
}

func (s *server) deleteView(c *call, _ none) (none, error) {
	id, err := c.number("view")
	if err != nil || s.Views == nil {
		return none{}, err
	}
	return none{}, s.Views.Delete(c.Context(), c.now, c.me, s.teamsOf(c.me.Person), id)
}
