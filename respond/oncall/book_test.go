package oncall

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

var vienna = func() *time.Location {
	l, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		panic(err)
	}
	return l
}()

// wall is a time by the clocks in Vienna.
func wall(text string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", text, vienna)
	if err != nil {
		panic(err)
	}
	return t
}

// roster is a book over a real database, for a schedule in which alice and bob take
// turns each day at nine.
type roster struct {
	*testing.T
	dir  string
	db   *state.DB
	book *Book
	ws   *declare.Workspace
}

const admin = journal.Actor("person:carol")

func newRoster(t *testing.T) *roster {
	t.Helper()
	r := &roster{T: t, dir: t.TempDir()}
	person := func(id declare.PersonID) *declare.Person {
		return &declare.Person{ID: id, Name: strings.ToUpper(string(id[:1])) + string(id[1:]), Email: string(id) + "@shop.example"}
	}
	r.ws = &declare.Workspace{
		People: []*declare.Person{person("alice"), person("bob"), person("carol"), person("eve")},
		Schedules: []*declare.Schedule{{
			Name: "shop", Team: "shop", Location: vienna,
			Layers: []declare.Layer{{Name: "days", Start: wall("2026-03-01 09:00"), Location: vienna, Every: declare.Daily, People: []declare.PersonID{"alice", "bob"}}},
		}},
	}
	r.open()
	t.Cleanup(func() { _ = r.db.Close() })
	return r
}

// open opens everything anew, as after a restart.
func (r *roster) open() {
	r.Helper()
	if r.db != nil {
		_ = r.db.Close()
	}
	var err error
	if r.db, err = state.Open(context.Background(), r.dir); err != nil {
		r.Fatal(err)
	}
	if r.book, err = Open(context.Background(), Options{DB: r.db, Workspace: func() *declare.Workspace { return r.ws }}); err != nil {
		r.Fatal(err)
	}
}

func (r *roster) has(at, want string) {
	r.Helper()
	if got := r.book.Over(r.ws).Schedule("shop").Duty(wall(at)); string(got.Person) != want {
		r.Errorf("at %s: %s has the duty (%s), want %s", at, got.Person, got.Why, want)
	}
}

func (r *roster) add(now, who, from, to string) respond.DutyOverride {
	r.Helper()
	o, err := r.book.AddOverride(r.Context(), wall(now), admin, respond.DutyOverride{Schedule: "shop", Person: declare.PersonID(who), From: wall(from), To: wall(to)})
	if err != nil {
		r.Fatal(err)
	}
	return o
}

// TestClocksChange: over both changes to daylight saving a hand-over stays at nine, and
// an override ends when the clocks on the wall say so.
func TestClocksChange(t *testing.T) {
	r := newRoster(t)
	for _, change := range []struct {
		day   string // the Sunday on which the clocks change
		first string // who has the duty that night
		next  string
		hours float64 // of the shift that the change falls in
	}{{"2026-03-29", "bob", "alice", 23}, {"2026-10-25", "bob", "alice", 25}} {
		before := wall(change.day+" 12:00").AddDate(0, 0, -1).Format("2006-01-02")
		r.has(before+" 08:59", change.next)
		r.has(before+" 09:00", change.first)
		r.has(change.day+" 01:59", change.first)
		r.has(change.day+" 03:00", change.first)
		r.has(change.day+" 08:59", change.first)
		r.has(change.day+" 09:00", change.next)
		x := r.book.Over(r.ws).Schedule("shop").ShiftAt(wall(change.day+" 04:00"), maxPast)
		if got := x.To.Sub(x.From).Hours(); got != change.hours {
			t.Errorf("the shift of %s takes %v hours, want %v", change.day, got, change.hours)
		}
	}
	// Overrides across both changes, and one that ends in the hour that comes twice.
	r.add("2026-03-28 12:00", "carol", "2026-03-29 01:00", "2026-03-29 04:00")
	r.has("2026-03-29 00:59", "bob")
	r.has("2026-03-29 01:00", "carol")
	r.has("2026-03-29 03:59", "carol")
	r.has("2026-03-29 04:00", "bob")
	o := r.add("2026-10-24 12:00", "carol", "2026-10-25 01:00", "2026-10-25 04:00")
	if got := o.To.Sub(o.From); got != 4*time.Hour {
		t.Errorf("three hours on the wall take %s in October, want 4h", got)
	}
	r.has("2026-10-25 03:59", "carol")
	r.has("2026-10-25 04:00", "bob")
}

