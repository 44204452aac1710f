package runbook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

// planned begins the detail of a plan step; the plan's hash follows.
const planned = "plan "

// terraform makes a plan, which is kept, or applies exactly the plan that was approved.
func (r *Runner) terraform(ctx context.Context, run *act.Run, step *declare.Step, values map[string]string, out io.Writer) result {
	book := reread(run)
	from := step
	if step.Attrs["action"] == "apply" {
		if from = stepNamed(book, step.Attrs["plan"]); from == nil || from.Language != "terraform" || from.Attrs["action"] != "plan" {
			return result{detail: fmt.Sprintf("there is no terraform plan step %q", step.Attrs["plan"])}
		}
	}
	dir := fillPlain(from.Attrs["dir"], values)
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(r.o.Dir, dir)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return result{detail: fmt.Sprintf("cannot find the folder %q of the configuration", dir)}
	}
	keep := filepath.Join(r.o.Keep, run.ID)
	if r.o.Keep == "" {
		return result{detail: "cannot keep a plan: the server has no folder for it"}
	}
	if err := os.MkdirAll(keep, 0o700); err != nil {
		return result{detail: "cannot keep a plan: " + err.Error()}
	}
	if err := handOver(keep, r.o.User); err != nil {
		return result{detail: err.Error()}
	}
	file := filepath.Join(keep, from.Name+".tfplan")
	env := map[string]string{"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
	for k, v := range values {
		env["TF_VAR_"+k] = v
	}
	program := r.o.Terraform
	if program == "" {
		program = "terraform"
	}
	if step.Attrs["action"] == "plan" {
		res := r.command(ctx, run, step, env, out, dir, []string{program, "plan", "-input=false", "-no-color", "-lock-timeout=30s", "-out=" + file})
		if !res.ok {
			return res
		}
		sum, err := hashFile(file)
		if err != nil {
			return result{detail: "cannot read the plan that was made: " + err.Error()}
		}
		return result{ok: true, detail: planned + sum}
	}
	want := planOf(run, from)
	if want == "" {
		return result{detail: fmt.Sprintf("step %s has made no plan", from.Name)}
	}
	if got, err := hashFile(file); err != nil || got != want {
		return result{detail: fmt.Sprintf("the plan on disk is not the one that was approved (%.12s): plan again", want)}
	}
	res := r.command(ctx, run, step, env, out, dir, []string{program, "apply", "-input=false", "-no-color", "-auto-approve", file})
	if res.ok {
		res.detail = "applied " + planned + want
		_ = os.Remove(file) // a plan is applied once
	}
	return res
}

// planOf is the hash of the plan that a step has made in this run, "" for none.
func planOf(run *act.Run, from *declare.Step) string {
	if from == nil || from.Index >= len(run.Steps) || run.Steps[from.Index].Status != act.StepDone {
		return ""
	}
	sum, _ := strings.CutPrefix(run.Steps[from.Index].Detail, planned)
	return sum
}

func stepNamed(book *declare.Runbook, name string) *declare.Step {
	for i := range book.Steps {
		if book.Steps[i].Name == name {
			return &book.Steps[i]
		}
	}
	return nil
}

func hashFile(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
