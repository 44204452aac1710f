package app

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn/toil"
	"github.com/evenkeel/evenkeel/respond"
)

// longest bounds one span of work that is derived: nobody works on one alert for a day.
const longest = 4 * time.Hour

// toil counts what runs, requests that were done by hand, alerts and the log tell of.
func (a *App) toil(ctx context.Context, from, to time.Time) (toil.Report, error) {
	w := a.ws()
	team := func(who declare.PersonID) declare.TeamID {
		if p := w.Person(who); p != nil && len(p.Teams) > 0 {
			return p.Teams[0]
		}
		return ""
	}
	spans, err := toil.NewBook(a.db).Spans(ctx, from, to)
	if err != nil {
		return toil.Report{}, err
	}
	add := func(s toil.Span) {
		if s.Team == "" {
			s.Team = team(s.Person)
		}
		if s.Team != "" && !s.From.IsZero() && s.To.After(s.From) {
			if s.To.Sub(s.From) > longest {
				s.To = s.From.Add(longest)
			}
			spans = append(spans, s)
		}
	}
	runs, err := a.runs.List(ctx, act.RunFilter{Limit: 10_000})
	if err != nil {
		return toil.Report{}, err
	}
	for _, r := range runs {
		if r.StartedAt.Before(to) && r.EndedAt.After(from) {
			add(toil.Span{Person: declare.PersonID(r.Actor.Name()), From: r.StartedAt, To: r.EndedAt, Task: "runbook " + r.Runbook, Source: "run", Known: true})
		}
	}
	requests, err := a.requestsIn(ctx, from.AddDate(0, 0, -30), to)
	if err != nil {
		return toil.Report{}, err
	}
	for _, r := range requests {
		// What a run fulfilled is counted by the run; by hand it took from the decision on.
		if r.Status == act.RequestDone && r.Run == "" && r.Change == "" {
			add(toil.Span{Person: r.DecidedBy, From: r.DecidedAt, To: r.DoneAt, Task: "request " + r.Item, Source: "request"})
		}
	}
	incidents, err := a.incidents.List(ctx, respond.IncidentFilter{Limit: 10_000})
	if err != nil {
		return toil.Report{}, err
	}
	for _, i := range incidents {
		end := i.Clocks.Mitigated
		if end.IsZero() {
			end = i.Clocks.Resolved
		}
		if i.Assignee != "" && !end.IsZero() {
			add(toil.Span{Person: i.Assignee, From: i.Clocks.Acknowledged, To: end, Task: "alert on " + string(i.Service), Source: "alert"})
		}
	}
	return toil.Make(spans, from, to, func(t declare.TeamID) int {
		if team := w.Team(t); team != nil {
			return len(team.Members)
		}
		return 0
	}), nil
}

// logToil writes a line of the log.
func (a *App) logToil(ctx context.Context, now time.Time, who declare.PersonID, team declare.TeamID, d time.Duration, text string) (toil.Entry, error) {
	return toil.NewBook(a.db).Log(ctx, now, who, team, d, text)
}
