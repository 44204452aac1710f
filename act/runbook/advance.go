package runbook

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

const system = journal.Actor("system:act")

// advance does the next thing of a run. more says that there is another.
func (r *Runner) advance(ctx context.Context, id string) (more bool, err error) {
	run, err := r.Get(ctx, id)
	if err != nil {
		return false, err
	}
	switch run.Status {
	case act.RunRunning, act.RunWaiting:
		if run.Fault != "" && run.ShownAt.IsZero() {
			return r.begin(ctx, &run)
		}
		return r.forward(ctx, id, false)
	case act.RunVerifying:
		return r.verify(ctx, &run)
	case act.RunRollingBack:
		return r.forward(ctx, id, true)
	}
	return false, nil
}

// forward finds the next step to run, of the runbook's or of its rollback's.
func (r *Runner) forward(ctx context.Context, id string, rollback bool) (more bool, err error) {
	execute := -1
	run, err := r.change(ctx, id, func(t *turn) error {
		if t.run.Status.Ended() || t.run.Status == act.RunVerifying || (t.run.Status == act.RunRollingBack) != rollback {
			return nil
		}
		now := time.Now()
		for i := range t.run.Steps {
			s := &t.run.Steps[i]
			if s.Rollback != rollback {
				continue
			}
			switch s.Status {
			case act.StepDone, act.StepSkipped:
				continue
			case act.StepFailed, act.StepRefused:
				return t.fail(now, fmt.Sprintf("step %s: %s", s.Name, s.Detail))
			case act.StepInterrupted, act.StepRunning:
				return nil // a person decides; or another goroutine is at it
			}
			if gone, err := t.tokenGone(now); err != nil || gone {
				return err
			}
			allowed, err := t.allowed(now, i)
			if err != nil || !allowed {
				if err == nil && s.Status == act.StepRefused { // its question has expired
					return t.fail(now, fmt.Sprintf("step %s: %s", s.Name, s.Detail))
				}
				return err
			}
			if held, err := t.lock(now, i); err != nil || held {
				return err
			}
			if t.run.Steps[i].Language == "manual" && t.run.Mode == act.ModeDry {
				s.Status, s.StartedAt, s.EndedAt, s.Detail = act.StepDone, now, now, "dry: somebody would do it by hand"
				continue
			}
			if s.Language == "manual" {
				s.Status, s.Attempt, s.StartedAt, s.EndedAt, s.Output, s.Detail = act.StepRunning, s.Attempt+1, now, time.Time{}, "", "waits for somebody to do it and say so"
				t.status(act.RunWaiting, fmt.Sprintf("step %s is done by hand: do it, then say so", s.Name))
				if rollback {
					t.status(act.RunRollingBack, t.run.Reason)
				}
				return t.record(now, t.run.Actor, "run.step.started", fmt.Sprintf("step %s waits to be done by hand", s.Name))
			}
			execute = i
			s.Status, s.Attempt, s.StartedAt, s.EndedAt, s.Output, s.Detail = act.StepRunning, s.Attempt+1, now, time.Time{}, "", ""
			t.status(act.RunRunning, "")
			if rollback {
				t.status(act.RunRollingBack, t.run.Reason)
			}
			return t.record(now, t.run.Actor, "run.step.started", fmt.Sprintf("step %s started", s.Name))
		}
		if rollback {
			return t.end(now, act.RunRolledBack, t.run.Reason)
		}
		return t.finish(now)
	})
	if err != nil {
		return false, err
	}
	if execute < 0 {
		r.substantiate(ctx, &run)
		return !run.Status.Ended() && (run.Status == act.RunVerifying || run.Status == act.RunRollingBack && !rollback), nil
	}
	if run.Mode == act.ModeReal {
		// It has not begun: until the change is on record, it does not.
		if !r.insist(ctx, run.ID, func() error { return r.announce(ctx, &run, execute) }) {
			return false, nil
		}
	}
	r.setBusy(id, true)
	result := r.execute(ctx, &run, execute)
	r.setBusy(id, false)
	if ctx.Err() != nil {
		r.lastWords(ctx, &run, execute, result)
		return false, r.letGo(ctx) // cancelled, which is stored already, or the server stops: recover sees it
	}
	// It has happened: a disk that is full now must not make it happen again.
	over := false
	stored := r.insist(ctx, run.ID, func() error {
		_, err := r.change(ctx, id, func(t *turn) error {
			s := &t.run.Steps[execute]
			if over = s.Status != act.StepRunning; over {
				return nil // cancelled meanwhile
			}
			now := time.Now()
			s.Status, s.Output, s.Detail, s.EndedAt = act.StepDone, result.output, result.detail, now
			if !result.ok {
				s.Status = act.StepFailed
			}
			return t.record(now, system, "run.step.finished", fmt.Sprintf("step %s %s: %s", s.Name, s.Status, result.detail))
		})
		return err
	})
	if over || ctx.Err() != nil {
		r.lastWords(ctx, &run, execute, result)
		return stored, r.letGo(ctx)
	}
	return stored, nil
}

