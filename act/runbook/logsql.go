package runbook

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	parse "github.com/evenkeel/evenkeel/declare/runbook"
)

// logsql asks the logs, as promql asks the metrics.
func (r *Runner) logsql(ctx context.Context, run *act.Run, step *declare.Step, out io.Writer) result {
	query, err := parse.LogsQL(step.Body, run.Params)
	if err != nil {
		return result{detail: err.Error()}
	}
	if r.o.Logs == nil {
		return result{detail: "there is no store of logs to ask"}
	}
	return r.keepAsking(ctx, step, query, out, r.o.Logs)
}

// keepAsking asks a question until the answer is as expected, within the time that the
// step gives.
func (r *Runner) keepAsking(ctx context.Context, step *declare.Step, query string, out io.Writer, ask func(context.Context, string, time.Time) ([]Value, error)) result {
	until := time.Now().Add(step.Within)
	for {
		one, cancel := context.WithTimeout(ctx, step.Timeout)
		values, err := ask(one, query, time.Now())
		cancel()
		holds, detail := false, ""
		if err != nil {
			detail = err.Error()
		} else {
			holds, detail = judge(step.Expect, values)
		}
		if holds || !time.Now().Before(until) || ctx.Err() != nil {
			fmt.Fprintf(out, "%s\n", query)
			for _, v := range values {
				fmt.Fprintf(out, "%s %g\n", v.Labels, v.Value)
			}
			return result{ok: holds && err == nil, detail: detail}
		}
		if wait(ctx, poll) != nil {
			return result{detail: "interrupted"}
		}
	}
}
