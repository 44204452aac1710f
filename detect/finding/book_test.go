package finding

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

var night = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// desk is a book on a real database, with a sink that writes down what it is given
// and can be told to fail.
type desk struct {
	t    *testing.T
	dir  string
	db   *state.DB
	book *Book

	mu     sync.Mutex // guards what follows
	given  []string
	broken error
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir()}
	d.open()
	t.Cleanup(func() { _ = d.db.Close() })
	return d
}

func (d *desk) open() {
	d.t.Helper()
	var err error
	if d.db, err = state.Open(d.t.Context(), d.dir); err != nil {
		d.t.Fatal(err)
	}
	if d.book, err = Open(d.t.Context(), d.db); err != nil {
		d.t.Fatal(err)
	}
	d.book.SetSink(d.sink)
}

// restart closes the database as a program that ends does, and opens it again.
func (d *desk) restart() {
	d.t.Helper()
	if err := d.db.Close(); err != nil {
		d.t.Fatal(err)
	}
	d.open()
}

func (d *desk) sink(_ context.Context, found []detect.Finding) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range found {
		what := "open"
		if !f.Open() {
			what = "resolved"
		}
		d.given = append(d.given, fmt.Sprintf("%d %s %s", f.ID, f.Name, what))
	}
	return d.broken
}

// taken returns what the sink was given since the last call, sorted.
func (d *desk) taken() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := slices.Sorted(slices.Values(d.given))
	d.given = nil
	return strings.Join(out, ", ")
}

func (d *desk) observe(at time.Time, seen ...detect.Finding) {
	d.t.Helper()
	if err := d.book.Observe(d.t.Context(), at, seen); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) expect(want string) {
	d.t.Helper()
	if got := d.taken(); got != want {
		d.t.Errorf("handed on: got %q, want %q", got, want)
	}
}

