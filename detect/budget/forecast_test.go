package budget

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// steady makes slots with the same traffic and share of bad.
func steady(from, to time.Time, slot time.Duration, events, share float64) []Slot {
	var out []Slot
	for at := from; at.Before(to); at = at.Add(slot) {
		out = append(out, Slot{From: at, To: at.Add(slot), Bad: events * share, All: events})
	}
	return out
}

func near(t *testing.T, what string, got, want, off float64) {
	t.Helper()
	if math.Abs(got-want) > off || math.IsNaN(got) {
		t.Errorf("%s: got %g, expected %g ± %g", what, got, want, off)
	}
}

func days(o Outlook) float64 {
	if o.At.IsZero() {
		return math.Inf(1)
	}
	return o.At.Sub(now).Hours() / 24
}

// TestCalendar: nothing leaves a calendar period, so the end is where the ratio of all
// that was and will be reaches the budget.
func TestCalendar(t *testing.T) {
	from, end := now.Add(-10*day), now.Add(20*day)
	s := Sight{Now: now, Budget: 0.01, From: from, End: end, Past: steady(from, now, 6*time.Hour, 600, 0.002), Recent: steady(now.Add(-time.Hour), now, time.Minute, 100.0/60, 0.05)}
	// 40 slots of 600 with 48 bad; then 2400 a day with 120 bad: (48+120x) = 0.01 (24000+2400x).
	f := Predict(s)
	near(t, "days", days(f.Expected), 192.0/96, 0.01)
	near(t, "rate", f.Rate, 5, 1e-9)
	if !f.Sure || days(f.Earliest) > days(f.Expected)+1e-6 || days(f.Latest) < days(f.Expected)-1e-6 {
		t.Errorf("expected an interval around it: %+v", f)
	}
	// The same each minute: there is nothing to be unsure of.
	near(t, "interval", f.High-f.Low, 0, 1e-9)

	s.Recent = steady(now.Add(-time.Hour), now, time.Minute, 10, 0.009)
	if f := Predict(s); !f.Expected.At.IsZero() || f.Expected.Spent {
		t.Errorf("below the budget it lasts: %+v", f)
	}
	s.Recent = steady(now.Add(-time.Hour), now, time.Minute, 10, 0.0101)
	if f := Predict(s); !f.Expected.At.IsZero() {
		t.Errorf("so slowly it lasts until the period ends: %+v", f)
	}
	s.Past = steady(from, now, 6*time.Hour, 600, 0.02)
	if f := Predict(s); !f.Expected.Spent || !f.Expected.At.Equal(now) {
		t.Errorf("it is spent: %+v", f)
	}
}

// TestRolling: what is bad leaves a rolling window when it is a window old.
func TestRolling(t *testing.T) {
	from := now.Add(-30 * day)
	past := steady(from, now, 6*time.Hour, 600, 0)
	s := Sight{Now: now, Budget: 0.01, From: from, Past: past, Recent: steady(now.Add(-day), now, time.Hour, 100, 0.04)}
	// 72000 in the window, 720 may be bad; 96 a day: 7.5 days.
	near(t, "days", days(Predict(s).Expected), 7.5, 0.01)

	// The same with 600 of the 720 spent 29 to 30 days ago: they leave within a day.
	old := steady(from, now, 6*time.Hour, 600, 0)
	for i := range 4 {
		old[i].Bad = 150
	}
	s.Past = old
	near(t, "days, when the past leaves", days(Predict(s).Expected), 7.5, 0.01)

	// And spent yesterday: they stay, and 120 are left.
	fresh := steady(from, now, 6*time.Hour, 600, 0)
	fresh[len(fresh)-1].Bad = 600
	s.Past = fresh
	near(t, "days, when it has just been spent", days(Predict(s).Expected), 1.25, 0.01)

	// At a rate of exactly the budget it lasts as long as the past is better.
	s.Past, s.Recent = past, steady(now.Add(-day), now, time.Hour, 100, 0.0099)
	if f := Predict(s); !f.Expected.At.IsZero() {
		t.Errorf("it lasts: %+v", f)
	}
	near(t, "horizon", Predict(s).Horizon.Sub(now).Hours(), 30*24, 0)
}

