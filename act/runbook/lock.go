package runbook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/state"
)

// resources are what a run alters: the services that it touches, and what the runbook
// names as its locks.
func resources(book *declare.Runbook, params map[string]string) []string {
	var out []string
	for _, s := range services(book, params) {
		out = append(out, "component/default/"+string(s))
	}
	for _, l := range book.Locks {
		out = append(out, fillPlain(l, params))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// lock takes everything that a run alters, all of it or nothing, before its first step
// that alters something: so no two runs wait for each other. held says that the run has
// to wait.
func (t *turn) lock(now time.Time, i int) (held bool, err error) {
	if t.run.Mode != act.ModeReal || t.step(i).Class.Rank() < declare.Bounded.Rank() {
		return false, nil
	}
	family, err := t.family()
	if err != nil {
		return false, err
	}
	need := resources(t.source(), t.run.Params)
	for _, res := range need {
		var by string
		err := t.tx.QueryRowContext(t.ctx, `SELECT run FROM resource_locks WHERE resource = ?`, res).Scan(&by)
		if errors.Is(err, sql.ErrNoRows) || (err == nil && slices.Contains(family, by)) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("cannot look at lock %q: %w", res, err)
		}
		why := fmt.Sprintf("step %s waits for %s, which run %s is altering", t.run.Steps[i].Name, res, by)
		if t.run.Status == act.RunRollingBack || t.run.Reason == why {
			return true, nil
		}
		t.status(act.RunWaiting, why)
		return true, t.record(now, system, "run.locked-out", why)
	}
	for _, res := range need {
		if _, err := t.tx.ExecContext(t.ctx, `INSERT INTO resource_locks (resource, run, since_ms) VALUES (?,?,?) ON CONFLICT (resource) DO NOTHING`, res, t.run.ID, state.Millis(now)); err != nil {
			return false, fmt.Errorf("cannot lock %q: %w", res, err)
		}
	}
	return false, nil
}

// family is the run and those that it is a step of: they hold their locks together.
func (t *turn) family() ([]string, error) {
	out := []string{t.run.ID}
	for parent := t.run.Parent; parent != "" && len(out) < 20; {
		out = append(out, parent)
		if err := t.tx.QueryRowContext(t.ctx, `SELECT parent FROM runs WHERE id = ?`, parent).Scan(&parent); err != nil {
			return nil, fmt.Errorf("cannot find run %q: %w", parent, err)
		}
	}
	return out, nil
}

func (t *turn) unlock() error {
	if _, err := t.tx.ExecContext(t.ctx, `DELETE FROM resource_locks WHERE run = ?`, t.run.ID); err != nil {
		return fmt.Errorf("cannot unlock what run %q held: %w", t.run.ID, err)
	}
	return nil
}

func (r *Runner) setBusy(id string, is bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.busy, id); is {
		r.busy[id] = true
	}
}

func (r *Runner) isBusy(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.busy[id]
}

// letGo gives up the locks of runs that have ended, but of those that were cancelled in
// the middle of a step whose processes have not ended yet: nobody else alters what they
// may alter still.
func (r *Runner) letGo(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	freed := false
	err := r.o.DB.Update(ctx, func(tx *state.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT DISTINCT run FROM resource_locks WHERE run NOT IN (SELECT id FROM runs WHERE ended_ms = 0)`)
		if err != nil {
			return err
		}
		defer rows.Close()
		var over []string
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			if !r.isBusy(id) {
				over = append(over, id)
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, id := range over {
			if _, err := tx.ExecContext(ctx, `DELETE FROM resource_locks WHERE run = ?`, id); err != nil {
				return err
			}
			freed = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot unlock what runs held that have ended: %w", err)
	}
	if freed {
		r.kickWaiting(ctx)
	}
	return nil
}

func loadLocks(ctx context.Context, q querier, run *act.Run) error {
	if run.Status.Ended() {
		return nil
	}
	rows, err := q.QueryContext(ctx, `SELECT resource FROM resource_locks WHERE run = ? ORDER BY resource`, run.ID)
	if err != nil {
		return fmt.Errorf("cannot read locks: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return fmt.Errorf("cannot read locks: %w", err)
		}
		run.Locks = append(run.Locks, s)
	}
	return rows.Err()
}

// kickWaiting has another look at every run that waits: for a lock, for an answer that
// may have come or expired, with a token that may have ended.
func (r *Runner) kickWaiting(ctx context.Context) {
	rows, err := r.o.DB.Read().QueryContext(ctx, `SELECT id FROM runs WHERE status IN ('running','waiting','rolling-back')`)
	if err != nil {
		return // the next time will do
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if rows.Scan(&id) == nil {
			r.kick(id)
		}
	}
	_ = rows.Err()
}