// facts are the texts of the journal, oldest first.
func (d *desk) facts() []journal.Fact {
	d.t.Helper()
	out, err := d.db.Facts(d.t.Context(), journal.Query{Oldest: true, Limit: state.MaxFacts})
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

func (d *desk) list(q detect.Filter) string {
	d.t.Helper()
	found, total, err := d.book.List(d.t.Context(), q)
	if err != nil {
		d.t.Fatal(err)
	}
	var out []string
	for _, f := range found {
		out = append(out, fmt.Sprint(f.ID))
	}
	return fmt.Sprintf("%s of %d", strings.Join(out, " "), total)
}

func slow(name string) detect.Finding {
	return detect.Finding{
		Detector: detect.DetectorRule, Name: name, Service: "checkout", Severity: detect.Page, Summary: name + " is slow", Value: 3,
		Labels: map[string]string{"alertname": name, "severity": "page"}, Annotations: map[string]string{"summary": name + " is slow"}, Since: night.Add(-time.Minute),
	}
}

func over(f detect.Finding, at time.Time) detect.Finding {
	f.ResolvedAt = at
	return f
}

// TestAnEpisode: opened once, refreshed, resolved; seen again it is a new row.
func TestAnEpisode(t *testing.T) {
	d := newDesk(t)
	d.observe(night, slow("A"))
	d.expect("1 A open")
	for i := range 10 {
		d.observe(night.Add(time.Duration(i)*10*time.Second), slow("A"))
	}
	if got := strings.Count(d.taken(), "1 A open"); got != 10 {
		t.Errorf("confirmed %d times, want 10", got)
	}
	if got := d.list(detect.Filter{}); got != "1 of 1" {
		t.Errorf("rows: %s", got)
	}
	newer := slow("A")
	newer.Summary, newer.Value, newer.Annotations = "A is slower", 9, map[string]string{"summary": "A is slower"}
	d.observe(night.Add(2*time.Minute), newer)
	if f := d.book.OpenFindings(detect.DetectorRule); len(f) != 1 || f[0].Summary != "A is slower" || f[0].Value != 9 || !f[0].OpenedAt.Equal(night) || !f[0].Since.Equal(night.Add(-time.Minute)) {
		t.Errorf("open: %+v", f)
	}
	if f, err := d.book.Get(t.Context(), 1); err != nil || !f.SeenAt.Equal(night.Add(2*time.Minute)) || f.Labels["alertname"] != "A" || f.Annotations["summary"] != "A is slower" || f.Summary != "A is slower" || f.Value != 3 || !f.Open() {
		t.Errorf("stored: %+v, %v", f, err)
	}
	// What it said last is kept, though it was not time to write it down.
	newer.Description = "by far"
	d.observe(night.Add(2*time.Minute+time.Second), newer)
	d.taken()
	d.observe(night.Add(3*time.Minute), over(slow("A"), night.Add(170*time.Second)))
	d.expect("1 A resolved")
	if f, err := d.book.Get(t.Context(), 1); err != nil || !f.ResolvedAt.Equal(night.Add(170*time.Second)) || !f.SeenAt.Equal(night.Add(3*time.Minute)) || f.Summary != "A is slower" || f.Description != "by far" {
		t.Errorf("resolved: %+v, %v", f, err)
	}
	d.observe(night.Add(4*time.Minute), over(slow("A"), night.Add(4*time.Minute)), over(slow("never seen"), night))
	d.expect("") // resolved already, and not known at all
	d.observe(night.Add(5*time.Minute), slow("A"))
	d.expect("2 A open")

	var kinds []string
	for _, f := range d.facts() {
		kinds = append(kinds, fmt.Sprintf("%s %s <- %d: %s", f.Kind, f.Subject, f.Cause, f.Text))
	}
	want := []string{
		"finding.opened finding/1 <- 0: page: A is slow",
		"finding.resolved finding/1 <- 1: resolved: A is slower",
		"finding.opened finding/2 <- 0: page: A is slow",
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("facts:\n%s\nwant\n%s", strings.Join(kinds, "\n"), strings.Join(want, "\n"))
	}
	about, err := d.db.Facts(t.Context(), journal.Query{Ref: "service/checkout"})
	if err != nil || len(about) != 3 {
		t.Errorf("on the service's timeline: %d, %v", len(about), err)
	}
}

// TestTimesOfOthers: clocks of senders are not trusted.
func TestTimesOfOthers(t *testing.T) {
	d := newDesk(t)
	early, late, none := slow("early"), slow("late"), slow("none")
	late.Since, none.Since = night.Add(time.Hour), time.Time{}
	d.observe(night, early, late, none)
	for _, f := range d.book.OpenFindings(detect.DetectorRule) {
		want := night
		if f.Name == "early" {
			want = early.Since
		}
		if !f.Since.Equal(want) {
			t.Errorf("%s: since %s, want %s", f.Name, f.Since, want)
		}
	}
	d.observe(night.Add(time.Minute), over(early, night.Add(-time.Hour)))
	if f, err := d.book.Get(t.Context(), 1); err != nil || !f.ResolvedAt.Equal(night) {
		t.Errorf("ended before it was opened: %+v, %v", f, err)
	}
}

// TestTheFactComesFirst: at the time of the hand-off the journal has it.
func TestTheFactComesFirst(t *testing.T) {
	d := newDesk(t)
	d.book.SetSink(func(ctx context.Context, found []detect.Finding) error {
		for _, f := range found {
			facts, err := d.db.Facts(ctx, journal.Query{Ref: f.Ref()})
			if err != nil || len(facts) == 0 || facts[len(facts)-1].ID != f.Fact || f.Fact == 0 {
				t.Errorf("finding %d is handed on with fact %d; the journal has %v, %v", f.ID, f.Fact, facts, err)
			}
		}
		return nil
	})
	d.observe(night, slow("A"), slow("B"))
	d.observe(night.Add(time.Minute), over(slow("A"), night.Add(time.Minute)))
}

// TestFailingSink: what was not taken is given again with the next observation,
// whatever that is about, until it is taken.
func TestFailingSink(t *testing.T) {
	d := newDesk(t)
	gone := errors.New("the next room is closed")
	d.broken = gone
	fails := func(at time.Time, seen ...detect.Finding) {
		t.Helper()
		if err := d.book.Observe(t.Context(), at, seen); !errors.Is(err, gone) || !strings.HasPrefix(err.Error(), "cannot hand on ") {
			t.Errorf("got %v", err)
		}
	}
	fails(night, slow("A"))
	d.expect("1 A open")
	fails(night.Add(time.Second), slow("B"))
	d.expect("1 A open, 2 B open")
	fails(night.Add(2*time.Second), over(slow("A"), night.Add(2*time.Second)))
	d.expect("1 A resolved, 2 B open")
	d.broken = nil
	d.observe(night.Add(3 * time.Second)) // nothing new is seen
	d.expect("1 A resolved, 2 B open")
	d.observe(night.Add(4 * time.Second))
	d.expect("")
	if n := len(d.facts()); n != 3 {
		t.Errorf("%d facts, want one for each change", n)
	}
}

// TestReopened: after a restart the same difference continues the same finding, and
// what was not taken before is given again.
func TestReopened(t *testing.T) {
	d := newDesk(t)
	d.observe(night, slow("A"), slow("B"), slow("C"))
	d.observe(night.Add(time.Second), over(slow("C"), night.Add(time.Second)))
	d.taken()
	d.broken = errors.New("the next room is closed")
	_ = d.book.Observe(t.Context(), night.Add(2*time.Second), []detect.Finding{over(slow("B"), night.Add(2*time.Second)), slow("D")})
	d.taken()
	d.broken = nil
	d.restart()
	d.expect("") // nothing before it is asked for
	if err := d.book.Redeliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.expect("1 A open, 2 B resolved, 4 D open")
	d.observe(night.Add(time.Minute), slow("A"))
	d.expect("1 A open")
	d.restart()
	if err := d.book.Redeliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.expect("1 A open, 4 D open") // B was taken
	if got := d.list(detect.Filter{}); got != "4 3 2 1 of 4" {
		t.Errorf("rows: %s", got)
	}
	// Without an orderly end as well: the database has it all.
	other, err := Open(t.Context(), d.db)
	if err != nil {
		t.Fatal(err)
	}
	if got := other.OpenFindings(detect.DetectorRule); len(got) != 2 || got[0].Name != "A" || got[1].Name != "D" {
		t.Errorf("open: %+v", got)
	}
}

// TestFailingStore: what could not be written was not observed.
func TestFailingStore(t *testing.T) {
	d := newDesk(t)
	d.observe(night, slow("A"))
	d.taken()
	if err := d.db.Update(t.Context(), func(tx *state.Tx) error {
		_, err := tx.ExecContext(t.Context(), `CREATE TRIGGER full BEFORE INSERT ON facts BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	err := d.book.Observe(t.Context(), night.Add(time.Minute), []detect.Finding{slow("B"), over(slow("A"), night.Add(time.Minute))})
	if err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("got %v", err)
	}
	d.expect("")
	if got := d.list(detect.Filter{Open: ptr(true)}); got != "1 of 1" {
		t.Errorf("open: %s", got)
	}
	if err := d.db.Update(t.Context(), func(tx *state.Tx) error {
		_, err := tx.ExecContext(t.Context(), `DROP TRIGGER full`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	d.observe(night.Add(2*time.Minute), slow("B"), over(slow("A"), night.Add(2*time.Minute)))
	d.expect("1 A resolved, 2 B open")
}

// TestWhyResolved: the reason stays with the finding, and is in its fact.
func TestWhyResolved(t *testing.T) {
	d := newDesk(t)
	d.observe(night, slow("A"))
	f := over(slow("A"), night.Add(time.Minute))
	f.Annotations = map[string]string{detect.AnnotationResolved: "its rule is no longer declared"}
	d.observe(night.Add(time.Minute), f)
	got, err := d.book.Get(t.Context(), 1)
	if err != nil || got.Annotations[detect.AnnotationResolved] != "its rule is no longer declared" || got.Annotations["summary"] != "A is slow" {
		t.Errorf("%+v, %v", got.Annotations, err)
	}
	if facts := d.facts(); facts[1].Text != "resolved: A is slow (its rule is no longer declared)" {
		t.Errorf("fact: %q", facts[1].Text)
	}
}

// TestAttached: facts about a finding are on the timeline of its incident.
func TestAttached(t *testing.T) {
	d := newDesk(t)
	d.book.SetSink(func(ctx context.Context, found []detect.Finding) error {
		if !found[0].Open() {
			return nil
		}
		err := d.db.Update(ctx, func(tx *state.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE findings SET incident = 7 WHERE id = 1`)
			return err
		})
		found[0].Incident = 7
		d.book.Attached(found[:1])
		return err
	})
	d.observe(night, slow("A"), slow("B"))
	d.observe(night.Add(time.Minute), over(slow("A"), night.Add(time.Minute)), over(slow("B"), night.Add(time.Minute)))
	facts, err := d.db.Facts(t.Context(), journal.Query{Ref: "incident/7"})
	if err != nil || len(facts) != 1 || facts[0].Text != "resolved: A is slow" {
		t.Errorf("%+v, %v", facts, err)
	}
	if got := d.list(detect.Filter{Incident: 7}); got != "1 of 1" {
		t.Errorf("findings of the incident: %s", got)
	}
}

