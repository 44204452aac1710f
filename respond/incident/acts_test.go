package incident

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

// TestManyAtOnce: of people who do the same at once one has done it, and the others
// are told so; what does not exclude each other is done by all.
func TestManyAtOnce(t *testing.T) {
	d := newDesk(t)
	d.see(0, page("Slow", "checkout"))
	const people = 25
	crowd := func(what string, want int, act func(who journal.Actor) error) {
		t.Helper()
		var wg sync.WaitGroup
		var done atomic.Int32
		for n := range people {
			wg.Go(func() {
				switch err := act(journal.Person(fmt.Sprint("p", n))); {
				case err == nil:
					done.Add(1)
				case !refused(err):
					t.Errorf("%s: refused with %v", what, err)
				}
			})
		}
		wg.Wait()
		if int(done.Load()) != want {
			t.Errorf("%s: %d did it, want %d", what, done.Load(), want)
		}
	}
	event := func(e respond.Event) func(journal.Actor) error {
		return func(who journal.Actor) error {
			_, err := d.book.Do(t.Context(), night.Add(time.Minute), who, 1, e, "by "+string(who))
			return err
		}
	}
	crowd("acknowledge", 1, event(respond.Acknowledge))
	taken := d.get(1)
	crowd("assign", people, func(who journal.Actor) error {
		_, err := d.book.Assign(t.Context(), night.Add(2*time.Minute), who, 1, "bob")
		return err
	})
	crowd("note", people, func(who journal.Actor) error {
		return d.book.Note(t.Context(), night.Add(3*time.Minute), who, 1, "seen by "+string(who))
	})
	crowd("mitigate", 1, event(respond.Mitigate))
	crowd("resolve", 1, event(respond.Resolve))
	d.expect("1 resolved checkout")

	opened := d.get(1).Fact
	count := map[journal.Kind]int{}
	notes := map[string]bool{}
	for _, f := range d.facts("incident.") {
		count[f.Kind]++
		if f.Actor == journal.System("respond") {
			continue
		}
		if f.Cause != opened || f.Subject != "incident/1" || !strings.HasPrefix(string(f.Actor), "person:p") {
			t.Errorf("%+v", f)
		}
		switch f.Kind {
		case "incident.acknowledged":
			if string(taken.Assignee) != f.Actor.Name() || f.Text != "incident 1 acknowledged: by "+string(f.Actor) {
				t.Errorf("%s has it, and %s acknowledged: %s", taken.Assignee, f.Actor, f.Text)
			}
		case "incident.noted":
			if f.Text != "seen by "+string(f.Actor) {
				t.Errorf("%s noted %q", f.Actor, f.Text)
			}
			notes[f.Text] = true
		}
	}
	want := map[journal.Kind]int{
		"incident.opened": 1, "incident.suspects": 1, "incident.acknowledged": 1, "incident.assigned": people, "incident.noted": people,
		"incident.mitigated": 1, "incident.resolved": 1,
	}
	if !reflect.DeepEqual(count, want) || len(notes) != people {
		t.Errorf("facts: %v, %d notes", count, len(notes))
	}
}

// TestRefused: what is not allowed changes nothing, and says what it is.
func TestRefused(t *testing.T) {
	d := newDesk(t)
	d.see(0, page("Slow", "checkout"), page("Bounces", "newsletter"))
	d.do("alice", 2, respond.Resolve)
	before, incidents := len(d.facts("")), fmt.Sprint(d.get(1), d.get(2))
	alice := journal.Person("alice")
	f := func(what string, want func(error) bool, act func() error) {
		t.Helper()
		err := act()
		if err == nil || !want(err) {
			t.Errorf("%s: got %T %v", what, err, err)
		}
	}
	missing := func(err error) bool { return errors.Is(err, respond.ErrNotFound) }
	do := func(n respond.Number, e respond.Event, note string) func() error {
		return func() error {
			i, err := d.book.Do(t.Context(), night, alice, n, e, note)
			if err != nil && i.Number != 0 {
				t.Errorf("a refused act returns incident %d", i.Number)
			}
			return err
		}
	}
	assign := func(n respond.Number, to declare.PersonID) func() error {
		return func() error { _, err := d.book.Assign(t.Context(), night, alice, n, to); return err }
	}
	note := func(n respond.Number, text string) func() error {
		return func() error { return d.book.Note(t.Context(), night, alice, n, text) }
	}
	long := strings.Repeat("x", maxNote+1)
	f("resolve what is resolved", refused, do(2, respond.Resolve, ""))
	f("acknowledge what is resolved", refused, do(2, respond.Acknowledge, ""))
	f("mitigate what is resolved", refused, do(2, respond.Mitigate, ""))
	f("regress by hand", refused, do(1, respond.Regress, ""))
	f("an event that there is not", refused, do(1, "explode", ""))
	f("an endless note on an act", invalid, do(1, respond.Resolve, long))
	f("assign what is resolved", refused, assign(2, "bob"))
	f("assign to a stranger", invalid, assign(1, "mallory"))
	f("assign to nobody", invalid, assign(1, ""))
	f("an empty note", invalid, note(1, " \n"))
	f("an endless note", invalid, note(1, long))
	for what, act := range map[string]func() error{
		"acknowledge": do(99, respond.Acknowledge, ""), "regress": do(99, respond.Regress, ""), "assign": assign(99, "bob"), "note": note(99, "x"),
		"get":     func() error { _, err := d.book.Get(t.Context(), 0); return err },
		"refresh": func() error { return d.book.RefreshSuspects(t.Context(), night, 99) },
	} {
		f(what+" what is not there", missing, act)
	}
	if after := len(d.facts("")); after != before || fmt.Sprint(d.get(1), d.get(2)) != incidents {
		t.Errorf("refused acts left %d facts, and %+v", after-before, d.get(1))
	}
	_, err := d.book.Do(t.Context(), night, alice, 2, respond.Acknowledge, "")
	if got := fmt.Sprint(err); got != "cannot acknowledge an incident that is resolved" {
		t.Errorf("what a person reads: %s", got)
	}
}

