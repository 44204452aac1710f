package runbook

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	parse "github.com/evenkeel/evenkeel/declare/runbook"
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
	book := reread(run)
	step := &book.Steps[i]
	if step.On != "" && step.On != "local" {
		return result{detail: fmt.Sprintf("cannot run on %s: only this machine is supported; ssh steps run elsewhere", step.On)}
	}
	secrets, err := r.secrets(book)
	if err != nil {
		return result{detail: err.Error()}
	}
	secret := forms(secrets)
	kept := newCapped(r.o.OutputLimit)
	out := newHiding(kept, secret)
	stop := r.progress(ctx, run.ID, i, kept)
	var res result
	if run.Mode == act.ModeReal {
		res = r.really(ctx, run, book, step, with(run.Params, secrets), out)
	} else {
		res = r.dry(ctx, run, book, step, with(run.Params, secrets), out)
	}
	stop()
	_ = out.Close()
	res.output = mask(kept.String())
	res.detail = hide(res.detail, secret)
	if len(res.detail) > 2_000 {
		res.detail = strings.ToValidUTF8(res.detail[:2_000], "") + "…"
	}
	return res
}

// really does what a step says.
func (r *Runner) really(ctx context.Context, run *act.Run, book *declare.Runbook, step *declare.Step, values map[string]string, out io.Writer) result {
	switch step.Language {
	case "sh":
		return r.shell(ctx, run, step, values, out)
	case "ssh":
		return r.ssh(ctx, step, values, out)
	case "http":
		return r.http(ctx, run, step, values, out)
	case "promql":
		return r.promql(ctx, run, step, out)
	case "logsql":
		return r.logsql(ctx, run, step, out)
	case "kube":
		return r.kube(ctx, run, book, step, values, out, false)
	case "terraform":
		return r.terraform(ctx, run, step, values, out)
	case "runbook":
		return r.sub(ctx, run, step, out)
	case "wait":
		if err := wait(ctx, step.Within); err != nil {
			return result{detail: err.Error()}
		}
		return result{ok: true, detail: "waited " + step.Within.String()}
	}
	return result{detail: fmt.Sprintf("cannot run %s", step.Language)}
}

// dry does of a step what alters nothing, and says what it would do.
func (r *Runner) dry(ctx context.Context, run *act.Run, book *declare.Runbook, step *declare.Step, values map[string]string, out io.Writer) result {
	would := func() result {
		fmt.Fprintf(out, "would do:\n%s\n", shown(step, book, run))
		return result{ok: true, detail: "dry: nothing was altered"}
	}
	switch step.Language {
	case "promql", "logsql":
		res := r.really(ctx, run, book, step, values, out)
		if !res.ok && run.Mode == act.ModeDry { // what a real step would have mended is still broken
			res.ok, res.detail = true, "dry: does not hold now: "+res.detail
		}
		return res
	case "http":
		if req, err := parse.ParseRequest(step.Body); err == nil && (req.Method == "GET" || req.Method == "HEAD") {
			return r.http(ctx, run, step, values, out)
		}
		filled, err := fill(step.Body, book, values)
		if err != nil {
			return result{detail: err.Error()}
		}
		if run.Fault != "" && r.onGround(filled.URL) {
			return r.http(ctx, run, step, values, out)
		}
		return would()
	case "sh":
		// The shell reads the text and runs nothing of it.
		res := r.command(ctx, run, step, values, out, "", []string{"/bin/sh", "-n", "-c", step.Body})
		if !res.ok {
			return res
		}
		return would()
	case "kube":
		return r.kube(ctx, run, book, step, values, out, true)
	case "terraform":
		if step.Attrs["action"] == "plan" {
			return r.terraform(ctx, run, step, values, out)
		}
		return would()
	case "runbook":
		return r.sub(ctx, run, step, out)
	}
	return would()
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
// Secrets are not in it, only their names.
func shown(step *declare.Step, book *declare.Runbook, run *act.Run) string {
	params := placeholders(book, run.Params)
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
	case "logsql":
		query, err := parse.LogsQL(step.Body, params)
		if err != nil {
			return step.Body
		}
		return query
	case "kube":
		return shownKube(step, book, params)
	}
	var b strings.Builder
	if step.Language == "ssh" {
		fmt.Fprintf(&b, "on %s\n", fillPlain(step.Attrs["host"], params))
	}
	for _, name := range sortedKeys(params) {
		fmt.Fprintf(&b, "%s=%q\n", name, params[name])
	}
	if step.Language == "terraform" {
		fmt.Fprintf(&b, "terraform %s", step.Attrs["action"])
		if step.Attrs["action"] == "apply" {
			from := stepNamed(book, step.Attrs["plan"])
			sum := planOf(run, from)
			fmt.Fprintf(&b, " of exactly %s%s\n", planned, sum)
			if sum != "" {
				b.WriteString("\n" + run.Steps[from.Index].Output)
			}
		} else {
			fmt.Fprintf(&b, " in %s\n", fillPlain(step.Attrs["dir"], params))
		}
	}
	if step.Language == "runbook" {
		fmt.Fprintf(&b, "runbook %s\n", step.Attrs["run"])
	}
	b.WriteString(step.Body)
	return mask(b.String())
}

func shownKube(step *declare.Step, book *declare.Runbook, params map[string]string) string {
	k, err := parse.ParseKube(step.Body)
	if err != nil {
		return step.Body
	}
	if k.Verb != "apply" {
		return fillPlain(strings.TrimSpace(step.Body), params)
	}
	var b strings.Builder
	for _, name := range sortedKeys(params) {
		fmt.Fprintf(&b, "%s=%q\n", name, params[name])
	}
	if len(book.Params) > 0 {
		b.WriteString("\n")
	}
	b.WriteString(step.Body)
	return b.String()
}
