package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

// deskView is what people do with an incident beside moving it on.
type deskView struct {
	On      bool
	Sevs    []respond.Sev
	Roles   []roleLine
	Alike   []respond.Likeness
	Tasks   []respond.IncidentTask
	Links   []respond.IncidentLink
	Changes []act.Change // around its onset, on its services
	Updates []respond.IncidentUpdate
	Phases  []respond.Phase
	Phase   respond.Phase
	Draft   string // of an update, in that phase
	Others  []respond.Incident
	Points  []respond.Point
	Closed  bool // nothing but its review is worked on
}

type roleLine struct {
	Role respond.Role
	Who  declare.PersonID
}

// deskRoutes are the acts of the incident page's desk.
func (s *site) deskRoutes() map[string]handler {
	return map[string]handler{
		"POST /incidents/{n}/severity":        s.setSev,
		"POST /incidents/{n}/role":            s.setRole,
		"POST /incidents/{n}/clock":           s.setClock,
		"POST /incidents/{n}/merge":           s.merge,
		"POST /incidents/{n}/split":           s.split,
		"POST /incidents/{n}/tasks":           s.addTask,
		"POST /incidents/{n}/tasks/{id}/done": s.finishTask,
		"POST /incidents/{n}/links":           s.linkIncident,
		"POST /incidents/{n}/updates":         s.addUpdate,
	}
}

// linkedChanges is how far before the onset a change is still shown.
const linkedChanges = 2 * time.Hour

func (s *site) desk(ctx context.Context, r *http.Request, i respond.Incident, now time.Time) (v deskView, err error) {
	if s.Desk == nil {
		return v, nil
	}
	v = deskView{On: true, Sevs: respond.Sevs, Phases: respond.Phases, Closed: i.Ended()}
	for _, role := range respond.Roles {
		v.Roles = append(v.Roles, roleLine{role, i.Roles[role]})
	}
	for _, p := range respond.Points {
		if !i.Clocks.At(p).IsZero() || p == respond.PointImpact {
			v.Points = append(v.Points, p)
		}
	}
	if v.Alike, err = s.Desk.Alike(ctx, i.Number); err != nil {
		return v, err
	}
	if v.Tasks, err = s.Desk.Tasks(ctx, i.Number); err != nil {
		return v, err
	}
	if v.Links, err = s.Desk.Links(ctx, i.Number); err != nil {
		return v, err
	}
	if v.Updates, err = s.Desk.Updates(ctx, i.Number); err != nil {
		return v, err
	}
	slices.Reverse(v.Updates)
	began := i.Clocks.Impact
	if began.IsZero() {
		began = i.Clocks.Detected
	}
	to := i.Clocks.Mitigated
	if to.IsZero() {
		to = now
	}
	for _, service := range i.Services[:min(len(i.Services), 10)] {
		found, err := s.Changes.List(ctx, act.ChangeFilter{Service: service, From: began.Add(-linkedChanges), To: to, Limit: 5})
		if err != nil {
			return v, err
		}
		v.Changes = append(v.Changes, found...)
	}
	v.Phase = respond.Phase(r.URL.Query().Get("phase"))
	if !slices.Contains(respond.Phases, v.Phase) {
		v.Phase = nextPhase(i, v.Updates)
	}
	if !v.Closed || i.Status == respond.Resolved {
		if v.Draft, err = s.Desk.Template(ctx, now, i.Number, v.Phase); err != nil {
			return v, err
		}
	}
	all, err := s.Incidents.List(ctx, respond.IncidentFilter{Active: true, Limit: 50})
	for _, o := range all {
		if o.Number != i.Number {
			v.Others = append(v.Others, o)
		}
	}
	return v, err
}

// nextPhase is what there probably is to tell.
func nextPhase(i respond.Incident, newestFirst []respond.IncidentUpdate) respond.Phase {
	switch {
	case i.Status == respond.Resolved:
		return respond.Over
	case i.Status == respond.Mitigated:
		return respond.Monitoring
	case len(newestFirst) > 0:
		return respond.Identified
	}
	return respond.Investigating
}

// deskAct reads the form of one act and does it.
func (s *site) deskAct(w http.ResponseWriter, r *http.Request, me act.Identity, done string, do func(d respond.Desk, n respond.Number) error) error {
	n, err := numberOf(r)
	if err == nil {
		err = form(r)
	}
	if err != nil {
		return err
	}
	if s.Desk == nil {
		return act.ErrNotFound
	}
	return s.afterIncident(w, r, me, n, done, "", func() error { return do(s.Desk, n) })
}

