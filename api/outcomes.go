package api

import (
	"context"
	"net/http"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/learn/tune"
	"github.com/evenkeel/evenkeel/respond"
)

// AlertReview is what the API does with the alert review; *tune.Review is one.
type AlertReview interface {
	Queue(ctx context.Context, now time.Time, days int) ([]tune.ReviewedAlert, error)
	Change(ctx context.Context, now time.Time, days int, person declare.PersonID, name, severity string, judge bool) (tune.RuleEdit, error)
	Apply(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, days int, name, severity, shown string) (tune.RuleEdit, error)
}

// outcomeRoutes are what became of findings, and what is learned from it.
func (s *server) outcomeRoutes() []route {
	return []route{
		get("/findings/{finding}/outcome", "What became of a finding.", s.outcome),
		send(put, "/findings/{finding}/outcome", "Say what became of a finding.", ok, s.setOutcome),
		send(put, "/incidents/{incident}/outcome", "Say what became of all findings of an incident that nobody has judged yet.", ok, s.setOutcomes),
		get("/outcomes", "Episodes that somebody was told of, with what became of them, oldest first.", s.episodes),
		get("/alert-review", "How good each alert is, the worst first, with what could be changed.", s.alertReview),
		get("/alert-review/change", "A proposal as an edit of its rule file, with its backtest.", s.alertChange),
		send(post, "/alert-review/apply", "Write an edit that was shown into the workspace.", ok, s.alertApply),
	}
}

func unavailable(what string) error {
	return &httpError{http.StatusNotFound, Error{Code: "not_found", Message: "this server keeps no " + what}}
}

func (s *server) outcome(c *call, _ none) (respond.Outcome, error) {
	id, err := c.number("finding")
	if err != nil {
		return respond.Outcome{}, err
	}
	if s.Outcomes == nil {
		return respond.Outcome{}, unavailable("outcomes")
	}
	return s.Outcomes.Outcome(c.Context(), id)
}

// OutcomeGiven is a person's word on findings.
type OutcomeGiven struct {
	Outcome respond.OutcomeLabel `json:"outcome" doc:"action, no_action, duplicate, false or maintenance."`
	Note    string               `json:"note,omitempty"`
}

func (s *server) setOutcome(c *call, in OutcomeGiven) (respond.Outcome, error) {
	id, err := c.number("finding")
	if err != nil {
		return respond.Outcome{}, err
	}
	if s.Outcomes == nil {
		return respond.Outcome{}, unavailable("outcomes")
	}
	return s.Outcomes.Label(c.Context(), c.now, c.me.Actor(), id, in.Outcome, in.Note)
}

// OutcomesGiven is how many findings got an outcome.
type OutcomesGiven struct {
	Findings int `json:"findings"`
}

func (s *server) setOutcomes(c *call, in OutcomeGiven) (OutcomesGiven, error) {
	n, err := c.number("incident")
	if err != nil {
		return OutcomesGiven{}, err
	}
	if s.Outcomes == nil {
		return OutcomesGiven{}, unavailable("outcomes")
	}
	count, err := s.Outcomes.LabelIncident(c.Context(), c.now, c.me.Actor(), respond.Number(n), in.Outcome, in.Note)
	return OutcomesGiven{count}, err
}

type episodesQuery struct {
	From time.Time `query:"from" doc:"Default: 30 days ago."`
	To   time.Time `query:"to" doc:"Default: now."`
}

func (s *server) episodes(c *call, q episodesQuery) (List[respond.Episode], error) {
	if s.Outcomes == nil {
		return List[respond.Episode]{}, unavailable("outcomes")
	}
	if q.To.IsZero() {
		q.To = c.now.Add(time.Second)
	}
	if q.From.IsZero() {
		q.From = q.To.AddDate(0, 0, -30)
	}
	all, err := s.Outcomes.Episodes(c.Context(), q.From, q.To)
	return listOf(all), err
}

type alertReviewQuery struct {
	Days int `query:"days" doc:"How far back; default 30."`
}

func (q alertReviewQuery) days() int {
	if q.Days == 0 {
		return 30
	}
	return q.Days
}

func (s *server) alertReview(c *call, q alertReviewQuery) (List[tune.ReviewedAlert], error) {
	if s.AlertReview == nil {
		return List[tune.ReviewedAlert]{}, unavailable("alert review")
	}
	all, err := s.AlertReview.Queue(c.Context(), c.now, q.days())
	return listOf(all), err
}

type alertChangeQuery struct {
	Alert    string          `query:"alert" doc:"Name of the alert."`
	Severity detect.Severity `query:"severity" doc:"Default: page."`
	Backtest bool            `query:"backtest" doc:"Replay the samples under both."`
	alertReviewQuery
}

func orPage(s detect.Severity) string {
	if s == "" {
		return string(detect.Page)
	}
	return string(s)
}

func (s *server) alertChange(c *call, q alertChangeQuery) (tune.RuleEdit, error) {
	if s.AlertReview == nil {
		return tune.RuleEdit{}, unavailable("alert review")
	}
	return s.AlertReview.Change(c.Context(), c.now, q.days(), c.me.Person, q.Alert, orPage(q.Severity), q.Backtest)
}

// Applying names an edit that was shown.
type Applying struct {
	Alert    string          `json:"alert"`
	Severity detect.Severity `json:"severity,omitempty" doc:"Default: page."`
	Days     int             `json:"days,omitempty" doc:"As when it was shown; default 30."`
	Shown    string          `json:"shown" doc:"Of the change that was shown."`
}

func (s *server) alertApply(c *call, in Applying) (tune.RuleEdit, error) {
	if s.AlertReview == nil {
		return tune.RuleEdit{}, unavailable("alert review")
	}
	return s.AlertReview.Apply(c.Context(), c.now, c.me.Actor(), c.me.Person, alertReviewQuery{in.Days}.days(), in.Alert, orPage(in.Severity), in.Shown)
}
