//go:build tofu

package runbook

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/planfile"
)

// tofu is a real OpenTofu. Its provider of terraform_data is built in: it needs no
// network.
func tofu(t *testing.T) string { return peer(t, "tofu", "make tofu") }

const infra = `variable "size" { type = string }
variable "password" {
  type      = string
  sensitive = true
}
resource "terraform_data" "server" { input = var.size }
resource "terraform_data" "login" { input = var.password }
output "size" { value = terraform_data.server.output }
`

// estate is a folder of a configuration, and a bench whose runbook plans and applies it.
type estate struct {
	*bench
	dir, program string
}

func newEstate(t *testing.T) *estate {
	e := &estate{dir: t.TempDir(), program: tofu(t)}
	e.config(t, infra)
	e.bench = newBench(t, t.TempDir(), map[string]string{
		"infra": page("params: [{name: size, type: string, default: small}]\nsecrets: [password]\n",
			fence("terraform {name=plan action=plan dir="+e.dir+"}", ""), fence("terraform {name=apply action=apply plan=plan risk=medium}", "")),
	}, func(o *Options) {
		o.Terraform, o.Keep, o.OutputLimit = e.program, filepath.Join(t.TempDir(), "keep"), 64<<10
		o.Secret = func(string) (string, error) { return "correct-horse", nil }
	})
	e.tofu(t, "init", "-input=false")
	return e
}