// TestBounds: what foreign senders write is cut and made storable.
func TestBounds(t *testing.T) {
	d := newDesk(t)
	f := slow("A")
	f.Summary = strings.Repeat("é", 1_000_000)
	f.Description = "a\xffb"
	f.Value = math.NaN()
	f.Labels = map[string]string{"alertname": strings.Repeat("x", 20_000)}
	for i := range 10_000 {
		f.Labels[fmt.Sprintf("label%05d", i)] = "v"
	}
	f.Annotations = nil
	d.observe(night, f)
	d.observe(night, f) // the same again is the same
	got, err := d.book.Get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Summary) > maxText+10 || !utf8.ValidString(got.Summary) || !strings.HasSuffix(got.Summary, "…") || got.Description != "a\uFFFDb" ||
		got.Value != 0 || len(got.Labels) != maxLabels || len(got.Labels["alertname"]) > maxText+10 || got.Labels["label00000"] != "v" || got.Annotations == nil {
		t.Errorf("%d bytes of summary, %q, %g, %d labels, %v", len(got.Summary), got.Description, got.Value, len(got.Labels), got.Annotations)
	}
	if total := d.list(detect.Filter{}); total != "1 of 1" {
		t.Errorf("rows: %s", total)
	}
	endless := slow("endless")
	endless.Value = math.Inf(-1)
	d.observe(night, endless)
	if got, err := d.book.Get(t.Context(), 2); err != nil || !math.IsInf(got.Value, -1) {
		t.Errorf("%g, %v", got.Value, err)
	}
}

