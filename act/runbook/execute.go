package runbook

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/state"
)

// result is what a step came to.
type result struct {
	ok     bool
	output string
	detail string
}

// execute runs one step of a run.
func (r *Runner) execute(ctx context.Context, run *act.Run, i int) result {
	step := &reread(run).Steps[i]
	out := newCapped(r.o.OutputLimit)
	stop := r.progress(ctx, run.ID, i, out)
	defer stop()
	if step.On != "" && step.On != "local" {
		return result{detail: fmt.Sprintf("cannot run on %s: only this machine is supported", step.On)}
	}
	var res result
	switch step.Language {
	case "sh":
		res = r.shell(ctx, run, step, out)
	case "http":
		res = r.http(ctx, run, step, out)
	case "promql":
		res = r.promql(ctx, run, step, out)
	default:
		res = result{detail: fmt.Sprintf("cannot run %s", step.Language)}
	}
	res.output = mask(out.String())
	res.detail = mask(res.detail)
	return res
}

// progress stores the output once a second while the step runs, for whoever watches.
func (r *Runner) progress(ctx context.Context, run string, step int, out *capped) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		last := ""
		for wait(ctx, time.Second) == nil {
			now := mask(out.String())
			if now == last {
				continue
			}
			last = now
			err := r.o.DB.Update(ctx, func(tx *state.Tx) error {
				_, err := tx.ExecContext(ctx, `UPDATE run_steps SET output = ? WHERE run = ? AND idx = ? AND status = 'running'`, now, run, step)
				return err
			})
			if err != nil && ctx.Err() == nil {
				r.o.Logger.Warn("cannot store progress", "run", run, "err", err)
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// shown is what a step will do, with its parameters: what an approver decides on.
func shown(step *declare.Step, book *declare.Runbook, params map[string]string) string {
	switch step.Language {
	case "http":
		req, err := fill(step.Body, book, params)
		if err != nil {
			return mask(step.Body)
		}
		return mask(req.text())
	case "promql":
		expr, err := substitute(step.Body, params)
		if err != nil {
			return step.Body
		}
		return expr
	}
	var b strings.Builder
	for _, name := range sortedKeys(params) {
		fmt.Fprintf(&b, "%s=%q\n", name, params[name])
	}
	b.WriteString(step.Body)
	return b.String()
}
