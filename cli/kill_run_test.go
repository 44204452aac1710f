package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/api"
)

// faultyRunbooks are of steps that do what no step should. Each writes what happened into
// the file log, so that what happened twice is seen.
func (p *process) faultyRunbooks() (log string) {
	p.t.Helper()
	log = filepath.Join(p.dir, "log")
	step := func(attrs, body string) string { return "```sh {risk=low " + attrs + "}\n" + body + "\n```\n\n" }
	note := func(what string) string { return "echo " + what + " >> " + log }
	for name, text := range map[string]string{
		// The first shell of a step is the server's child.
		"kill":  "---\nservices: [queue]\n---\n# Kill\n\n" + step("name=before", note("before")) + step("name=kill", note("kill")+"; sleep 600 & setsid sleep 600 & kill -9 $PPID; sleep 1; "+note("alive")) + step("name=after", note("after")),
		"again": "---\nservices: [queue]\n---\n# Again\n\n" + step("name=kill retry=safe", note("try")+"; if [ $(grep -c try "+log+") = 1 ]; then kill -9 $PPID; sleep 1; fi") + step("name=end", note("end")),
		"flood": "---\nservices: [queue]\n---\n# Flood\n\n" + step("name=flood timeout=2s", "cat /dev/zero"),
		"hang":  "---\nservices: [queue]\n---\n# Hang\n\n" + step("name=hang timeout=300s", note("hang")+"; sleep 290; "+note("woke")) + step("name=after", note("after")),
	} {
		if err := os.WriteFile(filepath.Join(p.dir, "workspace/runbooks", name+".md"), []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	// As the server itself: another user could not kill it.
	settings := killWorkspace["evenkeel.yml"] + "runner: {user: root}\n"
	if err := os.WriteFile(filepath.Join(p.dir, "workspace/evenkeel.yml"), []byte(settings), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return log
}

func (p *process) run(id string, what string, ok func(act.Run) bool) (run act.Run) {
	p.t.Helper()
	p.until(what, func() bool { return p.call(http.MethodGet, "runs/"+id, nil, &run) == nil && ok(run) })
	return run
}

// asleep are the processes of a run that sleep for ten minutes.
func asleep(run string) (out []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		env, _ := os.ReadFile(f)
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
		if bytes.Contains(env, []byte("EVENKEEL_RUN="+run)) && strings.HasPrefix(string(command), "sleep\x00600") {
			out = append(out, f)
		}
	}
	return out
}

// TestAStepThatKillsTheServer: after the restart a step that may have happened stands
// still until somebody decides, one that may run again does, and nothing happens twice.
func TestAStepThatKillsTheServer(t *testing.T) {
	p := newProcess(t)
	log := p.faultyRunbooks()
	happened := func() string {
		data, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(data)), " ")
	}
	dies := func(book string) act.Run {
		t.Helper()
		p.start()
		var run act.Run
		if err := p.call(http.MethodPost, "runs", api.NewRun{Runbook: book}, &run); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- p.cmd.Wait() }()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("the server ended: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the server lives")
		}
		p.start()
		return run
	}
	run := dies("kill")
	run = p.run(run.ID, "the run", func(r act.Run) bool { return r.Status == act.RunWaiting })
	if run.Steps[0].Status != act.StepDone || run.Steps[1].Status != act.StepInterrupted || run.Steps[2].Status != act.StepPending || !strings.Contains(run.Reason, "interrupted") {
		t.Errorf("got %+v", run)
	}
	if got := happened(); got != "before kill" {
		t.Errorf("happened: %s", got)
	}
	if all := asleep(run.ID); len(all) > 0 {
		t.Errorf("%q outlived the server and its restart", all)
	}
	if err := p.call(http.MethodPost, "runs/"+run.ID+"/steps/1/skip", struct{}{}, nil); err != nil {
		t.Fatal(err)
	}
	run = p.run(run.ID, "its end", func(r act.Run) bool { return r.Status.Ended() })
	if got := happened(); run.Status != act.RunDone || got != "before kill after" {
		t.Errorf("%s, happened: %s", run.Status, got)
	}
	p.kill()
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	run = dies("again")
	run = p.run(run.ID, "its end", func(r act.Run) bool { return r.Status.Ended() })
	if got := happened(); run.Status != act.RunDone || got != "try try end" || run.Steps[0].Attempt != 2 {
		t.Errorf("%+v, happened: %s", run, got)
	}
}

// TestAFloodAndAStolenToken: a step that prints without an end is ended in time and costs
// no memory; a token that is revoked in mid-run stops the run that it began, whose next
// step does not happen.
func TestAFloodAndAStolenToken(t *testing.T) {
	p := newProcess(t)
	log := p.faultyRunbooks()
	p.start()
	var run act.Run
	if err := p.call(http.MethodPost, "runs", api.NewRun{Runbook: "flood"}, &run); err != nil {
		t.Fatal(err)
	}
	run = p.run(run.ID, "the end of the flood", func(r act.Run) bool { return r.Status.Ended() })
	if s := run.Steps[0]; run.Status != act.RunFailed || !strings.Contains(s.Detail, "longer than 2s") || len(s.Output) > 70<<10 || !strings.Contains(s.Output, "bytes left out") || s.EndedAt.Sub(s.StartedAt) > 20*time.Second {
		t.Errorf("%s %s, %d bytes in %s", run.Status, s.Detail, len(s.Output), s.EndedAt.Sub(s.StartedAt))
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err == nil {
		var peak int
		if i := bytes.Index(status, []byte("VmHWM:")); i >= 0 {
			_, _ = fmt.Sscanf(string(status[i+6:]), "%d", &peak)
		}
		if peak == 0 || peak > 1<<20 {
			t.Errorf("the server took up to %d KiB", peak)
		}
	}
	var made api.TokenSecret
	if err := p.call(http.MethodPost, "tokens", map[string]any{"note": "soon stolen"}, &made); err != nil {
		t.Fatal(err)
	}
	mine := p.token
	p.token = made.Secret
	if err := p.call(http.MethodPost, "runs", api.NewRun{Runbook: "hang"}, &run); err != nil {
		t.Fatal(err)
	}
	p.token = mine
	p.until("the step", func() bool { data, _ := os.ReadFile(log); return len(data) > 0 })
	if err := p.call(http.MethodDelete, "tokens/"+made.ID, nil, nil); err != nil {
		t.Fatal(err)
	}
	run = p.run(run.ID, "its end", func(r act.Run) bool { return r.Status.Ended() })
	if data, _ := os.ReadFile(log); run.Status != act.RunCancelled || !strings.Contains(run.Reason, "revoked") || string(data) != "hang\n" {
		t.Errorf("%s %s, happened: %s", run.Status, run.Reason, data)
	}
	p.token = made.Secret
	if err := p.call(http.MethodPost, "runs", api.NewRun{Runbook: "drain"}, &run); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a revoked token starts a run: %v", err)
	}
}
