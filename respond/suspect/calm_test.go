package suspect

import (
	"slices"
	"testing"
	"time"
)

// spell moves a signal for a while only, in shares of its level.
func (e *estate) spell(resource, metric string, from, length time.Duration, by float64) {
	e.move(resource, metric, onset.Add(from), by)
	e.move(resource, metric, onset.Add(from+length), 1/(1+by)-1)
}

// each keeps one sample of n, so that there are few.
func (e *estate) each(n int) {
	for i := range e.c.Signals {
		s := &e.c.Signals[i]
		var times []int64
		var values []float64
		for k := range s.Times {
			if k%n == 0 {
				times, values = append(times, s.Times[k]), append(values, s.Values[k])
			}
		}
		s.Times, s.Values = times, values
	}
}

// TestEarlierIncidentsAreNoMeasure: a quiet window that holds other incidents hides none
// that follows, of the same resource or another.
func TestEarlierIncidentsAreNoMeasure(t *testing.T) {
	for seed := range uint64(8) {
		for _, last := range []string{"mail", "pay"} { // the last one before, of four
			e := newEstate(seed)
			for i, s := range []string{"user", "stock", "shop", last} {
				from := time.Duration(-60+14*i) * time.Minute
				e.spell(s, "cpu_usage", from, 5*time.Minute, 2)
				e.spell(s, "latency_ms_mean", from, 5*time.Minute, 2)
			}
			e.spell("pay", "cpu_usage", 0, 5*time.Minute, 2)
			e.spell("pay", "latency_ms_mean", 0, 5*time.Minute, 2)
			e.each(4)
			e.c.Target = ""
			e.c.From, e.c.To = onset.Add(-90*time.Minute), onset.Add(-time.Second)
			if r := Rank(e.c); first(r) != "pay" {
				t.Errorf("seed %d, after one of %s: got %s; %s", seed, last, first(r), list5(r))
			}
		}
	}
}

// TestAHabitIsNoIncident: what a resource does over and over in the quiet window blames
// nobody when it does it again.
func TestAHabitIsNoIncident(t *testing.T) {
	for seed := range uint64(8) {
		e := newEstate(seed)
		for from := -115 * time.Minute; from <= 0; from += 10 * time.Minute {
			e.spell("mail", "cpu_usage", from, 4*time.Minute, 30)
		}
		e.each(4)
		if r := Rank(e.c); slices.ContainsFunc(r.Suspects, func(s Suspect) bool { return s.Resource == "mail" }) {
			t.Errorf("seed %d: %s", seed, list5(r))
		}
	}
}

func TestWithout(t *testing.T) {
	spans := [][2]int64{{0, 10}, {20, 30}}
	f := func(cut [2]int64, want ...[2]int64) {
		t.Helper()
		if got := without(spans, cut); !slices.Equal(got, want) {
			t.Errorf("%v: got %v, want %v", cut, got, want)
		}
	}
	f([2]int64{12, 15}, [2]int64{0, 10}, [2]int64{20, 30})
	f([2]int64{3, 5}, [2]int64{0, 3}, [2]int64{5, 10}, [2]int64{20, 30})
	f([2]int64{5, 25}, [2]int64{0, 5}, [2]int64{25, 30})
	f([2]int64{-5, 50})
}
