package change

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func newBook(t *testing.T) *Book {
	t.Helper()
	db, err := state.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return New(Options{DB: db, Known: func(declare.ServiceID) bool { return true }})
}

func TestRisk(t *testing.T) {
	f := func(c act.Change, in Touched, want declare.Risk, why string) {
		t.Helper()
		got, reasons := Risk(c, in)
		if got != want || !strings.Contains(strings.Join(reasons, "; "), why) {
			t.Errorf("%s: got %s %q, want %s because %q", c.Kind, got, reasons, want, why)
		}
	}
	live := Touched{Production: true}
	f(act.Change{Kind: act.Deploy}, live, declare.RiskMedium, "alters what runs")
	f(act.Change{Kind: act.Flag}, live, declare.RiskLow, "undone as fast")
	f(act.Change{Kind: act.Rollback}, live, declare.RiskLow, "what ran before")
	f(act.Change{Kind: act.Network}, live, declare.RiskHigh, "behind it")
	f(act.Change{Kind: act.Deploy, Service: "pay"}, Touched{Production: true, Tier: 1}, declare.RiskHigh, "tier 1")
	f(act.Change{Kind: act.Scale, Service: "pay"}, Touched{Production: true, Tier: 1}, declare.RiskMedium, "tier 1")
	f(act.Change{Kind: act.Flag}, Touched{Production: true, Dependants: 1}, declare.RiskMedium, "1 service depends")
	f(act.Change{Kind: act.Flag}, Touched{Production: true, Dependants: 6}, declare.RiskHigh, "6 services depend")
	f(act.Change{Kind: act.Patch}, Touched{Production: true, Stateful: []string{"resource/default/orders-db"}}, declare.RiskHigh, "orders-db")
	f(act.Change{Kind: act.Config}, Touched{Production: true, Outside: true}, declare.RiskHigh, "more than one team")
	f(act.Change{Kind: act.Infrastructure, Summary: "Destroy of net"}, live, declare.RiskHigh, "destroys")
	f(act.Change{Kind: act.Network, Evidence: act.Evidence{Environment: "staging"}}, Touched{}, declare.RiskLow, "for staging")
}

func TestHygiene(t *testing.T) {
	f := func(c act.Change, blocked string, after time.Duration, want float64, states string) {
		t.Helper()
		c.StartedAt = noon
		h := Hygiene(c, blocked, noon.Add(after))
		got := ""
		for _, i := range h.Items {
			got += i.State[:2] + " "
		}
		if strings.TrimSpace(got) != states || h.Score != want {
			t.Errorf("got %s%.2f, want %s %.2f: %+v", got, h.Score, states, want, h.Items)
		}
	}
	whole := act.Change{Kind: act.Deploy, Actor: "ci", Verdict: "verified", Evidence: act.Evidence{Author: "alice", Reviewers: []string{"bob"}, Rollback: "checkout-rollback", Checks: "passed"}}
	f(whole, "", 0, 1, "me me me me me")
	bare := act.Change{Kind: act.Deploy, Actor: "ci"}
	f(bare, "", time.Hour, 0.25, "mi mi mi me du")
	f(bare, "a freeze", 25*time.Hour, 0, "mi mi mi mi mi")
	own := whole
	own.Evidence.Reviewers = []string{"Alice"} // one person, however written
	f(own, "", 0, 0.8, "mi me me me me")
	failed := whole
	failed.Evidence.Checks, failed.Verdict = "failed", ""
	f(failed, "a freeze", 0, 0.5, "me me mi mi du")
	failed.Evidence.Emergency = true
	f(failed, "a freeze", 0, 0.75, "me me mi me du")
	f(act.Change{Kind: act.Rollback, Actor: "alice", Verdict: "verified"}, "", 0, 0.6, "mi me mi me me")
}

