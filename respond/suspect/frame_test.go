package suspect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestNothingSince ranks a case whose quiet window ends with its last sample.
func TestNothingSince(t *testing.T) {
	e := newEstate(1)
	last := onset.Add(e.until - 15*time.Second)
	e.c.From, e.c.To, e.c.Onset = onset.Add(-time.Hour), last, last
	if r := Rank(e.c); r.Verdict != Nobody {
		t.Errorf("got %s, expected nobody", blamed(r))
	}
}

// TestLateOnAnotherDay ranks an incident whose samples begin with it, and that was
// detected after two minutes; its quiet window is of the day before.
func TestLateOnAnotherDay(t *testing.T) {
	e := newEstate(2)
	e.move("pay", "cpu_usage", onset.Add(-2*time.Hour), 4)
	day := newEstate(3)
	for i := range e.c.Signals {
		s, d := &e.c.Signals[i], &day.c.Signals[i]
		lo, hi := s.Between(onset.Add(-2*time.Minute), onset.Add(e.until))
		s.Times, s.Values = s.Times[lo:hi], s.Values[lo:hi]
		for j, at := range d.Times {
			d.Times[j] = at - (24 * time.Hour).Milliseconds()
		}
		s.Times, s.Values = append(d.Times, s.Times...), append(d.Values, s.Values...)
	}
	e.c.From, e.c.To = onset.Add(-26*time.Hour), onset.Add(-24*time.Hour)
	if r := Rank(e.c); len(r.Suspects) == 0 || r.Suspects[0].Resource != "pay" {
		t.Errorf("got %s, expected pay", blamed(r))
	}
}

// TestTargetApart ranks a case whose call graph knows the target, and nothing of what is
// measured below it.
func TestTargetApart(t *testing.T) {
	e := newEstate(4)
	e.move("pay", "cpu_usage", onset, 4)
	e.move("pay", "latency_ms_mean", onset, 4)
	with := Rank(e.c)
	e.c.Target, e.c.Edges = "portal", []Edge{{"portal", "gate"}, {"gate", "store"}}
	apart := Rank(e.c)
	if len(apart.Suspects) == 0 || apart.Suspects[0].Resource != "pay" || apart.Suspects[0].Score < 0.9*with.Suspects[0].Score {
		t.Errorf("got %s, expected pay as with the graph: %s", blamed(apart), blamed(with))
	}
}

// blamed are the resources of a list.
func blamed(r Result) []string {
	var out []string
	for _, s := range r.Suspects {
		out = append(out, s.Resource)
	}
	return out
}

// at60 is a made-up system that is measured each minute, for some minutes before the
// onset and after.
func at60(seed uint64, before, after int) Case {
	e := newEstate(seed)
	for i := range e.c.Signals {
		s := &e.c.Signals[i]
		lo, hi := s.Between(onset.Add(-time.Duration(before)*time.Minute), onset.Add(time.Duration(after)*time.Minute))
		var times []int64
		var values []float64
		for j := lo; j < hi; j += 4 {
			times, values = append(times, s.Times[j]), append(values, s.Values[j])
		}
		s.Times, s.Values = times, values
	}
	e.c.From, e.c.To, e.c.Target = onset.Add(-time.Duration(before)*time.Minute), onset.Add(-time.Second), ""
	return e.c
}

// times multiplies the samples of a signal in a stretch.
func times(c *Case, resource, metric string, from, to time.Time, by float64) {
	for i := range c.Signals {
		s := &c.Signals[i]
		if s.Resource != resource || s.Metric != metric {
			continue
		}
		for j := range s.Times {
			if t := at(s.Times[j]); !t.Before(from) && t.Before(to) {
				s.Values[j] *= by
			}
		}
	}
}

// TestAShortQuietWindowThatBeganIll ranks a fault of a resource that was still
// recovering from another one in the first two of seven minutes.
func TestAShortQuietWindowThatBeganIll(t *testing.T) {
	for seed := range uint64(5) {
		c := at60(seed, 7, 6)
		for _, m := range []string{"cpu_usage", "latency_ms_mean"} {
			times(&c, "pay", m, onset.Add(-7*time.Minute), onset.Add(-5*time.Minute), 6)
			times(&c, "pay", m, onset, onset.Add(time.Hour), 4)
		}
		if r := Rank(c); len(r.Suspects) == 0 || r.Suspects[0].Resource != "pay" {
			t.Errorf("seed %d: got %v, expected pay", seed, blamed(r))
		}
	}
}

// TestFiveAreNamed looks for five resources where somebody is blamed, and none where
// nobody is.
func TestFiveAreNamed(t *testing.T) {
	c := at60(1, 30, 6)
	if r := Rank(c); r.Verdict != Nobody || len(r.Weak) > 0 {
		t.Errorf("got %s and %d, expected nobody", r.Verdict, len(r.Weak))
	}
	times(&c, "pay", "cpu_usage", onset, onset.Add(time.Hour), 4)
	r := Rank(c)
	told := map[string]bool{}
	for _, s := range append(r.Suspects, r.Weak...) {
		told[s.Resource] = true
	}
	if len(r.Suspects) == 0 || len(told) != 5 || len(r.Suspects)+len(r.Weak) != 5 {
		t.Errorf("got %v and %d more, expected five in all", blamed(r), len(r.Weak))
	}
}

