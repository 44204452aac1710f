package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/detect/backtest"
)

// run runs the command and returns what it printed.
func run(t *testing.T, wantCode int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	if code := Run(t.Context(), args, strings.NewReader(""), &out, &talk); code != wantCode {
		t.Fatalf("%v: exit code %d, expected %d\nstdout:\n%s\nstderr:\n%s", args, code, wantCode, &out, &talk)
	}
	return out.String(), talk.String()
}

func runJSON[T any](t *testing.T, wantCode int, args ...string) (v T) {
	t.Helper()
	out, _ := run(t, wantCode, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return v
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// reaching is killWorkspace with somebody to reach.
func reaching(t *testing.T, dir string) {
	t.Helper()
	for name, text := range killWorkspace {
		write(t, dir, name, text)
	}
	write(t, dir, "routing.yml", "route: {receiver: phone}\nreceivers: [{name: phone, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}]\n")
	write(t, dir, "oncall/ops.yml", "schedules:\n  - {name: ops, team: ops, timezone: UTC, layers: [{start: 1970-01-01T00:00, every: daily, people: [carol]}]}\n")
}

// depths is 40 minutes of queue_depth; it is above 100 from the tenth to the twentieth.
const depths = `clear
load 1m
  queue_depth{queue="mail"} 5x9 120x9 70x19
`

const sharper = `groups:
  - name: queue
    rules:
      - alert: QueueStuck
        expr: queue_depth > 60
        labels: {severity: page, service: queue, team: ops}
`

func TestBacktestOfAFile(t *testing.T) {
	dir := t.TempDir()
	reaching(t, dir)
	data := write(t, t.TempDir(), "depths.test", depths)
	git := func(args ...string) {
		t.Helper()
		args = append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"}, args...)
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q")
	git("add", "-A")
	git("commit", "-qm", "rules as they are")

	alone := runJSON[backtest.Result](t, 0, "backtest", "--workspace", dir, "--data", data, "--step", "1m")
	if alone.Today != nil || alone.Changed.Summary.Firings != 1 || alone.Changed.Summary.Pages == 0 {
		t.Errorf("a workspace alone: %+v beside %+v", alone.Changed.Summary, alone.Today)
	}
	write(t, dir, "rules/queue.yml", sharper)
	beside := runJSON[backtest.Result](t, 0, "backtest", "--workspace", dir, "--diff", "HEAD", "--data", data, "--step", "1m")
	if beside.Today == nil || beside.Today.Summary.FiringSeconds != 10*60 || beside.Changed.Summary.FiringSeconds <= 10*60 {
		t.Errorf("since a commit: %+v beside %+v", beside.Changed.Summary, beside.Today)
	}
	if text, _ := run(t, 0, "backtest", "--workspace", dir, "--diff", "HEAD", "--data", data, "--step", "1m", "-o", "markdown"); !strings.Contains(text, "| alerts fired | 1 | 1 |") || !strings.Contains(text, "UTC, every 1m, over") {
		t.Errorf("Markdown:\n%s", text)
	}
	blind := write(t, t.TempDir(), "queue.yml", strings.ReplaceAll(sharper, "60", "600"))
	incidents := write(t, t.TempDir(), "incidents.json", `{"items": [{"number": 3, "title": "Mail stuck", "service": "queue",
		"clocks": {"detected": "1970-01-01T00:12:00Z", "resolved": "1970-01-01T00:20:00Z"}}]}`)
	// An incident that today's rules catch is lost: exit code 1.
	text, _ := run(t, 1, "backtest", "--workspace", dir, "--rules", blind, "--data", data, "--step", "1m", "--incidents", incidents)
	if !strings.Contains(text, "lost") {
		t.Errorf("no word on the incident that is lost:\n%s", text)
	}
	// So is an alert on record that was worth it.
	outcomes := write(t, t.TempDir(), "outcomes.json", `{"items": [{"finding": 7, "name": "QueueStuck", "service": "queue", "labels": {"service": "queue", "queue": "mail"},
		"opened": "1970-01-01T00:11:00Z", "resolved": "1970-01-01T00:20:00Z", "outcome": "action"}]}`)
	text, talk := run(t, 1, "backtest", "--workspace", dir, "--rules", blind, "--data", data, "--step", "1m", "--outcomes", outcomes)
	if !strings.Contains(text, "ALERT ON RECORD") || !strings.Contains(talk, "1 useful alert would not be told") {
		t.Errorf("no word on the alert that is lost:\n%s%s", text, talk)
	}
	for _, bad := range [][]string{
		{"--data", data, "--workspace", dir, "--outcomes", write(t, t.TempDir(), "bad.json", `[{"name": "QueueStuck", "opened": "1970-01-01T00:11:00Z", "outcome": "useful"}]`)},
		{"--data", data, "--workspace", dir, "--outcomes", write(t, t.TempDir(), "bad.json", `[{"name": "QueueStuck"}]`)},
		{"--data", data, "--workspace", dir, "--outcomes", write(t, t.TempDir(), "bad.json", `[`)},
		{"--data", filepath.Join(dir, "nothing")},
		{"--rules", filepath.Join(dir, "catalog/all.yml"), "--data", data},
		{"--workspace", dir, "--diff", "nowhere", "--data", data},
		{"--workspace", dir, "--diff", "--output=/tmp/x", "--data", data},
		{"--rules", blind, "--data", data, "--from", "2030-01-01T00:00:00Z"},
		{"--rules", blind, "--data", data, "--step", "1ms"},
		{"--rules", blind, "--data", data, "--step", "0s"},
		{"--data", data}, // no workspace here
		{"--rules", write(t, t.TempDir(), "none.yml", "groups: []"), "--data", data},
	} {
		if _, talk := run(t, 2, append([]string{"backtest"}, bad...)...); talk == "" {
			t.Errorf("%v: not a word", bad)
		}
	}
}

// TestCheckAgainstStoredData holds rules against a file and against a server.
func TestCheckAgainstStoredData(t *testing.T) {
	p := newProcess(t)
	p.start()
	for m := range 20 {
		if err := p.write(time.Now().Add(time.Duration(m-20)*time.Minute), map[string]float64{"queue_depth": 70}); err != nil {
			t.Fatal(err)
		}
	}
	workspace := filepath.Join(p.dir, "workspace")
	rules := filepath.Join(workspace, "rules", "queue.yml")
	depths := write(t, t.TempDir(), "depths.test", depths)
	misspelt := write(t, t.TempDir(), "queue.yml", strings.ReplaceAll(sharper, "queue_depth", "queue_dept"))
	for _, test := range []struct {
		code int
		args []string
		want string
	}{
		{0, []string{rules}, ""}, // its service has a runbook
		{0, []string{"--data", depths, workspace}, ""},
		{0, []string{"--data", "http://" + p.addr, workspace}, "rules/queue.yml:5:15: warning: groups[0].rules[0].expr: got \"queue_depth > 100\", expected QueueStuck: a threshold that was ever reached (it was between 70 and 70)"},
		{1, []string{"--data", "http://" + p.addr, "--strict", rules}, "between 70 and 70"},
		{0, []string{"--data", "http://" + p.addr, misspelt}, `did you mean "queue_depth"?`},
		{0, []string{misspelt}, "to name a runbook: it pages"},
		{2, []string{"--data", "http://127.0.0.1:1", rules}, ""},
		{2, []string{"--data", "nowhere", rules}, ""},
	} {
		if out, _ := runCheck(t, test.code, test.args...); test.want == "" && strings.Contains(out, "warning") || !strings.Contains(out, test.want) {
			t.Errorf("check %v:\n%s\nexpected %q", test.args, out, test.want)
		}
	}
}

// TestPlanAgainstAServer replays on the server's own samples.
func TestPlanAgainstAServer(t *testing.T) {
	p := newProcess(t)
	reaching(t, filepath.Join(p.dir, "workspace"))
	p.start()
	begin := time.Now().Add(-40 * time.Minute).Truncate(time.Minute)
	for m := range 39 {
		depth := 5.0
		if m >= 10 {
			depth = 70
		}
		if err := p.write(begin.Add(time.Duration(m)*time.Minute), map[string]float64{"queue_depth": depth}); err != nil {
			t.Fatal(err)
		}
	}
	server := []string{"--url", "http://" + p.addr}
	t.Setenv(envToken, p.token)
	dir := filepath.Join(p.dir, "changed")
	reaching(t, dir)
	same := runJSON[struct {
		Changes  []struct{ Kind, Name, What string }
		Backtest *backtest.Result
	}](t, 0, append(server, "plan", "-w", dir)...)
	if len(same.Changes) != 0 || same.Backtest != nil {
		t.Errorf("the same workspace changes %+v", same)
	}
	write(t, dir, "rules/queue.yml", sharper)
	other := runJSON[struct {
		Changes  []struct{ Kind, Name, What string }
		Backtest *backtest.Result
	}](t, 0, append(server, "plan", "-w", dir)...)
	if len(other.Changes) != 1 || other.Changes[0].Name != "QueueStuck" || other.Changes[0].What != "changed" {
		t.Errorf("changes %+v, expected QueueStuck", other.Changes)
	}
	if b := other.Backtest; b == nil || b.Today.Summary.Firings != 0 || b.Changed.Summary.Firings != 1 || b.Changed.Summary.Pages == 0 {
		t.Errorf("backtest %+v", other.Backtest)
	}
	// The same from here, over the server's API, and by the server.
	rules := filepath.Join(dir, "rules/queue.yml")
	there := runJSON[backtest.Result](t, 0, append(server, "backtest", "--rules", rules, "--step", "1m")...)
	here := runJSON[backtest.Result](t, 0, "backtest", "--rules", rules, "--step", "1m", "--data", "http://"+p.addr)
	if there.Changed.Summary.Firings != 1 || here.Changed.Summary.Firings != 1 {
		t.Errorf("fired %d and %d times, expected once each", there.Changed.Summary.Firings, here.Changed.Summary.Firings)
	}
	// As on a terminal: the answer comes with its progress.
	base, err := url.Parse("http://" + p.addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{base: base, token: p.token, http: http.DefaultClient, wait: time.Minute}
	files, err := pack(dir)
	if err != nil {
		t.Fatal(err)
	}
	var bar []string
	show := func(done, total int) { bar = append(bar, fmt.Sprintf("%d of %d", done, total)) }
	var watched backtest.Result
	if _, err := c.watched(t.Context(), "replay", "/backtest", api.Replaying{Workspace: files, StepSeconds: 60}, &watched, show, func() {}); err != nil || watched.Changed.Summary.Firings != 1 || watched.Today == nil {
		t.Errorf("watched: %v, %+v", err, watched.Changed.Summary)
	}
	if len(bar) == 0 || bar[len(bar)-1] != "2 of 2" {
		t.Errorf("the bar showed %q, expected the last to be 2 of 2: the rule as it is, and changed", bar)
	}
	if _, err := c.watched(t.Context(), "replay", "/backtest", api.Replaying{Workspace: files, StepSeconds: 0.001}, &watched, show, func() {}); err == nil || !strings.Contains(err.Error(), "at least 1s") {
		t.Errorf("too short a step, watched: %v", err)
	}
	write(t, dir, "rules/queue.yml", strings.ReplaceAll(sharper, "> 60", ">"))
	if _, talk := run(t, 2, append(server, "plan", "-w", dir)...); !strings.Contains(talk, "rules/queue.yml") {
		t.Errorf("a broken rule: %s", talk)
	}
}
