package app

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/act/verify"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

const availability = `
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout-availability}
spec:
  service: checkout
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  indicator:
    metadata: {name: checkout-ok}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'orders_total{code="500"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'orders_total'}}}
  objectives: [{target: 0.99}]
`

const undo = "---\ntitle: Roll checkout back\nservices: [checkout]\nparams: [{name: version, required: true}]\n---\n\n```sh {name=back risk=high}\necho \"$version\"\n```\n"

// traffic writes a sample every 15 seconds: orders, and how many of ten fail.
func (a *App) traffic(t *testing.T, from, to time.Time, bad func(at time.Time) float64) {
	t.Helper()
	app := a.metrics.AppenderV2(t.Context())
	good, failed := 0.0, 0.0
	for at := from; at.Before(to); at = at.Add(15 * time.Second) {
		b := bad(at)
		good, failed = good+10-b, failed+b
		for code, v := range map[string]float64{"200": good, "500": failed} {
			if _, err := app.Append(0, labels.FromStrings("__name__", "orders_total", "code", code), 0, at.UnixMilli(), v, nil, nil, storage.AppendV2Options{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestTheGateKnowsWhatHolds(t *testing.T) {
	now := time.Now()
	a := newApp(t, map[string]string{
		"objectives/checkout.yml": availability,
		"policies/gate.yml": "budget: [{below: 25%, risk: low}]\nfreezes:\n  - {name: peak, why: sale, from: '" + now.Add(-time.Hour).UTC().Format(time.RFC3339) + "', to: '" + now.Add(time.Hour).UTC().Format(time.RFC3339) +
			"', services: [checkout], overrides: [{by: bob, why: law, services: [checkout], until: '" + now.Add(-time.Minute).UTC().Format(time.RFC3339) + "'}]}\noverride: {level: senior}\n",
	})
	ask := func(who declare.PersonID, q gate.Question, want gate.Answer, why string) {
		t.Helper()
		if q.Change.Service == "" {
			q.Change.Service = "checkout"
		}
		if q.Change.Kind == "" {
			q.Change.Kind = act.Deploy
		}
		d, err := a.gate(t.Context(), now, act.Identity{Person: who}, q)
		if err != nil || d.Answer != want || !strings.Contains(d.Reasons[0].Why, why) || d.Fact == 0 {
			t.Errorf("got %+v %v, want %s %q", d, err, want, why)
		}
	}
	ask("alice", gate.Question{}, gate.No, "peak")
	ask("alice", gate.Question{Override: "please"}, gate.No, "")
	ask("alice", gate.Question{Change: act.Change{Kind: act.Rollback}}, gate.Yes, "")
	ask("alice", gate.Question{Change: act.Change{Service: "nothing"}}, gate.Unknown, "no service")
	a.sample(t, now, 0.8, "__name__", "slo:period_error_budget_remaining:ratio", "objective", "checkout-availability", "service", "checkout")
	ask("bob", gate.Question{Override: "the fix"}, gate.Yes, "overridden by bob: the fix")
	facts, err := a.db.Facts(t.Context(), journal.Query{Kind: "gate.overridden"})
	if err != nil || len(facts) != 1 || facts[0].Actor != "person:bob" {
		t.Errorf("got %+v %v", facts, err)
	}
	if _, err := a.changes.Record(t.Context(), now, "person:bob", act.Change{ID: "m1", Kind: act.Config, Service: "checkout", Summary: "a migration", StartedAt: now.Add(-time.Minute)}); err != nil {
		t.Fatal(err)
	}
	ask("alice", gate.Question{}, gate.No, "peak")
	all, err := a.gates.List(t.Context(), "checkout", 10)
	if err != nil || len(all) != 5 || !strings.Contains(all[0].Reasons[1].Why, "a migration") {
		t.Errorf("got %+v %v", all, err)
	}
	if _, err := a.gate(t.Context(), now, act.Identity{Person: "alice"}, gate.Question{Ref: "c-none"}); !errors.Is(err, act.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	var bad *act.InvalidError
	if _, err := a.gate(t.Context(), now, act.Identity{Person: "alice"}, gate.Question{Change: act.Change{Service: "checkout", Kind: "no such\nkind"}}); !errors.As(err, &bad) || bad.Field != "kind" {
		t.Errorf("got %v", err)
	}
	// What was changed in the freeze shows in its hygiene.
	c, err := a.changes.Get(t.Context(), "m1")
	if err != nil {
		t.Fatal(err)
	}
	if h := a.hygiene(c, now); h.Items[3].State != "missing" || !strings.Contains(h.Items[3].Why, "peak") {
		t.Errorf("got %+v", h)
	}
}

func TestAChangeIsVerifiedAndRolledBack(t *testing.T) {
	a := newApp(t, map[string]string{
		"objectives/checkout.yml": availability, "runbooks/checkout-rollback.md": undo,
		"policies/gate.yml": "verify: {window: 5m, rollback: start}\n", "evenkeel.yml": "metrics: {out_of_order: 6h}\n",
	})
	ctx := t.Context()
	now := time.Now().Truncate(time.Second)
	from := now.Add(-3 * time.Hour)
	good, bad, quiet := now.Add(-150*time.Minute), now.Add(-100*time.Minute), now.Add(-40*time.Minute)
	a.traffic(t, from, now.Add(-60*time.Minute), func(at time.Time) float64 {
		if at.After(bad) {
			return 4
		}
		return 0.01
	})
	record := func(id string, at time.Time, rollback string) {
		t.Helper()
		c := act.Change{ID: id, Kind: act.Deploy, Service: "checkout", From: "1.4", To: "1.5", Actor: "alice", StartedAt: at, EndedAt: at.Add(30 * time.Second), Evidence: act.Evidence{Rollback: rollback}}
		if _, err := a.changes.Record(ctx, at, "person:alice", c); err != nil {
			t.Fatal(err)
		}
	}
	record("good", good, "checkout-rollback")
	record("bad", bad, "checkout-rollback")
	record("quiet", quiet, "checkout-rollback")
	if err := a.verifyDue(ctx, good.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.verified.Get(ctx, "good"); !errors.Is(err, act.ErrNotFound) {
		t.Errorf("too early: %v", err)
	}
	for range 2 { // the second time changes nothing
		if err := a.verifyDue(ctx, now); err != nil {
			t.Fatal(err)
		}
	}
	check := func(id, verdict string, outcome verify.Outcome) verify.Verification {
		t.Helper()
		c, err := a.changes.Get(ctx, id)
		if err != nil || c.Verdict != verdict {
			t.Errorf("%s: got verdict %q %v, want %q", id, c.Verdict, err, verdict)
		}
		v, err := a.verified.Get(ctx, id)
		if err != nil || v.Outcome != outcome {
			t.Errorf("%s: got %+v %v, want %s", id, v, err, outcome)
		}
		return v
	}
	check("good", "verified", verify.Pass)
	v := check("bad", "failed", verify.Fail)
	check("quiet", "", verify.NotEnough)
	// The rollback runs in the name of who made the change, and waits where they may not.
	run, err := a.runs.Get(ctx, v.Run)
	if err != nil || run.Params["version"] != "1.4" || run.Actor != journal.Person("alice") {
		t.Errorf("got %+v %v", run, err)
	}
	runs, err := a.runs.List(ctx, act.RunFilter{})
	if err != nil || len(runs) != 1 {
		t.Errorf("got %d runs %v", len(runs), err)
	}
	facts, err := a.db.Facts(ctx, journal.Query{Ref: "change/bad", Oldest: true})
	if err != nil || len(facts) != 4 || facts[1].Kind != "change.verified" || facts[3].Kind != "change.rollback.started" {
		t.Errorf("got %+v %v", facts, err)
	}
}

func TestARollbackIsOwedUntilItIsStarted(t *testing.T) {
	a := newApp(t, map[string]string{"objectives/checkout.yml": availability, "runbooks/checkout-rollback.md": undo, "policies/gate.yml": "verify: {rollback: start}\n"})
	ctx := t.Context()
	now := time.Now().Truncate(time.Second)
	fail := verify.Result{Outcome: verify.Fail, Why: "users are worse off"}
	// What a server leaves that is killed after the verdict.
	leave := func(id string, at time.Time) act.Change {
		t.Helper()
		c, err := a.changes.Record(ctx, at, "person:alice", act.Change{ID: id, Kind: act.Deploy, Service: "checkout", From: "1.4", To: "1.5", Actor: "alice", StartedAt: at.Add(-time.Hour), EndedAt: at.Add(-time.Hour), Evidence: act.Evidence{Rollback: "checkout-rollback"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.verified.Record(ctx, at, c, fail, true); err != nil {
			t.Fatal(err)
		}
		c.Verdict = "failed"
		if c, err = a.changes.Record(ctx, at, journal.System("act"), c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	told := func(id string, kind journal.Kind, why string) {
		t.Helper()
		facts, err := a.db.Facts(ctx, journal.Query{Ref: journal.MakeRef("change", id)})
		if err != nil || facts[0].Kind != kind || !strings.Contains(facts[0].Text, why) {
			t.Errorf("%s: got %+v %v, want %s %q", id, facts, err, kind, why)
		}
	}
	count := func(want int) {
		t.Helper()
		for range 2 { // the second time changes nothing
			if err := a.verifyDue(ctx, now); err != nil {
				t.Fatal(err)
			}
		}
		if runs, err := a.runs.List(ctx, act.RunFilter{}); err != nil || len(runs) != want {
			t.Errorf("got %d runs %v, want %d", len(runs), err, want)
		}
		if owed, err := a.verified.Owed(ctx); err != nil || len(owed) != 0 {
			t.Errorf("still owed: %+v %v", owed, err)
		}
	}
	leave("late", now.Add(-7*time.Hour))
	count(0)
	told("late", "change.rollback.refused", "within 6h")
	leave("killed", now.Add(-2*time.Minute))
	count(1)
	told("killed", "change.rollback.started", "in the name of alice")
	if v, err := a.verified.Get(ctx, "killed"); err != nil || v.Run == "" {
		t.Errorf("got %+v %v", v, err)
	}
	// Killed between the start and the note of it.
	c, err := a.changes.Get(ctx, "killed")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.verified.Record(ctx, now.Add(-time.Minute), c, fail, true); err != nil {
		t.Fatal(err)
	}
	count(1)
	told("killed", "change.rollback.started", "in the name of alice")
	// Somebody has deployed since.
	leave("repaired", now.Add(-2*time.Minute))
	if _, err := a.changes.Record(ctx, now, "person:alice", act.Change{ID: "repair", Kind: act.Deploy, Service: "checkout", To: "1.6", StartedAt: now.Add(-time.Minute)}); err != nil {
		t.Fatal(err)
	}
	count(1)
	told("repaired", "change.rollback.refused", "changed since the verdict: deploy of checkout 1.6")
}
