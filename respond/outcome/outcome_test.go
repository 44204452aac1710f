package outcome

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/finding"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

var night = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

type desk struct {
	*testing.T
	db       *state.DB
	findings *finding.Book
	book     *Book
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	db, err := state.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	book, err := finding.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t, db, book, open(t, db)}
}

func (d *desk) see(at time.Time, name string, over bool) {
	d.Helper()
	f := detect.Finding{Fingerprint: detect.Fingerprint(name), Detector: detect.DetectorRule, Name: name, Service: "checkout", Severity: detect.Page, Labels: map[string]string{"alertname": name}, Since: at}
	if over {
		f.ResolvedAt = at
	}
	if err := d.findings.Observe(d.Context(), at, []detect.Finding{f}); err != nil {
		d.Fatal(err)
	}
}

func (d *desk) exec(query string, args ...any) {
	d.Helper()
	err := d.db.Update(d.Context(), func(tx *state.Tx) error {
		_, err := tx.ExecContext(context.Background(), query, args...)
		return err
	})
	if err != nil {
		d.Fatal(err)
	}
}

// TestLabel: a person's word is kept with its fact, gives way to another word, and not
// to what is inferred.
func TestLabel(t *testing.T) {
	d := newDesk(t)
	d.see(night, "Slow", false)
	alice := journal.Person("alice")
	if _, err := d.book.Outcome(t.Context(), 1); !errors.Is(err, respond.ErrNotFound) {
		t.Errorf("before: %v", err)
	}
	for _, l := range []respond.OutcomeLabel{respond.FalseAlarm, respond.FalseAlarm, respond.ActionTaken} {
		if _, err := d.book.Label(t.Context(), night.Add(time.Minute), alice, 1, l, " why "); err != nil {
			t.Fatal(err)
		}
	}
	o, err := d.book.Outcome(t.Context(), 1)
	if err != nil || o.Outcome != respond.ActionTaken || o.Inferred || o.By != alice || o.Note != "why" {
		t.Errorf("%+v %v", o, err)
	}
	facts, err := d.db.Facts(t.Context(), journal.Query{Kind: "finding.outcome", Oldest: true})
	if err != nil || len(facts) != 2 || facts[0].Text != "outcome of Slow: false: why" || facts[0].Actor != alice || facts[0].Cause == 0 {
		t.Errorf("%+v %v", facts, err)
	}
	d.exec(`INSERT INTO runs (id, runbook, source, service, actor, status, started_ms) VALUES ('r-1', 'drain', '', 'checkout', 'person:bob', 'done', ?)`, state.Millis(night.Add(time.Minute)))
	if n, err := d.book.Infer(t.Context(), night.Add(2*time.Minute)); n != 0 || err != nil {
		t.Errorf("a person's word was replaced: %d %v", n, err)
	}
	var wrong *respond.InvalidError
	if _, err := d.book.Label(t.Context(), night, alice, 1, "meh", ""); !errors.As(err, &wrong) {
		t.Errorf("%v", err)
	}
	if _, err := d.book.Label(t.Context(), night, alice, 1, respond.Duplicate, strings.Repeat("x", 1001)); !errors.As(err, &wrong) {
		t.Errorf("%v", err)
	}
	if _, err := d.book.Label(t.Context(), night, alice, 99, respond.Duplicate, ""); !errors.Is(err, respond.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestInferred: what followed within the hour speaks for action; what came before, or
// later, or on another service, does not.
func TestInferred(t *testing.T) {
	f := func(name string, want string, prepare func(d *desk)) {
		t.Helper()
		d := newDesk(t)
		d.see(night, "Slow", false)
		d.exec(`UPDATE findings SET incident = 9`)
		prepare(d)
		n, err := d.book.Infer(t.Context(), night.Add(90*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		o, err := d.book.Outcome(t.Context(), 1)
		if want == "" {
			if n != 0 || !errors.Is(err, respond.ErrNotFound) {
				t.Errorf("%s: %d, %+v", name, n, o)
			}
			return
		}
		if n != 1 || err != nil || !o.Inferred || o.Outcome != respond.ActionTaken || o.Note != want || o.By != journal.System("respond") {
			t.Errorf("%s: %d, %+v %v", name, n, o, err)
		}
	}
	run := func(after time.Duration, service string) func(*desk) {
		return func(d *desk) {
			d.exec(`INSERT INTO runs (id, runbook, source, service, actor, status, started_ms) VALUES ('r-1', 'drain', '', ?, 'person:bob', 'done', ?)`, service, state.Millis(night.Add(after)))
		}
	}
	f("nothing", "", func(*desk) {})
	f("a run", "run r-1 of drain followed after 5m0s", run(5*time.Minute, "checkout"))
	f("a run of before", "", run(-time.Minute, "checkout"))
	f("a late run", "", run(61*time.Minute, "checkout"))
	f("a run elsewhere", "", run(5*time.Minute, "newsletter"))
	f("a change", "change c-1 followed after 7m0s", func(d *desk) {
		d.exec(`INSERT INTO changes (id, kind, summary, service, actor, started_ms, recorded_ms) VALUES ('c-1', 'rollback', '', 'checkout', 'bob', ?, 0)`, state.Millis(night.Add(7*time.Minute)))
	})
	f("a finding of which nobody was told", "", func(d *desk) {
		d.exec(`UPDATE findings SET incident = 0`)
		run(5*time.Minute, "checkout")(d)
	})
	incidentOf := func(alert string) func(*desk) {
		return func(d *desk) {
			d.exec(`INSERT INTO incidents (title, severity, status, service, detected_ms) VALUES ('', 'page', 'open', 'checkout', ?)`, state.Millis(night.Add(9*time.Minute)))
			d.exec(`INSERT INTO findings (fingerprint, detector, name, service, severity, since_ms, opened_ms, seen_ms, incident) VALUES ('x', 'rule', ?, 'checkout', 'ticket', 1, 1, 1, 1)`, alert)
		}
	}
	f("an incident of another alert", "incident 1 followed after 9m0s", incidentOf("Failing"))
	f("an incident of the same alert", "", incidentOf("Slow"))
	f("a person's mitigation of its incident", "the mitigation by bob followed after 4m0s", func(d *desk) {
		d.exec(`INSERT INTO incidents (title, severity, status, service, detected_ms) VALUES ('', 'page', 'mitigated', 'checkout', ?)`, state.Millis(night))
		d.exec(`UPDATE findings SET incident = 1`)
		err := d.db.Update(t.Context(), func(tx *state.Tx) error {
			_, err := tx.Record(journal.Fact{At: night.Add(4 * time.Minute), Kind: "incident.mitigated", Actor: journal.Person("bob"), Subject: "incident/1"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestLabelIncident: one tap for all of it, of a storm too.
func TestLabelIncident(t *testing.T) {
	d := newDesk(t)
	d.exec(`INSERT INTO incidents (title, severity, status, service, detected_ms) VALUES ('', 'page', 'open', 'checkout', ?)`, state.Millis(night))
	for n := range 30 {
		d.see(night, "Slow"+strings.Repeat("x", n), false)
	}
	d.exec(`UPDATE findings SET incident = 1`)
	if _, err := d.book.Label(t.Context(), night, journal.Person("bob"), 3, respond.Duplicate, ""); err != nil {
		t.Fatal(err)
	}
	n, err := d.book.LabelIncident(t.Context(), night.Add(time.Minute), journal.Person("alice"), 1, respond.ActionTaken, "")
	if err != nil || n != 29 {
		t.Errorf("%d %v", n, err)
	}
	all, err := d.book.Episodes(t.Context(), night.Add(-time.Hour), night.Add(time.Hour))
	if err != nil || len(all) != 30 || all[2].Outcome != respond.Duplicate || all[29].Outcome != respond.ActionTaken {
		t.Errorf("%d %v", len(all), err)
	}
	if facts, err := d.db.Facts(t.Context(), journal.Query{Kind: "incident.outcome"}); err != nil || len(facts) != 1 || !strings.Contains(facts[0].Text, "9 further findings") {
		t.Errorf("%+v %v", facts, err)
	}
	if _, err := d.book.LabelIncident(t.Context(), night, "person:alice", 9, respond.ActionTaken, ""); !errors.Is(err, respond.ErrNotFound) {
		t.Error(err)
	}
}

// TestMeasure: the numbers of an alert, by hand.
func TestMeasure(t *testing.T) {
	e := func(minute, lasts, told, acked int, fp string, l respond.OutcomeLabel, inferred bool) respond.Episode {
		at := func(m int) time.Time {
			if m < 0 {
				return time.Time{}
			}
			return night.Add(time.Duration(m) * time.Minute)
		}
		return respond.Episode{Detector: "rule", Name: "Slow", Severity: detect.Page, Fingerprint: detect.Fingerprint(fp), Opened: at(minute), Resolved: at(minute + lasts), Told: at(told), Acked: at(acked), Outcome: l, Inferred: inferred}
	}
	quiet := respond.Episode{Detector: "rule", Name: "Quiet", Severity: detect.Page, Opened: night, Outcome: respond.ActionTaken}
	got := Measure([]respond.Episode{
		quiet,
		e(0, 2, 1, 4, "a", respond.ActionTaken, true),
		e(10, 2, 11, -1, "a", respond.FalseAlarm, false),     // 8 minutes after its end: a flap
		e(40, 2, 41, 46, "a", respond.NoActionNeeded, false), // 28 minutes: none
		e(41, 4, -1, -1, "b", respond.Duplicate, false),      // another one
		e(100, 2, 101, -1, "a", respond.Maintenance, false),  // not judged
		e(200, 2, 201, -1, "a", "", false),                   // nobody said
	})
	if len(got) != 2 || got[0].Name != "Slow" || got[1].Name != "Quiet" {
		t.Fatalf("%+v", got)
	}
	q := got[0]
	if q.Episodes != 6 || q.Messages != 5 || q.Action != 1 || q.False != 1 || q.NoAction != 1 || q.Duplicate != 1 || q.Planned != 1 || q.Unknown != 1 || q.Inferred != 1 || q.Flaps != 1 {
		t.Errorf("%+v", q)
	}
	if *q.Precision != 0.25 || *q.Noise != 0.75 || math.Abs(q.Needless-3.75) > 1e-9 || *q.AckSeconds != 240 || q.Seconds != 120 {
		t.Errorf("precision %v, noise %v, needless %v, ack %v, length %v", *q.Precision, *q.Noise, q.Needless, *q.AckSeconds, q.Seconds)
	}
	if p := got[1].Precision; *p != 1 || got[1].AckSeconds != nil {
		t.Errorf("%+v", got[1])
	}
}
