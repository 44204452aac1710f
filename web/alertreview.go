package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/learn/tune"
	"github.com/evenkeel/evenkeel/respond"
)

// AlertReview is what pages do with the alert review; *tune.Review is one.
type AlertReview interface {
	Queue(ctx context.Context, now time.Time, days int) ([]tune.ReviewedAlert, error)
	Change(ctx context.Context, now time.Time, days int, person declare.PersonID, name, severity string, judge bool) (tune.RuleEdit, error)
	Apply(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, days int, name, severity, shown string) (tune.RuleEdit, error)
}

// outcomeRoutes are the pages of outcomes and of the alert review.
func (s *site) outcomeRoutes() map[string]handler {
	return map[string]handler{
		"GET /findings/{id}/outcome":  s.outcome,
		"POST /findings/{id}/outcome": s.setOutcome,
		"POST /incidents/{n}/outcome": s.setOutcomes,
		"GET /alerts/review":          s.alertReview,
		"GET /alerts/review/change":   s.alertChange,
		"GET /alerts/review/patch":    s.alertPatch,
		"POST /alerts/review/apply":   s.alertApply,
	}
}

type outcomeView struct {
	Page
	Finding *detect.Finding
	Outcome *respond.Outcome // nil: none yet
	Labels  []respond.OutcomeLabel
	Note    string // as typed
}

// outcome is where the link in a message leads: five buttons, one of which is tapped.
func (s *site) outcome(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.showOutcome(w, r, me, http.StatusOK, "")
}

func (s *site) showOutcome(w http.ResponseWriter, r *http.Request, me act.Identity, status int, problem string) error {
	if s.Outcomes == nil {
		return act.ErrNotFound
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return detect.ErrNotFound
	}
	f, err := s.Findings.Get(r.Context(), id)
	if err != nil {
		return err
	}
	v := outcomeView{Page: s.page(r, me, "Outcome of "+f.Name, "findings"), Finding: &f, Labels: respond.OutcomeLabels, Note: r.PostFormValue("note")}
	v.Problem = problem
	if o, err := s.Outcomes.Outcome(r.Context(), id); err == nil {
		v.Outcome = &o
	}
	s.render(w, status, "outcome", v)
	return nil
}

func (s *site) setOutcome(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	if s.Outcomes == nil {
		return act.ErrNotFound
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return detect.ErrNotFound
	}
	if _, err := s.Outcomes.Label(r.Context(), s.Now(), me.Actor(), id, respond.OutcomeLabel(r.PostFormValue("outcome")), r.PostFormValue("note")); err != nil {
		if message, theirs := said(err); theirs {
			status, _, _, _ := explainError(err)
			if status != http.StatusNotFound {
				return s.showOutcome(w, r, me, status, message)
			}
		}
		return err
	}
	return after(w, r, local(r.PostFormValue("next"), "/findings/"+strconv.FormatInt(id, 10)+"/outcome"), "outcome")
}

func (s *site) setOutcomes(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		err = form(r)
	}
	if err != nil {
		return err
	}
	if s.Outcomes == nil {
		return act.ErrNotFound
	}
	return s.afterIncident(w, r, me, n, "outcome", "", func() error {
		_, err := s.Outcomes.LabelIncident(r.Context(), s.Now(), me.Actor(), n, respond.OutcomeLabel(r.PostFormValue("outcome")), r.PostFormValue("note"))
		return err
	})
}

// labelled is the outcome of a finding with what could be said.
type labelled struct {
	Outcome *respond.Outcome
	Labels  []respond.OutcomeLabel
}

func (s *site) labelled(ctx context.Context, finding int64) *labelled {
	if s.Outcomes == nil {
		return nil
	}
	l := &labelled{Labels: respond.OutcomeLabels}
	if o, err := s.Outcomes.Outcome(ctx, finding); err == nil {
		l.Outcome = &o
	}
	return l
}

type alertReviewView struct {
	Page
	Days  int
	Spans []int
	Lines []alertLine
}

type alertLine struct {
	tune.ReviewedAlert
	Change string // where its proposal is shown
}

func reviewLink(what string, l tune.ReviewedAlert, days int) string {
	return withQuery("/alerts/review/"+what, "alert", l.Name, "severity", string(l.Severity), "days", strconv.Itoa(days))
}

var reviewSpans = []int{7, 30, 90}

func daysOf(r *http.Request) int {
	if n, err := strconv.Atoi(r.FormValue("days")); err == nil && n > 0 && n <= tune.MaxDays {
		return n
	}
	return 30
}

func (s *site) alertReview(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if s.AlertReview == nil {
		return act.ErrNotFound
	}
	v := alertReviewView{Page: s.page(r, me, "Alert review", "alert-review"), Days: daysOf(r), Spans: reviewSpans}
	lines, err := s.AlertReview.Queue(r.Context(), s.Now(), v.Days)
	if err != nil {
		return err
	}
	for _, l := range lines {
		v.Lines = append(v.Lines, alertLine{l, reviewLink("change", l, v.Days)})
	}
	return s.show(w, "alertreview", v)
}

type alertChangeView struct {
	Page
	tune.RuleEdit
	Days            int
	Patch, Backtest string // URLs
	Judge           bool
}

func (s *site) theChange(r *http.Request, me act.Identity, judge bool) (tune.RuleEdit, error) {
	if s.AlertReview == nil {
		return tune.RuleEdit{}, act.ErrNotFound
	}
	return s.AlertReview.Change(r.Context(), s.Now(), daysOf(r), me.Person, r.FormValue("alert"), r.FormValue("severity"), judge)
}

// alertChange shows a proposal as a diff. The replay takes a while: it is asked for.
func (s *site) alertChange(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	v := alertChangeView{Page: s.page(r, me, "Change of "+r.FormValue("alert"), "alert-review"), Days: daysOf(r), Judge: r.FormValue("backtest") != ""}
	var err error
	if v.RuleEdit, err = s.theChange(r, me, v.Judge); err != nil {
		return err
	}
	v.Patch, v.Backtest = reviewLink("patch", v.Line, v.Days), withQuery(reviewLink("change", v.Line, v.Days), "backtest", "yes")
	return s.show(w, "alertchange", v)
}

// alertPatch is the diff as a file, for a workspace that is kept in git.
func (s *site) alertPatch(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	c, err := s.theChange(r, me, false)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/x-diff; charset=utf-8")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, c.Line.Name)
	h.Set("Content-Disposition", `attachment; filename="`+name+`.patch"`)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(c.Diff))
	return nil
}

func (s *site) alertApply(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	if s.AlertReview == nil {
		return act.ErrNotFound
	}
	if _, err := s.AlertReview.Apply(r.Context(), s.Now(), me.Actor(), me.Person, daysOf(r), r.PostFormValue("alert"), r.PostFormValue("severity"), r.PostFormValue("shown")); err != nil {
		return err
	}
	return after(w, r, "/alerts/review?days="+strconv.Itoa(daysOf(r)), "tuned")
}