// TestAcknowledge gives the incident to the person who does it, not to a machine, and
// not where somebody has it already.
func TestAcknowledge(t *testing.T) {
	f := func(actor journal.Actor, assigned, want declare.PersonID) {
		t.Helper()
		d := newDesk(t)
		d.see(0, page("Slow", "checkout"))
		if assigned != "" {
			if _, err := d.book.Assign(t.Context(), night, "person:alice", 1, assigned); err != nil {
				t.Fatal(err)
			}
		}
		i, err := d.book.Do(t.Context(), night, actor, 1, respond.Acknowledge, "")
		if err != nil || i.Assignee != want {
			t.Errorf("%s: assigned to %q, %v", actor, i.Assignee, err)
		}
	}
	f("person:alice", "", "alice")
	f("person:alice", "bob", "bob")
	f("token:ci", "", "")
}

// TestRestart: everything is there after the book is opened again, and goes on.
func TestRestart(t *testing.T) {
	d := newDesk(t)
	d.onset = func(detect.Finding) (time.Time, string) { return night.Add(-2 * time.Minute), "the first bad slice" }
	d.suspects = func() ([]respond.Suspect, error) {
		return []respond.Suspect{{Rank: 1, Change: "c-1", Service: "checkout", Summary: "deploy", Score: 0.9, Reason: "just before", Evidence: []string{"8 s"}, At: night.Add(-3 * time.Minute)}}, nil
	}
	slow := page("Slow", "checkout")
	slow.Runbook = "restart"
	d.see(0, slow, ticket("DiskFull", "checkout"))
	d.see(time.Minute, page("Errors", "payments"), page("Bounces", "newsletter"))
	d.do("alice", 1, respond.Acknowledge)
	if err := d.book.Note(t.Context(), d.now, "person:alice", 1, "looking"); err != nil {
		t.Fatal(err)
	}
	d.do("bob", 2, respond.Resolve)
	first, second, facts := d.get(1), d.get(2), d.facts("")
	d.restart()
	if got := []any{d.get(1), d.get(2), d.facts("")}; !reflect.DeepEqual(got, []any{first, second, facts}) {
		t.Errorf("after the restart\n%+v, before\n%+v", got, []any{first, second, facts})
	}
	if err := d.findings.Redeliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.expect("2 resolved newsletter", "1 acknowledged checkout,payments")
	if got := d.facts(""); len(got) != len(facts) {
		t.Errorf("the restart itself wrote %d facts: %+v", len(got)-len(facts), got[len(facts):])
	}
	d.see(time.Minute, over(slow), over(page("Errors", "payments")))
	d.expect("2 resolved newsletter", "1 mitigated checkout,payments")
}

// TestList filters.
func TestList(t *testing.T) {
	d := newDesk(t)
	d.see(0, page("Slow", "checkout"), page("Bounces", "newsletter"))
	d.see(time.Minute, page("Errors", "payments"))
	d.do("alice", 2, respond.Resolve)
	f := func(q respond.IncidentFilter, want ...respond.Number) {
		t.Helper()
		all, err := d.book.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var got []respond.Number
		for _, i := range all {
			got = append(got, i.Number)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v: got %v, want %v", q, got, want)
		}
	}
	f(respond.IncidentFilter{}, 2, 1)
	f(respond.IncidentFilter{Active: true}, 1)
	f(respond.IncidentFilter{Service: "payments"}, 1)
	f(respond.IncidentFilter{Service: "pay"})
	f(respond.IncidentFilter{Service: `"`})
	f(respond.IncidentFilter{Team: "shop"}, 2, 1)
	f(respond.IncidentFilter{Team: "platform"})
	f(respond.IncidentFilter{Limit: 1}, 2)
	f(respond.IncidentFilter{Limit: 1, Offset: 1}, 1)
	f(respond.IncidentFilter{Limit: -1, Offset: -1}, 2, 1)
}
