package incident

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

var alice = journal.Person("alice")

// got fails the test where an act was refused.
func got[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// err2 is the error alone.
func err2[T any](_ T, err error) error { return err }

// TestMerge: the findings, tasks and links of the one go to the other, whose clock
// begins with the earlier one; both timelines say so, and nothing moves the merged one.
func TestMerge(t *testing.T) {
	d := newDesk(t)
	var moved []int64
	d.book.o.Moved = func(n int64, ids []int64) {
		d.findings.Moved(n, ids)
		moved = append(moved, ids...)
	}
	d.see(0, page("Slow", "checkout"))
	d.see(time.Minute, page("Bounces", "newsletter"), ticket("Queue", "newsletter"))
	got(d.book.AddTask(t.Context(), d.now, alice, 1, "call the provider", "bob"))
	d.do("alice", 2, respond.Mitigate)
	in := got(d.book.Merge(t.Context(), d.now, alice, 1, 2, "one cause"))
	if in.Number != 2 || in.Status != respond.Open || !in.Clocks.Detected.Equal(night) || len(in.Services) != 2 || len(moved) != 1 {
		t.Errorf("%+v, moved %v", in, moved)
	}
	d.expect("2 open newsletter,checkout", "1 merged checkout")
	if i := d.get(1); i.MergedInto != 2 || !i.Ended() {
		t.Errorf("%+v", i)
	}
	if tasks, err := d.book.Tasks(t.Context(), 2); err != nil || len(tasks) != 1 || tasks[0].Owner != "bob" {
		t.Errorf("tasks: %+v %v", tasks, err)
	}
	for _, n := range []string{"incident/1", "incident/2"} {
		facts, err := d.db.Facts(t.Context(), journal.Query{Ref: journal.Ref(n), Kind: "incident.merged"})
		if err != nil || len(facts) != 1 || facts[0].Actor != alice || facts[0].Cause == 0 || !strings.Contains(facts[0].Text, "one cause") {
			t.Errorf("%s: %+v %v", n, facts, err)
		}
	}
	// What happens to the finding is the other's business now.
	d.see(time.Minute, over(page("Slow", "checkout")), over(page("Bounces", "newsletter")))
	d.expect("2 mitigated newsletter,checkout", "1 merged checkout")
	facts, err := d.db.Facts(t.Context(), journal.Query{Ref: "incident/2", Kind: "finding.resolved"})
	if err != nil || len(facts) != 2 {
		t.Errorf("%d findings were resolved on its timeline, %v", len(facts), err)
	}
	for what, err := range map[string]error{
		"acknowledge": err2(d.book.Do(t.Context(), d.now, alice, 1, respond.Acknowledge, "")),
		"resolve":     err2(d.book.Do(t.Context(), d.now, alice, 1, respond.Resolve, "")),
		"merge again": err2(d.book.Merge(t.Context(), d.now, alice, 1, 2, "")),
		"merge into":  err2(d.book.Merge(t.Context(), d.now, alice, 2, 1, "")),
		"update":      err2(d.book.AddUpdate(t.Context(), d.now, alice, 1, respond.Identified, "x", true)),
		"by Do":       err2(d.book.Do(t.Context(), d.now, alice, 2, respond.Merge, "")),
	} {
		if !refused(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := err2(d.book.Merge(t.Context(), d.now, alice, 2, 2, "")); !invalid(err) {
		t.Errorf("into itself: %v", err)
	}
	if err := err2(d.book.Merge(t.Context(), d.now, alice, 2, 99, "")); !errors.Is(err, respond.ErrNotFound) {
		t.Errorf("into nothing: %v", err)
	}
}

// TestSplit: what turns out to be something else gets an incident of its own.
func TestSplit(t *testing.T) {
	d := newDesk(t)
	d.see(0, page("Slow", "checkout"))
	d.see(time.Minute, page("Errors", "payments"), ticket("Queue", "payments"))
	d.expect("1 open checkout,payments")
	errs, queue := d.told["Errors"].ID, d.told["Queue"].ID
	off := got(d.book.Split(t.Context(), d.now, alice, 1, []int64{queue, errs}, "the bank"))
	d.expect("2 open payments", "1 open checkout")
	if off.Title != "payments: Errors of payments" || !off.Clocks.Detected.Equal(night.Add(time.Minute)) || off.Clocks.Impact.IsZero() || off.Team != "shop" {
		t.Errorf("%+v", off)
	}
	chain, err := d.db.Causes(t.Context(), off.Fact)
	if err != nil || chain[1].Kind != "incident.split" || chain[1].Actor != alice {
		t.Errorf("%+v %v", chain, err)
	}
	d.see(time.Minute, over(page("Slow", "checkout")))
	d.expect("2 open payments", "1 mitigated checkout")
	f := func(want func(error) bool, n respond.Number, ids ...int64) {
		t.Helper()
		if err := err2(d.book.Split(t.Context(), d.now, alice, n, ids, "")); !want(err) {
			t.Errorf("split %v off %d: %v", ids, n, err)
		}
	}
	f(invalid, 1)                // nothing
	f(invalid, 1, errs)          // of another incident
	f(invalid, 2, errs, queue)   // all
	f(invalid, 2, errs, queue+9) // none there is
	d.do("alice", 2, respond.Resolve)
	f(refused, 2, errs)
	// The ticket alone pages nobody: what is left without a page is calm.
	d.see(0, page("Bounces", "newsletter"), ticket("Disk", "newsletter"))
	off = got(d.book.Split(t.Context(), d.now, alice, 3, []int64{d.told["Disk"].ID}, ""))
	if off.Status != respond.Mitigated {
		t.Errorf("an incident of a ticket is %s", off.Status)
	}
}

// TestRolesSeverityAndClock: people say who leads, how bad it is, and when it began.
func TestRolesSeverityAndClock(t *testing.T) {
	d := newDesk(t)
	d.book.o.TierOf = func(s declare.ServiceID) int { return map[declare.ServiceID]int{"checkout": 1}[s] }
	d.see(0, page("Slow", "checkout"), page("Bounces", "newsletter"))
	if a, b := d.get(1).Sev, d.get(2).Sev; a != respond.Sev2 || b != respond.Sev3 {
		t.Errorf("%s, %s", a, b)
	}
	got(d.book.SetSev(t.Context(), d.now, alice, 1, respond.Sev1, "nobody can pay"))
	got(d.book.SetRole(t.Context(), d.now, alice, 1, respond.Commander, "bob"))
	got(d.book.SetRole(t.Context(), d.now, alice, 1, respond.Scribe, "alice"))
	i := got(d.book.SetRole(t.Context(), d.now, alice, 1, respond.Scribe, ""))
	if i.Sev != respond.Sev1 || i.Roles[respond.Commander] != "bob" || len(i.Roles) != 1 || len(d.get(1).Roles) != 1 {
		t.Errorf("%+v", i)
	}
	at := night.Add(-10 * time.Minute)
	got(d.book.SetClock(t.Context(), d.now, alice, 1, respond.PointImpact, at, "the first call of a customer"))
	if c := d.get(1).Clocks; !c.Impact.Equal(at) || c.Sources[respond.PointImpact] != "alice: the first call of a customer" || !strings.HasPrefix(c.Sources[respond.PointDetected], "finding 1: Slow") {
		t.Errorf("%+v", c)
	}
	for what, err := range map[string]error{
		"sev":     err2(d.book.SetSev(t.Context(), d.now, alice, 1, "sev0", "")),
		"role":    err2(d.book.SetRole(t.Context(), d.now, alice, 1, "king", "bob")),
		"person":  err2(d.book.SetRole(t.Context(), d.now, alice, 1, respond.Scribe, "mallory")),
		"point":   err2(d.book.SetClock(t.Context(), d.now, alice, 1, "noticed", at, "x")),
		"no why":  err2(d.book.SetClock(t.Context(), d.now, alice, 1, respond.PointImpact, at, " ")),
		"future":  err2(d.book.SetClock(t.Context(), d.now, alice, 1, respond.PointImpact, d.now.Add(time.Second), "x")),
		"not yet": err2(d.book.SetClock(t.Context(), d.now, alice, 1, respond.PointResolved, at, "x")),
		"task":    err2(d.book.AddTask(t.Context(), d.now, alice, 1, "two\nlines", "")),
		"link":    err2(d.book.AddLink(t.Context(), d.now, alice, 1, respond.LinkURL, "javascript:alert(1)", "")),
		"change":  err2(d.book.AddLink(t.Context(), d.now, alice, 1, respond.LinkChange, "c-404", "")),
		"phase":   err2(d.book.AddUpdate(t.Context(), d.now, alice, 1, "panicking", "x", true)),
		"text":    err2(d.book.AddUpdate(t.Context(), d.now, alice, 1, respond.Identified, " ", true)),
	} {
		if !invalid(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	task := got(d.book.AddTask(t.Context(), d.now, alice, 1, "call the bank", ""))
	done := got(d.book.FinishTask(t.Context(), d.now.Add(time.Minute), alice, 1, task.ID))
	if done.DoneAt.IsZero() {
		t.Errorf("%+v", done)
	}
	if err := err2(d.book.FinishTask(t.Context(), d.now, alice, 2, task.ID)); !errors.Is(err, respond.ErrNotFound) {
		t.Errorf("a task of another incident: %v", err)
	}
	got(d.book.AddLink(t.Context(), d.now, alice, 1, respond.LinkURL, "https://tickets.example.org/7", "the provider's"))
	got(d.book.AddLink(t.Context(), d.now, alice, 1, respond.LinkURL, "https://tickets.example.org/7", "again"))
	if links, err := d.book.Links(t.Context(), 1); err != nil || len(links) != 1 || links[0].Note != "the provider's" {
		t.Errorf("%+v %v", links, err)
	}
	for _, p := range respond.Phases {
		text := got(d.book.Template(t.Context(), d.now, 1, p))
		if !strings.Contains(strings.ToLower(text), "checkout") {
			t.Errorf("%s: %q", p, text)
		}
		got(d.book.AddUpdate(t.Context(), d.now, alice, 1, p, text, p != respond.Identified))
	}
	d.book.o.Wording = func(p respond.Phase) string {
		return map[respond.Phase]string{respond.Investigating: "Since {since} {services} is slow."}[p]
	}
	if text := got(d.book.Template(t.Context(), d.now, 1, respond.Investigating)); !strings.HasPrefix(text, "Since ") || !strings.HasSuffix(text, " UTC checkout is slow.") {
		t.Errorf("the workspace's own wording: %q", text)
	}
	if text := got(d.book.Template(t.Context(), d.now, 1, respond.Over)); !strings.Contains(text, "is over") {
		t.Errorf("a phase without one: %q", text)
	}
	if all, err := d.book.Updates(t.Context(), 1); err != nil || len(all) != 4 || all[1].Public || !all[0].Public {
		t.Errorf("%+v %v", all, err)
	}
	if all := kinds(d.facts("incident.")); !strings.Contains(all, "severity role role role clock task task_done linked update update update update") {
		t.Errorf("facts: %s", all)
	}
}

// TestAlike: what was like it before comes with the reason; what goes on at the same
// time along the dependencies is related, and what has nothing to do with it is neither.
func TestAlike(t *testing.T) {
	d := newDesk(t)
	d.see(0, page("Slow", "storefront"))
	d.see(time.Minute, over(page("Slow", "storefront")))
	if _, err := d.book.Do(t.Context(), d.now, alice, 1, respond.Resolve, "rolled back to 1.4.0"); err != nil {
		t.Fatal(err)
	}
	d.see(time.Minute, page("Bounces", "newsletter"))
	d.see(time.Minute, over(page("Bounces", "newsletter")))
	d.do("alice", 2, respond.Resolve)
	d.see(48*time.Hour, page("Slow", "storefront"))
	d.see(time.Minute, page("Down", "bank"))
	d.see(time.Minute, page("Bounces", "newsletter"))
	d.expect("5 open newsletter", "4 open bank", "3 open storefront", "2 resolved newsletter", "1 resolved storefront")
	all, err := d.book.Alike(t.Context(), 3)
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v %v", all, err)
	}
	if l := all[0]; l.Kind != "related" || l.Number != 4 || !strings.Contains(strings.Join(l.Reasons, "; "), "bank is 4 steps from storefront") {
		t.Errorf("%+v", l)
	}
	if l := all[1]; l.Kind != "similar" || l.Number != 1 || !strings.Contains(l.Ended, "rolled back to 1.4.0") || !strings.Contains(strings.Join(l.Reasons, "; "), "the same service: storefront; the same alert: Slow") {
		t.Errorf("%+v", l)
	}
}
