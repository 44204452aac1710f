package runbook

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
)

// ground is something that may be broken on purpose: it keeps what it was asked.
type ground struct {
	mu     sync.Mutex
	asked  []string
	broken func(bool)
	refuse bool
}

func (g *ground) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, r.Method+" "+r.URL.Path)
	switch {
	case g.refuse:
		w.WriteHeader(http.StatusTeapot)
	case r.Method == http.MethodPost && r.URL.Path == "/faults/bad-release":
		g.broken(true)
	case r.URL.Path == "/rollback", r.Method == http.MethodDelete:
		g.broken(false)
	}
}

func (g *ground) list() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.asked, ", ")
}

func rehearsalBook(ground, elsewhere string) string {
	return `---
title: Roll back
services: [checkout]
rehearse: bad-release
verify: {objective: checkout-availability, within: 2s}
---
` + "```http {name=roll-back risk=high}\nPOST " + ground + "/rollback\n```\n" +
		"```http {name=tell risk=medium}\nPOST " + elsewhere + "/tell\n```\n" +
		"```sh {name=mend risk=medium}\ntouch \"$HOME/../mended\"; exit 1\n```\n"
}

// TestARehearsalRepairsARealFault: the fault is put in place, the objective shows it, the
// steps that go to the ground are real and all others dry, the objective verifies it, and
// the fault is taken away. It counts for the certificate.
func TestARehearsalRepairsARealFault(t *testing.T) {
	g := &ground{}
	there := httptest.NewServer(g)
	defer there.Close()
	other := &ground{}
	elsewhere := httptest.NewServer(other)
	defer elsewhere.Close()
	b := newBench(t, t.TempDir(), map[string]string{"rollback": rehearsalBook(there.URL, elsewhere.URL)}, func(o *Options) { o.Ground.URL = there.URL })
	g.broken = func(broken bool) { b.recovered.Store(!broken) }
	b.recovered.Store(true)
	start := func() act.Run {
		t.Helper()
		run, err := b.Start(t.Context(), time.Now(), "alice", act.StartRun{Runbook: "rollback", Mode: act.ModeRehearsal})
		if err != nil {
			t.Fatal(err)
		}
		return b.until(run.ID, "its end", func(r act.Run) bool { return r.Status.Ended() })
	}
	run := start()
	run = b.until(run.ID, "the end of the fault", func(r act.Run) bool { return !r.FaultOverAt.IsZero() })
	if run.Status != act.RunVerified || len(run.Approvals) != 0 || run.Change != "" || run.ShownAt.Before(run.FaultAt) || run.FaultAt.IsZero() {
		t.Errorf("got %+v", run)
	}
	if got := g.list(); got != "POST /faults/bad-release, POST /rollback, DELETE /faults/bad-release" {
		t.Errorf("the ground was asked %s", got)
	}
	if other.list() != "" || !strings.HasPrefix(run.Steps[1].Detail, "dry") || !strings.HasPrefix(run.Steps[2].Detail, "dry") {
		t.Errorf("something else was altered: %s, %+v", other.list(), run.Steps)
	}
	if c, err := b.Certificate(t.Context(), "alice", b.books["rollback"], time.Now()); err != nil || c.Rehearsals != 1 {
		t.Errorf("it does not count: %+v %v", c, err)
	}

	// A rehearsal that does not repair it fails, counts for nothing, and leaves nothing broken.
	b.books["rollback"].Source = []byte(strings.Replace(string(b.books["rollback"].Source), "/rollback", "/nothing", 1))
	b.books["rollback"].Steps[0].Body = strings.Replace(b.books["rollback"].Steps[0].Body, "/rollback", "/nothing", 1)
	run = start()
	run = b.until(run.ID, "the end of the fault", func(r act.Run) bool { return !r.FaultOverAt.IsZero() })
	if run.Status != act.RunFailed || !b.recovered.Load() {
		t.Errorf("got %+v", run)
	}
	if c, err := b.Certificate(t.Context(), "alice", b.books["rollback"], time.Now()); err != nil || c.Rehearsals != 0 {
		t.Errorf("it counts: %+v %v", c, err)
	}

	// Nothing is broken on top of what is.
	b.recovered.Store(false)
	if run = start(); run.Status != act.RunFailed || !strings.Contains(run.Reason, "no fault was put in place") || !run.FaultAt.IsZero() {
		t.Errorf("got %+v", run)
	}
	b.recovered.Store(true)
	g.mu.Lock()
	g.refuse = true
	g.mu.Unlock()
	if run = start(); run.Status != act.RunFailed || !strings.Contains(run.Reason, "could not be put in place: got status 418") {
		t.Errorf("got %+v", run)
	}
}

// TestOneFaultAtATime: two rehearsals at once could not be told apart; a restart takes the
// fault of one away that was cancelled while nobody could.
func TestOneFaultAtATime(t *testing.T) {
	g := &ground{broken: func(bool) {}}
	there := httptest.NewServer(g)
	defer there.Close()
	dir := t.TempDir()
	books := map[string]string{"rollback": rehearsalBook(there.URL, there.URL)}
	onGround := func(o *Options) { o.Ground.URL = there.URL }
	b := newBench(t, dir, books, onGround)
	b.recovered.Store(true) // it never shows
	run, err := b.Start(t.Context(), time.Now(), "alice", act.StartRun{Runbook: "rollback", Mode: act.ModeRehearsal})
	if err != nil {
		t.Fatal(err)
	}
	b.until(run.ID, "the fault", func(r act.Run) bool { return !r.FaultAt.IsZero() })
	if _, err := b.Start(t.Context(), time.Now(), "bob", act.StartRun{Runbook: "rollback", Mode: act.ModeRehearsal}); err == nil || !strings.Contains(err.Error(), run.ID) {
		t.Errorf("a second fault: %v", err)
	}
	g.mu.Lock()
	g.refuse = true
	g.mu.Unlock()
	if _, err := b.Cancel(t.Context(), time.Now(), "alice", run.ID, "enough"); err != nil {
		t.Fatal(err)
	}
	b.until(run.ID, "the refusal", func(act.Run) bool { return strings.Contains(g.list(), "DELETE") })
	if run, err = b.Get(t.Context(), run.ID); err != nil || !run.FaultOverAt.IsZero() {
		t.Errorf("got %+v %v", run, err)
	}
	b.end()
	g.mu.Lock()
	g.refuse = false
	g.mu.Unlock()
	b = newBench(t, dir, books, onGround)
	b.until(run.ID, "the end of the fault", func(r act.Run) bool { return !r.FaultOverAt.IsZero() })
	if got := g.list(); !strings.HasSuffix(got, "DELETE /faults/bad-release, DELETE /faults/bad-release") {
		t.Errorf("got %s", got)
	}
}
