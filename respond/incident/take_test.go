package incident

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

// TestWhatOpensAnIncident: a page does, unless an active incident covers its service
// or one within three dependency steps, either way.
func TestWhatOpensAnIncident(t *testing.T) {
	f := func(name string, found []detect.Finding, want ...string) {
		t.Helper()
		d := newDesk(t)
		for _, x := range found {
			d.see(time.Minute, x)
		}
		if d.expect(want...); t.Failed() {
			t.Fatalf("in: %s", name)
		}
	}
	f("nothing", nil)
	f("a page", []detect.Finding{page("Slow", "checkout")}, "1 open checkout")
	f("a ticket alone", []detect.Finding{ticket("DiskFull", "checkout")})
	f("a ticket, then a page on the same service", []detect.Finding{ticket("DiskFull", "checkout"), page("Slow", "checkout")}, "1 open checkout")
	f("a second page on the same service", []detect.Finding{page("Slow", "checkout"), page("Errors", "checkout")}, "1 open checkout")
	f("the same page again", []detect.Finding{page("Slow", "checkout"), page("Slow", "checkout")}, "1 open checkout")
	f("a page on what it depends on", []detect.Finding{page("Slow", "checkout"), page("Errors", "payments")}, "1 open checkout,payments")
	f("a page on what depends on it", []detect.Finding{page("Errors", "payments"), page("Slow", "checkout")}, "1 open payments,checkout")
	f("three steps away", []detect.Finding{page("Slow", "storefront"), page("Errors", "ledger")}, "1 open storefront,ledger")
	f("four steps away", []detect.Finding{page("Slow", "storefront"), page("Errors", "bank")}, "2 open bank", "1 open storefront")
	f("four steps away, with one in between", []detect.Finding{page("Slow", "storefront"), page("Errors", "payments"), page("Down", "bank")}, "1 open storefront,payments,bank")
	f("a page on something else", []detect.Finding{page("Slow", "checkout"), page("Errors", "newsletter")}, "2 open newsletter", "1 open checkout")
	f("the nearest of two", []detect.Finding{page("Slow", "storefront"), page("Down", "bank"), page("Errors", "ledger")}, "2 open bank,ledger", "1 open storefront")
	f("a page on no service joins nothing", []detect.Finding{page("Slow", "checkout"), page("Watchdog", "")}, "2 open ", "1 open checkout")
	f("all at once", []detect.Finding{page("Slow", "checkout"), ticket("DiskFull", "newsletter"), page("Errors", "payments")}, "1 open checkout,payments")
}

// TestSilencedOpensNothing, until the silence is over and the finding still holds.
func TestSilencedOpensNothing(t *testing.T) {
	d := newDesk(t)
	d.silenced["Slow"] = true
	d.see(0, page("Slow", "checkout"))
	d.see(time.Minute, page("Slow", "checkout"))
	d.expect()
	if f := d.told["Slow"]; f.Incident != 0 || f.Annotations["incident"] != "" {
		t.Errorf("a silenced finding names an incident: %+v", f)
	}
	d.silenced["Slow"] = false
	d.see(time.Minute, page("Slow", "checkout"))
	d.expect("1 open checkout")
	if got := d.get(1).Clocks.Detected; !got.Equal(night) {
		t.Errorf("detected at %s, the finding was opened at %s", got, night)
	}
	// One that is silenced later stays in the incident that it has.
	d.silenced["Slow"] = true
	d.see(time.Minute, page("Slow", "checkout"))
	if f := d.told["Slow"]; f.Incident != 1 {
		t.Errorf("silenced later, it has lost its incident: %+v", f)
	}
}

// TestMitigateAndRegress follows findings: the last page that goes mitigates, one that
// comes back regresses and has to be acknowledged anew; nothing but a person resolves.
func TestMitigateAndRegress(t *testing.T) {
	d := newDesk(t)
	slow, errs := page("Slow", "checkout"), page("Errors", "payments")
	d.see(0, slow, errs, ticket("DiskFull", "checkout"))
	d.see(time.Minute, over(slow))
	d.expect("1 open checkout,payments") // Errors still pages
	d.see(time.Minute, over(errs))
	d.expect("1 mitigated checkout,payments") // a ticket that stays does not matter
	d.see(time.Minute, ticket("Queue", "checkout"))
	d.expect("1 mitigated checkout,payments")
	d.see(time.Minute, slow)
	d.expect("1 open checkout,payments")
	if c := d.get(1).Clocks; !c.Mitigated.IsZero() {
		t.Errorf("mitigated at %s, and it pages again", c.Mitigated)
	}
	d.do("alice", 1, respond.Acknowledge)
	d.see(time.Minute, over(slow))
	d.expect("1 mitigated checkout,payments")
	d.see(time.Minute, slow)
	d.expect("1 open checkout,payments") // the acknowledgement ended with what it was given for
	if c := d.get(1).Clocks; c.Acknowledged.IsZero() {
		t.Error("the first acknowledgement is forgotten")
	}
	d.do("alice", 1, respond.Resolve)
	d.see(time.Minute, slow)
	d.expect("1 resolved checkout,payments") // a person has decided; the episode opens no other
	d.see(time.Minute, over(slow))
	d.see(time.Minute, slow)
	d.expect("2 open checkout", "1 resolved checkout,payments")
}