// TestInterval: nine of ten times, what is true lies in the interval. The truth is known:
// events are independent, or come in bursts.
func TestInterval(t *testing.T) {
	for name, burst := range map[string]float64{"independent": 0, "in bursts": 0.7} {
		rng := rand.New(rand.NewPCG(7, 9))
		const share, each, rounds = 0.03, 200, 300
		in := 0
		for range rounds {
			recent := steady(now.Add(-time.Hour), now, time.Minute, each, 0)
			level := 1.0
			for i := range recent {
				// A share that wanders around its mean, slot by slot alike.
				level = burst*level + (1-burst)*2*rng.Float64()
				if burst == 0 {
					level = 1
				}
				for range each {
					if rng.Float64() < share*level {
						recent[i].Bad++
					}
				}
			}
			f := Predict(Sight{Now: now, Budget: 0.01, From: now.Add(-30 * day), Past: steady(now.Add(-30*day), now, 6*time.Hour, 72_000, 0), Recent: recent})
			if f.Sure && f.Low <= share/0.01 && share/0.01 <= f.High {
				in++
			}
			if f.Earliest.At.After(f.Expected.At) || f.Expected.At.After(f.Latest.At) && !f.Latest.At.IsZero() {
				t.Fatalf("%s: earliest, expected, latest are not in order: %+v", name, f)
			}
		}
		if got := float64(in) / rounds; got < 0.80 || got > 0.97 {
			t.Errorf("%s: the truth was inside %.0f %% of the time, expected about 90 %%", name, got*100)
		}
	}
}

func TestTooLittle(t *testing.T) {
	s := Sight{Now: now, Budget: 0.01, From: now.Add(-30 * day), Past: steady(now.Add(-day), now, 6*time.Hour, 10, 0)}
	if f := Predict(s); f.Sure || !f.Expected.At.IsZero() || f.Rate != 0 {
		t.Errorf("of nothing: %+v", f)
	}
	s.Recent = steady(now.Add(-5*time.Minute), now, time.Minute, 10, 0.5)
	if f := Predict(s); f.Sure || f.Expected.At.IsZero() {
		t.Errorf("of five slots, a time without an interval: %+v", f)
	}
	s.Recent = steady(now.Add(-time.Hour), now, time.Minute, 0, 0)
	if f := Predict(s); f.Sure || !f.Expected.At.IsZero() {
		t.Errorf("without traffic: %+v", f)
	}
	a, b := Predict(s), Predict(s)
	if a != b {
		t.Errorf("the same samples gave two forecasts: %+v, %+v", a, b)
	}
}

// FuzzPredict: whatever comes in, the three times are in order and within the horizon.
func FuzzPredict(f *testing.F) {
	f.Add(uint64(1), 0.01, false, uint8(20))
	f.Add(uint64(2), 0.5, true, uint8(3))
	f.Add(uint64(3), 1e-9, false, uint8(60))
	f.Fuzz(func(t *testing.T, seed uint64, budget float64, calendar bool, n uint8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		if !(budget > 0 && budget < 1) {
			return
		}
		s := Sight{Now: now, Budget: budget, From: now.Add(-7 * day)}
		if calendar {
			s.End = now.Add(time.Duration(rng.Int64N(int64(7 * day))))
		}
		random := func(n int, slot time.Duration) (out []Slot) {
			for i := range n {
				all := float64(rng.IntN(1000))
				out = append(out, Slot{From: now.Add(-time.Duration(n-i) * slot), To: now.Add(-time.Duration(n-i-1) * slot), All: all, Bad: math.Floor(all * rng.Float64() * budget * 3)})
			}
			return out
		}
		s.Past, s.Recent = random(28, 6*time.Hour), random(int(n), time.Minute)
		got := Predict(s)
		for _, o := range []Outlook{got.Expected, got.Earliest, got.Latest} {
			if !o.At.IsZero() && (o.At.Before(now) || o.At.After(got.Horizon.Add(time.Second))) {
				t.Errorf("%+v lies outside of now to %s", o, got.Horizon)
			}
		}
		if got.Sure && got.Low > got.High {
			t.Errorf("%+v", got)
		}
	})
}
