package runbook

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

const mends = "---\ntitle: Mend\nservices: [checkout]\nverify: {objective: checkout-availability, within: 1s}\nverify_by: 2026-11-01\n---\n# Mend\n\n```sh {risk=low}\necho mended\n```\n"

// TestTheBreaker: three runs in a row that did not help, and nobody runs it any more
// until somebody of L3 has looked.
func TestTheBreaker(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{"mend": mends})
	called := make(chan struct{}, 9)
	b.o.Tripped = func(context.Context) { called <- struct{}{} }
	var burnt func(at time.Time) float64
	b.o.Burn = func(_ context.Context, _ declare.ObjectiveName, from, to time.Time) (out []Sample, _ error) {
		for at := from; !at.After(to); at = at.Add(max(to.Sub(from)/8, time.Millisecond)) {
			out = append(out, Sample{at, burnt(at)})
		}
		return out, nil
	}
	b.recovered.Store(true)
	run := func() act.Run {
		t.Helper()
		return b.ended(b.start("alice", "mend", nil).ID)
	}
	begin := time.Now()
	burnt = func(at time.Time) float64 { // it mends itself: the line falls before the run
		return max(0.1, 5-at.Sub(begin.Add(-30*time.Minute)).Minutes()/5)
	}
	if got := run(); got.Status != act.RunVerified || !strings.Contains(got.Reason, "by itself") || !strings.HasPrefix(got.Baseline, ineffective) {
		t.Errorf("%s %s", got.Status, got.Reason)
	}
	burnt = func(time.Time) float64 { return 20 } // and after the next two it burns on
	b.recovered.Store(false)
	for range 2 {
		if got := run(); got.Status != act.RunFailed {
			t.Errorf("%s %s", got.Status, got.Reason)
		}
	}
	select {
	case <-called:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was called")
	}
	var conflict *act.ConflictError
	if _, err := b.Start(t.Context(), time.Now(), "carol", act.StartRun{Runbook: "mend"}); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "have not helped") {
		t.Errorf("it ran again: %v", err)
	}
	if open, err := b.Breakers(t.Context()); err != nil || len(open) != 1 || open[0].Service != "checkout" {
		t.Errorf("%+v %v", open, err)
	}
	var denied *act.DeniedError
	if err := b.CloseBreaker(t.Context(), time.Now(), "alice", "mend", "looked"); !errors.As(err, &denied) {
		t.Errorf("alice closed it: %v", err)
	}
	if err := b.CloseBreaker(t.Context(), time.Now(), "bob", "mend", ""); err == nil {
		t.Error("closed without a word")
	}
	if err := b.CloseBreaker(t.Context(), time.Now(), "bob", "mend", "it was the database"); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	burnt = func(at time.Time) float64 {
		if at.Before(before) {
			return 20
		}
		return 0.1
	}
	b.recovered.Store(true)
	if got := run(); got.Status != act.RunVerified || !strings.HasPrefix(got.Baseline, helped) {
		t.Errorf("%s %s", got.Status, got.Baseline)
	}
}

func TestUpkeep(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{"mend": mends})
	component := "tier 1"
	b.o.Component = func(declare.ServiceID) string { return component }
	b.recovered.Store(true)
	now := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	kinds := func(paging ...Paging) string {
		t.Helper()
		found, err := b.Upkeep(t.Context(), now, []*declare.Runbook{b.books["mend"]}, paging)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, u := range found {
			if u.Why == "" {
				t.Errorf("%+v does not say why", u)
			}
			out = append(out, u.Kind)
		}
		return strings.Join(out, " ")
	}
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(kinds(), "overdue unused")
	if err := b.Read(t.Context(), now, "alice", "mend"); err != nil {
		t.Fatal(err)
	}
	f(kinds(), "unused")
	run := b.ended(b.start("alice", "mend", nil).ID)
	f(kinds(), "")
	component = "tier 2"
	f(kinds(), "changed")
	component = "tier 1"
	for _, who := range []declare.PersonID{"alice", "bob"} {
		if err := b.Vote(t.Context(), now, who, run.ID, false, "step 1 is wrong"); err != nil {
			t.Fatal(err)
		}
	}
	f(kinds(), "votes")
	if err := b.Vote(t.Context(), now, "bob", run.ID, true, "I was wrong"); err != nil { // one vote each
		t.Fatal(err)
	}
	f(kinds(), "")
	lacks := *b.books["mend"]
	lacks.Steps = slices.Clone(lacks.Steps)
	lacks.Steps[0].Body = "no-such-program --now\n"
	found, err := b.Upkeep(t.Context(), now, []*declare.Runbook{&lacks}, nil)
	if err != nil || len(found) == 0 || found[0].Kind != "broken" || !strings.Contains(found[0].Why, "no-such-program") {
		t.Errorf("got %+v %v", found, err)
	}
	f(kinds(Paging{Name: "alert A", Runbook: "mend"}, Paging{Name: "alert B"}, Paging{Name: "alert C", Runbook: "gone"}), "uncovered uncovered")
	if err := b.Read(t.Context(), now, "alice", "gone"); !errors.Is(err, act.ErrNotFound) {
		t.Error(err)
	}
}

