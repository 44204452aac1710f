package api

import (
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn/toil"
)

type toilQuery struct {
	From time.Time `query:"from" doc:"30 days before to when absent."`
	To   time.Time `query:"to" doc:"Now when absent."`
}

func (s *server) toil(c *call, q toilQuery) (toil.Report, error) {
	if s.Toil == nil {
		return toil.Report{}, unknown("part", "toil", "This server counts no toil.")
	}
	if q.To.IsZero() {
		q.To = c.now
	}
	if q.From.IsZero() {
		q.From = q.To.AddDate(0, 0, -30)
	}
	if !q.From.Before(q.To) || q.To.Sub(q.From) > 366*24*time.Hour {
		return toil.Report{}, invalid("from", q.From.Format(time.RFC3339), "a time before to, at most a year")
	}
	return s.Toil(c.Context(), q.From, q.To)
}

// NewToil is a line of the log.
type NewToil struct {
	Duration string         `json:"duration" doc:"As 20m; it ends now."`
	Text     string         `json:"text" doc:"What it was."`
	Team     declare.TeamID `json:"team,omitempty" doc:"Your first team when absent."`
}

func (s *server) logToil(c *call, in NewToil) (toil.Entry, error) {
	if s.LogToil == nil {
		return toil.Entry{}, unknown("part", "toil", "This server counts no toil.")
	}
	d, err := model.ParseDuration(in.Duration)
	if err != nil {
		return toil.Entry{}, invalid("duration", in.Duration, "a time as 20m or 1h")
	}
	w := s.Workspace()
	if p := w.Person(c.me.Person); in.Team == "" && p != nil && len(p.Teams) > 0 {
		in.Team = p.Teams[0]
	}
	if w.Team(in.Team) == nil {
		return toil.Entry{}, invalid("team", string(in.Team), "a team of the catalogue")
	}
	return s.LogToil(c.Context(), c.now, c.me.Person, in.Team, time.Duration(d), in.Text)
}