func (s *site) setSev(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.deskAct(w, r, me, "severity", func(d respond.Desk, n respond.Number) error {
		_, err := d.SetSev(r.Context(), s.Now(), me.Actor(), n, respond.Sev(r.PostFormValue("sev")), r.PostFormValue("why"))
		return err
	})
}

func (s *site) setRole(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.deskAct(w, r, me, "role", func(d respond.Desk, n respond.Number) error {
		_, err := d.SetRole(r.Context(), s.Now(), me.Actor(), n, respond.Role(r.PostFormValue("role")), declare.PersonID(r.PostFormValue("person")))
		return err
	})
}

func (s *site) setClock(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.deskAct(w, r, me, "clock", func(d respond.Desk, n respond.Number) error {
		at, err := utc(r.PostFormValue("at"))
		if err != nil {
			return err
		}
		_, err = d.SetClock(r.Context(), s.Now(), me.Actor(), n, respond.Point(r.PostFormValue("point")), at, r.PostFormValue("why"))
		return err
	})
}

// utc reads a time as a form sends it; pages show and take UTC.
func utc(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if at, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, &act.InvalidError{Field: "at", Got: text, Want: "a time in UTC as 2026-03-01T02:10"}
}

func (s *site) merge(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		err = form(r)
	}
	if err != nil {
		return err
	}
	if s.Desk == nil {
		return act.ErrNotFound
	}
	into, parseErr := strconv.ParseInt(r.PostFormValue("into"), 10, 64)
	return s.afterIncident(w, withNext(r, "/incidents/"+strconv.FormatInt(into, 10)), me, n, "merged", "", func() error {
		if parseErr != nil {
			return &act.InvalidError{Field: "into", Got: r.PostFormValue("into"), Want: "the number of an incident"}
		}
		_, err := s.Desk.Merge(r.Context(), s.Now(), me.Actor(), n, respond.Number(into), r.PostFormValue("why"))
		return err
	})
}

// withNext says where an act leads.
func withNext(r *http.Request, path string) *http.Request {
	r.PostForm.Set("next", path)
	return r
}

func (s *site) split(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		err = form(r)
	}
	if err != nil {
		return err
	}
	if s.Desk == nil {
		return act.ErrNotFound
	}
	return s.afterIncident(w, r, me, n, "split", "", func() error {
		var ids []int64
		for _, text := range r.PostForm["finding"] {
			id, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return &act.InvalidError{Field: "finding", Got: text, Want: "the number of a finding"}
			}
			ids = append(ids, id)
		}
		i, err := s.Desk.Split(r.Context(), s.Now(), me.Actor(), n, ids, r.PostFormValue("why"))
		if err == nil {
			withNext(r, "/incidents/"+strconv.FormatInt(int64(i.Number), 10))
		}
		return err
	})
}

func (s *site) addTask(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.deskAct(w, r, me, "task", func(d respond.Desk, n respond.Number) error {
		_, err := d.AddTask(r.Context(), s.Now(), me.Actor(), n, r.PostFormValue("text"), declare.PersonID(r.PostFormValue("owner")))
		return err
	})
}

func (s *site) finishTask(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.deskAct(w, r, me, "task-done", func(d respond.Desk, n respond.Number) error {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			return act.ErrNotFound
		}
		_, err = d.FinishTask(r.Context(), s.Now(), me.Actor(), n, id)
		return err
	})
}

func (s *site) linkIncident(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.deskAct(w, r, me, "linked", func(d respond.Desk, n respond.Number) error {
		ref, kind := strings.TrimSpace(r.PostFormValue("ref")), respond.LinkChange
		if strings.Contains(ref, "://") {
			kind = respond.LinkURL
		}
		_, err := d.AddLink(r.Context(), s.Now(), me.Actor(), n, kind, ref, r.PostFormValue("note"))
		return err
	})
}

func (s *site) addUpdate(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.deskAct(w, r, me, "told", func(d respond.Desk, n respond.Number) error {
		_, err := d.AddUpdate(r.Context(), s.Now(), me.Actor(), n, respond.Phase(r.PostFormValue("phase")), r.PostFormValue("text"), r.PostFormValue("public") != "")
		return err
	})
}
