package objective

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

const (
	interval = 15 * time.Second
	day      = 24 * time.Hour
)

// rolling is an objective of events with a rolling window.
func rolling(length time.Duration) *declare.Objective {
	return &declare.Objective{
		Name: "orders", Service: "checkout", Target: 0.99, Method: declare.Occurrences, MinEvents: 10,
		Window: declare.Window{Text: text(length), Length: length},
		Ratio:  &declare.Ratio{Counter: true, Bad: `orders_total{code="500"}`, Total: "orders_total"},
	}
}

func TestBurns(t *testing.T) {
	f := func(o *declare.Objective, interval time.Duration, want ...Burn) {
		t.Helper()
		if got := Burns(o, interval); !slices.Equal(got, want) {
			t.Errorf("%s every %s: got\n%v\nwant\n%v", o.Window.Text, interval, got, want)
		}
	}
	const m, h = time.Minute, time.Hour
	// What the workbook prints for 30 days.
	f(rolling(30*day), interval,
		Burn{"page", 14.4, h, 5 * m}, Burn{"page", 6, 6 * h, 30 * m},
		Burn{"ticket", 3, day, 2 * h}, Burn{"ticket", 1, 3 * day, 6 * h})
	f(rolling(28*day), interval,
		Burn{"page", 14.4, 56 * m, 280 * time.Second}, Burn{"page", 6, 336 * m, 28 * m},
		Burn{"ticket", 3, 1344 * m, 112 * m}, Burn{"ticket", 1, 4032 * m, 336 * m})
	f(rolling(90*day), interval,
		Burn{"page", 14.4, 3 * h, 15 * m}, Burn{"page", 6, 18 * h, 90 * m},
		Burn{"ticket", 3, 3 * day, 6 * h}, Burn{"ticket", 1, 9 * day, 18 * h})
	// 70 s hold less than ten evaluations: raised, and the long window with it.
	f(rolling(7*day), interval,
		Burn{"page", 14.4, 30 * m, 150 * time.Second}, Burn{"page", 6, 84 * m, 7 * m},
		Burn{"ticket", 3, 336 * m, 28 * m}, Burn{"ticket", 1, 1008 * m, 84 * m})
	// With fast evaluation there is nothing to raise.
	f(rolling(7*day), 5*time.Second,
		Burn{"page", 14.4, 14 * m, 70 * time.Second}, Burn{"page", 6, 84 * m, 7 * m},
		Burn{"ticket", 3, 336 * m, 28 * m}, Burn{"ticket", 1, 1008 * m, 84 * m})
	// Both pages raised to the same windows: the lower factor says it all.
	f(rolling(day), interval,
		Burn{"page", 6, 30 * m, 150 * time.Second},
		Burn{"ticket", 3, 48 * m, 4 * m}, Burn{"ticket", 1, 144 * m, 12 * m})
	// Never over the objective's own window.
	f(rolling(5*m), interval, Burn{"page", 6, 5 * m, 150 * time.Second}, Burn{"ticket", 1, 5 * m, 150 * time.Second})
	f(rolling(5*m), h, Burn{"page", 6, 5 * m, 5 * m}, Burn{"ticket", 1, 5 * m, 5 * m})
	// A short window holds two slices.
	sliced := rolling(30 * day)
	sliced.Method, sliced.SliceTarget, sliced.SliceWindow = declare.Timeslices, 0.9, 10*m
	f(sliced, interval,
		Burn{"page", 14.4, 4 * h, 20 * m}, Burn{"page", 6, 6 * h, 30 * m},
		Burn{"ticket", 3, day, 2 * h}, Burn{"ticket", 1, 3 * day, 6 * h})
	// A calendar month counts 30 days.
	month := rolling(30 * day)
	month.Window = declare.Window{Text: "1M", Length: 30 * day, Calendar: true, Count: 1, Unit: 'M'}
	f(month, interval, Burns(rolling(30*day), interval)...)
}

// TestBudgetShares is what the workbook promises of its table: 2 % and 5 % of the
// budget page, 10 % make a ticket, whatever the objective's window.
func TestBudgetShares(t *testing.T) {
	for days := 28; days <= 365; days++ {
		o := rolling(time.Duration(days) * day)
		for i, share := range []float64{0.02, 0.05, 0.10, 0.10} {
			b := Burns(o, interval)[i]
			if got := b.Factor * float64(b.Long) / float64(o.Window.Length); got < share*0.999 || got > share*1.001 {
				t.Errorf("%d days: %+v stands for %g of the budget, want %g", days, b, got, share)
			}
			if ratio := float64(b.Long) / float64(b.Short); ratio < 11.9 || ratio > 12.1 {
				t.Errorf("%d days: %+v: the long window is %g times the short one, want 12", days, b, ratio)
			}
		}
	}
}

