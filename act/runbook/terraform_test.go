package runbook

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// TestTerraform applies exactly the plan that was approved, or nothing: with a stand-in for
// the program. TestOpenTofu (make tofu) does it with a real one.
func TestTerraform(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "terraform")
	log := filepath.Join(dir, "log")
	script := "#!/bin/sh\necho \"$@\" >> " + log + `
case "$1" in
plan) for a; do case "$a" in -out=*) echo "plan for $TF_VAR_size" > "${a#-out=}";; esac; done; echo "Plan: 1 to add ($TF_VAR_size)";;
show) echo '{"format_version":"1.2","terraform_version":"1.9.0","planned_values":{}}';;
apply) for a; do :; done; cat "$a"; echo applied;;
esac
`
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, t.TempDir(), map[string]string{
		"infra": page("params: [{name: size, type: string, default: small}]\n", fence("terraform {name=plan action=plan dir="+dir+"}", ""), fence("terraform {name=apply action=apply plan=plan risk=medium}", "")),
	})
	b.o.Terraform, b.o.Keep = program, filepath.Join(dir, "keep")
	start := func() act.Run {
		return b.until(b.start("alice", "infra", map[string]string{"size": "$(touch x)"}).ID, "the approval", has(act.RunWaiting))
	}
	run := start()
	if shown := run.Steps[1].Shown; !strings.Contains(shown, "plan ") || !strings.Contains(shown, "Plan: 1 to add ($(touch x))") {
		t.Errorf("the approver sees %q", shown)
	}
	plan := filepath.Join(b.o.Keep, run.ID, "plan.tfplan")
	if err := os.WriteFile(plan, []byte("another plan"), 0o600); err != nil {
		t.Fatal(err)
	}
	approve := func(run act.Run) act.Run {
		t.Helper()
		if _, err := b.Decide(t.Context(), time.Now(), "bob", run.ID, 1, true, run.Approvals[0].ShownHash, ""); err != nil {
			t.Fatal(err)
		}
		return b.ended(run.ID)
	}
	if run = approve(run); run.Status != act.RunFailed || !strings.Contains(run.Steps[1].Detail, "not the one that was approved") {
		t.Errorf("%s: %+v", run.Status, run.Steps[1])
	}
	if said, _ := os.ReadFile(log); strings.Contains(string(said), "apply") {
		t.Errorf("a plan that nobody approved was applied: %s", said)
	}
	if run = approve(start()); run.Status != act.RunDone || !strings.Contains(run.Steps[1].Output, "plan for $(touch x)\napplied") {
		t.Errorf("%s: %+v", run.Status, run.Steps[1])
	}
}

// TestTerraformMayWriteItsState: an apply whose time is over is interrupted as by Ctrl-C, and
// is not killed before it has written down what is there.
func TestTerraformMayWriteItsState(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "terraform")
	script := `#!/bin/sh
case "$1" in
plan) for a; do case "$a" in -out=*) echo plan > "${a#-out=}";; esac; done;;
show) echo '{"format_version":"1.2","terraform_version":"1.9.0","planned_values":{}}';;
apply)
	trap 'echo terminated > state; exit 1' TERM
	trap 'echo stopping; (trap "" INT; sleep 3); echo half > state; exit 1' INT
	while :; do sleep 0.1; done;;
esac
`
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, t.TempDir(), map[string]string{
		"infra": page("", fence("terraform {name=plan action=plan dir="+dir+"}", ""), fence("terraform {name=apply action=apply plan=plan risk=medium timeout=1s}", "")),
	}, func(o *Options) { o.Terraform, o.Keep = program, filepath.Join(dir, "keep") })
	if d := b.books["infra"].Steps[0].Timeout; d != 30*time.Minute {
		t.Errorf("a plan has %s by default", d)
	}
	run := b.until(b.start("alice", "infra", nil).ID, "the approval", has(act.RunWaiting))
	if _, err := b.Decide(t.Context(), time.Now(), "bob", run.ID, 1, true, run.Approvals[0].ShownHash, ""); err != nil {
		t.Fatal(err)
	}
	run = b.ended(run.ID)
	state, _ := os.ReadFile(filepath.Join(dir, "state"))
	if run.Status != act.RunFailed || string(state) != "half\n" || !strings.Contains(run.Steps[1].Output, "stopping") || !strings.Contains(run.Steps[1].Detail, "longer than 1s") {
		t.Errorf("%s: state %q, %+v", run.Status, state, run.Steps[1])
	}
}

