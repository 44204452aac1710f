package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v4"

	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/api"
)

// gateServer answers as the server does, with one decision.
func gateServer(t *testing.T, d gate.Decision, asked *api.GateQuestion) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/evenkeel/v1/gate", func(w http.ResponseWriter, r *http.Request) {
		*asked = api.GateQuestion{}
		if err := json.NewDecoder(r.Body).Decode(asked); err != nil {
			t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(d)
	})
	mux.HandleFunc("GET /api/evenkeel/v1/changes/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") == "c-1" {
			_, _ = io.WriteString(w, `{"id":"c-1","service":"checkout","kind":"deploy"}`)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":{"code":"not_found","message":"not found"}}`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestGate(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "change.yml")
	if err := os.WriteFile(file, []byte("kind: config\nservice: checkout\nto: v9\nevidence: {author: alice, reviewers: [bob]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "bad.yml")
	if err := os.WriteFile(bad, []byte("knid: config\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	artefact := filepath.Join(dir, "catalog")
	if err := os.MkdirAll(artefact, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(artefact, "x.yml"), []byte("kind: Component\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var asked api.GateQuestion
	f := func(answer gate.Answer, want int, args ...string) string {
		t.Helper()
		d := gate.Decision{Service: "checkout", Change: "deploy of checkout 1.5.0", Answer: answer, Reasons: []gate.Reason{
			{Check: "budget", State: map[gate.Answer]string{gate.Yes: gate.Pass, gate.No: gate.Fail, gate.Unknown: gate.Doubt}[answer], Why: "a reason with 100% and\na line"}, {Check: "freeze", State: gate.Pass, Why: "none"},
		}}
		t.Setenv("EVENKEEL_URL", gateServer(t, d, &asked).URL)
		var out, talk bytes.Buffer
		if got := Run(context.Background(), append([]string{"gate"}, args...), strings.NewReader(""), &out, &talk); got != want {
			t.Errorf("%v: got exit code %d, want %d: %s%s", args, got, want, &out, &talk)
		}
		return out.String() + talk.String()
	}
	out := f(gate.Yes, ExitFine, "--service", "checkout", "--change", "1.5.0", "--kind", "patch", "--risk", "low")
	if !strings.Contains(out, "deploy of checkout 1.5.0: yes") || asked.Change.To != "1.5.0" || asked.Change.Kind != "patch" || asked.Change.Risk != "low" || asked.Service != "checkout" {
		t.Errorf("got %s %+v", out, asked)
	}
	f(gate.No, ExitFound, "--service", "checkout", "--change", "1.5.0")
	if out := f(gate.Unknown, ExitError, "--service", "checkout", "--change", "1.5.0"); !strings.Contains(out, "cannot tell") {
		t.Error(out)
	}
	f(gate.Yes, ExitFine, "--service", "checkout", "--change", "c-1")
	if asked.Ref != "c-1" {
		t.Errorf("got %+v", asked)
	}
	if out := f(gate.Yes, ExitError, "--service", "payments", "--change", "c-1"); !strings.Contains(out, "it is of checkout") {
		t.Error(out)
	}
	f(gate.Yes, ExitFine, "--change", file)
	if asked.Change.To != "v9" || asked.Change.Evidence.Author != "alice" {
		t.Errorf("got %+v", asked)
	}
	if out := f(gate.Yes, ExitError, "--change", bad); !strings.Contains(out, "knid") {
		t.Error(out)
	}
	if out := f(gate.Yes, ExitError, "--change", "1.5.0"); !strings.Contains(out, "expected --service") {
		t.Error(out)
	}
	f(gate.No, ExitFound, "--service", "checkout", "--change", "1.5.0", "--artefact", dir)
	if len(asked.Problems) == 0 || len(asked.Artefacts) != 1 {
		t.Errorf("nothing was found in the artefact: %+v", asked)
	}
	f(gate.Yes, ExitError, "--service", "checkout", "--artefact", filepath.Join(dir, "nothing"))

	at := gate.Decision{Service: "checkout", Answer: gate.No, Reasons: []gate.Reason{
		{Check: "artefacts", State: gate.Fail, Why: "k8s/a,b.yaml: line 4: spec: expected 100 % of it"}, {Check: "artefacts", State: gate.Pass, Why: "x: line 1: y"}, {Check: "budget", State: gate.Fail, Why: "x: line 1: y"},
	}}
	var lines bytes.Buffer
	if err := gateGitHub(&lines, at); err != nil || !strings.HasPrefix(lines.String(), "::error file=k8s/a%2Cb.yaml,line=4,title=gate artefacts::spec: expected 100 %25 of it\n::notice title=gate artefacts::x: line 1: y\n::error title=gate budget::x: line 1: y\n") {
		t.Errorf("%v %s", err, &lines)
	}

	var suites junitSuites
	if out := f(gate.No, ExitFound, "--service", "checkout", "--change", "1.5.0", "-o", "junit"); xml.Unmarshal([]byte(out), &suites) != nil || suites.Failures != 1 || suites.Tests != 2 {
		t.Errorf("got %s", out)
	}
	if out := f(gate.No, ExitFound, "--service", "checkout", "--change", "1.5.0", "-o", "github"); !strings.Contains(out, "::error title=gate budget::a reason with 100%25 and") || strings.Count(out, "\n") != 3 {
		t.Errorf("got %q", out)
	}
	var d gate.Decision
	if out := f(gate.Yes, ExitFine, "--service", "checkout", "-o", "json"); json.Unmarshal([]byte(out), &d) != nil || d.Answer != gate.Yes {
		t.Errorf("got %s", out)
	}
}

// TestTheExampleWorkflowIsRight lints the workflow as GitHub would, and holds each
// command of ours in it against the real command line.
func TestTheExampleWorkflowIsRight(t *testing.T) {
	const path = "../examples/ci/github-gate.yml"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lint, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := lint.Lint(path, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found {
		t.Errorf("%s:%d: %s", path, e.Line, e.Message)
	}
	// The linter sees what is wrong.
	broken, err := lint.Lint(path, bytes.Replace(data, []byte("runs-on: ubuntu-latest"), []byte("runs-on: ubuntu-1"), 1), nil)
	if err != nil || len(broken) == 0 {
		t.Errorf("a wrong runner was not noticed: %v", err)
	}
	var workflow struct {
		Jobs map[string]struct{ Steps []struct{ Name, Run string } }
	}
	if err := yaml.Unmarshal(data, &workflow); err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, job := range workflow.Jobs {
		for _, step := range job.Steps {
			line, ok := strings.CutPrefix(strings.TrimSpace(step.Run), "evenkeel ")
			if !ok {
				continue
			}
			commands++
			cmd, args, err := newRoot().Find(strings.Fields(line))
			if err != nil || cmd.Name() == "evenkeel" {
				t.Errorf("%s: %v", step.Name, err)
				continue
			}
			for i, a := range args {
				args[i] = strings.Trim(a, `"`)
			}
			if err := cmd.ParseFlags(args); err != nil {
				t.Errorf("%s: %v", step.Name, err)
			}
			if rest := cmd.Flags().Args(); len(rest) > 0 {
				t.Errorf("%s: words that are no flags: %v", step.Name, rest)
			}
		}
	}
	if commands != 4 {
		t.Errorf("got %d commands of ours", commands)
	}
}
