package runbook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/declare"
	parse "github.com/evenkeel/evenkeel/declare/runbook"
	"github.com/evenkeel/evenkeel/state"
)

var levels = map[declare.PersonID]declare.Level{
	"alice": {Name: "engineer", Rank: declare.Engineer, Alone: declare.RiskLow, Approve: declare.RiskNone},
	"bob":   {Name: "senior", Rank: declare.Senior, Alone: declare.RiskMedium, Approve: declare.RiskHigh},
	"carol": {Name: "lead", Rank: declare.Lead, Alone: declare.RiskHigh, Approve: declare.RiskHigh},
}

// bench is a runner over a state folder, with the runbooks of a test.
type bench struct {
	*Runner
	t         *testing.T
	db        *state.DB
	changes   act.Changes
	books     map[string]*declare.Runbook
	recovered atomic.Bool
	end       func()
}

func newBench(t *testing.T, dir string, books map[string]string, with ...func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, books: map[string]*declare.Runbook{}}
	for name, text := range books {
		var problems declare.Problems
		if b.books[name] = parse.Read("runbooks/"+name+".md", []byte(text), &problems); len(problems) > 0 {
			t.Fatal(problems)
		}
	}
	var err error
	if b.db, err = state.Open(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	known := func(s declare.ServiceID) bool { return s == "checkout" || s == "payments" }
	b.changes = change.New(change.Options{DB: b.db, Known: known, OnRecord: func(context.Context, act.Change) {}})
	o := Options{
		DB: b.db, Logger: slog.New(slog.DiscardHandler), Changes: b.changes, KnownService: known, OutputLimit: 1000,
		Runbook:     func(name string) *declare.Runbook { return b.books[name] },
		Level:       func(p declare.PersonID) declare.Level { return levels[p] },
		ObjectiveOf: func(context.Context, int64) (declare.ObjectiveName, error) { return "", nil },
		Query: func(_ context.Context, expr string, _ time.Time) ([]Value, error) {
			if expr == "broken(" {
				return nil, errors.New("parse error")
			}
			return []Value{{`{code="500"}`, 0.25}}, nil
		},
		Verify: func(context.Context, declare.ObjectiveName, time.Time) (bool, string, error) {
			return b.recovered.Load(), "as the test says", nil
		},
	}
	for _, f := range with {
		f(&o)
	}
	b.Runner = New(o)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.end = sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := b.db.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.end)
	return b
}

func (b *bench) start(who declare.PersonID, book string, params map[string]string) act.Run {
	b.t.Helper()
	run, err := b.Start(b.t.Context(), time.Now(), who, act.StartRun{Runbook: book, Params: params})
	if err != nil {
		b.t.Fatal(err)
	}
	return run
}

func (b *bench) until(id string, why string, ok func(act.Run) bool) act.Run {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		run, err := b.Get(b.t.Context(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		if ok(run) {
			return run
		}
		if time.Now().After(end) {
			b.t.Fatalf("waited too long for %s: %+v", why, run)
		}
	}
}

func (b *bench) ended(id string) act.Run {
	b.t.Helper()
	return b.until(id, "the end", func(r act.Run) bool { return r.Status.Ended() })
}

// closed is a run's change, which ends right after the run.
func (b *bench) closed(run act.Run) (c act.Change, err error) {
	b.t.Helper()
	b.until(run.ID, "the end of its change", func(act.Run) bool {
		c, err = b.changes.Get(b.t.Context(), run.Change)
		return err != nil || !c.EndedAt.IsZero()
	})
	return c, err
}

func has(status act.RunStatus) func(act.Run) bool {
	return func(r act.Run) bool { return r.Status == status }
}

// TestParametersAreNeverShellText gives what would be code in a shell's text.
func TestParametersAreNeverShellText(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.URL.RawQuery, string(body))
	}))
	defer server.Close()
	t.Setenv("EVENKEEL_SECRET", "hidden")
	b := newBench(t, t.TempDir(), map[string]string{
		"say": "---\ntitle: Say\nservices: [checkout]\nparams: [{name: what, type: string, required: true}]\n---\n# Say\n\n```sh {name=say risk=low}\nprintf '%s' \"$what\"\n```\n\n```sh {name=env risk=low}\nenv\n```\n",
		"ask": "---\ntitle: Ask\nservices: [checkout]\nparams: [{name: what, type: string, required: true}]\n---\n# Ask\n\n```http {name=ask risk=low}\nPOST " + server.URL + "/?q=${what}\nContent-Type: application/json\n\n{\"what\": \"${what}\"}\n```\n",
	})
	marker := filepath.Join(t.TempDir(), "hacked")
	for _, evil := range []string{
		"$(touch " + marker + ")", "`touch " + marker + "`", "; touch " + marker, "\"; touch " + marker + "; \"", "'; touch " + marker + " #", "--help", "a\nb", "$HOME", "ü☃", "\\", "%s%n", `","role":"admin`,
	} {
		run := b.ended(b.start("alice", "say", map[string]string{"what": evil}).ID)
		if run.Status != act.RunDone || run.Steps[0].Output != evil {
			t.Errorf("%q: %s, output %q", evil, run.Status, run.Steps[0].Output)
		}
		if env := run.Steps[1].Output; strings.Contains(env, "hidden") || !strings.Contains(env, "EVENKEEL_RUN="+run.ID) {
			t.Errorf("the environment of a step: %s", env)
		}
		got = nil
		if run := b.ended(b.start("alice", "ask", map[string]string{"what": evil}).ID); run.Status != act.RunDone || len(got) != 2 {
			t.Errorf("%q: %s %s, %q", evil, run.Status, run.Reason, got)
		} else if strings.ContainsAny(got[0], " ;\"'`\n") || strings.Contains(got[1], `"role":"admin`) {
			t.Errorf("%q became part of the request: %q", evil, got)
		}
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("a parameter was run as code")
	}
	for _, bad := range []string{"", "\x00", "\xff", strings.Repeat("x", 5000)} {
		var invalid *act.InvalidError
		if _, err := b.Start(t.Context(), time.Now(), "alice", act.StartRun{Runbook: "say", Params: map[string]string{"what": bad}}); !errors.As(err, &invalid) || invalid.Field != "params.what" {
			t.Errorf("%.10q was taken: %v", bad, err)
		}
	}
}

