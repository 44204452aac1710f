package suspect

import (
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