// TestTwiceInOneObservation: the last word counts.
func TestTwiceInOneObservation(t *testing.T) {
	d := newDesk(t)
	newer := slow("A")
	newer.Summary = "newer"
	d.observe(night, slow("A"), slow("B"), newer)
	d.expect("1 A open, 2 B open")
	if f, err := d.book.Get(t.Context(), 1); err != nil || f.Summary != "newer" {
		t.Errorf("%q, %v", f.Summary, err)
	}
	d.observe(night.Add(time.Second), over(slow("A"), night), slow("A"))
	d.expect("1 A open")
}

func TestList(t *testing.T) {
	d := newDesk(t)
	var seen []detect.Finding
	for i := range 250 {
		f := slow(fmt.Sprintf("N%03d", i))
		if i%2 == 0 {
			f.Severity, f.Service = detect.Ticket, "payments"
		}
		if i%5 == 0 {
			f.Detector = detect.DetectorAlert
		}
		seen = append(seen, f)
	}
	d.observe(night, seen...)
	d.observe(night.Add(time.Minute), over(seen[3], night.Add(time.Minute)), over(seen[4], night.Add(time.Minute)))
	f := func(q detect.Filter, first int64, n, total int) {
		t.Helper()
		found, all, err := d.book.List(t.Context(), q)
		if err != nil || len(found) != n || all != total || (n > 0 && found[0].ID != first) {
			t.Errorf("%+v: %d of %d, %v, want %d of %d", q, len(found), all, err, n, total)
		}
		for i := 1; i < len(found); i++ {
			if found[i].ID >= found[i-1].ID {
				t.Fatalf("%+v: not newest first", q)
			}
		}
	}
	f(detect.Filter{}, 250, 200, 250)
	f(detect.Filter{Limit: 10}, 250, 10, 250)
	f(detect.Filter{Limit: 10, Offset: 245}, 5, 5, 250)
	f(detect.Filter{Offset: -5, Limit: 1}, 250, 1, 250)
	f(detect.Filter{Open: ptr(false)}, 5, 2, 2)
	f(detect.Filter{Open: ptr(true), Limit: 1000}, 250, 248, 248)
	f(detect.Filter{Severity: detect.Ticket}, 249, 125, 125)
	f(detect.Filter{Service: "payments", Detector: detect.DetectorAlert}, 241, 25, 25)
	f(detect.Filter{Text: "n01"}, 20, 10, 10)
	f(detect.Filter{Text: "% is SLOW"}, 0, 0, 0)
	f(detect.Filter{Text: "' OR 1=1 --"}, 0, 0, 0)
	if _, err := d.book.Get(t.Context(), 999); !errors.Is(err, detect.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestConcurrentObservers: many detectors speak at once, about the same findings and
// about their own. Each episode is one row, opened and resolved by one fact.
func TestConcurrentObservers(t *testing.T) {
	const observers, rounds = 8, 15
	d := newDesk(t)
	var wg sync.WaitGroup
	for i := range observers {
		wg.Go(func() {
			for r := range rounds {
				own := slow(fmt.Sprintf("own %d", i))
				at := night.Add(time.Duration(r) * time.Minute)
				seen := []detect.Finding{slow("shared"), own}
				if r%3 == 2 {
					seen[1] = over(own, at)
				}
				if err := d.book.Observe(t.Context(), at, seen); err != nil {
					t.Error(err)
				}
				if _, _, err := d.book.List(t.Context(), detect.Filter{}); err != nil {
					t.Error(err)
				}
				d.book.OpenFindings(detect.DetectorRule)
			}
		})
	}
	wg.Wait()
	if got := d.book.OpenFindings(detect.DetectorRule); len(got) != 1 || got[0].Name != "shared" {
		t.Errorf("open: %+v", got)
	}
	opened, resolved := map[journal.Ref]int{}, map[journal.Ref]int{}
	for _, f := range d.facts() {
		if f.Kind == "finding.opened" {
			opened[f.Subject]++
		} else {
			resolved[f.Subject]++
		}
	}
	if want := 1 + observers*rounds/3; len(opened) != want || len(resolved) != want-1 {
		t.Errorf("%d opened, %d resolved, want %d and %d", len(opened), len(resolved), want, want-1)
	}
	for ref, n := range opened {
		if n != 1 || resolved[ref] > 1 {
			t.Errorf("%s: opened %d times, resolved %d times", ref, n, resolved[ref])
		}
	}
	var pending int
	if err := d.db.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM findings WHERE handed = 0`).Scan(&pending); err != nil && !errors.Is(err, sql.ErrNoRows) || pending != 0 {
		t.Errorf("%d were not handed on, %v", pending, err)
	}
}