// TestOverrideInsideOverride: a later one wins inside of an earlier one, over a restart
// as well, and what lay below comes back when it is removed. It lies in the future, since
// what has ended long ago is not read again.
func TestOverrideInsideOverride(t *testing.T) {
	r := newRoster(t)
	r.ws.Schedules[0].Overrides = []declare.Override{{Person: "bob", From: wall("2036-06-01 09:00"), To: wall("2036-06-02 09:00")}} // a file says it
	r.add("2036-05-31 12:00", "carol", "2036-06-01 12:00", "2036-06-01 20:00")
	inner := r.add("2036-05-31 13:00", "eve", "2036-06-01 14:00", "2036-06-01 15:00")
	look := func(inside string) {
		t.Helper()
		r.has("2036-06-01 11:59", "bob")
		r.has("2036-06-01 12:00", "carol")
		r.has("2036-06-01 14:30", inside)
		r.has("2036-06-01 15:00", "carol")
		r.has("2036-06-01 20:00", "bob")
	}
	look("eve")
	r.open()
	look("eve")
	if err := r.book.RemoveOverride(t.Context(), wall("2036-05-31 14:00"), admin, inner.ID); err != nil {
		t.Fatal(err)
	}
	look("carol")
	r.open()
	look("carol")
	if err := r.book.RemoveOverride(t.Context(), wall("2036-05-31 14:00"), admin, inner.ID); !errors.Is(err, respond.ErrNoOverride) {
		t.Errorf("removed twice: %v", err)
	}
	facts, err := r.db.Facts(t.Context(), journal.Query{Kind: "oncall.", Oldest: true, Limit: 10})
	if err != nil || len(facts) != 3 || facts[2].Kind != "oncall.override.removed" || facts[2].Cause != facts[1].ID || facts[2].Actor != admin {
		t.Errorf("facts: %+v %v", facts, err)
	}
}

// TestSwap: both halves at once, and both gone at once.
func TestSwap(t *testing.T) {
	r := newRoster(t)
	r.has("2026-06-01 12:00", "alice")
	r.has("2026-06-02 12:00", "bob")
	both, err := r.book.Swap(t.Context(), wall("2026-05-31 12:00"), admin, "shop", wall("2026-06-01 12:00"), wall("2026-06-02 12:00"), "dentist")
	if err != nil || len(both) != 2 || both[0].Swap == 0 || both[0].Swap != both[1].Swap {
		t.Fatalf("%+v %v", both, err)
	}
	r.has("2026-06-01 09:00", "bob")
	r.has("2026-06-02 08:59", "bob")
	r.has("2026-06-02 09:00", "alice")
	if err := r.book.RemoveOverride(t.Context(), wall("2026-05-31 13:00"), admin, both[1].ID); err != nil {
		t.Fatal(err)
	}
	r.has("2026-06-01 12:00", "alice")
	r.has("2026-06-02 12:00", "bob")
}

