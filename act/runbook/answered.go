package runbook

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/state"
)

// maxAnswers bounds one look at how approvals went.
const maxAnswers = 100_000

// Answered are the questions that were asked in [from, to) and have been answered, or
// have expired; the newest first.
func (r *Runner) Answered(ctx context.Context, from, to time.Time) ([]act.Answer, error) {
	rows, err := r.o.DB.Read().QueryContext(ctx, `SELECT a.run, r.runbook, r.service, a.step, s.name, a.class, a.risk, a.requested_ms, a.decision, a.decided_ms, a.reason, a.voice
		FROM approvals a JOIN runs r ON r.id = a.run JOIN run_steps s ON s.run = a.run AND s.idx = a.step
		WHERE a.decision != '' AND a.requested_ms >= ? AND a.requested_ms < ? ORDER BY a.requested_ms DESC, a.id DESC LIMIT ?`, state.Millis(from), state.Millis(to), maxAnswers)
	if err != nil {
		return nil, fmt.Errorf("cannot read how approvals went: %w", err)
	}
	defer rows.Close()
	var out []act.Answer
	for rows.Next() {
		var a act.Answer
		var risk declare.Risk
		var asked, decided int64
		if err := rows.Scan(&a.Run, &a.Runbook, &a.Service, &a.Step, &a.Name, &a.Class, &risk, &asked, &a.Decision, &decided, &a.Reason, &a.Voice); err != nil {
			return nil, fmt.Errorf("cannot read how approvals went: %w", err)
		}
		if a.Class.Rank() < 0 { // of before there were classes
			a.Class = declare.ClassOf(risk)
		}
		a.AskedAt, a.DecidedAt = state.Time(asked), state.Time(decided)
		out = append(out, a)
	}
	return out, rows.Err()
}
