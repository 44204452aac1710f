package declare_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// Zones whose clocks change by an hour, by half of one, in the south, at midnight, and never.
var zones = []string{"Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata", "UTC", "America/Sao_Paulo"}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestWall(t *testing.T) {
	vienna := zone(t, "Europe/Vienna")
	f := func(month time.Month, day, minute int, want string) {
		t.Helper()
		if got := declare.Wall(vienna, 2026, month, day, minute, 0).Format(time.RFC3339); got != want {
			t.Errorf("%s %d %02d:%02d: got %s, want %s", month, day, minute/60, minute%60, got, want)
		}
	}
	f(1, 15, 9*60, "2026-01-15T08:00:00Z")
	f(7, 15, 9*60, "2026-07-15T07:00:00Z")
	f(3, 29, 119, "2026-03-29T00:59:00Z")
	f(3, 29, 120, "2026-03-29T01:00:00Z") // left out: the jump
	f(3, 29, 150, "2026-03-29T01:00:00Z")
	f(3, 29, 180, "2026-03-29T01:00:00Z")
	f(10, 25, 120, "2026-10-25T00:00:00Z") // comes twice: its first time
	f(10, 25, 150, "2026-10-25T00:30:00Z")
	f(10, 25, 180, "2026-10-25T02:00:00Z")
	f(10, 25, 24*60, "2026-10-25T23:00:00Z")
	f(12, 32, 0, "2026-12-31T23:00:00Z")
}

// TestWallNeverGoesBack: minute by minute over the days of change, in every zone.
func TestWallNeverGoesBack(t *testing.T) {
	for _, name := range zones {
		loc := zone(t, name)
		last := time.Time{}
		for d := range 365 {
			for _, minute := range []int{0, 1, 29, 30, 59, 60, 90, 119, 120, 150, 179, 180, 181, 720, 1439} {
				got := declare.Wall(loc, 2026, 1, 1+d, minute, 0)
				if got.Before(last) {
					t.Fatalf("%s: day %d, minute %d: %s is before %s", name, d, minute, got, last)
				}
				last = got
				want := time.Date(2026, 1, 1+d, 0, minute, 0, 0, time.UTC).Format("02 15:04")
				if shows := got.In(loc).Format("02 15:04"); shows != want {
					if _, off := got.Add(-time.Second).In(loc).Zone(); func() bool { _, o := got.In(loc).Zone(); return o <= off }() {
						t.Fatalf("%s: wanted %s, the clocks show %s, and none was put forward", name, want, shows)
					}
				}
			}
		}
	}
}

func TestFollowTheSun(t *testing.T) {
	every := [7]bool{true, true, true, true, true, true, true}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	layer := func(tz string, who declare.PersonID) declare.Layer {
		return declare.Layer{Name: tz, Start: start, Every: declare.Daily, People: []declare.PersonID{who}, Location: zone(t, tz), Only: []declare.Restriction{{Days: every, From: 8 * 60, To: 16 * 60}}}
	}
	s := &declare.Schedule{Layers: []declare.Layer{
		{Start: start, Every: declare.Daily, People: []declare.PersonID{"fallback"}},
		layer("Asia/Tokyo", "aiko"), layer("Europe/Vienna", "bob"), layer("America/Los_Angeles", "carol"),
	}}
	f := func(at string, want declare.PersonID) {
		t.Helper()
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Duty(when); got.Person != want {
			t.Errorf("%s: got %+v, want %s", at, got, want)
		}
	}
	f("2026-01-10T00:00:00Z", "aiko") // Tokyo 09:00, Los Angeles 16:00 has just ended
	f("2026-01-10T06:59:59Z", "aiko")
	f("2026-01-10T07:00:00Z", "bob")
	f("2026-01-10T15:00:00Z", "fallback") // Vienna 16:00, Los Angeles 07:00
	f("2026-01-10T16:00:00Z", "carol")
	f("2026-07-10T06:00:00Z", "bob") // in summer, Vienna begins an hour earlier by UTC
	f("2026-07-10T15:00:00Z", "carol")
	// Between the two changes in March, America is an hour nearer.
	f("2026-03-20T15:00:00Z", "carol")
	f("2026-03-07T15:00:00Z", "fallback")
}