func TestTypes(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{"all": `---
title: All
services: [checkout]
params:
  - {name: s, type: string, pattern: '\d+\.\d+', default: "1.0"}
  - {name: i, type: int, min: 1, max: 5, default: "1"}
  - {name: n, type: number, default: "1"}
  - {name: b, type: bool, default: "true"}
  - {name: e, type: enum, values: [x, y], default: x}
  - {name: d, type: duration, default: 5m}
  - {name: svc, type: service, default: checkout}
---
# All

` + "```promql {}\nup\n```\n"})
	f := func(name, value string, good bool) {
		t.Helper()
		run, err := b.Start(t.Context(), time.Now(), "alice", act.StartRun{Runbook: "all", Params: map[string]string{name: value}})
		if (err == nil) != good {
			t.Errorf("%s=%q: %v", name, value, err)
		}
		if err == nil {
			b.ended(run.ID) // a runbook runs once at a time
		}
	}
	f("s", "2.10", true)
	f("s", "2.10; rm", false)
	f("s", "2.10\n", false)
	f("i", "5", true)
	f("i", "6", false)
	f("i", "1e0", false)
	f("n", "-1.5e3", true)
	f("n", "NaN", false)
	f("b", "yes", false)
	f("e", "y", true)
	f("e", "z", false)
	f("d", "90s", true)
	f("d", "soon", false)
	f("svc", "nobody", false)
	f("sv", "checkout", false)
}

