package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/metrics"
)

func settings() declare.Settings {
	var s declare.Settings
	s.Metrics.Retention, s.Metrics.OutOfOrder = 24*time.Hour, 5*time.Minute
	s.Limits = declare.Limits{
		BodyBytes: 1 << 20, SamplesPerWrite: 1000, LabelsPerSeries: 5, LabelNameBytes: 20, LabelValueBytes: 50,
		ActiveSeries: 1000, Future: 10 * time.Minute,
	}
	return s
}

func open(t testing.TB, dir string, s declare.Settings) (*metrics.Store, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	store, err := metrics.Open(metrics.Options{Dir: dir, Settings: s, Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	return store, reg
}

// read returns all samples of a metric as "labels time value", by time.
func read(t testing.TB, store *metrics.Store, name string) map[string]map[int64]float64 {
	t.Helper()
	q, err := store.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	out := map[string]map[int64]float64{}
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, name))
	for set.Next() {
		points := map[int64]float64{}
		it := set.At().Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if kind == chunkenc.ValFloat {
				at, v := it.At()
				points[at] = v
			} else {
				at, h := it.AtFloatHistogram(nil)
				points[at] = h.Count
			}
		}
		out[set.At().Labels().String()] = points
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func counted(t testing.TB, reg *prometheus.Registry, reason string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "evenkeel_observe_refused_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "reason" && l.GetValue() == reason {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	return 0
}

func TestGuardRefuses(t *testing.T) {
	store, reg := open(t, t.TempDir(), settings())
	defer store.Close()
	door := store.Guarded("test", true)
	now := time.Now().UnixMilli()
	minute := time.Minute.Milliseconds()
	ls := labels.FromStrings

	// f sends one sample in a batch of its own; an empty reason means that it is taken.
	f := func(reason, text string, ls labels.Labels, at int64, v float64) {
		t.Helper()
		before := counted(t, reg, reason)
		g := door.Begin(context.Background())
		_, err := g.Append(0, ls, 0, at, v, nil, nil, storage.AOptions{})
		if cerr := g.Commit(); cerr != nil {
			t.Fatal(cerr)
		}
		if reason == "" {
			if err != nil {
				t.Errorf("refused %s: %v", ls, err)
			}
			return
		}
		var r *observe.Refusal
		if !errors.As(err, &r) {
			t.Errorf("%s: got %v, expected a refusal", ls, err)
			return
		}
		if r.Reason != reason || r.Status != 400 || !strings.Contains(r.Error(), text) {
			t.Errorf("%s: got %d %s %q, expected 400 %s and %q in it", ls, r.Status, r.Reason, r, reason, text)
		}
		if counted(t, reg, reason) != before+1 {
			t.Errorf("%s is not counted", reason)
		}
	}
	a := ls("__name__", "a")
	f("", "", a, now, 1)
	f("", "", a, now, 1) // the same again is no contradiction
	f("duplicate", "one value for one time", a, now, 2)
	f("", "", a, now-minute, 5) // late, inside the window
	f("", "", a, now-minute, 5)
	f("duplicate", "another value", a, now-minute, 6)
	f("too_old", "metrics.out_of_order", a, now-6*minute, 1)
	f("too_old", "metrics.retention", a, now-25*60*minute, 1)
	f("too_old", "metrics.retention", ls("__name__", "fresh"), math.MinInt64, 1)
	f("future", "limits.future", a, now+11*minute, 1)
	f("future", "limits.future", a, math.MaxInt64, 1)
	f("", "", a, now+9*minute, 3)
	f("malformed", "a label __name__", ls("b", "c"), now, 1)
	f("malformed", "a label __name__", ls("__name__", "", "b", "c"), now, 1)
	f("malformed", `label "b" twice`, ls("__name__", "b", "b", "1", "b", "2"), now, 1)
	f("utf8", "valid UTF-8", ls("__name__", "b", "x", "\xff"), now, 1)
	f("utf8", "valid UTF-8", ls("__name__", "b", "\xff", "x"), now, 1)
	f("utf8", "valid UTF-8", ls("__name__", "b\xff"), now, 1)
	f("limit_labels", "6 labels, expected at most 5", ls("__name__", "b", "b", "", "c", "", "d", "", "e", "", "f", "x"), now, 1)
	f("limit_name", "limits.label_name_bytes", ls("__name__", "b", strings.Repeat("n", 21), "x"), now, 1)
	f("limit_value", "limits.label_value_bytes", ls("__name__", "b", "n", strings.Repeat("x", 51)), now, 1)
	f("limit_value", "limits.label_value_bytes", ls("__name__", strings.Repeat("x", 51)), now, 1)

	got := read(t, store, "a")[`{__name__="a"}`]
	if want := map[int64]float64{now - minute: 5, now: 1, now + 9*minute: 3}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("stored %v, expected %v", got, want)
	}
	if n := len(read(t, store, "b")); n != 0 {
		t.Errorf("%d refused series are stored", n)
	}
}