// TestACancelledApplyHasTheLastWord: what terraform says after it was interrupted is on the
// run, and a fact says when it had ended.
func TestACancelledApplyHasTheLastWord(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "terraform")
	script := `#!/bin/sh
case "$1" in
plan) for a; do case "$a" in -out=*) echo plan > "${a#-out=}";; esac; done;;
show) echo '{"format_version":"1.2","terraform_version":"1.9.0","planned_values":{}}';;
apply)
	trap 'echo stopping; (trap "" INT; sleep 2); echo the state is written; exit 1' INT
	echo creating
	while :; do sleep 0.1; done;;
esac
`
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, t.TempDir(), map[string]string{
		"infra": page("", fence("terraform {name=plan action=plan dir="+dir+"}", ""), fence("terraform {name=apply action=apply plan=plan risk=medium}", "")),
	}, func(o *Options) { o.Terraform, o.Keep = program, filepath.Join(dir, "keep") })
	run := b.until(b.start("alice", "infra", nil).ID, "the approval", has(act.RunWaiting))
	if _, err := b.Decide(t.Context(), time.Now(), "bob", run.ID, 1, true, run.Approvals[0].ShownHash, ""); err != nil {
		t.Fatal(err)
	}
	b.until(run.ID, "the apply", func(r act.Run) bool { return strings.Contains(r.Steps[1].Output, "creating") })
	if _, err := b.Cancel(t.Context(), time.Now(), "alice", run.ID, "wrong size"); err != nil {
		t.Fatal(err)
	}
	run = b.until(run.ID, "the last word", func(r act.Run) bool { return strings.Contains(r.Steps[1].Output, "the state is written") })
	if s := run.Steps[1]; run.Status != act.RunCancelled || s.Status != act.StepFailed || s.Output != "creating\nstopping\nthe state is written\n" {
		t.Errorf("%s: %+v", run.Status, s)
	}
	facts, err := b.o.DB.Facts(t.Context(), journal.Query{Ref: run.Ref(), Kind: "run.step.finished", Limit: 1})
	if err != nil || len(facts) != 1 || facts[0].Text != "step apply, which was stopped, has ended: exit status 1: the state is written" {
		t.Errorf("%v %+v", err, facts)
	}
}

// TestAPlanThatDestroysData is a high-risk change, whatever its runbook says. The provider
// that is built in keeps no data, so what a plan prints is written here.
func TestAPlanThatDestroysData(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "terraform")
	script := `#!/bin/sh
case "$1" in
plan) for a; do case "$a" in -out=*) echo plan > "${a#-out=}";; esac; done; echo "Plan: 1 to destroy";;
show) echo 'Warning: something' >&2; echo "{\"format_version\":\"1.2\",\"terraform_version\":\"1.9.0\",\"planned_values\":{},\"resource_changes\":[{\"address\":\"aws_db_instance.old\",\"mode\":\"managed\",\"type\":\"aws_db_instance\",\"change\":{\"actions\":[\"delete\"]}}]}";;
esac
`
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, t.TempDir(), map[string]string{
		"infra": page("", fence("terraform {name=plan action=plan dir="+dir+"}", ""), fence("terraform {name=apply action=apply plan=plan risk=medium}", "")),
	}, func(o *Options) { o.Terraform, o.Keep = program, filepath.Join(dir, "keep") })
	run := b.until(b.start("bob", "infra", nil).ID, "the approval", has(act.RunWaiting))
	if c := run.Approvals[0].Class; c != declare.Heavy || !strings.Contains(run.Reason, "not A4, because its plan destroys aws_db_instance.old") {
		t.Errorf("%s: %s", c, run.Reason)
	}
}