// TestLimits ends what takes too long, with all that it started, and keeps the
// beginning and the end of what says too much.
func TestLimits(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	b := newBench(t, t.TempDir(), map[string]string{
		"slow":   "---\ntitle: Slow\nservices: [checkout]\n---\n# Slow\n\n```sh {risk=low timeout=1s}\nsleep 300 & echo $! > " + pid + "\nwait\n```\n",
		"chatty": "---\ntitle: Chatty\nservices: [checkout]\n---\n# Chatty\n\n```sh {risk=low}\necho begin; i=0; while [ $i -lt 3000 ]; do printf '\\377\\n'; i=$((i+1)); done; echo end\n```\n",
		"long":   "---\ntitle: Long\nservices: [checkout]\n---\n# Long\n\n```sh {risk=low}\nsleep 300\n```\n\n```sh {risk=low}\necho never\n```\n",
	})
	run := b.ended(b.start("alice", "slow", nil).ID)
	if run.Status != act.RunFailed || !strings.Contains(run.Steps[0].Detail, "longer than 1s") {
		t.Errorf("%s: %+v", run.Status, run.Steps)
	}
	child, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	b.until(run.ID, "the end of the step's child", func(act.Run) bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%s/stat", strings.TrimSpace(string(child))))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})

	run = b.ended(b.start("alice", "chatty", nil).ID)
	if out := run.Steps[0].Output; run.Status != act.RunDone || len(out) > 5000 || !strings.HasPrefix(out, "begin") || !strings.HasSuffix(strings.TrimSpace(out), "end") {
		t.Errorf("%s: %d bytes of output: %.50q", run.Status, len(out), out)
	}

	id := b.start("alice", "long", nil).ID
	b.until(id, "the first step", func(r act.Run) bool { return r.Steps[0].Status == act.StepRunning })
	if _, err := b.Cancel(t.Context(), time.Now(), "bob", id, "not needed"); err != nil {
		t.Fatal(err)
	}
	run = b.ended(id)
	if run.Status != act.RunCancelled || run.Steps[1].Output != "" {
		t.Errorf("%+v", run)
	}
	var conflict *act.ConflictError
	if _, err := b.Cancel(t.Context(), time.Now(), "bob", id, "again"); !errors.As(err, &conflict) {
		t.Errorf("an ended run was cancelled: %v", err)
	}
}

const rollback = "---\ntitle: Back\nservices: [checkout]\nverify: {objective: checkout-availability, within: 2s}\n---\n# Back\n\n" +
	"```promql {name=look}\nup\n```\n\n```sh {name=back risk=medium}\necho went back\n```\n\n```sh {name=forth risk=low rollback}\necho went forth\n```\n"

// TestApproval makes a step over the person's level wait for somebody else, once.
func TestApproval(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{"back": rollback})
	b.recovered.Store(true)
	run := b.until(b.start("alice", "back", nil).ID, "the approval", has(act.RunWaiting))
	if len(run.Approvals) != 1 || run.Steps[0].Status != act.StepDone || run.Steps[1].Status != act.StepWaiting {
		t.Fatalf("%+v", run)
	}
	a := run.Approvals[0]
	var denied *act.DeniedError
	if _, err := b.Decide(t.Context(), time.Now(), "alice", run.ID, a.Step, true, a.ShownHash, ""); !errors.As(err, &denied) {
		t.Errorf("alice approved what she asked for: %v", err)
	}
	if _, err := b.Decide(t.Context(), time.Now(), "bob", run.ID, a.Step, true, "something else", ""); err == nil {
		t.Error("what was not shown was approved")
	}
	var group sync.WaitGroup
	var given atomic.Int32
	for i := range 8 {
		who := declare.PersonID([]string{"bob", "carol"}[i%2])
		group.Go(func() {
			if _, err := b.Decide(context.Background(), time.Now(), who, run.ID, a.Step, true, a.ShownHash, "fine"); err == nil {
				given.Add(1)
			}
		})
	}
	group.Wait()
	if given.Load() != 1 {
		t.Errorf("approved %d times", given.Load())
	}
	run = b.ended(run.ID)
	if run.Status != act.RunVerified || run.Steps[1].Output != "went back\n" || run.Steps[2].Status == act.StepDone || run.Steps[1].Attempt != 1 {
		t.Errorf("%+v", run)
	}
	c, err := b.closed(run)
	if err != nil || c.Verdict != "verified" || c.Kind != "run" || c.Service != "checkout" || c.EndedAt.IsZero() {
		t.Errorf("its change: %+v %v", c, err)
	}
	run = b.until(b.start("alice", "back", nil).ID, "the second approval", has(act.RunWaiting))
	if _, err := b.Decide(t.Context(), time.Now(), "bob", run.ID, 1, false, run.Approvals[0].ShownHash, "not now"); err != nil {
		t.Fatal(err)
	}
	if run = b.ended(run.ID); run.Status == act.RunVerified || run.Steps[1].Output != "" {
		t.Errorf("a refused step: %+v", run)
	}
}

// TestRollback runs the rollback steps where the objective does not recover.
func TestRollback(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{"back": rollback})
	run := b.ended(b.start("carol", "back", nil).ID)
	if run.Status != act.RunRolledBack || run.Steps[2].Output != "went forth\n" {
		t.Errorf("%s %s %+v", run.Status, run.Reason, run.Steps)
	}
	if c, err := b.closed(run); err != nil || c.Verdict != "rolled-back" {
		t.Errorf("its change: %+v %v", c, err)
	}
}

