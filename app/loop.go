package app

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/objective"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/learn/review"
	"github.com/evenkeel/evenkeel/respond"
)

// take carries findings from detect to respond: their incident first, so that the
// message can name it and its suspects.
func (a *App) take(ctx context.Context, findings []detect.Finding) error {
	now := time.Now()
	out, err := a.incidents.Take(ctx, now, findings, a.alerts.Muter(ctx, now, findings))
	if err != nil {
		return err
	}
	a.findings.Attached(out)
	return a.alerts.Send(ctx, now, out)
}

// onset dates the impact of a finding back.
func (a *App) onset(ctx context.Context, f detect.Finding) (time.Time, string) {
	w := a.ws()
	o := w.Objective(f.Objective)
	if o == nil {
		return time.Time{}, ""
	}
	at, how, err := objective.Onset(ctx, a.engine.Range, o, w.Settings.Evaluation.Spacing, f.OpenedAt)
	if err != nil {
		a.o.Logger.Error("cannot date the impact back", "finding", f.ID, "err", err)
		return time.Time{}, ""
	}
	return at, how
}

// onChange looks at the active incidents again: a change may be reported late.
func (a *App) onChange(ctx context.Context, c act.Change) {
	active, err := a.incidents.List(ctx, respond.IncidentFilter{Active: true})
	for _, i := range active {
		if c.StartedAt.Before(i.Clocks.Detected) && err == nil {
			err = a.incidents.RefreshSuspects(ctx, time.Now(), i.Number)
		}
	}
	if err != nil {
		a.o.Logger.Error("cannot rank suspects again", "change", c.ID, "err", err)
	}
}

// objectiveOf is the objective that paged an incident.
func (a *App) objectiveOf(ctx context.Context, n int64) (declare.ObjectiveName, error) {
	found, _, err := a.findings.List(ctx, detect.Filter{Incident: n, Severity: detect.Page})
	if err != nil {
		return "", err
	}
	for i := len(found) - 1; i >= 0; i-- { // the first one that paged
		if found[i].Objective != "" {
			return found[i].Objective, nil
		}
	}
	return "", nil
}

// values evaluates for runbooks.
func (a *App) values(ctx context.Context, expr string, at time.Time) ([]runbook.Value, error) {
	v, err := a.engine.Query(ctx, expr, at)
	if err != nil {
		return nil, err
	}
	out := make([]runbook.Value, len(v))
	for i, s := range v {
		out[i] = runbook.Value{Labels: s.Metric.String(), Value: s.F}
	}
	return out, nil
}

// recovered says whether an objective is met again: nothing of it pages any more, and
// its budget burns no faster than it may right now.
func (a *App) recovered(ctx context.Context, name declare.ObjectiveName, _ time.Time) (bool, string, error) {
	w := a.ws()
	o := w.Objective(name)
	if o == nil {
		return false, "", fmt.Errorf("objective %q is not declared any more", name)
	}
	for _, f := range a.findings.OpenFindings(detect.DetectorObjective) {
		if f.Objective == name && f.Severity == detect.Page {
			return false, fmt.Sprintf("finding %d still pages", f.ID), nil
		}
	}
	v, err := a.engine.Query(ctx, objective.Expressions(o, w.Settings.Evaluation.Spacing).BurnRate, time.Now())
	if err != nil {
		return false, "", err
	}
	if len(v) == 0 || math.IsNaN(v[0].F) {
		return false, "there is no traffic to judge by", nil
	}
	if v[0].F > 1 {
		return false, fmt.Sprintf("the budget burns %.1f times too fast", v[0].F), nil
	}
	return true, fmt.Sprintf("%s is met again: nothing pages, and the budget burns at %.2f of what it may", name, v[0].F), nil
}

// impact measures what users suffered between two times.
func (a *App) impact(ctx context.Context, f detect.Finding, from, to time.Time) (review.Impact, error) {
	im := review.Impact{Objective: string(f.Objective), Spent: -1, Bad: -1, All: -1}
	o := a.ws().Objective(f.Objective)
	if o == nil {
		return im, nil
	}
	ask := func(expr string) (float64, error) {
		if expr == "" {
			return -1, nil
		}
		v, err := a.engine.Query(ctx, expr, to)
		if err != nil || len(v) == 0 || math.IsNaN(v[0].F) {
			return -1, err
		}
		return v[0].F, nil
	}
	ratio, badEvents, allEvents := objective.Spent(o, from, to)
	_, _, period := objective.Spent(o, to.Add(-o.Window.Length), to)
	var err error
	var share, all float64
	for expr, into := range map[string]*float64{ratio: &share, badEvents: &im.Bad, allEvents: &im.All, period: &all} {
		if expr == "" {
			continue
		}
		if *into, err = ask(expr); err != nil {
			return im, err
		}
	}
	switch {
	case im.Bad >= 0 && all > 0:
		im.Spent = im.Bad / (o.Budget() * all)
	case share >= 0 && badEvents == "":
		im.Spent = share * to.Sub(from).Seconds() / (o.Budget() * o.Window.Length.Seconds())
	}
	return im, nil
}

// Silence silences what has all these labels.
func (a *App) Silence(ctx context.Context, now time.Time, actor journal.Actor, labels map[string]string, d time.Duration, why string) error {
	var matchers []string
	for k, v := range labels {
		matchers = append(matchers, fmt.Sprintf("%s=%q", k, v))
	}
	_, err := a.alerts.AddSilence(ctx, now, actor, matchers, d, why)
	return err
}
