package cli

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/api"
)

// TestTerraformOutlivesTheServer: an apply whose server is killed is interrupted as by
// Ctrl-C and writes its state; the server that follows waits for that, shows what it has
// said, and asks what becomes of the step. The program is a stand-in that says what it does,
// as terraform does: a pipe that nobody reads any more would end it.
func TestTerraformOutlivesTheServer(t *testing.T) {
	p := newProcess(t)
	p.faultyRunbooks()
	program, state := filepath.Join(p.dir, "terraform"), filepath.Join(p.dir, "state")
	for name, text := range map[string]string{
		program: `#!/bin/sh
case "$1" in
plan) for a; do case "$a" in -out=*) echo plan > "${a#-out=}";; esac; done;;
show) echo '{"format_version":"1.2","terraform_version":"1.9.0","planned_values":{}}';;
apply)
	trap 'trap "echo twice" INT; echo stopping; (trap "" INT; sleep 3); echo half > ` + state + `; echo the state is written; exit 1' INT
	echo creating
	while :; do sleep 0.1; done;;
esac
`,
		filepath.Join(p.dir, "workspace/runbooks/infra.md"): "---\nservices: [queue]\n---\n# Infra\n\n```terraform {name=plan action=plan dir=" + p.dir + "}\n```\n\n```terraform {name=apply action=apply plan=plan risk=medium}\n```\n",
		filepath.Join(p.dir, "workspace/evenkeel.yml"):      killWorkspace["evenkeel.yml"] + "runner: {user: root, terraform: " + program + "}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.start()
	var run act.Run
	if err := p.call(http.MethodPost, "runs", api.NewRun{Runbook: "infra"}, &run); err != nil {
		t.Fatal(err)
	}
	run = p.run(run.ID, "the apply", func(r act.Run) bool { return strings.Contains(r.Steps[1].Output, "creating") })
	p.kill()
	p.start()
	run = p.run(run.ID, "the interrupted step", func(r act.Run) bool { return r.Steps[1].Status == act.StepInterrupted })
	got, err := os.ReadFile(state)
	if err != nil || string(got) != "half\n" || run.Steps[1].Output != "creating\nstopping\nthe state is written\n" || run.Status != act.RunWaiting {
		t.Errorf("state %q (%v); %s %s; %+v", got, err, run.Status, run.Reason, run.Steps[1])
	}
}
