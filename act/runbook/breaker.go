package runbook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// How many runs in a row, within what time, may fail to help before nobody runs the
// runbook on that service any more without looking.
const (
	tripAfter  = 3
	tripWithin = 24 * time.Hour
)

// How an effect begins where it is stored.
const (
	helped      = "helped: "
	ineffective = "ineffective: "
)

// effect measures what a run has done to its objective.
func (r *Runner) effect(ctx context.Context, run *act.Run, now time.Time) string {
	if r.o.Burn == nil || run.Objective == "" {
		return ""
	}
	before, err := r.o.Burn(ctx, run.Objective, run.StartedAt.Add(-30*time.Minute), run.StartedAt)
	if err != nil {
		return "cannot tell what it did: " + err.Error()
	}
	ended := run.StartedAt
	for _, s := range run.Steps {
		if s.EndedAt.After(ended) {
			ended = s.EndedAt
		}
	}
	after, err := r.o.Burn(ctx, run.Objective, ended, now)
	if err != nil {
		return "cannot tell what it did: " + err.Error()
	}
	e := Judge(before, after, now)
	switch {
	case !e.Known:
		return e.Why
	case e.Helped:
		return helped + e.Why
	}
	return ineffective + e.Why
}

// breaker trips when run after run has not helped.
func (t *turn) breaker(now time.Time) error {
	run := t.run
	if run.Mode != act.ModeReal || run.Objective == "" || !without(run.Status, run.Baseline) {
		return nil
	}
	rows, err := t.tx.QueryContext(t.ctx, `SELECT status, evidence FROM runs WHERE runbook = ? AND service = ? AND mode = '' AND objective != '' AND id != ? AND ended_ms > ?
		AND ended_ms > coalesce((SELECT max(closed_ms) FROM runbook_breakers WHERE runbook = runs.runbook AND service = runs.service), 0)
		ORDER BY ended_ms DESC LIMIT ?`, run.Runbook, run.Service, run.ID, state.Millis(now.Add(-tripWithin)), tripAfter-1)
	if err != nil {
		return fmt.Errorf("cannot look at the last runs: %w", err)
	}
	defer rows.Close()
	n := 1
	for rows.Next() {
		var status act.RunStatus
		var evidence string
		if err := rows.Scan(&status, &evidence); err != nil {
			return fmt.Errorf("cannot look at the last runs: %w", err)
		}
		if !without(status, evidence) {
			return nil
		}
		n++
	}
	if err := rows.Err(); err != nil || n < tripAfter {
		return err
	}
	why := fmt.Sprintf("%d runs of %s on %s in a row have not helped: a person has to look", n, run.Runbook, run.Service)
	if _, err := t.tx.ExecContext(t.ctx, `INSERT INTO runbook_breakers (runbook, service, run, why, opened_ms) VALUES (?,?,?,?,?)`, run.Runbook, run.Service, run.ID, why, state.Millis(now)); err != nil {
		return fmt.Errorf("cannot trip the breaker: %w", err)
	}
	t.tripped = true
	return t.record(now, system, "runbook.breaker.tripped", why)
}

// without says whether a run ended without having helped.
func without(s act.RunStatus, evidence string) bool {
	return s == act.RunRolledBack || s == act.RunFailed || strings.HasPrefix(evidence, ineffective)
}

// Breaker is open where a runbook has not helped a service run after run.
type Breaker struct {
	Runbook  string            `json:"runbook"`
	Service  declare.ServiceID `json:"service"`
	Run      string            `json:"run"` // the last of them
	Why      string            `json:"why"`
	OpenedAt time.Time         `json:"opened_at"`
}

// Breakers are those that are open.
func (r *Runner) Breakers(ctx context.Context) ([]Breaker, error) {
	rows, err := r.o.DB.Read().QueryContext(ctx, `SELECT runbook, service, run, why, opened_ms FROM runbook_breakers WHERE closed_ms = 0 ORDER BY opened_ms DESC`)
	if err != nil {
		return nil, fmt.Errorf("cannot list breakers: %w", err)
	}
	defer rows.Close()
	var out []Breaker
	for rows.Next() {
		var b Breaker
		var at int64
		if err := rows.Scan(&b.Runbook, &b.Service, &b.Run, &b.Why, &at); err != nil {
			return nil, fmt.Errorf("cannot list breakers: %w", err)
		}
		b.OpenedAt = state.Time(at)
		out = append(out, b)
	}
	return out, rows.Err()
}

// openBreaker refuses a run whose breaker is open.
func (r *Runner) openBreaker(ctx context.Context, run *act.Run) error {
	var why string
	err := r.o.DB.Read().QueryRowContext(ctx, `SELECT why FROM runbook_breakers WHERE runbook = ? AND service = ? AND closed_ms = 0`, run.Runbook, run.Service).Scan(&why)
	if errors.Is(err, sql.ErrNoRows) || run.Mode != act.ModeReal {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at the breaker: %w", err)
	}
	return &act.ConflictError{Why: why + "; somebody of L3 or above closes the breaker (evenkeel runbook reset " + run.Runbook + ")"}
}

// CloseBreaker lets a runbook run again, once a person of L3 or above has looked.
func (r *Runner) CloseBreaker(ctx context.Context, now time.Time, who declare.PersonID, book, why string) error {
	if why = strings.TrimSpace(why); why == "" || len(why) > 2_000 {
		return &act.InvalidError{Field: "why", Want: "what was found, in at most 2000 characters"}
	}
	if p := r.person(ctx, who, now); p.Level.Rank < declare.Senior && !p.Level.Leader {
		return &act.DeniedError{Why: fmt.Sprintf("%s is of L%d: closing a breaker takes somebody of L3 or above", who, p.Level.Rank)}
	}
	return r.o.DB.Update(ctx, func(tx *state.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE runbook_breakers SET closed_ms = ?, closed_by = ? WHERE runbook = ? AND closed_ms = 0`, state.Millis(now), journal.Person(string(who)), book)
		if err != nil {
			return fmt.Errorf("cannot close the breaker of %q: %w", book, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(act.ErrNotFound, err)
		}
		_, err = tx.Record(journal.Fact{At: now, Kind: "runbook.breaker.closed", Actor: journal.Person(string(who)), Subject: journal.MakeRef("runbook", book), Text: fmt.Sprintf("%s lets %s run again: %s", who, book, why)})
		return err
	})
}
