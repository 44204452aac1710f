package cli

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/respond/alert"
)

// runDemo runs the demo at an address of its own, for as long as the test takes.
func runDemo(t *testing.T) (dir string, said *safeBuffer) {
	t.Helper()
	dir, said = t.TempDir(), &safeBuffer{}
	demo := exec.Command(os.Args[0], "demo", "-d", dir, "--listen", "127.0.0.1:0")
	demo.Env = append(os.Environ(), runAsCLI+"=1")
	demo.Stdout, demo.Stderr = said, said
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = demo.Process.Signal(os.Interrupt); _ = demo.Wait() })
	return dir, said
}

// TestTheDemoSilences: what the demo offers without an approval is really done there, also
// at another address than the usual one.
func TestTheDemoSilences(t *testing.T) {
	dir, said := runDemo(t)
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !ok(); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("no %s; the demo says:\n%s", what, said.String())
			}
		}
	}
	var url []string
	until("address", func() bool {
		url = regexp.MustCompile(`Evenkeel +(http\S+)`).FindStringSubmatch(said.String())
		return url != nil
	})
	t.Setenv(envURL, url[1])
	run := func(args ...string) string {
		t.Helper()
		var out, talk safeBuffer
		if code := Run(context.Background(), args, strings.NewReader(""), &out, &talk); code != ExitFine {
			t.Fatalf("%q: %d %s", args, code, talk.String())
		}
		return out.String()
	}
	t.Setenv(envToken, strings.TrimSpace(run("token", "create", "--person", "bob", "-d", filepath.Join(dir, "data"))))
	const why = `new disks, "$(rack)" 4`
	run("request", "new", "silence-for-maintenance", "--set", "service=checkout", "--set", "minutes=10", "--set", "reason="+why)
	read := func(into any, args ...string) {
		t.Helper()
		if err := json.Unmarshal([]byte(run(append(args, "-o", "json")...)), into); err != nil {
			t.Fatal(err)
		}
	}
	var q api.RequestDetail
	until("end of the request", func() bool {
		read(&q, "request", "show", "1")
		return q.Status != act.RequestRunning
	})
	var silences api.List[alert.Silence]
	read(&silences, "silence", "list")
	if q.Status != act.RequestDone || len(silences.Items) != 1 || silences.Items[0].Comment != why {
		t.Errorf("%s: %s; silences %+v", q.Status, q.Reason, silences.Items)
	}
}