// TestByVoice: the commander of an active incident says yes, somebody writes it down, it
// counts at once, and the record is owed.
func TestByVoice(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{"back": page("", fence("sh {risk=medium}", "echo went"))})
	active := true
	b.o.Commander = func(context.Context, int64) (declare.PersonID, bool, error) { return "bob", active, nil }
	waiting := func(incident bool) act.Run {
		run := b.until(b.start("alice", "back", nil).ID, "the approval", has(act.RunWaiting))
		if incident {
			if _, err := b.change(t.Context(), run.ID, func(tn *turn) error {
				_, err := tn.tx.ExecContext(t.Context(), `UPDATE runs SET incident = 7 WHERE id = ?`, run.ID)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		return run
	}
	say := func(run act.Run, who, commander declare.PersonID) error {
		_, err := b.Voice(t.Context(), time.Now(), who, commander, run.ID, 0, run.Approvals[0].ShownHash, "go ahead")
		return err
	}
	var denied *act.DeniedError
	run := waiting(false)
	if err := say(run, "alice", "bob"); !errors.As(err, &denied) {
		t.Errorf("without an incident: %v", err)
	}
	if _, err := b.Cancel(t.Context(), time.Now(), "alice", run.ID, ""); err != nil {
		t.Fatal(err)
	}
	run = waiting(true)
	if err := say(run, "alice", "carol"); !errors.As(err, &denied) {
		t.Errorf("carol does not command: %v", err)
	}
	active = false
	if err := say(run, "alice", "bob"); !errors.As(err, &denied) {
		t.Errorf("of an incident that is over: %v", err)
	}
	active = true
	if err := say(run, "alice", "bob"); err != nil {
		t.Fatal(err)
	}
	run = b.ended(run.ID)
	if a := run.Approvals[0]; run.Status != act.RunDone || !a.Voice || a.DecidedBy != "person:bob" || a.RecordedBy != "person:alice" {
		t.Errorf("%s %+v", run.Status, a)
	}
	owed, err := b.Duties(t.Context(), false)
	if err != nil || len(owed) != 1 || owed[0].OwedBy != "bob" || owed[0].Overdue(time.Now().Add(23*time.Hour)) || !owed[0].Overdue(time.Now().Add(25*time.Hour)) {
		t.Fatalf("%+v %v", owed, err)
	}
	if _, err := b.Fulfil(t.Context(), time.Now(), "alice", owed[0].ID, "confirmed", "he said so"); !errors.As(err, &denied) {
		t.Errorf("alice confirmed for bob: %v", err)
	}
	if _, err := b.Fulfil(t.Context(), time.Now(), "bob", owed[0].ID, "confirmed", "I said so"); err != nil {
		t.Fatal(err)
	}
	var conflict *act.ConflictError
	if _, err := b.Fulfil(t.Context(), time.Now(), "bob", owed[0].ID, "disputed", "I did not"); !errors.As(err, &conflict) {
		t.Errorf("done twice: %v", err)
	}
}

// TestLocksHoldUntilTheStepHasEnded: a run that is cancelled keeps others out while what
// it had started may alter something still.
func TestLocksHoldUntilTheStepHasEnded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	b := newBench(t, t.TempDir(), map[string]string{
		"first":  page("", fence("sh {risk=low}", "trap '' TERM; echo $$ > "+file+"; while :; do sleep 0.1; done")),
		"second": page("", fence("sh {risk=low}", "if kill -0 $(cat "+file+"); then echo both; else echo alone; fi 2>&1 | tail -1")),
	})
	first := b.start("alice", "first", nil)
	b.until(first.ID, "its step", func(act.Run) bool { pid, _ := os.ReadFile(file); return len(pid) > 1 })
	second := b.until(b.start("alice", "second", nil).ID, "the lock", func(r act.Run) bool { return strings.Contains(r.Reason, "is altering") })
	if run, err := b.Cancel(t.Context(), time.Now(), "alice", first.ID, ""); err != nil || run.Status != act.RunCancelled {
		t.Fatal(run.Status, err)
	}
	if second = b.ended(second.ID); second.Status != act.RunDone || second.Steps[0].Output != "alone\n" {
		t.Errorf("%s %+v", second.Status, second.Steps[0])
	}
}

// TestLocks: two runs that alter the same thing take turns; an approver sees what is
// known.
func TestLocks(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{
		"first":  page("", fence("sh {risk=low}", "sleep 300")),
		"second": page("locks: ['host/${h}']\nparams: [{name: h, type: string, default: web-1}]\n", fence(`promql {name=up expect="> 0"}`, "up"), fence("sh {risk=medium}", "echo second"), fence("sh {rollback risk=medium}", "echo back")),
	})
	first := b.start("alice", "first", nil)
	b.until(first.ID, "its lock", func(r act.Run) bool { return len(r.Locks) == 1 })
	second := b.until(b.start("alice", "second", nil).ID, "the evidence", func(r act.Run) bool { return len(r.Approvals) == 1 && r.Approvals[0].Evidence != "" })
	for _, want := range []string{"check up: done", "no dry run", "rollback: 1 step for when it fails"} {
		if !strings.Contains(second.Approvals[0].Evidence, want) {
			t.Errorf("the approver does not see %q: %s", want, second.Approvals[0].Evidence)
		}
	}
	if _, err := b.Decide(t.Context(), time.Now(), "bob", second.ID, 1, true, second.Approvals[0].ShownHash, ""); err != nil {
		t.Fatal(err)
	}
	second = b.until(second.ID, "the lock", func(r act.Run) bool { return strings.Contains(r.Reason, "which run "+first.ID+" is altering") })
	if second.Steps[1].Attempt != 0 {
		t.Errorf("%+v", second.Steps)
	}
	if _, err := b.Cancel(t.Context(), time.Now(), "alice", first.ID, ""); err != nil {
		t.Fatal(err)
	}
	if second = b.ended(second.ID); second.Steps[1].Output != "second\n" {
		t.Errorf("%+v", second)
	}
	if w, err := b.Answered(t.Context(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)); err != nil || len(w) != 1 || w[0].Class != declare.Normal || w[0].Decision != "approved" || w[0].Run != second.ID || w[0].Waited() <= 0 {
		t.Errorf("%+v %v", w, err)
	}
}