// TestFactsOfFindings: every step is a fact of the system that names its cause.
func TestFactsOfFindings(t *testing.T) {
	d := newDesk(t)
	slow, errs := page("Slow", "checkout"), page("Errors", "payments")
	d.see(0, slow)
	d.see(time.Minute, errs)
	d.see(time.Minute, over(slow), over(errs))
	d.see(time.Minute, slow)
	facts := d.facts("incident.")
	if got, want := kinds(facts), "opened suspects joined mitigated joined regressed"; got != want {
		t.Fatalf("facts: %s, want %s", got, want)
	}
	found := d.facts("finding.opened")
	for i, cause := range []journal.ID{found[0].ID, facts[0].ID, found[1].ID, 0, found[2].ID, found[2].ID} {
		f := facts[i]
		if f.Actor != journal.System("respond") || f.Subject != "incident/1" || f.Text == "" {
			t.Errorf("%+v", f)
		}
		if cause != 0 && f.Cause != cause {
			t.Errorf("%s: cause %d, want %d", f.Kind, f.Cause, cause)
		}
		chain, err := d.db.Causes(t.Context(), f.ID)
		if err != nil || chain[len(chain)-1].Kind != "finding.opened" {
			t.Errorf("%s: causes end at %+v (%v)", f.Kind, chain[len(chain)-1], err)
		}
	}
	if !strings.Contains(facts[0].Text, "alice is on call") {
		t.Errorf("who is on call is not said: %s", facts[0].Text)
	}
	if i := d.get(1); i.Fact != facts[0].ID || i.Team != "shop" || i.Title != "checkout: Slow of checkout" {
		t.Errorf("%+v", i)
	}
}

// TestClocks: the five points, and where each comes from.
func TestClocks(t *testing.T) {
	d := newDesk(t)
	d.onset = func(detect.Finding) (time.Time, string) { return night.Add(-3 * time.Minute), "the first bad slice" }
	slow := page("Slow", "checkout")
	slow.Since = night.Add(-time.Minute)
	d.see(0, slow)
	f := func(what string, got time.Time, want time.Duration) {
		t.Helper()
		if want < 0 && !got.IsZero() || want >= 0 && !got.Equal(night.Add(-3*time.Minute).Add(want)) {
			t.Errorf("%s: %s", what, got)
		}
	}
	const notYet = -1
	c := d.get(1).Clocks
	f("impact, from the objective", c.Impact, 0)
	f("detected, when the finding opened", c.Detected, 3*time.Minute)
	f("acknowledged", c.Acknowledged, notYet)
	f("mitigated", c.Mitigated, notYet)
	f("resolved", c.Resolved, notYet)
	if c.ImpactSource != "the first bad slice" {
		t.Errorf("the source of the impact: %q", c.ImpactSource)
	}
	d.now = night.Add(time.Minute)
	d.do("alice", 1, respond.Acknowledge)
	d.see(time.Minute, over(slow))
	d.now = night.Add(4 * time.Minute)
	d.do("bob", 1, respond.Resolve)
	c = d.get(1).Clocks
	f("acknowledged, by a person", c.Acknowledged, 4*time.Minute)
	f("mitigated, by the finding's end", c.Mitigated, 5*time.Minute)
	f("resolved, by a person", c.Resolved, 7*time.Minute)
	actors := ""
	for _, x := range d.facts("incident.") {
		actors += string(x.Kind) + " " + string(x.Actor) + "\n"
	}
	for _, want := range []string{"incident.acknowledged person:alice\n", "incident.mitigated system:respond\n", "incident.resolved person:bob\n"} {
		if !strings.Contains(actors, want) {
			t.Errorf("no %q in\n%s", want, actors)
		}
	}

	// Without an objective the impact begins where the condition did; who resolves
	// what nobody mitigated, does both.
	d.onset = func(detect.Finding) (time.Time, string) { return time.Time{}, "" }
	news := page("Bounces", "newsletter")
	news.Since = night.Add(2 * time.Minute)
	d.see(0, news)
	d.now = night.Add(5 * time.Minute)
	d.do("bob", 2, respond.Resolve)
	c = d.get(2).Clocks
	f("impact, from the condition", c.Impact, 5*time.Minute)
	f("acknowledged, by nobody", c.Acknowledged, notYet)
	f("mitigated, with the end", c.Mitigated, 8*time.Minute)
	f("resolved", c.Resolved, 8*time.Minute)
}