func (e *estate) config(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(e.dir, "main.tf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tofu is run by hand, past evenkeel.
func (e *estate) tofu(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), e.program, args...)
	cmd.Dir = e.dir
	cmd.Env = []string{"HOME=" + e.dir, "PATH=" + os.Getenv("PATH"), "TF_VAR_password=correct-horse", "CHECKPOINT_DISABLE=1"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tofu %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// size is what is really there, "" for nothing.
func (e *estate) size(t *testing.T) string {
	t.Helper()
	var s struct {
		Values struct {
			Outputs map[string]struct{ Value any } `json:"outputs"`
		} `json:"values"`
	}
	if err := json.Unmarshal([]byte(e.tofu(t, "show", "-json")), &s); err != nil {
		t.Fatal(err)
	}
	got, _ := s.Values.Outputs["size"].Value.(string)
	return got
}

func (e *estate) waiting(size string) act.Run {
	e.t.Helper()
	return e.until(e.start("alice", "infra", map[string]string{"size": size}).ID, "the approval or the end", func(r act.Run) bool {
		return r.Status == act.RunWaiting || r.Status.Ended()
	})
}

func (e *estate) approve(run act.Run) act.Run {
	e.t.Helper()
	if len(run.Approvals) == 0 {
		e.t.Fatalf("nobody is asked: %s %s %+v", run.Status, run.Reason, run.Steps)
	}
	if _, err := e.Decide(e.t.Context(), time.Now(), "bob", run.ID, 1, true, run.Approvals[0].ShownHash, ""); err != nil {
		e.t.Fatal(err)
	}
	return e.ended(run.ID)
}

// secretless fails where the secret stands in what people see, or its plan is left over.
func (e *estate) secretless(run act.Run) {
	e.t.Helper()
	text, err := json.Marshal(run)
	if err != nil {
		e.t.Fatal(err)
	}
	if strings.Contains(string(text), "correct-horse") {
		e.t.Errorf("the secret is shown: %s", text)
	}
}

// TestOpenTofu applies exactly the plan that was approved, or nothing, with the program
// itself.
func TestOpenTofu(t *testing.T) {
	e := newEstate(t)

	// A dry run plans, and leaves nothing behind.
	run, err := e.Start(t.Context(), time.Now(), "alice", act.StartRun{Runbook: "infra", Params: map[string]string{"size": "small"}, Mode: act.ModeDry})
	if err != nil {
		t.Fatal(err)
	}
	run = e.ended(run.ID)
	if run.Status != act.RunDone || !strings.Contains(run.Steps[0].Output, "2 to add") || !strings.Contains(run.Steps[1].Output, "2 to add") || e.size(t) != "" {
		t.Errorf("dry: %s %s %+v; there is %q", run.Status, run.Reason, run.Steps, e.size(t))
	}
	e.secretless(run)
	if kept, _ := os.ReadDir(e.o.Keep); len(kept) != 0 {
		t.Errorf("a dry run has left %v", kept)
	}

	// Hostile text is a value, and the approver sees the plan with it.
	const hostile = "$(touch x) ${path.root} \"; Ω"
	run = e.waiting(hostile)
	if s := run.Steps[1].Shown; !strings.Contains(s, "exactly plan ") || !strings.Contains(s, `$(touch x) ${path.root} \"; Ω`) || !strings.Contains(s, "(sensitive value)") || !strings.Contains(s, "2 to add, 0 to change, 0 to destroy") {
		t.Errorf("the approver sees %q", s)
	}
	e.secretless(run)
	kept := filepath.Join(e.o.Keep, run.ID, "plan.tfplan")
	if info, err := os.Stat(kept); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the plan that is kept: %v %v", info, err)
	}
	if run = e.approve(run); run.Status != act.RunDone || !strings.Contains(run.Steps[1].Output, "Resources: 2 added") || e.size(t) != hostile {
		t.Errorf("%s %s %+v; there is %q", run.Status, run.Reason, run.Steps[1], e.size(t))
	}
	e.secretless(run)
	e.tidyPlans(t.Context())
	if _, err := os.Stat(kept); err == nil {
		t.Error("the plan of a run that has ended is kept")
	}

	// What stands in the configuration now is not what was approved: the plan is applied.
	run = e.waiting("planned")
	e.config(t, strings.ReplaceAll(infra, "input = var.size", `input = "sneaked in"`))
	if run = e.approve(run); run.Status != act.RunDone || e.size(t) != "planned" {
		t.Errorf("%s %s; there is %q", run.Status, run.Reason, e.size(t))
	}
	e.config(t, infra)

	// Another plan, or none, is not applied.
	run = e.waiting("other")
	if err := os.WriteFile(filepath.Join(e.o.Keep, run.ID, "plan.tfplan"), []byte("another plan"), 0o600); err != nil {
		t.Fatal(err)
	}
	if run = e.approve(run); run.Status != act.RunFailed || !strings.Contains(run.Steps[1].Detail, "not the one that was approved") {
		t.Errorf("%s: %+v", run.Status, run.Steps[1])
	}

	// What was planned has been changed by somebody else meanwhile.
	run = e.waiting("late")
	e.tofu(t, "apply", "-auto-approve", "-var=size=sooner")
	if run = e.approve(run); run.Status != act.RunFailed || !strings.Contains(run.Reason, "Saved plan is stale") || e.size(t) != "sooner" {
		t.Errorf("stale: %s %q %+v; there is %q", run.Status, run.Reason, run.Steps[1], e.size(t))
	}
	e.secretless(run)
}

// TestOpenTofuFails says what the program has said, of a plan that cannot be made and of
// an apply that breaks off.
func TestOpenTofuFails(t *testing.T) {
	e := newEstate(t)
	e.config(t, infra+`resource "terraform_data" "more" { input = var.nobody }`)
	if run := e.waiting("small"); run.Status != act.RunFailed || !strings.Contains(run.Reason, "Reference to undeclared input variable") || run.Steps[1].Attempt != 0 {
		t.Errorf("%s %q %+v", run.Status, run.Reason, run.Steps)
	}
	e.config(t, infra+`resource "terraform_data" "late" {
  input = var.size
  provisioner "local-exec" { command = "echo half way; exit 3" }
}
`)
	run := e.approve(e.waiting("small"))
	if run.Status != act.RunFailed || !strings.Contains(run.Reason, "local-exec provisioner error") || !strings.Contains(run.Steps[1].Output, "half way") {
		t.Errorf("%s %q %+v", run.Status, run.Reason, run.Steps[1])
	}
	e.secretless(run)

	// What is broken now is replaced, and what is not wanted any more destroyed: the
	// approver is told, and nothing of it keeps data, so the class is the runbook's.
	e.config(t, strings.ReplaceAll(infra, `resource "terraform_data" "login" { input = var.password }`, "")+`resource "terraform_data" "late" { input = var.size }`)
	run = e.waiting("small")
	for _, want := range []string{"What the check of plans finds:", `terraform_data.login: got "destroyed"`, "it is not in the configuration any more", `terraform_data.late: got "replaced"`, "it is marked as broken"} {
		if !strings.Contains(run.Steps[1].Shown, want) {
			t.Errorf("no %q in %q", want, run.Steps[1].Shown)
		}
	}
	if c := run.Approvals[0].Class; c != declare.Normal {
		t.Errorf("the class is %s", c)
	}
	e.secretless(run)
	if run = e.approve(run); run.Status != act.RunDone || !strings.Contains(run.Steps[1].Output, "1 added, 0 changed, 2 destroyed") {
		t.Errorf("%s %q %+v", run.Status, run.Reason, run.Steps[1])
	}
}

// TestOpenTofuPlanIsChecked reads what the program prints of a plan, as check and gate do.
func TestOpenTofuPlanIsChecked(t *testing.T) {
	e := newEstate(t)
	e.tofu(t, "apply", "-auto-approve", "-var=size=small")
	e.tofu(t, "plan", "-destroy", "-var=size=small", "-out=plan")
	text := []byte(e.tofu(t, "show", "-json", "plan"))
	if !planfile.Is(text) {
		t.Fatalf("no plan: %.200s", text)
	}
	var got []string
	for _, p := range planfile.Read("plan.json", text, []string{"terraform_data.login"}) {
		got = append(got, p.Error())
	}
	all := strings.Join(got, "\n")
	if len(got) != 1 || !strings.Contains(all, `terraform_data.server: got "destroyed"`) || strings.Contains(all, "correct-horse") {
		t.Errorf("%s", all)
	}
}
