package runbook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// turn is one transaction on one run.
type turn struct {
	ctx  context.Context //nolint:containedctx // lives as long as the transaction
	r    *Runner
	tx   *state.Tx
	run  *act.Run
	book *declare.Runbook
	// tripped says that a breaker has been tripped here: a person is called once it is
	// committed.
	tripped bool
}

// change runs fn on a run in one transaction and stores what it made of it.
func (r *Runner) change(ctx context.Context, id string, fn func(t *turn) error) (act.Run, error) {
	var run act.Run
	ended, tripped := false, false
	var asked map[int64]bool
	err := r.o.DB.Update(ctx, func(tx *state.Tx) error {
		var err error
		if run, err = load(ctx, tx, id); err != nil {
			return err
		}
		before := run.Status
		asked = open(&run)
		t := &turn{ctx: ctx, r: r, tx: tx, run: &run}
		if err := fn(t); err != nil {
			return err
		}
		ended, tripped = run.Status.Ended() && !before.Ended(), t.tripped
		if ended && !r.isBusy(id) { // else its locks hold until what it is doing has ended, see letGo
			if err := t.unlock(); err != nil {
				return err
			}
		}
		return t.save()
	})
	if err == nil {
		r.numbers.count(asked, &run, ended)
	}
	if err == nil && ended {
		r.closeChange(ctx, &run)
		r.afterwards(run)
		r.kickWaiting(ctx)
		if tripped && r.o.Tripped != nil {
			r.o.Tripped(ctx)
		}
	}
	return run, err
}

// source is the runbook as it was when the run began.
func (t *turn) source() *declare.Runbook {
	if t.book == nil {
		t.book = reread(t.run)
	}
	return t.book
}

func (t *turn) step(i int) *declare.Step { return &t.source().Steps[i] }

func (t *turn) status(s act.RunStatus, why string) { t.run.Status, t.run.Reason = s, why }

// record writes a fact on the run, on its incident's and its service's timelines too.
func (t *turn) record(now time.Time, actor journal.Actor, kind journal.Kind, text string) error {
	_, err := t.tx.Record(journal.Fact{At: now, Kind: kind, Actor: actor, Cause: t.run.Fact, Subject: t.run.Ref(), Refs: refs(t.run), Text: text})
	return err
}

func refs(run *act.Run) []journal.Ref {
	var out []journal.Ref
	if run.Incident != 0 {
		out = append(out, journal.MakeRef("incident", fmt.Sprint(run.Incident)))
	}
	if run.Service != "" {
		out = append(out, journal.MakeRef("service", string(run.Service)))
	}
	return out
}

func (t *turn) save() error {
	run := t.run
	if _, err := t.tx.ExecContext(t.ctx, `UPDATE runs SET status=?, reason=?, ended_ms=?, verify_ms=?, taken_by=?, break_glass=?, minutes=?, evidence=?, fault_ms=?, shown_ms=? WHERE id=?`,
		run.Status, run.Reason, state.Millis(run.EndedAt), state.Millis(run.VerifyBy), run.TakenBy, run.BreakGlass, run.Minutes, run.Baseline, state.Millis(run.FaultAt), state.Millis(run.ShownAt), run.ID); err != nil {
		return fmt.Errorf("cannot store run %q: %w", run.ID, err)
	}
	for i := range run.Steps {
		s := &run.Steps[i]
		if _, err := t.tx.ExecContext(t.ctx, `UPDATE run_steps SET status=?, attempt=?, output=?, detail=?, started_ms=?, ended_ms=? WHERE run=? AND idx=?`,
			s.Status, s.Attempt, s.Output, s.Detail, state.Millis(s.StartedAt), state.Millis(s.EndedAt), run.ID, s.Index); err != nil {
			return fmt.Errorf("cannot store step %d of run %q: %w", i, run.ID, err)
		}
	}
	return nil
}

// shownHash names what an approver saw: change the body or a parameter, and it is
// another.
func shownHash(s *act.RunStep) string {
	h := sha256.Sum256([]byte(s.Language + "\x00" + s.Body + "\x00" + s.Shown))
	return hex.EncodeToString(h[:])
}

// announce records the run as a change, before its first step that may alter anything.
func (r *Runner) announce(ctx context.Context, run *act.Run, step int) error {
	if run.Change != "" || run.Steps[step].Class.Rank() < declare.Bounded.Rank() {
		return nil
	}
	c := act.Change{
		ID: "run:" + run.ID, Kind: "run", Summary: fmt.Sprintf("runbook %s", run.Title), Service: run.Service, Actor: run.Actor.Name(),
		Source: "run", Run: run.ID, StartedAt: time.Now(),
	}
	if c.Service == "" {
		c.Resources = []string{"runbook/default/" + run.Runbook}
	}
	c, err := r.o.Changes.Record(ctx, time.Now(), run.Actor, c)
	if err != nil {
		return fmt.Errorf("cannot record run %q as a change: %w", run.ID, err)
	}
	run.Change = c.ID
	return r.o.DB.Update(ctx, func(tx *state.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE runs SET change_id = ? WHERE id = ?`, c.ID, run.ID)
		return err
	})
}

// closeChange tells the change how the run ended.
func (r *Runner) closeChange(ctx context.Context, run *act.Run) {
	if run.Change == "" {
		return
	}
	verdict := map[act.RunStatus]string{act.RunVerified: "verified", act.RunRolledBack: "rolled-back", act.RunFailed: "failed", act.RunCancelled: "failed"}[run.Status]
	c, err := r.o.Changes.Get(ctx, run.Change)
	if err == nil {
		c.EndedAt, c.Verdict = run.EndedAt, verdict
		if c.EndedAt.Before(c.StartedAt) { // the clock was set back meanwhile
			c.EndedAt = c.StartedAt
		}
		_, err = r.o.Changes.Record(ctx, c.EndedAt, system, c)
	}
	if err != nil {
		r.o.Logger.Error("cannot end a run's change", "run", run.ID, "err", err)
	}
}
