package suspect

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/util/teststorage"
)

// TestGather reads counters as rates over a reset, outcomes as a share, histograms as
// means, gauges averaged over instances, and leaves out what says nothing.
func TestGather(t *testing.T) {
	db := teststorage.New(t)
	defer db.Close()
	from := time.Unix(1_772_366_400, 0)
	app := db.Appender(t.Context())
	put := func(at time.Duration, v float64, kv ...string) {
		t.Helper()
		if _, err := app.Append(0, labels.FromStrings(kv...), from.Add(at).UnixMilli(), v); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 60 {
		at := time.Duration(i) * 10 * time.Second
		n := float64(i)
		if i >= 30 {
			n -= 30 // restarted
		}
		put(at, 80*n, "__name__", "http_requests_total", "service", "shop", "code", "200")
		put(at, 20*n, "__name__", "http_requests_total", "service", "shop", "code", "503")
		put(at, 5*n, "__name__", "took_seconds_sum", "job", "shop")
		put(at, 10*n, "__name__", "took_seconds_count", "job", "shop")
		put(at, 10, "__name__", "mem_bytes", "service", "shop", "instance", "a")
		put(at, 30, "__name__", "mem_bytes", "service", "shop", "instance", "b")
		put(at, 1, "__name__", "took_seconds_bucket", "service", "shop", "le", "1")
		put(at, 1, "__name__", "mem_bytes", "service", "other")
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	got, cut, err := Gather(t.Context(), db, map[string]string{"shop": "component/default/shop"}, from, from.Add(10*time.Minute))
	if err != nil || cut {
		t.Fatal(err, cut)
	}
	want := map[string]float64{"http_requests_total": 10, "http_requests_total that succeed": 0.8, "took_seconds mean": 0.5, "took_seconds_count": 1, "mem_bytes": 20}
	for _, s := range got {
		v, ok := want[s.Metric]
		if !ok || s.Resource != "component/default/shop" {
			t.Errorf("got %s of %s", s.Metric, s.Resource)
			continue
		}
		delete(want, s.Metric)
		if len(s.Values) < 50 {
			t.Errorf("%s: %d samples", s.Metric, len(s.Values))
		}
		for i, x := range s.Values {
			reset := s.Times[i] == from.Add(300*time.Second).UnixMilli() // nothing counted yet since the restart
			if d := x - v; (d > 1e-9 || d < -1e-9) && !reset {
				t.Errorf("%s: got %v at %d, want %v", s.Metric, x, i, v)
				break
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not read: %v", want)
	}
}

// BenchmarkRank is a case of an estate: 50 services with 8 signals each, two hours at
// 15 seconds.
func BenchmarkRank(b *testing.B) {
	e := newEstate(1)
	e.burn(onset)
	base := e.c.Signals
	for n := range 44 {
		for _, s := range base[:8] {
			s.Resource = string(rune('a'+n%26)) + s.Resource + string(rune('a'+n/26))
			e.c.Signals = append(e.c.Signals, s)
		}
	}
	for b.Loop() {
		if r := Rank(e.c); r.Verdict != Suspects || r.Suspects[0].Resource != "pay" {
			b.Fatal(list5(r))
		}
	}
	b.ReportMetric(float64(len(e.c.Signals)), "signals")
}