func TestUnrecorded(t *testing.T) {
	s := Sighting{Service: "checkout", Attribute: "version", Value: "1.4.1", Was: "1.4.0", First: noon}
	f := func(what string, s Sighting, after time.Duration, changes []act.Change, want int) {
		t.Helper()
		if got := Unrecorded(noon.Add(after), []Sighting{s}, changes); len(got) != want {
			t.Errorf("%s: got %v, want %d", what, got, want)
		}
	}
	deploy := act.Change{Kind: act.Deploy, Service: "checkout", To: "v1.4.1", StartedAt: noon.Add(-time.Minute)}
	f("nobody recorded it", s, time.Hour, nil, 1)
	f("there is time yet", s, 5*time.Minute, nil, 0)
	f("a week later it is no news", s, 8*24*time.Hour, nil, 0)
	f("it is on record", s, time.Hour, []act.Change{deploy}, 0)
	f("another version is on record", s, time.Hour, []act.Change{{Kind: act.Deploy, Service: "checkout", To: "1.5.0", StartedAt: noon}}, 1)
	f("another service's", s, time.Hour, []act.Change{{Kind: act.Deploy, Service: "payments", To: "1.4.1", StartedAt: noon}}, 1)
	f("long before", s, time.Hour, []act.Change{{Kind: act.Deploy, Service: "checkout", To: "1.4.1", StartedAt: noon.Add(-5 * time.Hour), EndedAt: noon.Add(-4 * time.Hour)}}, 1)
	first := s
	first.Was = ""
	f("the first version ever", first, time.Hour, nil, 0)

	same := func(a, b string, want bool) {
		t.Helper()
		if SameVersion(a, b) != want || SameVersion(b, a) != want {
			t.Errorf("%q and %q: want %v", a, b, want)
		}
	}
	same("v1.4.1", "1.4.1", true)
	same("registry.example:5000/shop/checkout:1.4.1", "1.4.1", true)
	same("0edd5d0e0d18516d3309fec90553c3ee7380c149", "0edd5d0", true)
	same("1.4.1", "1.4.10", false)
	same("1", "12", false)
}

func TestSawTellsWhatRanBefore(t *testing.T) {
	b := newBook(t)
	see := func(at time.Duration, values ...string) []Sighting {
		t.Helper()
		var in []Sighting
		for _, v := range values {
			in = append(in, Sighting{Service: "checkout", Attribute: "version", Value: v})
		}
		out, err := b.Saw(t.Context(), noon.Add(at), in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := see(0, "1.0"); len(got) != 1 || got[0].Was != "" {
		t.Fatalf("the first: %+v", got)
	}
	see(time.Minute, "1.0", "1.1") // a rollout: both run
	got := see(2*time.Minute, "1.1")
	if len(got) != 2 || got[1].Was != "1.0" || !got[1].First.Equal(noon.Add(time.Minute)) {
		t.Fatalf("the second: %+v", got)
	}
	for at := 3 * time.Minute; at < time.Hour; at += 5 * time.Minute {
		see(at, "1.1")
	}
	got = see(time.Hour, "1.0") // back again
	for _, s := range got {
		if s.Value == "1.0" && (s.Was != "1.1" || !s.First.Equal(noon.Add(time.Hour))) {
			t.Fatalf("back again: %+v", s)
		}
	}
}

func TestTakeIsOnceAndWhole(t *testing.T) {
	b := newBook(t)
	ctx := t.Context()
	d := func(id string) act.Delivery {
		return act.Delivery{Source: "github", IDs: []string{id}, Changes: []act.Change{{ID: "x:" + id, Kind: act.Deploy, Service: "checkout", StartedAt: noon.Add(-72 * time.Hour)}}}
	}
	// The same call from two sides at once is taken by one of them.
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = b.Take(ctx, noon, journal.System("hook"), d("one")) })
	}
	wg.Wait()
	taken := 0
	for _, err := range errs {
		switch {
		case err == nil:
			taken++
		case !errors.Is(err, ErrReplayed):
			t.Error(err)
		}
	}
	if taken != 1 {
		t.Errorf("taken %d times", taken)
	}
	// A clock that jumps back does not make a replay fresh.
	if _, err := b.Take(ctx, noon.Add(-48*time.Hour), journal.System("hook"), d("one")); !errors.Is(err, ErrReplayed) {
		t.Errorf("after a jump of the clock: %v", err)
	}
	// A call with something wrong in it leaves nothing, and may come again.
	bad := d("two")
	bad.Changes = append(bad.Changes, act.Change{Kind: "No!", Service: "checkout", StartedAt: noon})
	if _, err := b.Take(ctx, noon, journal.System("hook"), bad); err == nil {
		t.Error("it was taken")
	}
	if _, err := b.Get(ctx, "x:two"); !errors.Is(err, act.ErrNotFound) {
		t.Errorf("a part of it was stored: %v", err)
	}
	if _, err := b.Take(ctx, noon, journal.System("hook"), d("two")); err != nil {
		t.Error(err)
	}
}