// TestGuardWithinOneBatch: what contradicts another sample of its own batch is refused
// too. The store itself would take it, and drop it at commit.
func TestGuardWithinOneBatch(t *testing.T) {
	f := func(window time.Duration, want map[int64]float64, reasons string, samples ...[2]float64) {
		t.Helper()
		s := settings()
		s.Metrics.OutOfOrder = window
		store, _ := open(t, t.TempDir(), s)
		defer store.Close()
		base := time.Now().Add(-time.Hour).UnixMilli()
		g := store.Guarded("test", true).Begin(context.Background())
		var got []string
		for _, p := range samples {
			_, err := g.Append(0, labels.FromStrings("__name__", "a"), 0, base+int64(p[0])*1000, p[1], nil, nil, storage.AOptions{})
			var r *observe.Refusal
			if errors.As(err, &r) {
				got = append(got, r.Reason)
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if err := g.Commit(); err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, " ") != reasons {
			t.Errorf("refused %v, expected %q", got, reasons)
		}
		stored := map[int64]float64{}
		for at, v := range read(t, store, "a")[`{__name__="a"}`] {
			stored[(at-base)/1000] = v
		}
		if fmt.Sprint(stored) != fmt.Sprint(want) {
			t.Errorf("stored %v, expected %v", stored, want)
		}
		if n := g.Accepted(); n != len(samples)-len(got) {
			t.Errorf("%d accepted of %d, %d refused", n, len(samples), len(got))
		}
	}
	f(0, map[int64]float64{1: 1, 2: 2}, "", [2]float64{1, 1}, [2]float64{2, 2}, [2]float64{2, 2})
	f(0, map[int64]float64{1: 1}, "duplicate", [2]float64{1, 1}, [2]float64{1, 2})
	f(0, map[int64]float64{2: 2}, "out_of_order", [2]float64{2, 2}, [2]float64{1, 1})
	f(time.Minute, map[int64]float64{50: 1, 100: 2}, "", [2]float64{100, 2}, [2]float64{50, 1}, [2]float64{50, 1})
	f(time.Minute, map[int64]float64{50: 1, 100: 2}, "duplicate", [2]float64{100, 2}, [2]float64{50, 1}, [2]float64{50, 3})
	f(time.Minute, map[int64]float64{100: 2}, "too_old", [2]float64{100, 2}, [2]float64{30, 1})
}

func TestGuardActiveSeries(t *testing.T) {
	s := settings()
	s.Limits.ActiveSeries = 100
	store, reg := open(t, t.TempDir(), s)
	defer store.Close()
	door := store.Guarded("test", true)
	now := time.Now().UnixMilli()
	send := func(at int64, n int) (accepted int) {
		g := door.Begin(context.Background())
		for i := range n {
			_, _ = g.Append(0, labels.FromStrings("__name__", "a", "i", fmt.Sprint(i)), 0, at, 1, nil, nil, storage.AOptions{})
		}
		if err := g.Commit(); err != nil {
			t.Fatal(err)
		}
		return g.Accepted()
	}
	if n := send(now, 10_000); n != 100 {
		t.Errorf("%d series accepted, expected 100", n)
	}
	if n := counted(t, reg, "limit_series"); n != 9900 {
		t.Errorf("%v counted as refused, expected 9900", n)
	}
	if n := send(now+1000, 10_000); n != 100 {
		t.Errorf("afterwards %d accepted: expected the 100 that are there to go on", n)
	}
	limits := store.Limits()
	limits.ActiveSeries = 150
	store.SetLimits(limits)
	if n := send(now+2000, 10_000); n != 150 {
		t.Errorf("with a higher limit %d accepted, expected 150", n)
	}
}

func TestGuardHistogramsAndExemplars(t *testing.T) {
	store, reg := open(t, t.TempDir(), settings())
	defer store.Close()
	now := time.Now().UnixMilli()
	ls := labels.FromStrings("__name__", "h")
	hist := func(schema int32) *histogram.Histogram {
		return &histogram.Histogram{Schema: schema, Count: 3, Sum: 4, PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []int64{1, 1}}
	}
	put := func(at int64, h *histogram.Histogram) error {
		g := store.Guarded("test", true).Begin(context.Background())
		ref, err := g.Append(0, ls, 0, at, 0, h, nil, storage.AOptions{})
		if err == nil {
			_, err = g.AppendExemplars(ref, ls, []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", "x"), Value: 1, Ts: at, HasTs: true}})
		}
		if cerr := g.Commit(); cerr != nil {
			t.Fatal(cerr)
		}
		return err
	}
	if err := put(now, hist(3)); err != nil {
		t.Fatal(err)
	}
	if err := put(now+1, hist(20)); err != nil { // finer than can be stored: made coarser
		t.Fatal(err)
	}
	broken := hist(20)
	broken.PositiveSpans = []histogram.Span{{Offset: math.MaxInt32, Length: math.MaxUint32}, {Offset: math.MinInt32, Length: 7}}
	for _, h := range []*histogram.Histogram{broken, {Schema: 99}, {Schema: 1, Count: 7}} {
		var r *observe.Refusal
		if err := put(now+2, h); !errors.As(err, &r) || r.Reason != "malformed" {
			t.Errorf("%+v: got %v, expected it to be refused", h, err)
		}
	}
	if n := counted(t, reg, "malformed"); n != 3 {
		t.Errorf("%v counted, expected 3", n)
	}
	if got := read(t, store, "h")[ls.String()]; len(got) != 2 || got[now] != 3 || got[now+1] != 3 {
		t.Errorf("stored %v", got)
	}
	eq, err := store.ExemplarQuerier(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	res, err := eq.Select(now-1000, now+1000, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "h")})
	if err != nil || len(res) != 1 || len(res[0].Exemplars) == 0 {
		t.Errorf("exemplars: %v %v", res, err)
	}
	if n := testutil.CollectAndCount(reg, "evenkeel_observe_samples_total"); n != 1 {
		t.Errorf("%d series of accepted samples, expected 1", n)
	}
}