// TestRestart goes on at the step that was interrupted, if that may happen twice.
func TestRestart(t *testing.T) {
	books := map[string]string{
		"safe":   "---\ntitle: Safe\nservices: [checkout]\n---\n# Safe\n\n```sh {name=a risk=low}\necho a\n```\n\n```sh {name=b risk=low retry=safe}\nsleep 2; echo b\n```\n\n```sh {name=c risk=low}\necho c\n```\n",
		"unsafe": "---\ntitle: Unsafe\nservices: [payments]\n---\n# Unsafe\n\n```sh {name=a risk=low}\nsleep 2\n```\n\n```sh {name=b risk=low}\necho b\n```\n",
	}
	dir := t.TempDir()
	first := newBench(t, dir, books)
	safe, unsafe := first.start("alice", "safe", nil).ID, first.start("alice", "unsafe", nil).ID
	first.until(safe, "its second step", func(r act.Run) bool { return r.Steps[1].Status == act.StepRunning })
	first.until(unsafe, "its first step", func(r act.Run) bool { return r.Steps[0].Status == act.StepRunning })
	first.end()

	b := newBench(t, dir, books)
	run := b.ended(safe)
	if run.Status != act.RunDone || run.Steps[0].Attempt != 1 || run.Steps[1].Attempt != 2 || run.Steps[2].Output != "c\n" {
		t.Errorf("%s: %+v", run.Status, run.Steps)
	}
	run = b.until(unsafe, "a decision", has(act.RunWaiting))
	if run.Steps[0].Status != act.StepInterrupted || run.Steps[1].Status != act.StepPending {
		t.Errorf("%+v", run.Steps)
	}
	if _, err := b.Continue(t.Context(), time.Now(), "alice", unsafe, 0, false); err != nil {
		t.Fatal(err)
	}
	if run = b.ended(unsafe); run.Steps[0].Status != act.StepSkipped || run.Steps[1].Output != "b\n" {
		t.Errorf("%+v", run.Steps)
	}

	// A change that a kill left open ends as its run did.
	if _, err := b.closed(run); err != nil {
		t.Fatal(err)
	}
	if err := b.db.Update(t.Context(), func(tx *state.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE changes SET ended_ms = 0 WHERE id = ?`, run.Change)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b.end()
	if c, err := newBench(t, dir, books).closed(run); err != nil || c.EndedAt.IsZero() {
		t.Errorf("its change: %+v %v", c, err)
	}
}

// TestAClockThatJumpsEndsNoVerification: the time on the wall passed the end of a
// verification at once; what it waits for has as long as the runbook gives.
func TestAClockThatJumpsEndsNoVerification(t *testing.T) {
	var asked atomic.Int32
	b := newBench(t, t.TempDir(), map[string]string{"fix": page("verify: {objective: checkout-availability, within: 10m}\n", fence("sh {name=fix risk=low}", "true"))}, func(o *Options) {
		verify := o.Verify
		o.Verify = func(ctx context.Context, name declare.ObjectiveName, since time.Time) (bool, string, error) {
			asked.Add(1)
			return verify(ctx, name, since)
		}
	})
	run := b.start("carol", "fix", nil)
	b.until(run.ID, "the verification", func(r act.Run) bool { return r.Status == act.RunVerifying && asked.Load() > 0 })
	if err := b.db.Update(t.Context(), func(tx *state.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE runs SET verify_ms = 1000 WHERE id = ?`, run.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	before := asked.Load()
	run = b.until(run.ID, "another look", func(r act.Run) bool { return asked.Load() > before+1 || r.Status.Ended() })
	if run.Status != act.RunVerifying {
		t.Fatalf("%s: %s", run.Status, run.Reason)
	}
	b.recovered.Store(true)
	if run = b.ended(run.ID); run.Status != act.RunVerified {
		t.Errorf("%s: %s", run.Status, run.Reason)
	}
}

// TestAClockThatGoesBackEndsTheChange: the change of a run that ends before it began, by
// the clock on the wall, has an end all the same.
func TestAClockThatGoesBackEndsTheChange(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{"fix": page("", fence("sh {name=first risk=low}", "true"), fence("manual {name=look}", "look"))})
	run := b.until(b.start("carol", "fix", nil).ID, "the manual step", has(act.RunWaiting))
	began := time.Now().Add(2 * time.Hour)
	if err := b.db.Update(t.Context(), func(tx *state.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE changes SET started_ms = ? WHERE id = ?`, began.UnixMilli(), run.Change)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Tick(t.Context(), time.Now(), "carol", run.ID, 1, true, 1, ""); err != nil {
		t.Fatal(err)
	}
	if c, err := b.closed(b.ended(run.ID)); err != nil || c.EndedAt.UnixMilli() != began.UnixMilli() {
		t.Errorf("%+v %v", c, err)
	}
}