func TestRefused(t *testing.T) {
	r := newRoster(t)
	now := wall("2026-06-01 12:00")
	f := func(field string, change func(o *respond.DutyOverride)) {
		t.Helper()
		o := respond.DutyOverride{Schedule: "shop", Person: "carol", From: now, To: now.Add(time.Hour)}
		change(&o)
		var bad *respond.InvalidError
		if _, err := r.book.AddOverride(t.Context(), now, admin, o); !errors.As(err, &bad) || bad.Field != field || bad.Want == "" {
			t.Errorf("%s: got %v", field, err)
		}
	}
	f("schedule", func(o *respond.DutyOverride) { o.Schedule = "nix" })
	f("person", func(o *respond.DutyOverride) { o.Person = "nobody" })
	f("kind", func(o *respond.DutyOverride) { o.Kind = "swap" })
	f("of", func(o *respond.DutyOverride) { o.Of = "alice" })
	f("from", func(o *respond.DutyOverride) { o.From = time.Time{} })
	f("from", func(o *respond.DutyOverride) { o.From = now.AddDate(0, 0, -40) })
	f("to", func(o *respond.DutyOverride) { o.To = o.From })
	f("to", func(o *respond.DutyOverride) { o.To = o.From.AddDate(2, 0, 0) })
	f("to", func(o *respond.DutyOverride) { o.From, o.To = now.AddDate(4, 0, 0), now.AddDate(4, 0, 1) })
	f("reason", func(o *respond.DutyOverride) { o.Reason = strings.Repeat("x", maxReason+1) })
	for field, at := range map[string][2]string{"take": {"2026-06-01 12:00", "2026-06-03 12:00"}, "give": {"2026-02-01 12:00", "2026-06-02 12:00"}} {
		var bad *respond.InvalidError
		if _, err := r.book.Swap(t.Context(), now, admin, "shop", wall(at[0]), wall(at[1]), ""); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("swap, %s: got %v", field, err)
		}
	}
	if got, err := r.book.Overrides(t.Context(), now, ""); err != nil || len(got) != 0 {
		t.Errorf("what was refused is stored: %+v %v", got, err)
	}
}

