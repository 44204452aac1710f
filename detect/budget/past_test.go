package budget

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
)

// TestWhatHasSettledIsAskedOnce: reports of every minute agree with those of a book that has
// kept nothing, and look at little but the last minutes.
func TestWhatHasSettledIsAskedOnce(t *testing.T) {
	e := shop(t, spent)
	var asked time.Duration
	counted := Options{Query: e.Query, Ranges: func(ctx context.Context, exprs []string, from, to time.Time, step time.Duration) ([]promql.Matrix, error) {
		asked += to.Sub(from) + step
		return e.Ranges(ctx, exprs, from, to, step)
	}}
	b, k := New(counted), &kept{of: availability}
	look := func(k *kept, at time.Time) (*Report, []Slot) {
		t.Helper()
		r := &Report{At: at, From: at.Add(-day)}
		open, err := b.look(t.Context(), k, r, availability, 30*time.Second, at)
		if err != nil {
			t.Fatal(err)
		}
		return r, open
	}
	begin := now.Add(-5 * time.Hour)
	look(k, begin)
	if asked < day {
		t.Errorf("a cold book asked for %s", asked)
	}
	check := func(at time.Time) {
		t.Helper()
		r, open := look(k, at)
		was := asked
		cold := &kept{of: availability}
		fresh, _ := look(cold, at)
		asked = was
		near(t, "bad", r.Bad, fresh.Bad, 1e-6)
		near(t, "all", r.All, fresh.All, 1e-6)
		for w := range k.past.of {
			kept, fresh := k.past.since(w, at.Add(-w), open), cold.past.since(w, at.Add(-w), open)
			if len(kept) != len(fresh) {
				t.Fatalf("%s of %s: %d slots, of a fresh book %d", w, at, len(kept), len(fresh))
			}
			sum := draw{}
			for i, s := range kept {
				if s != fresh[i] || i > 0 && !s.From.Equal(kept[i-1].To) {
					t.Fatalf("%s of %s: slot %d is %v, of a fresh book %v", w, at, i, s, fresh[i])
				}
				sum = draw{sum.bad + s.Bad, sum.all + s.All}
			}
			if first := kept[0]; first.From.After(at.Add(-w)) || !first.To.After(at.Add(-w)) || at.Sub(kept[len(kept)-1].To) > time.Second {
				t.Errorf("%s of %s is from %s to %s", w, at, first.From, kept[len(kept)-1].To)
			}
		}
	}
	asked = 0
	for i := range 120 {
		check(begin.Add(time.Duration(i) * time.Minute))
	}
	if asked > 120*30*time.Minute {
		t.Errorf("120 reports of a minute each asked for %s", asked)
	}
	check(begin.Add(4 * time.Hour)) // after a pause
	check(begin.Add(3 * time.Hour)) // and after the clock went back
}