// TestTheWayToACallee: shop waits longer for what it calls, which takes no longer.
func TestTheWayToACallee(t *testing.T) {
	c := at60(2, 30, 6)
	wait := Signal{Resource: "shop", Metric: "client_latency_ms_p90"}
	for _, s := range c.Signals {
		if s.Resource == "shop" && s.Metric == "latency_ms_mean" {
			wait.Times, wait.Values = s.Times, append([]float64(nil), s.Values...)
		}
	}
	c.Signals = append(c.Signals, wait)
	times(&c, "shop", "client_latency_ms_p90", onset, onset.Add(time.Hour), 12)
	times(&c, "shop", "latency_ms_mean", onset, onset.Add(time.Hour), 6)
	r := Rank(c)
	list := blamed(r)
	if len(list) == 0 || list[0] != "shop" {
		t.Fatalf("got %v, expected shop", list)
	}
	for _, callee := range []string{"pay", "stock", "mail"} {
		if !slices.Contains(list, callee) {
			t.Errorf("got %v, expected %s among them", list, callee)
		}
	}
	if slices.Contains(list, "user") {
		t.Errorf("got %v, expected user not among them: shop does not call it", list)
	}
}

// TestSecondsThatHangTogether ranks quiet systems that are measured each second, whose
// samples are much alike within a minute: ten minutes of them are few.
func TestSecondsThatHangTogether(t *testing.T) {
	calm := 0
	const systems = 10
	for seed := range uint64(systems) {
		rng := rand.New(rand.NewPCG(seed, 9))
		c := Case{Onset: onset, From: onset.Add(-10 * time.Minute), To: onset.Add(-time.Second)}
		for r := range 20 {
			for _, m := range []string{"cpu", "latency-90", "diskio"} {
				s := Signal{Resource: fmt.Sprint("service", r), Metric: m}
				x := 0.0
				for i := range 1200 {
					x = 0.95*x + 0.31*rng.NormFloat64()
					s.Times, s.Values = append(s.Times, onset.Add(time.Duration(i-600)*time.Second).UnixMilli()), append(s.Values, 10*math.Exp(0.2*x))
				}
				c.Signals = append(c.Signals, s)
			}
		}
		if Rank(c).Verdict == Nobody {
			calm++
		}
	}
	if calm < systems*7/10 {
		t.Errorf("nobody was blamed in %d of %d quiet systems, expected 7 and more", calm, systems)
	}
}

// TestAQuietWindowThatHoldsTheBeginning: the quiet window ends where the incident was
// detected, two minutes after it began.
func TestAQuietWindowThatHoldsTheBeginning(t *testing.T) {
	e := newEstate(6)
	began := onset.Add(-2 * time.Minute)
	for _, m := range []string{"cpu_usage", "latency_ms_mean"} {
		e.move("pay", m, began, 3)
	}
	e.move("shop", "latency_ms_mean", began, 1)
	e.c.From, e.c.To = onset.Add(-10*time.Minute), onset.Add(-time.Second)
	w, _ := frame(&e.c)
	if got := at(w.earliest); got.Sub(began).Abs() > time.Minute {
		t.Errorf("it began at %s, expected about %s", got, began)
	}
	if r := Rank(e.c); len(r.Suspects) == 0 || r.Suspects[0].Resource != "pay" || r.Suspects[0].Score < 0.6 {
		t.Errorf("got %v, expected pay, far ahead", blamed(r))
	}
	e = newEstate(6) // told in time
	e.move("pay", "cpu_usage", onset, 3)
	e.c.From, e.c.To = onset.Add(-10*time.Minute), onset.Add(-time.Second)
	if w, _ := frame(&e.c); w.onset != onset.UnixMilli() {
		t.Errorf("it began at %s, expected %s", at(w.onset), onset)
	}
}

// TestWhatWentOnEarlierIsNotTakenForIt: nothing happened after the onset, and no quiet
// window is given; eight minutes earlier there was another incident.
func TestWhatWentOnEarlierIsNotTakenForIt(t *testing.T) {
	c := at60(8, 60, 6)
	times(&c, "pay", "cpu_usage", onset.Add(-8*time.Minute), onset.Add(-4*time.Minute), 4)
	c.From, c.To = time.Time{}, time.Time{}
	if r := Rank(c); r.Verdict != Nobody {
		t.Errorf("got %v, expected nobody", blamed(r))
	}
	c.Sure = true // somebody is: what went on shortly before may be why
	if r := Rank(c); len(r.Suspects) == 0 || r.Suspects[0].Resource != "pay" {
		t.Errorf("got %v, expected pay", blamed(r))
	}
}
