package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/learn/approval"
)

type upkeepView struct {
	Page
	Queue   []runbook.Upkeep
	Waiting []approval.Measure
}

// upkeep is the queue of runbooks to look at, and how approvals went.
func (s *site) upkeep(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	ws, now := s.Workspace(), s.Now()
	v := upkeepView{Page: s.page(r, me, "Upkeep of runbooks", "runbooks")}
	var paging []runbook.Paging
	if s.Paging != nil {
		paging = s.Paging(ws)
	}
	var err error
	if v.Queue, err = s.Guide.Upkeep(r.Context(), now, ws.Runbooks, paging); err != nil {
		return err
	}
	answers, err := s.Guide.Answered(r.Context(), now.Add(-30*24*time.Hour), now.Add(time.Second))
	if err != nil {
		return err
	}
	v.Waiting = approval.Make(answers)
	return s.show(w, "upkeep", v)
}

func (s *site) readRunbook(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	name := r.PathValue("name")
	if err := s.Guide.Read(r.Context(), s.Now(), me.Person, name); err != nil {
		return err
	}
	return after(w, r, "/runbooks/"+name, "read")
}

func (s *site) closeBreaker(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	if err := s.Guide.CloseBreaker(r.Context(), s.Now(), me.Person, r.PathValue("name"), strings.TrimSpace(r.PostFormValue("why"))); err != nil {
		return err
	}
	return after(w, r, "/upkeep", "breaker-closed")
}

func (s *site) voteRun(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	id := r.PathValue("id")
	useful := r.PostFormValue("useful")
	if useful != "yes" && useful != "no" {
		return &act.InvalidError{Field: "useful", Got: useful, Want: "yes or no"}
	}
	if err := s.Guide.Vote(r.Context(), s.Now(), me.Person, id, useful == "yes", r.PostFormValue("note")); err != nil {
		return s.refusedRun(w, r, me, err, "")
	}
	return after(w, r, "/runs/"+id, "voted")
}