// lastWords stores what a step that was stopped has said until it had ended.
func (r *Runner) lastWords(ctx context.Context, run *act.Run, i int, res result) {
	_, err := r.change(context.WithoutCancel(ctx), run.ID, func(t *turn) error {
		s := &t.run.Steps[i]
		if s.Attempt != run.Steps[i].Attempt || s.Status != act.StepRunning && s.Status != act.StepFailed {
			return nil
		}
		s.Output = res.output
		if s.Status == act.StepFailed { // cancelled; else it is interrupted, which the next start says
			return t.record(time.Now(), system, "run.step.finished", fmt.Sprintf("step %s, which was stopped, has ended: %s", s.Name, res.detail))
		}
		return nil
	})
	if err != nil {
		r.o.Logger.Warn("cannot store what a step has said that was stopped", "run", run.ID, "step", run.Steps[i].Name, "err", err)
	}
}

// insist does something until it works, or the run or the server ends.
func (r *Runner) insist(ctx context.Context, run string, do func() error) bool {
	for {
		err := do()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		r.o.Logger.Error("cannot store what a run has done; trying again", "run", run, "err", err)
		if wait(ctx, poll) != nil {
			return false
		}
	}
}

// finish follows the last step.
func (t *turn) finish(now time.Time) error {
	switch t.run.Mode {
	case act.ModeDry:
		return t.end(now, act.RunDone, "dry run: nothing was altered")
	case act.ModeRehearsal:
		if t.run.Fault == "" {
			return t.end(now, act.RunDone, "rehearsed to the end")
		}
	}
	if t.run.Objective != "" {
		t.status(act.RunVerifying, fmt.Sprintf("waits for %s to be met again", t.run.Objective))
		t.run.VerifyBy = now.Add(t.source().Verify.Within)
		return t.record(now, system, "run.verifying", fmt.Sprintf("every step is done; waiting until %s for %s to be met again", t.run.VerifyBy.UTC().Format("15:04:05"), t.run.Objective))
	}
	for i := len(t.run.Steps) - 1; i >= 0; i-- {
		if s := t.run.Steps[i]; !s.Rollback {
			if s.Language == "promql" && t.step(i).Expect != "" && s.Status == act.StepDone {
				return t.end(now, act.RunVerified, fmt.Sprintf("step %s holds: %s", s.Name, s.Detail))
			}
			break
		}
	}
	return t.end(now, act.RunDone, "every step is done; there was no objective to verify it by")
}

// fail goes to the rollback where there is one and something may have been changed.
func (t *turn) fail(now time.Time, why string) error {
	if t.run.Status == act.RunRollingBack {
		return t.end(now, act.RunFailed, "the rollback failed: "+why)
	}
	changed, undo := false, false
	for _, s := range t.run.Steps {
		changed = changed || (!s.Rollback && t.step(s.Index).Class.Rank() >= declare.Bounded.Rank() && s.Attempt > 0)
		undo = undo || s.Rollback
	}
	if changed && undo && t.run.Mode == act.ModeReal {
		t.status(act.RunRollingBack, why)
		return t.record(now, system, "run.rolling-back", "rolling back: "+why)
	}
	return t.end(now, act.RunFailed, why)
}

// end ends the run and its change.
func (t *turn) end(now time.Time, s act.RunStatus, why string) error {
	t.status(s, why)
	t.run.EndedAt = now
	if err := t.earn(now); err != nil {
		return err
	}
	if err := t.breaker(now); err != nil {
		return err
	}
	kind := journal.Kind("run." + string(s))
	return t.record(now, system, kind, fmt.Sprintf("run of %s %s: %s", t.run.Runbook, s, why))
}

// patience is when a verification gives up: by the clock that does not jump from when this
// process first looked at it, since the one on the wall may be set meanwhile. After a
// restart there is only that one, and never more time than the runbook gives.
func (r *Runner) patience(run *act.Run, now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.until[run.ID]
	if !ok {
		until = now.Add(min(run.VerifyBy.Sub(now), reread(run).Verify.Within))
		r.until[run.ID] = until
	}
	return until
}

// verify asks whether the objective is met again, until it is or time is up.
func (r *Runner) verify(ctx context.Context, run *act.Run) (more bool, err error) {
	recovered, why, err := r.o.Verify(ctx, run.Objective, run.StartedAt)
	if err != nil {
		if ctx.Err() != nil {
			return false, nil
		}
		recovered, why = false, "cannot tell: "+err.Error()
	}
	now := time.Now()
	if !recovered && now.Before(r.patience(run, now)) {
		if wait(ctx, poll) != nil {
			return false, nil
		}
		return true, nil
	}
	r.mu.Lock()
	delete(r.until, run.ID)
	r.mu.Unlock()
	effect := r.effect(ctx, run, now)
	next, err := r.change(ctx, run.ID, func(t *turn) error {
		if t.run.Status != act.RunVerifying {
			return nil
		}
		if t.run.Baseline = effect; effect != "" {
			why += "; " + effect
		}
		if recovered {
			return t.end(now, act.RunVerified, why)
		}
		return t.fail(now, fmt.Sprintf("%s is not met again after %s: %s", run.Objective, t.source().Verify.Within, why))
	})
	return next.Status == act.RunRollingBack, err
}