// TestCalendars: a link reads without a sign-in until it is renewed, holds over a
// restart, and what it gives can be read in again.
func TestCalendars(t *testing.T) {
	r := newRoster(t)
	ctx, now := t.Context(), wall("2026-06-01 12:00")
	path, err := r.book.FeedPath(ctx, "person", "alice")
	if err != nil {
		t.Fatal(err)
	}
	token := path[strings.LastIndexByte(path, '/')+1:]
	r.open()
	ics, err := r.book.Feed(ctx, now, "person", "alice", token)
	if err != nil || !strings.Contains(string(ics), "SUMMARY:Alice on call for shop") || strings.Contains(string(ics), "Bob") {
		t.Fatalf("%s %v", ics, err)
	}
	for _, wrong := range [][3]string{{"person", "bob", token}, {"schedule", "alice", token}, {"person", "alice", token[1:]}, {"person", "nobody", token}, {"person", "alice", ""}} {
		if _, err := r.book.Feed(ctx, now, wrong[0], wrong[1], wrong[2]); !errors.Is(err, respond.ErrNoFeed) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	if _, err := r.book.RenewFeed(ctx, now, admin, "person", "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.book.Feed(ctx, now, "person", "alice", token); !errors.Is(err, respond.ErrNoFeed) {
		t.Errorf("the old link still reads: %v", err)
	}
	in := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260601T000000Z\r\nDTSTART:20260603T100000Z\r\nDTEND:20260603T120000Z\r\nSUMMARY:cover\r\nATTENDEE:mailto:carol@shop.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	got, err := r.book.Import(ctx, now, admin, "shop", "cover.ics", []byte(in))
	if err != nil || len(got) != 1 || got[0].Person != "carol" {
		t.Fatalf("%+v %v", got, err)
	}
	r.has("2026-06-03 12:00", "carol")
	r.has("2026-06-03 14:00", "alice")
	for what, bad := range map[string]string{"no calendar": "hello", "nobody of ours": strings.ReplaceAll(in, "carol@shop", "x@y"), "over": strings.ReplaceAll(in, "202606", "202601")} {
		var invalid *respond.InvalidError
		if _, err := r.book.Import(ctx, now, admin, "shop", "other.ics", []byte(bad)); !errors.As(err, &invalid) || invalid.Field != "calendar" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestImportAgain: a second reading of a calendar replaces what the first one brought and
// removes what is gone, over a restart too, and leaves what did not change untouched.
func TestImportAgain(t *testing.T) {
	r := newRoster(t)
	now := wall("2036-06-01 12:00")
	event := func(uid, day, who string) string {
		return "BEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTART:" + day + "T100000Z\r\nDTEND:" + day + "T120000Z\r\nSUMMARY:" + who + "\r\nEND:VEVENT\r\n"
	}
	read := func(source string, want int, events ...string) []respond.DutyOverride {
		t.Helper()
		got, err := r.book.Import(t.Context(), now, admin, "shop", source, []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n"+strings.Join(events, "")+"END:VCALENDAR\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		if live, err := r.book.Overrides(t.Context(), now, "shop"); err != nil || len(live) != want {
			t.Fatalf("%d overrides are in force, want %d: %+v %v", len(live), want, live, err)
		}
		return got
	}
	r.add("2036-06-01 12:00", "bob", "2036-06-20 09:00", "2036-06-20 10:00") // a person's own stays
	first := read("cover.ics", 4, event("a", "20360603", "carol"), event("b", "20360604", "carol"), event("c", "20360605", "carol"))
	r.open()
	again := read("cover.ics", 4, event("a", "20360603", "carol"), event("b", "20360604", "carol"), event("c", "20360605", "carol"))
	for i := range first {
		if again[i].ID != first[i].ID {
			t.Errorf("override %d is made anew as %d though nothing changed", first[i].ID, again[i].ID)
		}
	}
	changed := read("cover.ics", 3, event("a", "20360603", "carol"), event("b", "20360607", "eve")) // b is moved, c is gone
	if changed[0].ID != first[0].ID {
		t.Errorf("%+v", changed)
	}
	r.has("2036-06-07 12:30", "eve")
	for _, day := range []string{"2036-06-04", "2036-06-05"} {
		if d := r.book.Over(r.ws).Schedule("shop").Duty(wall(day + " 12:30")); d.Person == "carol" {
			t.Errorf("on %s carol still has the duty: %s", day, d.Why)
		}
	}
	read("https://calendar.example/cover.ics", 3, event("b", "20360608", "eve")) // the same event from elsewhere; a stays
	r.has("2036-06-08 12:30", "eve")
	read("", 4, event("z", "20360609", "carol")) // without a source nothing is removed
	r.open()
	read("cover.ics", 3) // an empty calendar takes its own back, a
}

// TestLoads: hours are those that pass, nights those by the schedule's clocks, and a
// page counts in the shift that it fell in; nobody is named.
func TestLoads(t *testing.T) {
	r := newRoster(t)
	from, to := wall("2026-10-24 09:00"), wall("2026-10-26 09:00") // 49 hours
	pages := []Page{{"shop", wall("2026-10-24 23:30")}, {"shop", wall("2026-10-25 06:59")}, {"shop", wall("2026-10-25 12:00")}, {"other", wall("2026-10-25 12:00")}, {"shop", from.Add(-time.Second)}}
	got := Loads(r.ws.Schedules, pages[:4], from, to)
	if len(got) != 2 || got[0].Team != "other" || got[0].Pages != 1 || got[0].Shifts != 0 {
		t.Fatalf("%+v", got)
	}
	x := got[1]
	if x.Hours != 49 || x.Shifts != 2 || x.NightHours != 19 || x.WeekendHours != 15+25 || x.Pages != 3 || x.NightPages != 2 || x.Nights != 1 || x.Busiest != 2 || x.PerShift != 1.5 {
		t.Errorf("%+v", x)
	}
	if len(x.ByShift) != 2 || x.ByShift[0].Pages != 1 || x.ByShift[1].Pages != 2 || x.ByShift[1].NightPages != 2 {
		t.Errorf("newest first: %+v", x.ByShift)
	}
}