// TestWhatAPageSays: the incident, its link, its first three suspects, the runbook.
func TestWhatAPageSays(t *testing.T) {
	d := newDesk(t)
	d.suspects = func() ([]respond.Suspect, error) {
		return []respond.Suspect{{Rank: 1, Change: "c-1", Score: 0.9, Reason: "first"}, {Rank: 2, Score: 0.5, Reason: "second"}, {Rank: 3, Score: 0.3, Reason: "third"}, {Rank: 4, Score: 0.1, Reason: "fourth"}}, nil
	}
	slow := page("Slow", "checkout")
	slow.Runbook, slow.Annotations = "restart", map[string]string{"summary": "slow"}
	d.see(0, slow)
	a := d.told["Slow"].Annotations
	for k, want := range map[string]string{
		"summary": "slow", "incident": "1", "incident_url": "https://evenkeel.test/incidents/1", "suspects": "1. first (0.90)\n2. second (0.50)\n3. third (0.30)",
		"runbook_url": "https://evenkeel.test/runbooks/restart?incident=1",
	} {
		if a[k] != want {
			t.Errorf("%s: %q, want %q", k, a[k], want)
		}
	}
	if len(slow.Annotations) != 1 {
		t.Errorf("the detector's own map was written to: %v", slow.Annotations)
	}
	if i := d.get(1); i.Runbook != "restart" || len(i.Suspects) != 4 {
		t.Errorf("%+v", i)
	}

	d.suspects = func() ([]respond.Suspect, error) { return nil, errors.New("no changes today") }
	d.see(0, page("Bounces", "newsletter"))
	if a := d.told["Bounces"].Annotations; a["suspects"] != "no change stands out" || a["incident"] != "2" {
		t.Errorf("a failed ranking: %v", a)
	}
}

// TestSuspectsAgain ranks anew when a change is reported late, and writes down only
// what is news.
func TestSuspectsAgain(t *testing.T) {
	d := newDesk(t)
	d.see(0, page("Slow", "checkout"))
	refresh := func(want string) {
		t.Helper()
		if err := d.book.RefreshSuspects(t.Context(), d.now, 1); err != nil {
			t.Fatal(err)
		}
		if got := kinds(d.facts("incident.suspects")); got != want {
			t.Errorf("facts: %s, want %s", got, want)
		}
	}
	refresh("suspects")
	d.suspects = func() ([]respond.Suspect, error) {
		return []respond.Suspect{{Rank: 1, Change: "c-1", Score: 0.9, Reason: "a late one"}}, nil
	}
	refresh("suspects suspects")
	refresh("suspects suspects")
	if s := d.get(1).Suspects; len(s) != 1 || s[0].Reason != "a late one" {
		t.Errorf("%+v", s)
	}
	d.do("alice", 1, respond.Resolve)
	d.suspects = func() ([]respond.Suspect, error) { return nil, nil }
	refresh("suspects suspects") // what is resolved stays as it was
}

// TestTakenTwice: findings that are handed on again, by many at once, open one incident.
func TestTakenTwice(t *testing.T) {
	d := newDesk(t)
	d.findings.SetSink(func(context.Context, []detect.Finding) error { return nil })
	d.see(0, page("Slow", "checkout"))
	found, _, err := d.findings.List(t.Context(), detect.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			out, err := d.book.Take(t.Context(), night, found, func(detect.Finding) bool { return false })
			if err != nil || len(out) != 1 || out[0].Incident != 1 {
				t.Errorf("%+v %v", out, err)
			}
		})
	}
	wg.Wait()
	d.expect("1 open checkout")
	if got := kinds(d.facts("incident.opened")) + kinds(d.facts("incident.joined")); got != "opened" {
		t.Errorf("facts: %s", got)
	}
}

// TestKilledBeforeDating: an incident that a kill left without its impact and suspects
// gets them when its finding comes again.
func TestKilledBeforeDating(t *testing.T) {
	d := newDesk(t)
	ctx, kill := context.WithCancel(t.Context())
	d.onset = func(detect.Finding) (time.Time, string) {
		kill() // after the incident was committed, before it is dated
		return night.Add(-time.Minute), "the first bad slice"
	}
	if err := d.findings.Observe(ctx, night, []detect.Finding{page("Slow", "checkout")}); err == nil {
		t.Fatal("the killed one went on")
	}
	d.expect("1 open checkout")
	if c := d.get(1).Clocks; !c.Impact.IsZero() {
		t.Fatalf("dated already: %+v", c)
	}
	d.suspects = func() ([]respond.Suspect, error) { return []respond.Suspect{{Rank: 1, Reason: "that one"}}, nil }
	d.restart()
	if err := d.findings.Redeliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.expect("1 open checkout")
	if i := d.get(1); !i.Clocks.Impact.Equal(night.Add(-time.Minute)) || len(i.Suspects) != 1 || d.told["Slow"].Annotations["suspects"] == "" {
		t.Errorf("after the restart: %+v", i)
	}
}
