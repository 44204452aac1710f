package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/evenkeel/evenkeel/detect/backtest"
	"github.com/evenkeel/evenkeel/respond"
)

// month is how far back a replay goes when nobody says.
const month = 30 * 24 * time.Hour

// replay says what rules would have done here: one at a time, for each takes a core.
func (a *App) replay(ctx context.Context, o backtest.Options) (*backtest.Result, error) {
	select {
	case a.replaying <- struct{}{}:
		defer func() { <-a.replaying }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	oldest := a.metrics.Oldest()
	if oldest == math.MinInt64 {
		oldest = a.metrics.Head().MinTime()
	}
	if oldest == math.MaxInt64 {
		return nil, errors.New("there is no sample yet")
	}
	if o.Workspace != nil && o.Workspace != a.ws() { // one that was sent: today's rota has what people changed
		o.Workspace = a.roster.Over(o.Workspace)
	}
	o.History, o.Oldest, o.Data = a.metrics, time.UnixMilli(oldest), "the samples of this server"
	if o.From.IsZero() {
		o.From = o.To.Add(-month)
		if o.From.Before(o.Oldest) {
			o.From = o.Oldest
		}
	}
	for offset := 0; ; offset += 100 {
		list, err := a.incidents.List(ctx, respond.IncidentFilter{Limit: 100, Offset: offset})
		if err != nil {
			return nil, fmt.Errorf("cannot list incidents: %w", err)
		}
		for _, i := range list {
			if i.Clocks.Detected.Before(o.From.Add(-month)) {
				continue
			}
			o.Incidents = append(o.Incidents, backtest.Incident{
				Number: int64(i.Number), Title: i.Title, Services: i.Services,
				Impact: i.Clocks.Impact, Detected: i.Clocks.Detected, Resolved: i.Clocks.Resolved,
			})
		}
		if len(list) < 100 {
			break
		}
	}
	episodes, err := a.outcomes.Episodes(ctx, o.From, o.To)
	if err != nil {
		return nil, fmt.Errorf("cannot list outcomes: %w", err)
	}
	o.Labelled = Labelled(episodes)
	return backtest.Run(ctx, o)
}

// Labelled are the alerts of which it is known what became of them. A duplicate says
// nothing of its rule: another one had said it already.
func Labelled(episodes []respond.Episode) []backtest.Labelled {
	var out []backtest.Labelled
	for _, e := range episodes {
		if e.Outcome == "" || e.Outcome == respond.Duplicate {
			continue
		}
		labels := maps.Clone(e.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		labels["alertname"] = e.Name
		out = append(out, backtest.Labelled{
			Finding: e.Finding, Alert: e.Name, Service: e.Service, Labels: labels, Opened: e.Opened, Resolved: e.Resolved,
			Outcome: e.Outcome.Words(), Inferred: e.Inferred, Useful: e.Outcome == respond.ActionTaken,
		})
	}
	return out
}