func TestWindows(t *testing.T) {
	f := func(o *declare.Objective, want string) {
		t.Helper()
		var got []string
		for _, w := range Windows(o, interval) {
			got = append(got, text(w))
		}
		if fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	f(rolling(30*day), "[5m 30m 1h 2h 6h 1d 3d]")
	f(rolling(day), "[2m30s 4m 12m 30m 48m 2h24m]")
	f(rolling(5*time.Minute), "[2m30s 5m]")
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestPeriod(t *testing.T) {
	const layout = "2006-01-02T15:04:05"
	vienna := zone(t, "Europe/Vienna")
	parse := func(text string, loc *time.Location) time.Time {
		t.Helper()
		v, err := time.ParseInLocation(layout, text, loc)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	length := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': day, 'w': 7 * day, 'M': 30 * day, 'Q': 90 * day, 'Y': 365 * day}
	f := func(loc *time.Location, start string, count int, unit byte, at, from, to string, hours float64) {
		t.Helper()
		w := declare.Window{Calendar: true, Start: parse(start, loc), Location: loc, Count: count, Unit: unit, Length: time.Duration(count) * length[unit]}
		a, b := Period(w, parse(at, loc))
		if a.Format(layout) != from || b.Format(layout) != to || b.Sub(a).Hours() != hours {
			t.Errorf("%d%c from %s, at %s: got %s to %s, %g h, want %s to %s, %g h",
				count, unit, start, at, a.Format(layout), b.Format(layout), b.Sub(a).Hours(), from, to, hours)
		}
	}
	// Months as they are, and February of a leap year.
	f(time.UTC, "2026-01-01T00:00:00", 1, 'M', "2026-02-28T23:59:59", "2026-02-01T00:00:00", "2026-03-01T00:00:00", 28*24)
	f(time.UTC, "2026-01-01T00:00:00", 1, 'M', "2026-03-01T00:00:00", "2026-03-01T00:00:00", "2026-04-01T00:00:00", 31*24)
	f(time.UTC, "2026-01-01T00:00:00", 1, 'M', "2028-02-29T12:00:00", "2028-02-01T00:00:00", "2028-03-01T00:00:00", 29*24)
	f(time.UTC, "2026-01-01T00:00:00", 1, 'M', "2025-11-30T12:00:00", "2025-11-01T00:00:00", "2025-12-01T00:00:00", 30*24) // before the start
	// From the 31st on: the last day of the months that have none, and the 31st again.
	f(time.UTC, "2026-01-31T00:00:00", 1, 'M', "2026-02-27T12:00:00", "2026-01-31T00:00:00", "2026-02-28T00:00:00", 28*24)
	f(time.UTC, "2026-01-31T00:00:00", 1, 'M', "2026-02-28T12:00:00", "2026-02-28T00:00:00", "2026-03-31T00:00:00", 31*24)
	f(time.UTC, "2026-01-31T00:00:00", 1, 'M', "2026-04-30T00:00:00", "2026-04-30T00:00:00", "2026-05-31T00:00:00", 31*24)
	f(time.UTC, "2026-01-31T00:00:00", 1, 'M', "2028-02-29T00:00:00", "2028-02-29T00:00:00", "2028-03-31T00:00:00", 31*24)
	f(time.UTC, "2026-01-01T00:00:00", 1, 'Q', "2026-06-30T23:59:59", "2026-04-01T00:00:00", "2026-07-01T00:00:00", 91*24)
	f(time.UTC, "2026-01-01T00:00:00", 2, 'M', "2027-01-01T00:00:00", "2027-01-01T00:00:00", "2027-03-01T00:00:00", 59*24)
	f(time.UTC, "2026-01-01T00:00:00", 1, 'Y', "2028-12-31T23:59:59", "2028-01-01T00:00:00", "2029-01-01T00:00:00", 366*24)
	f(time.UTC, "2028-02-29T00:00:00", 1, 'Y', "2029-03-01T00:00:00", "2029-02-28T00:00:00", "2030-02-28T00:00:00", 365*24)
	f(time.UTC, "2028-02-29T00:00:00", 1, 'Y', "2032-02-29T00:00:00", "2032-02-29T00:00:00", "2033-02-28T00:00:00", 365*24)
	// Both changes of the clock: a day of 23 and one of 25 hours, an hour that stays.
	f(vienna, "2026-01-01T00:00:00", 1, 'd', "2026-03-29T12:00:00", "2026-03-29T00:00:00", "2026-03-30T00:00:00", 23)
	f(vienna, "2026-01-01T00:00:00", 1, 'd', "2026-10-25T02:30:00", "2026-10-25T00:00:00", "2026-10-26T00:00:00", 25)
	f(vienna, "2026-01-05T09:00:00", 1, 'w', "2026-03-30T08:59:59", "2026-03-23T09:00:00", "2026-03-30T09:00:00", 167)
	f(vienna, "2026-01-05T09:00:00", 1, 'w', "2026-10-26T08:59:59", "2026-10-19T09:00:00", "2026-10-26T09:00:00", 169)
	f(vienna, "2026-01-01T00:00:00", 1, 'M', "2026-03-31T23:59:59", "2026-03-01T00:00:00", "2026-04-01T00:00:00", 31*24-1)
	f(vienna, "2026-01-01T00:00:00", 1, 'M', "2026-10-01T00:00:00", "2026-10-01T00:00:00", "2026-11-01T00:00:00", 31*24+1)
	// A start far back must neither take long nor overflow.
	f(time.UTC, "1600-01-01T00:00:00", 12, 'h', "2026-03-29T13:00:00", "2026-03-29T12:00:00", "2026-03-30T00:00:00", 12)
	f(time.UTC, "0001-01-01T00:00:00", 5, 'm', "2026-03-29T13:07:00", "2026-03-29T13:05:00", "2026-03-29T13:10:00", 5.0/60)
	f(time.UTC, "0001-01-01T00:00:00", 1, 'd', "2026-03-29T13:07:00", "2026-03-29T00:00:00", "2026-03-30T00:00:00", 24)
	f(time.UTC, "9999-01-01T00:00:00", 1, 'h', "2026-03-29T13:07:00", "2026-03-29T13:00:00", "2026-03-29T14:00:00", 1)

	now := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	if from, to := Period(declare.Window{Length: 7 * day}, now); !to.Equal(now) || to.Sub(from) != 7*day {
		t.Errorf("rolling: got %s to %s", from, to)
	}
	o := rolling(7 * day)
	if !Until(o, now).IsZero() {
		t.Error("a rolling window has no end")
	}
	o.Window = declare.Window{Calendar: true, Start: parse("2026-01-01T00:00:00", vienna), Location: vienna, Count: 1, Unit: 'M', Length: 30 * day}
	if got := Until(o, now); !got.Equal(time.Date(2026, 3, 31, 22, 0, 0, 0, time.UTC)) {
		t.Errorf("until %s", got)
	}
}

// TestPeriodsFollowEachOther: whatever the window and the time, the time lies in its
// period, and the next period begins where it ends.
func TestPeriodsFollowEachOther(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	zones := []*time.Location{time.UTC, zone(t, "Europe/Vienna"), zone(t, "America/New_York"), zone(t, "Asia/Kathmandu"), zone(t, "Australia/Lord_Howe"), zone(t, "America/Santiago"), nil}
	units := []byte("mhdwMQY")
	length := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': day, 'w': 7 * day, 'M': 30 * day, 'Q': 90 * day, 'Y': 365 * day}
	for range 20_000 {
		unit, count := units[r.IntN(len(units))], 1+r.IntN(12)
		if unit == 'm' {
			count += 4
		}
		loc := zones[r.IntN(len(zones))]
		in := loc
		if in == nil {
			in = time.UTC
		}
		start := time.Date(2020+r.IntN(10), time.Month(1+r.IntN(12)), 1+r.IntN(31), r.IntN(24), 15*r.IntN(4), 0, 0, in)
		w := declare.Window{Calendar: true, Start: start, Location: loc, Count: count, Unit: unit, Length: time.Duration(count) * length[unit]}
		at := time.Date(2015+r.IntN(25), 1, 1, 0, 0, r.IntN(366*86400), 0, time.UTC)
		from, to := Period(w, at)
		if at.Before(from) || !at.Before(to) {
			t.Fatalf("%d%c from %s: %s is not in %s to %s", count, unit, start, at, from, to)
		}
		if next, _ := Period(w, to); !next.Equal(to) {
			t.Fatalf("%d%c from %s: after %s comes %s", count, unit, start, to, next)
		}
		if first, last := Period(w, to.Add(-time.Nanosecond)); !first.Equal(from) || !last.Equal(to) {
			t.Fatalf("%d%c from %s: %s to %s ends as %s to %s", count, unit, start, from, to, first, last)
		}
		if d := to.Sub(from); d < w.Length*9/10 || d > w.Length*11/10 {
			t.Fatalf("%d%c from %s: %s to %s is %s long", count, unit, start, from, to, d)
		}
	}
}