func TestMergesTellOfDeploys(t *testing.T) {
	b := newBook(t)
	ctx := t.Context()
	take := func(n int, d act.Delivery) {
		t.Helper()
		d.Source, d.IDs = "github", []string{fmt.Sprint(n)}
		if _, err := b.Take(ctx, noon, journal.System("hook"), d); err != nil {
			t.Fatal(err)
		}
	}
	take(1, act.Delivery{Merges: []act.Merge{{ID: branchID("acme/checkout", "fix"), Repository: "acme/checkout", Branch: "fix", CommittedAt: noon.Add(-48 * time.Hour)}}})
	take(2, act.Delivery{Merges: []act.Merge{{ID: "acme/checkout#7", Repository: "acme/checkout", Reviewers: []string{"bob"}, ReviewedAt: noon.Add(-3 * time.Hour)}}})
	take(3, act.Delivery{Merges: []act.Merge{{ID: "acme/checkout#7", Repository: "acme/checkout", Author: "alice", Branch: "fix", Head: "aaa", MergeCommit: "bbb", MergedAt: noon.Add(-2 * time.Hour)}}})
	take(4, act.Delivery{Checks: []act.Check{{Commit: "aaa", Outcome: "passed"}}})
	take(5, act.Delivery{Changes: []act.Change{{ID: "d1", Kind: act.Deploy, Service: "checkout", StartedAt: noon, Evidence: act.Evidence{Commit: "bbb"}}}})
	c, err := b.Get(ctx, "d1")
	if err != nil {
		t.Fatal(err)
	}
	e := c.Evidence
	if e.Author != "alice" || len(e.Reviewers) != 1 || e.Reviewers[0] != "bob" || e.Checks != "passed" || !e.CommittedAt.Equal(noon.Add(-48*time.Hour)) {
		t.Errorf("got %+v", e)
	}
	if c.Risk != declare.RiskMedium || len(c.RiskWhy) == 0 {
		t.Errorf("got risk %q %q", c.Risk, c.RiskWhy)
	}
	merges, err := b.Merges(ctx, noon.Add(-24*time.Hour), noon)
	if err != nil || len(merges) != 1 || !merges[0].ReviewedAt.Equal(noon.Add(-3*time.Hour)) {
		t.Errorf("got %+v %v", merges, err)
	}
}

func TestEvidenceGrows(t *testing.T) {
	b := newBook(t)
	ctx := context.Background()
	c := act.Change{ID: "c1", Kind: act.Deploy, Service: "checkout", StartedAt: noon}
	if _, err := b.Record(ctx, noon, "person:alice", c); err != nil {
		t.Fatal(err)
	}
	c.Evidence = act.Evidence{Reviewers: []string{"bob"}, Rollback: "checkout-rollback"}
	got, err := b.Record(ctx, noon, "person:alice", c)
	if err != nil || got.Evidence.Rollback != "checkout-rollback" {
		t.Fatalf("got %+v %v", got, err)
	}
	facts, err := b.o.DB.Facts(ctx, journal.Query{Ref: "change/c1"})
	if err != nil || len(facts) != 2 || facts[0].Cause != facts[1].ID {
		t.Errorf("got %+v %v", facts, err)
	}
}

// TestAChangeThatOnlyEnded began then, as far as anybody says.
func TestAChangeThatOnlyEnded(t *testing.T) {
	b := newBook(t)
	f := func(ended, want time.Time) {
		t.Helper()
		c, err := b.Record(t.Context(), noon, "person:alice", act.Change{Kind: act.Deploy, Service: "checkout", EndedAt: ended})
		if err != nil || !c.StartedAt.Equal(want) || !c.EndedAt.Equal(ended) {
			t.Errorf("%+v %v", c, err)
		}
	}
	f(noon.Add(-time.Hour), noon.Add(-time.Hour))
	f(noon.Add(time.Minute), noon)
	f(time.Time{}, noon)
}
