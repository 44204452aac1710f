package incident

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/finding"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

var night = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// graph is what depends on what: storefront on checkout on payments on the ledger on
// the bank, which is too far from storefront. Nothing has to do with the newsletter.
var graph = declare.Workspace{Services: []*declare.Service{
	{ID: "storefront", DependsOn: on("checkout")}, {ID: "checkout", DependsOn: on("payments")},
	{ID: "payments", DependsOn: on("ledger")}, {ID: "ledger", DependsOn: on("bank")}, {ID: "bank"}, {ID: "newsletter"},
}}

func on(s string) []declare.ResourceID {
	return []declare.ResourceID{declare.ResourceID("component/default/" + s)}
}

// desk is a book of incidents behind a book of findings, both on a real database.
type desk struct {
	*testing.T
	dir      string
	db       *state.DB
	findings *finding.Book
	book     *Book
	now      time.Time // of the next Take
	silenced map[string]bool
	told     map[string]detect.Finding // the last that was handed on to be sent, by name

	onset    func(detect.Finding) (time.Time, string)
	suspects func() ([]respond.Suspect, error)
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, dir: t.TempDir(), now: night, silenced: map[string]bool{}, told: map[string]detect.Finding{}}
	d.onset = func(detect.Finding) (time.Time, string) { return time.Time{}, "" }
	d.suspects = func() ([]respond.Suspect, error) { return nil, nil }
	d.open()
	t.Cleanup(func() { _ = d.db.Close() })
	return d
}

func (d *desk) open() {
	d.Helper()
	var err error
	if d.db, err = state.Open(d.Context(), d.dir); err != nil {
		d.Fatal(err)
	}
	if d.findings, err = finding.Open(d.Context(), d.db); err != nil {
		d.Fatal(err)
	}
	d.book = New(Options{
		DB: d.db, Logger: slog.New(slog.DiscardHandler), Distances: graph.Distances,
		TeamOf: func(declare.ServiceID) declare.TeamID { return "shop" },
		OnCall: func(declare.TeamID, time.Time) declare.PersonID { return "alice" },
		Known:  func(p declare.PersonID) bool { return p == "alice" || p == "bob" },
		Onset:  func(_ context.Context, f detect.Finding) (time.Time, string) { return d.onset(f) },
		Suspects: func(context.Context, respond.Incident) ([]respond.Suspect, error) {
			return d.suspects()
		},
		URL: func(path string) string { return "https://evenkeel.test" + path },
	})
	d.findings.SetSink(d.take)
}

// restart closes the database as a program that ends does, and opens all anew.
func (d *desk) restart() {
	d.Helper()
	if err := d.db.Close(); err != nil {
		d.Fatal(err)
	}
	d.open()
}

func (d *desk) take(ctx context.Context, found []detect.Finding) error {
	out, err := d.book.Take(ctx, d.now, found, func(f detect.Finding) bool { return d.silenced[f.Name] })
	for _, f := range out {
		d.told[f.Name] = f
	}
	d.findings.Attached(out)
	return err
}

// see lets the detectors see findings after some time has gone by.
func (d *desk) see(after time.Duration, found ...detect.Finding) {
	d.Helper()
	d.now = d.now.Add(after)
	for i := range found {
		if !found[i].Open() {
			found[i].ResolvedAt = d.now
		}
	}
	if err := d.findings.Observe(d.Context(), d.now, found); err != nil {
		d.Fatal(err)
	}
}

func page(name, service string) detect.Finding {
	return detect.Finding{
		Detector: detect.DetectorRule, Name: name, Service: declare.ServiceID(service), Severity: detect.Page, Summary: name + " of " + service,
		Labels: map[string]string{"alertname": name, "service": service},
	}
}

func ticket(name, service string) detect.Finding {
	f := page(name, service)
	f.Severity = detect.Ticket
	return f
}

func over(f detect.Finding) detect.Finding {
	f.ResolvedAt = night // see sets the right time
	return f
}

func (d *desk) get(n respond.Number) respond.Incident {
	d.Helper()
	i, err := d.book.Get(d.Context(), n)
	if err != nil {
		d.Fatal(err)
	}
	return i
}

func (d *desk) do(actor string, n respond.Number, e respond.Event) respond.Incident {
	d.Helper()
	i, err := d.book.Do(d.Context(), d.now, journal.Person(actor), n, e, "")
	if err != nil {
		d.Fatal(err)
	}
	return i
}

// expect compares all incidents, newest first, with lines as "1 open checkout,payments".
func (d *desk) expect(want ...string) {
	d.Helper()
	all, err := d.book.List(d.Context(), respond.IncidentFilter{})
	if err != nil {
		d.Fatal(err)
	}
	var got []string
	for _, i := range all {
		var services []string
		for _, s := range i.Services {
			services = append(services, string(s))
		}
		got = append(got, fmt.Sprintf("%d %s %s", i.Number, i.Status, strings.Join(services, ",")))
	}
	if !slices.Equal(got, want) {
		d.Errorf("incidents: got %q, want %q", got, want)
	}
}

// facts are those of the incidents, oldest first.
func (d *desk) facts(kind journal.Kind) []journal.Fact {
	d.Helper()
	out, err := d.db.Facts(d.Context(), journal.Query{Kind: kind, Oldest: true, Limit: state.MaxFacts})
	if err != nil {
		d.Fatal(err)
	}
	return out
}

func kinds(facts []journal.Fact) string {
	var out []string
	for _, f := range facts {
		out = append(out, strings.TrimPrefix(string(f.Kind), "incident."))
	}
	return strings.Join(out, " ")
}

func invalid(err error) bool {
	var e *respond.InvalidError
	return errors.As(err, &e)
}

func refused(err error) bool {
	var e *respond.TransitionError
	return errors.As(err, &e)
}
