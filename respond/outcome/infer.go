package outcome

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

const (
	// soon is within what time an act counts as an answer to a finding.
	soon = time.Hour
	// every is how often outcomes are inferred, and atOnce how many at once.
	every  = time.Minute
	atOnce = 500
)

// act is something that was done after a finding had opened.
type act struct {
	At   time.Time
	What string // as: run r-1 of drain
}

// infer says that action was taken where an act followed within the hour. It says
// nothing where none did: that nobody did anything does not mean that nothing was to
// be done.
func infer(e respond.Episode, acts []act, now time.Time) (respond.Outcome, bool) {
	if e.Outcome != "" {
		return respond.Outcome{}, false
	}
	var first *act
	for i, a := range acts {
		if a.At.Before(e.Opened) || a.At.Sub(e.Opened) > soon {
			continue
		}
		if first == nil || a.At.Before(first.At) {
			first = &acts[i]
		}
	}
	if first == nil {
		return respond.Outcome{}, false
	}
	after := first.At.Sub(e.Opened).Round(time.Second)
	return respond.Outcome{
		Finding: e.Finding, Outcome: respond.ActionTaken, Inferred: true, Note: fmt.Sprintf("%s followed after %s", first.What, after),
		By: journal.System("respond"), At: now.UTC().Truncate(time.Millisecond),
	}, true
}

// Run infers outcomes until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if _, err := b.Infer(ctx, time.Now()); err != nil && ctx.Err() == nil {
				b.log.Error("cannot infer outcomes", "err", err)
			}
		}
	}
}

// Infer looks at what opened lately and has no outcome yet. It returns how many it has
// given one.
func (b *Book) Infer(ctx context.Context, now time.Time) (int, error) {
	// An act is looked for until a while after the hour: it may be reported late.
	open, err := episodes(ctx, b.db.Read(), `f.opened_ms >= ? AND f.opened_ms < ? AND o.finding IS NULL ORDER BY f.id DESC LIMIT ?`,
		state.Millis(now.Add(-2*soon)), state.Millis(now), atOnce)
	if err != nil {
		return 0, err
	}
	var found []respond.Outcome
	for _, e := range open {
		acts, err := b.acts(ctx, e)
		if err != nil {
			return 0, err
		}
		if o, ok := infer(e, acts, now); ok {
			found = append(found, o)
		}
	}
	if len(found) == 0 {
		return 0, nil
	}
	count := 0
	return count, b.db.Update(ctx, func(tx *state.Tx) error {
		count = 0
		for _, o := range found {
			if _, err := read(ctx, tx, o.Finding); err == nil {
				continue // a person was faster
			}
			if err := write(ctx, tx, o); err != nil {
				return err
			}
			count++
		}
		return nil
	})
}

// acts are what may be an answer to an episode: a run for its incident or on its
// service, a change of its service, an incident of another alert that opened on its
// service after it, and what a person did to end its own one. An incident of the same
// alert is none: one that flaps would be its own answer.
func (b *Book) acts(ctx context.Context, e respond.Episode) (out []act, err error) {
	from, to := state.Millis(e.Opened), state.Millis(e.Opened.Add(soon))
	rows, err := b.db.Read().QueryContext(ctx, `
		SELECT 'run ' || id || ' of ' || runbook, started_ms FROM runs WHERE started_ms BETWEEN ?1 AND ?2 AND (service = ?3 AND service != '' OR incident = ?4 AND incident > 0)
		UNION ALL SELECT 'change ' || id, started_ms FROM changes WHERE started_ms BETWEEN ?1 AND ?2 AND service = ?3 AND service != '' AND run = ''
		UNION ALL SELECT 'incident ' || number, detected_ms FROM incidents WHERE detected_ms > ?1 AND detected_ms <= ?2 AND service = ?3 AND service != '' AND number != ?4
			AND EXISTS (SELECT 1 FROM findings x WHERE x.incident = incidents.number AND (x.name != ?6 OR x.objective != ?7))
		UNION ALL SELECT 'the mitigation by ' || replace(f.actor, 'person:', ''), f.at_ms FROM fact_refs r JOIN facts f ON f.id = r.fact_id
			WHERE ?4 > 0 AND r.ref = ?5 AND f.subject = ?5 AND f.kind = 'incident.mitigated' AND substr(f.actor, 1, 7) = 'person:' AND f.at_ms BETWEEN ?1 AND ?2
		ORDER BY 2 LIMIT 20`, from, to, e.Service, e.Incident, e.Incident.Ref(), e.Name, e.Objective)
	if err != nil {
		return nil, fmt.Errorf("cannot look for what followed finding %d: %w", e.Finding, err)
	}
	defer rows.Close()
	for rows.Next() {
		var a act
		var at int64
		if err := rows.Scan(&a.What, &at); err != nil {
			return nil, err
		}
		a.At = state.Time(at)
		out = append(out, a)
	}
	return out, rows.Err()
}
