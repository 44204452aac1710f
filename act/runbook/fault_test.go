package runbook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/state"
)

// TestTwoHundredAtOnce starts 40 runbooks twice each, and lets 200 decisions loose on
// what came of it: yes and no, by those who may and by the one who asked. Each run has
// one decision, and each approved step happens once.
func TestTwoHundredAtOnce(t *testing.T) {
	const runs = 40
	log := filepath.Join(t.TempDir(), "log")
	books := map[string]string{}
	for i := range runs {
		books[fmt.Sprintf("b%d", i)] = fmt.Sprintf("---\ntitle: B\n---\n# B\n\n```sh {name=do risk=medium}\necho %d >> %s\n```\n", i, log)
	}
	b := newBench(t, t.TempDir(), books)
	var started [runs]atomic.Pointer[string]
	var twice atomic.Int32
	var group sync.WaitGroup
	for i := range runs {
		for range 2 {
			group.Go(func() {
				run, err := b.Start(context.Background(), time.Now(), "alice", act.StartRun{Runbook: fmt.Sprintf("b%d", i)})
				var conflict *act.ConflictError
				switch {
				case err == nil && !started[i].CompareAndSwap(nil, &run.ID):
					twice.Add(1)
				case err != nil && !errors.As(err, &conflict):
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
	if twice.Load() > 0 {
		t.Errorf("%d runbooks run twice at once", twice.Load())
	}
	hashes := make([]string, runs)
	for i := range runs {
		hashes[i] = b.until(*started[i].Load(), "the approval", func(r act.Run) bool { return len(r.Approvals) > 0 }).Approvals[0].ShownHash
	}
	var yes, no [runs]atomic.Int32
	for i := range runs {
		for n, who := range []declare.PersonID{"bob", "carol", "bob", "carol", "alice"} {
			group.Go(func() {
				approve := n != 3
				_, err := b.Decide(context.Background(), time.Now(), who, *started[i].Load(), 0, approve, hashes[i], "now")
				var conflict *act.ConflictError
				var denied *act.DeniedError
				switch {
				case err == nil && who == "alice":
					t.Error("alice approved what she asked for")
				case err == nil && approve:
					yes[i].Add(1)
				case err == nil:
					no[i].Add(1)
				case !errors.As(err, &conflict) && !errors.As(err, &denied):
					t.Errorf("%s: %v", who, err)
				case err.Error() == "":
					t.Error("a refusal that does not say why")
				}
			})
		}
	}
	group.Wait()
	want := map[string]int{}
	for i := range runs {
		run := b.ended(*started[i].Load())
		if y, n := yes[i].Load(), no[i].Load(); y+n != 1 || len(run.Approvals) != 1 {
			t.Errorf("run %d: %d times approved and %d refused", i, y, n)
		}
		if yes[i].Load() == 1 {
			want[fmt.Sprint(i)] = 1
		}
		if (yes[i].Load() == 1) != (run.Status == act.RunDone) || run.Steps[0].Attempt > 1 {
			t.Errorf("run %d: %+v", i, run)
		}
	}
	data, err := os.ReadFile(log)
	if err != nil && len(want) > 0 {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, l := range strings.Fields(string(data)) {
		got[l]++
	}
	for k, n := range got {
		if want[k] != n {
			t.Errorf("step %s happened %d times, approved %d times", k, n, want[k])
		}
	}
	for k := range want {
		if got[k] != 1 {
			t.Errorf("step %s was approved and did not happen", k)
		}
	}
}

// TestWhatASandboxHolds: a step that forks away and hangs, and one that floods.
func TestWhatASandboxHolds(t *testing.T) {
	const mark = "27182818" // seconds that nothing else here sleeps
	b := newBench(t, t.TempDir(), map[string]string{
		"fork":  page("", fence("sh {risk=low timeout=2s}", "setsid sh -c 'trap \"\" TERM HUP; (sleep "+mark+" & sleep "+mark+")' & echo forked; sleep "+mark)),
		"leave": page("", fence("sh {risk=low timeout=20s}", "setsid sleep "+mark+" & echo left")),
		"flood": page("", fence("sh {risk=low timeout=60s}", "echo first; head -c 300000000 /dev/zero; echo; echo last")),
	})
	alive := func() (n int) {
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range files {
			if data, err := os.ReadFile(f); err == nil && strings.HasPrefix(string(data), "sleep\x00"+mark) {
				n++
			}
		}
		return n
	}
	run := b.ended(b.start("alice", "fork", nil).ID)
	if run.Status != act.RunFailed || !strings.Contains(run.Reason, "longer than 2s") || run.Steps[0].EndedAt.Sub(run.Steps[0].StartedAt) > 20*time.Second {
		t.Errorf("%s %s", run.Status, run.Reason)
	}
	run = b.ended(b.start("alice", "leave", nil).ID)
	if run.Status != act.RunDone || run.Steps[0].Output != "left\n" {
		t.Errorf("%+v", run)
	}
	b.until(run.ID, "the end of what was left behind", func(act.Run) bool { return alive() == 0 })

	run = b.ended(b.start("alice", "flood", nil).ID)
	if out := run.Steps[0].Output; run.Status != act.RunDone || len(out) > 2000 || !strings.HasPrefix(out, "first") || !strings.HasSuffix(out, "last\n") || !strings.Contains(out, "bytes left out") {
		t.Errorf("%s: %d bytes", run.Status, len(out))
	}
}

// TestAHugeParameter is refused before it is anywhere.
func TestAHugeParameter(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{"say": page("params: [{name: what, type: string, required: true}]\n", fence("sh {risk=low}", `echo "$what"`))})
	for _, huge := range []string{strings.Repeat("x", 10<<20), strings.Repeat("\x00", 10<<20), "a\x00b"} {
		var invalid *act.InvalidError
		if _, err := b.Start(t.Context(), time.Now(), "alice", act.StartRun{Runbook: "say", Params: map[string]string{"what": huge}}); !errors.As(err, &invalid) || len(err.Error()) > 1000 {
			t.Errorf("%.10q: %.200v", huge, err)
		}
	}
	if runs, err := b.List(t.Context(), act.RunFilter{}); err != nil || len(runs) > 0 {
		t.Errorf("%v %v", runs, err)
	}
}

// TestAStolenToken ends its runs when it is revoked, in the middle of a step too.
func TestAStolenToken(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	b := newBench(t, t.TempDir(), map[string]string{
		"two":  page("", fence("sh {risk=low}", "echo one >> "+log+"; sleep 300"), fence("sh {risk=low}", "echo two >> "+log)),
		"asks": page("", fence("sh {risk=medium}", "echo asked >> "+log)),
	})
	var gone atomic.Bool
	b.o.TokenHolds = func(context.Context, string, time.Time) (bool, error) { return !gone.Load(), nil }
	start := func(book string) act.Run {
		run, err := b.Start(t.Context(), time.Now(), "alice", act.StartRun{Runbook: book, Token: "t1"})
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	run := start("two")
	b.until(run.ID, "the first step", func(act.Run) bool { data, _ := os.ReadFile(log); return len(data) > 0 })
	waits := b.until(start("asks").ID, "the approval", has(act.RunWaiting))
	gone.Store(true)
	if err := b.TokenRevoked(t.Context(), time.Now(), "person:bob", "t1"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{run.ID, waits.ID} {
		if run := b.ended(id); run.Status != act.RunCancelled || !strings.Contains(run.Reason, "revoked") {
			t.Errorf("%s: %s", run.Status, run.Reason)
		}
	}
	if _, err := b.Decide(t.Context(), time.Now(), "bob", waits.ID, 0, true, waits.Approvals[0].ShownHash, ""); err == nil {
		t.Error("a step of a stolen token was approved afterwards")
	}
	if _, err := b.Start(t.Context(), time.Now(), "alice", act.StartRun{Runbook: "two", Token: "t1"}); err == nil {
		t.Error("a run was started with a revoked token")
	}
	if data, _ := os.ReadFile(log); string(data) != "one\n" {
		t.Errorf("happened: %q", data)
	}
}

// TestClockJumps: a question that is a day old by the clock, and a yes that is an hour
// old, let nothing run.
func TestClockJumps(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{"back": page("", fence("sh {risk=medium}", "echo went"))})
	run := b.until(b.start("alice", "back", nil).ID, "the approval", has(act.RunWaiting))
	var conflict *act.ConflictError
	if _, err := b.Decide(t.Context(), time.Now().Add(25*time.Hour), "bob", run.ID, 0, true, run.Approvals[0].ShownHash, ""); !errors.As(err, &conflict) {
		t.Errorf("a question of yesterday was answered: %v", err)
	}
	// The clock was an hour behind when bob said yes: the yes is too old to count, and the
	// question is asked again.
	if _, err := b.Decide(t.Context(), time.Now().Add(-2*time.Hour), "bob", run.ID, 0, true, run.Approvals[0].ShownHash, ""); err != nil {
		t.Fatal(err)
	}
	run = b.until(run.ID, "the question again", func(r act.Run) bool { return len(r.Approvals) == 2 && r.Status == act.RunWaiting })
	if run.Steps[0].Output != "" {
		t.Errorf("%+v", run)
	}
	if err := b.db.Update(t.Context(), func(tx *state.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE approvals SET requested_ms = requested_ms - 90000000 WHERE decision = ''`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b.kick(run.ID)
	if run = b.ended(run.ID); run.Status != act.RunFailed || run.Steps[0].Status != act.StepRefused || run.Steps[0].Output != "" {
		t.Errorf("%+v", run)
	}
}

// TestAFullDisk: what has happened is stored once there is room, and does not happen
// again meanwhile.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	log, gate := filepath.Join(dir, "log"), filepath.Join(dir, "gate")
	b := newBench(t, t.TempDir(), map[string]string{
		"do": page("", fence("sh {risk=low timeout=60s}", "echo once >> "+log+"; while [ ! -e "+gate+" ]; do sleep 0.05; done; head -c 900 /dev/zero | tr '\\0' x")),
	})
	pages := func(n int) {
		t.Helper()
		if err := b.db.Update(context.Background(), func(tx *state.Tx) error {
			if n == 0 {
				if err := tx.QueryRow(`PRAGMA page_count`).Scan(&n); err != nil {
					return err
				}
			}
			_, err := tx.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	run := b.start("alice", "do", nil)
	b.until(run.ID, "the step", func(act.Run) bool { data, _ := os.ReadFile(log); return len(data) > 0 })
	pages(0)
	var full error
	for i := 0; full == nil && i < 10_000; i++ { // fill what is left of the last pages
		_, full = b.Start(t.Context(), time.Now(), "alice", act.StartRun{Runbook: "do", Mode: act.ModeDry})
	}
	if full == nil || !strings.Contains(full.Error(), "full") {
		t.Fatalf("the disk is not full: %v", full)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var invalid *act.InvalidError
	if _, err := b.Start(t.Context(), time.Now(), "alice", act.StartRun{Runbook: "do", Params: map[string]string{"x": "y"}}); !errors.As(err, &invalid) {
		t.Errorf("%v", err)
	}
	pages(1 << 30)
	run = b.ended(run.ID)
	if data, _ := os.ReadFile(log); string(data) != "once\n" || run.Status != act.RunDone || run.Steps[0].Attempt != 1 {
		t.Errorf("%q, %+v", data, run)
	}
}