func TestRestrictionsAndHolidays(t *testing.T) {
	vienna := zone(t, "Europe/Vienna")
	at := func(text string) time.Time {
		t.Helper()
		v, err := time.ParseInLocation("2006-01-02 15:04", text, vienna)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	weekdays := [7]bool{time.Monday: true, time.Tuesday: true, time.Wednesday: true, time.Thursday: true, time.Friday: true}
	s := &declare.Schedule{
		Location: vienna,
		Holidays: []declare.Holiday{{Name: "Christmas", From: at("2026-12-25 00:00"), To: at("2026-12-26 00:00")}},
		Layers: []declare.Layer{
			{Name: "office", Start: at("2026-01-05 00:00"), Every: declare.Weekly, People: []declare.PersonID{"alice", "bob"}, Only: []declare.Restriction{{Days: weekdays, From: 9 * 60, To: 17 * 60}}, Holidays: declare.HolidaysSkip},
			{Name: "nights", Start: at("2026-01-05 00:00"), Every: declare.Daily, People: []declare.PersonID{"nina"}, Only: []declare.Restriction{{Days: weekdays, From: 22 * 60, To: 6 * 60}}},
			{Name: "festive", Start: at("2026-01-05 00:00"), Every: declare.Daily, People: []declare.PersonID{"holly"}, Holidays: declare.HolidaysOnly},
		},
		Shadows: []declare.Shadow{{Person: "eve", Of: "alice"}, {Person: "zoe", From: at("2026-06-01 00:00"), To: at("2026-07-01 00:00")}},
	}
	f := func(when string, want declare.PersonID, shadows ...declare.PersonID) {
		t.Helper()
		if got := s.Duty(at(when)); got.Person != want || !slices.Equal(got.Shadows, shadows) {
			t.Errorf("%s: got %+v, want %s %v", when, got, want, shadows)
		}
	}
	f("2026-01-05 08:59", "")
	f("2026-01-05 09:00", "alice", "eve")
	f("2026-01-05 16:59", "alice", "eve")
	f("2026-01-05 17:00", "")
	f("2026-01-12 10:00", "bob")
	f("2026-01-09 23:00", "nina") // Friday night …
	f("2026-01-10 05:59", "nina") // … ends on Saturday
	f("2026-01-10 06:00", "")
	f("2026-01-10 23:00", "") // Saturday night is none of hers
	f("2026-01-12 03:00", "") // nor is Sunday's
	f("2026-12-25 10:00", "holly")
	f("2026-12-24 10:00", "alice", "eve")
	f("2026-06-02 10:00", "bob", "zoe")
	f("2026-06-06 10:00", "") // a shadow is not paged alone
	// Both changes fall on a Sunday; nights that begin on a Saturday count here.
	s.Layers[1].Only[0].Days = [7]bool{time.Saturday: true}
	long := func(from, to string) time.Duration {
		t.Helper()
		var sum time.Duration
		for _, x := range s.Shifts(at(from), at(to)) {
			if x.Person == "nina" {
				sum += x.To.Sub(x.From)
			}
		}
		return sum
	}
	if a, b, c := long("2026-03-28 12:00", "2026-03-29 12:00"), long("2026-10-24 12:00", "2026-10-25 12:00"), long("2026-05-02 12:00", "2026-05-03 12:00"); a != 7*time.Hour || b != 9*time.Hour || c != 8*time.Hour {
		t.Errorf("a night is %s in March, %s in October, %s else; want 7h, 9h, 8h", a, b, c)
	}
}

// anySchedule makes one of everything that can be declared.
func anySchedule(t testing.TB, r *rand.Rand) *declare.Schedule {
	t.Helper()
	base := time.Date(2026, time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(4)*15, 0, 0, time.UTC)
	s := &declare.Schedule{Name: "any", Location: zone(t, zones[r.IntN(len(zones))])}
	turns := []declare.Turn{declare.Daily, declare.Weekly, {Hours: 12}, {Hours: 8}, {Days: 3}, {Hours: 5}, {Hours: 36}, {Days: 14}}
	for n := range 1 + r.IntN(3) {
		l := declare.Layer{Start: base.Add(time.Duration(r.IntN(200)-100) * time.Hour), Every: turns[r.IntN(len(turns))]}
		for p := range 1 + r.IntN(4) {
			l.People = append(l.People, declare.PersonID(fmt.Sprintf("p%d.%d", n, p)))
		}
		if r.IntN(2) == 0 {
			l.Location = zone(t, zones[r.IntN(len(zones))])
		}
		if r.IntN(3) == 0 {
			l.End = l.Start.Add(time.Duration(r.IntN(2000)) * time.Hour)
		}
		l.Holidays = []declare.HolidayUse{declare.HolidaysCount, declare.HolidaysCount, declare.HolidaysSkip, declare.HolidaysOnly}[r.IntN(4)]
		for range r.IntN(3) {
			w := declare.Restriction{From: r.IntN(48) * 30, To: r.IntN(49) * 30}
			for d := range w.Days {
				w.Days[d] = r.IntN(2) == 0
			}
			l.Only = append(l.Only, w)
		}
		s.Layers = append(s.Layers, l)
	}
	for n := range r.IntN(4) {
		from := base.Add(time.Duration(r.IntN(1000)-200) * time.Hour)
		s.Overrides = append(s.Overrides, declare.Override{Person: declare.PersonID(fmt.Sprint("o", n)), From: from, To: from.Add(time.Duration(1+r.IntN(5000)) * time.Minute)})
	}
	for range r.IntN(3) {
		from := base.Add(time.Duration(r.IntN(1000)) * time.Hour)
		s.Holidays = append(s.Holidays, declare.Holiday{From: from, To: from.Add(24 * time.Hour)})
	}
	return s
}

// TestShiftsAreWhoIsOnCall: shifts have no holes, neighbours differ, each is as long as
// it can be, and at any moment the shift's person is the one on call.
func TestShiftsAreWhoIsOnCall(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // repeatable
	for range 150 {
		s := anySchedule(t, r)
		from := s.Layers[0].Start.Add(time.Duration(r.IntN(9000)-500) * time.Hour)
		to := from.Add(time.Duration(1+r.IntN(24*60)) * time.Hour)
		shifts := s.Shifts(from, to)
		if !shifts[0].From.Equal(from) || !shifts[len(shifts)-1].To.Equal(to) {
			t.Fatalf("shifts from %s to %s, want %s to %s", shifts[0].From, shifts[len(shifts)-1].To, from, to)
		}
		for i, x := range shifts {
			if !x.From.Before(x.To) || (i > 0 && (!shifts[i-1].To.Equal(x.From) || shifts[i-1].Person == x.Person)) {
				t.Fatalf("shift %d of %v", i, shifts)
			}
			for range 6 {
				at := x.From.Add(time.Duration(r.Int64N(int64(x.To.Sub(x.From)))))
				if got := s.OnCall(at); got != x.Person {
					t.Fatalf("%s: %q is on call, the shift from %s to %s is of %q; %+v", at, got, x.From, x.To, x.Person, s)
				}
			}
		}
	}
}

// TestTurnsFollowEachOther: over a year in every zone each hand-over goes to the next
// person, shows the hour of the first one unless the clocks leave that hour out, and a
// turn of days is as long as its days.
func TestTurnsFollowEachOther(t *testing.T) {
	for _, name := range zones {
		loc := zone(t, name)
		for _, turn := range []declare.Turn{declare.Daily, declare.Weekly, {Hours: 12}, {Hours: 6}, {Days: 2}} {
			for _, minute := range []int{0, 30, 150, 9 * 60, 23*60 + 30} {
				s := &declare.Schedule{Location: loc, Layers: []declare.Layer{{Start: declare.Wall(loc, 2026, 1, 5, minute, 0), Every: turn, People: []declare.PersonID{"0", "1", "2"}}}}
				start := s.Layers[0].Start
				shifts := s.Shifts(start, start.AddDate(1, 0, 0))
				for i, x := range shifts {
					if x.Person != declare.PersonID(fmt.Sprint(i%3)) {
						t.Fatalf("%s %v %d: shift %d is of %s: %s to %s", name, turn, minute, i, x.Person, x.From, x.To)
					}
					long := time.Duration(turn.Days)*24*time.Hour + time.Duration(turn.Hours)*time.Hour
					if off := (x.To.Sub(x.From) - long).Abs(); off > time.Hour && i < len(shifts)-1 {
						t.Fatalf("%s %v: shift %d is %s long", name, turn, i, x.To.Sub(x.From))
					}
				}
				hours := 0
				if turn.Hours > 0 {
					hours = 24 / turn.Hours
				}
				if want := map[bool]int{true: 365 / max(turn.Days, 1), false: 365 * hours}[turn.Days > 0]; len(shifts) < want-1 || len(shifts) > want+2 {
					t.Errorf("%s %v: %d shifts in a year, want about %d", name, turn, len(shifts), want)
				}
			}
		}
	}
}

func TestOverrideInsideOverride(t *testing.T) {
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	h := func(n int) time.Time { return start.Add(time.Duration(n) * time.Hour) }
	s := &declare.Schedule{
		Layers: []declare.Layer{{Start: start, Every: declare.Weekly, People: []declare.PersonID{"alice", "bob"}}},
		Overrides: []declare.Override{
			{ID: 4, Person: "carol", From: h(10), To: h(40), Reason: "vacation"}, {Person: "dave", From: h(20), To: h(30)}, {Person: "erin", From: h(24), To: h(26), Swap: true},
		},
	}
	var got []string
	for _, x := range s.Shifts(h(0), h(60)) {
		got = append(got, fmt.Sprintf("%s %d-%d (%s)", x.Person, int(x.From.Sub(start).Hours()), int(x.To.Sub(start).Hours()), x.Why))
	}
	want := "alice 0-10 (layer 1)\ncarol 10-20 (override 4: vacation)\ndave 20-24 (override 2 of the file)\nerin 24-26 (swap 3 of the file)\n" +
		"dave 26-30 (override 2 of the file)\ncarol 30-40 (override 4: vacation)\nalice 40-60 (layer 1)"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if x := s.ShiftAt(h(25), 100*time.Hour); x.Person != "erin" || !x.From.Equal(h(24)) || !x.To.Equal(h(26)) {
		t.Errorf("the shift at 25: %+v", x)
	}
	if at, who := s.HandOver(h(0), 35*24*time.Hour); !at.Equal(h(10)) || who != "carol" {
		t.Errorf("the hand-over: %s %s", at, who)
	}
	if gaps := s.Gaps(h(-5), h(5)); len(gaps) != 1 || !gaps[0].To.Equal(start) {
		t.Errorf("gaps: %+v", gaps)
	}
}
