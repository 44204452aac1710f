package runbook

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	parse "github.com/evenkeel/evenkeel/declare/runbook"
	"github.com/evenkeel/evenkeel/journal"
)

// startable refuses what could only end in a run that cannot go on.
func (r *Runner) startable(ctx context.Context, now time.Time, who declare.PersonID, run *act.Run) error {
	switch run.Mode {
	case act.ModeReal, act.ModeDry, act.ModeRehearsal:
	default:
		return &act.InvalidError{Field: "mode", Got: string(run.Mode), Want: "dry, rehearsal, or nothing for a real run"}
	}
	if run.BreakGlass != "" {
		p := r.person(ctx, who, now)
		switch {
		case len(run.BreakGlass) > 2_000:
			return &act.InvalidError{Field: "break_glass", Want: "a reason of at most 2000 characters"}
		case run.Mode != act.ModeReal:
			return &act.InvalidError{Field: "break_glass", Want: "no broken glass where nothing is altered"}
		case !p.Level.BreakGlass:
			return &act.DeniedError{Why: fmt.Sprintf("%s is of level %s, which may not break the glass", who, p.Level.Name)}
		}
	}
	if err := r.openBreaker(ctx, run); err != nil {
		return err
	}
	if run.Token != "" {
		if holds, err := r.tokenHolds(ctx, run.Token, now); err != nil || !holds {
			if err == nil {
				err = &act.DeniedError{Why: "the token does not hold any more"}
			}
			return err
		}
	}
	return nil
}

func (r *Runner) tokenHolds(ctx context.Context, id string, now time.Time) (bool, error) {
	if r.o.TokenHolds == nil {
		return true, nil
	}
	return r.o.TokenHolds(ctx, id, now)
}

// tokenGone ends a run whose token does not hold any more: whoever stole it gets no
// further with it.
func (t *turn) tokenGone(now time.Time) (bool, error) {
	if t.run.Token == "" || t.run.TakenBy != "" || t.run.Status == act.RunRollingBack {
		return false, nil
	}
	holds, err := t.r.tokenHolds(t.ctx, t.run.Token, now)
	if err != nil || holds {
		return false, err
	}
	return true, t.cancelled(now, system, fmt.Sprintf("token %s, with which it was started, has been revoked or has expired", t.run.Token))
}

// cancelled ends a run and what it is doing.
func (t *turn) cancelled(now time.Time, actor journal.Actor, why string) error {
	for i := range t.run.Steps {
		if s := &t.run.Steps[i]; s.Status == act.StepRunning {
			s.Status, s.EndedAt, s.Detail = act.StepFailed, now, "stopped: the run was cancelled"
		}
	}
	t.status(act.RunCancelled, why)
	t.run.EndedAt = now
	return t.record(now, actor, "run.cancelled", why)
}

// TokenRevoked ends the runs that were started with a token.
func (r *Runner) TokenRevoked(ctx context.Context, now time.Time, actor journal.Actor, token string) error {
	rows, err := r.o.DB.Read().QueryContext(ctx, `SELECT id FROM runs WHERE token = ? AND taken_by = '' AND ended_ms = 0`, token)
	if err != nil {
		return fmt.Errorf("cannot find the runs of token %q: %w", token, err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("cannot find the runs of token %q: %w", token, err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("cannot find the runs of token %q: %w", token, err)
	}
	for _, id := range ids {
		if _, err := r.change(ctx, id, func(t *turn) error {
			if t.run.Status.Ended() {
				return nil
			}
			return t.cancelled(now, actor, fmt.Sprintf("token %s, with which it was started, has been revoked", token))
		}); err != nil {
			return err
		}
		r.stop(id)
	}
	return nil
}

// fillPlain puts parameters into a name, as of a lock.
func fillPlain(text string, params map[string]string) string {
	return parse.Reference.ReplaceAllStringFunc(text, func(ref string) string { return params[ref[2:len(ref)-1]] })
}

// substantiate writes beside an open question what is known: checks, rehearsals, the way
// back, the budget. It is not part of what is approved, and costs nobody a transaction.
func (r *Runner) substantiate(ctx context.Context, run *act.Run) {
	if run.Status != act.RunWaiting && run.Status != act.RunRollingBack {
		return
	}
	now, err := r.Get(ctx, run.ID) // with the question that was just asked
	if err != nil {
		return
	}
	run = &now
	for i := range run.Approvals {
		a := &run.Approvals[i]
		if a.Decision == "" && a.Evidence == "" {
			r.evidence(ctx, run, a)
		}
	}
}
