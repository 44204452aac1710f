package runbook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/planfile"
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
	if r.o.Keep == "" {
		return result{detail: "cannot keep a plan: the server has no folder for it"}
	}
	// The program works on a copy in a folder that it may reach; what is kept is ours
	// alone, since a plan holds secrets in clear and other steps run as the same user.
	work, err := os.MkdirTemp("", "evenkeel-plan-")
	if err != nil {
		return result{detail: "cannot make a folder for the plan: " + err.Error()}
	}
	defer os.RemoveAll(work)
	kept, file := filepath.Join(r.o.Keep, run.ID, from.Name+".tfplan"), filepath.Join(work, from.Name+".tfplan")
	env := map[string]string{"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
	for k, v := range values {
		env["TF_VAR_"+k] = v
	}
	program := r.o.Terraform
	if program == "" {
		program = "terraform"
	}
	do := func(out io.Writer, args ...string) result {
		said := newCapped(64 << 10)
		res := r.command(ctx, run, step, env, io.MultiWriter(out, said), dir, append([]string{program}, args...))
		if !res.ok {
			res.detail = because(res.detail, said.String())
		}
		return res
	}
	if step.Attrs["action"] == "plan" {
		if err := handOver(work, r.o.User); err != nil {
			return result{detail: err.Error()}
		}
		if res := do(out, "plan", "-input=false", "-no-color", "-lock-timeout=30s", "-out="+file); !res.ok {
			return res
		}
		text := &bounded{most: planfile.MaxBytes}
		if res := do(text, "show", "-json", "-no-color", file); !res.ok {
			res.detail = "cannot read the plan that was made: " + res.detail
			return res
		}
		detail, err := review(text, step.Name, out)
		if err != nil {
			return result{detail: err.Error()}
		}
		sum, err := copyPlan(file, kept, run.Mode == act.ModeReal)
		if err != nil {
			return result{detail: "cannot keep the plan that was made: " + err.Error()}
		}
		return result{ok: true, detail: planned + sum + detail}
	}
	want := planOf(run, from)
	if want == "" {
		return result{detail: fmt.Sprintf("step %s has made no plan", from.Name)}
	}
	if got, err := copyPlan(kept, file, true); err != nil || got != want {
		return result{detail: fmt.Sprintf("the plan on disk is not the one that was approved (%.12s): plan again", want)}
	}
	for _, path := range []string{work, file} {
		if err := handOver(path, r.o.User); err != nil {
			return result{detail: err.Error()}
		}
	}
	res := do(out, "apply", "-input=false", "-no-color", "-auto-approve", "-lock-timeout=30s", file)
	if res.ok {
		res.detail = "applied " + planned + want
	}
	return res
}

// because adds to how a program ended what it gave as its first error, else what was said
// last.
func because(ended, said string) string {
	if m := firstError.FindStringSubmatch(said); m != nil {
		return ended + ": " + strings.TrimSpace(m[1])
	}
	if last := lastLine(said); last != "" && strings.HasPrefix(ended, "exit status") {
		return ended + ": " + last
	}
	return ended
}

var firstError = regexp.MustCompile(`(?m)^[│\s]*Error: (.+)$`)

// destroying stands in the detail of a plan step before what its plan destroys of what
// keeps data.
const destroying = "; destroys "

// review writes what the check of plans finds below the plan, for whoever approves it,
// however much of a long plan is left out; and returns the rest of the step's detail.
func review(text *bounded, name string, out io.Writer) (detail string, err error) {
	if text.over {
		return "", fmt.Errorf("cannot review the plan: it has more than %d bytes as JSON", text.most)
	}
	var plan []byte // one line; warnings may stand around it
	for line := range bytes.Lines(text.kept.Bytes()) {
		if planfile.Is(line) {
			plan = line
		}
	}
	if plan == nil {
		return "", errors.New("cannot review the plan: what show -json has printed is not a plan")
	}
	var lost []string
	problems := planfile.Read(name, plan, nil)
	for i, p := range problems {
		if i == 0 {
			fmt.Fprintln(out, "\nWhat the check of plans finds:")
		}
		fmt.Fprintf(out, "  %s\n", p.Error())
		if !p.Warning {
			lost = append(lost, p.Field)
		}
	}
	if len(lost) == 0 {
		return "", nil
	}
	if more := len(lost) - 5; more > 0 {
		lost = append(lost[:5], fmt.Sprintf("%d more", more))
	}
	return destroying + strings.Join(lost, ", "), nil
}

// destroys is what of the things that keep data the plan of an apply step destroys, ""
// for nothing.
func destroys(run *act.Run, book *declare.Runbook, step *declare.Step) string {
	if step.Language != "terraform" || step.Attrs["action"] != "apply" {
		return ""
	}
	from := stepNamed(book, step.Attrs["plan"])
	if planOf(run, from) == "" {
		return ""
	}
	_, what, _ := strings.Cut(run.Steps[from.Index].Detail, destroying)
	return what
}

// planOf is the hash of the plan that a step has made in this run, "" for none.
func planOf(run *act.Run, from *declare.Step) string {
	if from == nil || from.Index >= len(run.Steps) || run.Steps[from.Index].Status != act.StepDone {
		return ""
	}
	sum, ok := strings.CutPrefix(run.Steps[from.Index].Detail, planned)
	if !ok {
		return ""
	}
	sum, _, _ = strings.Cut(sum, ";")
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

// copyPlan copies a plan for its owner alone and returns its hash; or only hashes it.
func copyPlan(from, to string, keep bool) (string, error) {
	f, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if !keep {
		_, err := io.Copy(h, f)
		return hex.EncodeToString(h.Sum(nil)), err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return "", err
	}
	t, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.MultiWriter(t, h), f)
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, t.Close())
}

// tidyPlans removes the plans of runs that have ended: they hold secrets in clear, and
// nobody applies them any more.
func (r *Runner) tidyPlans(ctx context.Context) {
	kept, err := os.ReadDir(r.o.Keep)
	if err != nil {
		return // none has been made yet
	}
	for _, k := range kept {
		run, err := r.Get(ctx, k.Name())
		if err != nil && !errors.Is(err, act.ErrNotFound) || err == nil && !run.Status.Ended() {
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.o.Keep, k.Name())); err != nil {
			r.o.Logger.Warn("cannot remove the plans of a run that has ended", "run", k.Name(), "err", err)
		}
	}
}

// bounded keeps what is written up to a size, and says when there was more.
type bounded struct {
	kept bytes.Buffer
	most int
	over bool
}

// Write implements io.Writer; it never fails.
func (b *bounded) Write(p []byte) (int, error) {
	if b.over = b.over || b.kept.Len()+len(p) > b.most; b.over {
		return len(p), nil
	}
	return b.kept.Write(p)
}
