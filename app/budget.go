package app

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect/budget"
	"github.com/evenkeel/evenkeel/detect/objective"
	"github.com/evenkeel/evenkeel/respond"
)

const (
	budgetsEvery = time.Minute // at most so often are reports recorded
	blamed       = 0.5         // the score from which a suspect is taken for the cause
	mostEvents   = 1000        // incidents or changes of a period that are looked at
)

// budgetReport says how the budget of an objective stands.
func (a *App) budgetReport(ctx context.Context, o *declare.Objective, now time.Time) (*budget.Report, error) {
	return a.budgets.Report(ctx, o, a.ws().Settings.Evaluation.Spacing, now)
}

// keepBudgets records the reports of all objectives, again and again. It takes at most a
// tenth of the time, however many there are.
func (a *App) keepBudgets(ctx context.Context) error {
	door := a.metrics.Guarded("budgets", false)
	last := map[uint64]labels.Labels{}
	wait := time.NewTimer(a.budgetRound(0))
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
		}
		begin := time.Now()
		g := door.Begin(ctx)
		seen := make(map[uint64]labels.Labels, len(last))
		w := a.ws()
		for _, o := range w.Objectives {
			now := time.Now()
			r, err := a.budgetReport(ctx, o, now)
			if ctx.Err() != nil {
				return g.Rollback()
			}
			if err != nil {
				a.o.Logger.Warn("cannot record a budget", "err", err)
				continue
			}
			for _, s := range r.Series(objective.Labels(o, a.teamOf(o.Service))) {
				seen[s.Labels.Hash()] = s.Labels
				// An error is the store's, and Commit returns it.
				_, _ = g.Append(0, s.Labels, 0, now.UnixMilli(), s.Value, nil, nil, storage.AOptions{})
			}
		}
		for hash, ls := range last {
			if _, still := seen[hash]; !still {
				_, _ = g.Append(0, ls, 0, time.Now().UnixMilli(), math.Float64frombits(value.StaleNaN), nil, nil, storage.AOptions{})
			}
		}
		if err := g.Commit(); err != nil {
			a.o.Logger.Error("cannot record budgets", "err", err)
		}
		last = seen
		wait.Reset(max(a.budgetRound(time.Since(begin)), time.Second))
	}
}

// budgetRound is how long to wait for the next round: a short window needs it sooner.
func (a *App) budgetRound(took time.Duration) time.Duration {
	w := a.ws()
	wait := budgetsEvery
	for _, o := range w.Objectives {
		wait = min(wait, o.Window.Length/100)
	}
	return max(wait, 2*w.Settings.Evaluation.Spacing, 9*took)
}

// services are whose incidents are an objective's: its own, and those of a composite's parts.
func services(o *declare.Objective) []declare.ServiceID {
	out := []declare.ServiceID{o.Service}
	for _, p := range o.Parts {
		if !slices.Contains(out, p.Objective.Service) {
			out = append(out, p.Objective.Service)
		}
	}
	return out
}

// needs are the services that an objective depends on, itself left out.
func (a *App) needs(o *declare.Objective) map[declare.ServiceID]bool {
	out := map[declare.ServiceID]bool{}
	w := a.ws()
	for _, s := range services(o) {
		near := w.Distances(s)
		for _, svc := range w.Services {
			if _, known := near[svc.Resource()]; known {
				out[svc.ID] = true
			}
		}
	}
	delete(out, o.Service)
	return out
}

// causes are the incidents of an objective's service and of what it depends on: what the
// incident is, the change that is suspected of it, and the dependency that it came from.
func (a *App) causes(ctx context.Context, o *declare.Objective, from, to time.Time) ([]budget.Cause, error) {
	own, needs := services(o), a.needs(o)
	var out []budget.Cause
	for offset := 0; offset < mostEvents; offset += 100 {
		list, err := a.incidents.List(ctx, respond.IncidentFilter{Limit: 100, Offset: offset})
		if err != nil {
			return nil, fmt.Errorf("cannot list incidents: %w", err)
		}
		for _, i := range list {
			out = append(out, blame(i, own, needs, from, to)...)
		}
		if len(list) < 100 || list[len(list)-1].Clocks.Detected.Before(from.Add(-month)) {
			break
		}
	}
	return out, nil
}

// blame is what one incident says of who spent the budget.
func blame(i respond.Incident, own []declare.ServiceID, needs map[declare.ServiceID]bool, from, to time.Time) []budget.Cause {
	begin, end := i.Clocks.Detected, i.Clocks.Mitigated
	if !i.Clocks.Impact.IsZero() && i.Clocks.Impact.Before(begin) {
		begin = i.Clocks.Impact
	}
	if end.IsZero() {
		end = i.Clocks.Resolved
	}
	if end.IsZero() || end.After(to) {
		end = to
	}
	mine := slices.ContainsFunc(own, func(s declare.ServiceID) bool { return slices.Contains(i.Services, s) })
	origin, suspect := i.Service, culprit(i.Suspects)
	if suspect != nil && suspect.Service != "" {
		origin = suspect.Service
	}
	// What was merged counts as the incident that it went to.
	if i.Status == respond.Merged || !begin.Before(end) || end.Before(from) || !mine && !needs[origin] {
		return nil
	}
	var out []budget.Cause
	add := func(by budget.By, name, title string) {
		out = append(out, budget.Cause{By: by, Name: name, Title: title, From: begin, To: end})
	}
	if mine {
		add(budget.ByIncident, string(i.Number.Ref()), i.Title)
		if suspect != nil && suspect.Change != "" {
			add(budget.ByChange, "change/"+suspect.Change, suspect.Summary)
		}
	}
	if needs[origin] {
		add(budget.ByDependency, "service/"+string(origin), string(origin))
	}
	return out
}

// culprit is the suspect that is taken for the cause: one that somebody has confirmed, or
// else the first that nobody has rejected, when its score is high enough.
func culprit(suspects []respond.Suspect) *respond.Suspect {
	var first *respond.Suspect
	for i := range suspects {
		s := &suspects[i]
		switch {
		case s.Decision != nil && s.Decision.Verdict == respond.Confirmed:
			return s
		case s.Decision != nil && s.Decision.Verdict == respond.Rejected:
		case first == nil && s.Score >= blamed:
			first = s
		}
	}
	return first
}

// changesFor are the changes of an objective's service and of what it depends on. A run
// of a runbook is a remedy.
func (a *App) changesFor(ctx context.Context, o *declare.Objective, from, to time.Time) ([]budget.Change, error) {
	ids := services(o)
	for s := range a.needs(o) {
		if !slices.Contains(ids, s) {
			ids = append(ids, s)
		}
	}
	list, err := a.changes.List(ctx, act.ChangeFilter{Services: ids, From: from, To: to, Limit: mostEvents})
	if err != nil {
		return nil, fmt.Errorf("cannot list changes: %w", err)
	}
	var out []budget.Change
	for _, c := range list {
		if c.Kind != "run" {
			out = append(out, budget.Change{ID: c.ID, Title: c.Summary, Service: c.Service, From: c.StartedAt, To: c.EndedAt})
		}
	}
	return out, nil
}
