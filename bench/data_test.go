package bench

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

type sample struct {
	t int64
	v float64
}

func read(t *testing.T, c *Counter, until int64) []sample {
	t.Helper()
	var out []sample
	if err := c.Emit(until, func(at int64, v float64) error {
		out = append(out, sample{at, v})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCounters(t *testing.T) {
	d := Data{Services: 10, Days: 10}
	end := d.End().UnixMilli()
	resets, markers, late, n := 0, 0, 0, 0
	busiest := map[bool]float64{}
	for _, c := range d.Counters() {
		s := read(t, c, end)
		n += len(s)
		most, sum := 0.0, 0.0
		for i := 1; i < len(s); i++ {
			if s[i].t <= s[i-1].t || s[i].t >= end {
				t.Fatalf("%s: a sample at %d after one at %d", c.Labels, s[i].t, s[i-1].t)
			}
			if value.IsStaleNaN(s[i].v) {
				markers++
				continue
			}
			if s[i].t-s[i-1].t > 2*scrape+100 {
				late++
			}
			switch by := s[i].v - s[i-1].v; {
			case by < 0:
				resets++
			case by > 0:
				most, sum = max(most, by/float64(s[i].t-s[i-1].t)), sum+by
			}
		}
		if !c.bad {
			kind := Bursty(c.Service)
			busiest[kind] = max(busiest[kind], most/(sum/float64(end-Begin.UnixMilli())))
		}
	}
	if n < d.Samples()*98/100 || n > d.Samples() {
		t.Errorf("%d samples, expected a little less than %d", n, d.Samples())
	}
	if resets < 100 || markers < 20 || late < 50 {
		t.Errorf("expected more resets, markers and gaps: %d, %d, %d", resets, markers, late)
	}
	if busiest[false] > 4 || busiest[true] < 4 {
		t.Errorf("largest rate to mean one: %.1f with mild traffic, %.1f with bursts", busiest[false], busiest[true])
	}
}

// TestGoesOn: what is read in steps is what is read at once, and the same each time.
func TestGoesOn(t *testing.T) {
	d := Data{Services: 5, Days: 2}
	a, b := d.Counters(), d.Counters()
	for i := range a {
		whole := read(t, a[i], d.End().UnixMilli())
		var parts []sample
		for at := Begin; at.Before(d.End()); at = at.Add(97 * time.Minute) {
			parts = append(parts, read(t, b[i], at.UnixMilli())...)
		}
		for k := range parts {
			if d := parts[k].t - whole[k].t; d < -20 || d > 20 || math.Float64bits(parts[k].v) != math.Float64bits(whole[k].v) {
				t.Fatalf("%s: sample %d is %v, at once it is %v", a[i].Labels, k, parts[k], whole[k])
			}
		}
	}
}

func TestWrite(t *testing.T) {
	d := Data{Services: 2, Days: 3}
	dir := t.TempDir()
	parts := 0
	if err := d.Write(t.Context(), dir, func(int, int) { parts++ }); err != nil {
		t.Fatal(err)
	}
	if parts != 2 {
		t.Errorf("%d blocks, expected 2", parts)
	}
	db, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	q, err := db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "http_requests_total"))
	want := d.Counters()
	var it chunkenc.Iterator
	series := 0
	for ; set.Next(); series++ {
		expected := read(t, want[series], d.End().UnixMilli())
		if !labels.Equal(set.At().Labels(), want[series].Labels) {
			t.Fatalf("series %s, expected %s", set.At().Labels(), want[series].Labels)
		}
		k := 0
		for it = set.At().Iterator(it); it.Next() == chunkenc.ValFloat; k++ {
			if at, v := it.At(); k >= len(expected) || at != expected[k].t || math.Float64bits(v) != math.Float64bits(expected[k].v) {
				t.Fatalf("%s: sample %d is %d %v", set.At().Labels(), k, at, v)
			}
		}
		if k != len(expected) {
			t.Errorf("%d samples, expected %d", k, len(expected))
		}
	}
	if set.Err() != nil || series != 8 {
		t.Errorf("%d series, %v", series, set.Err())
	}
}
