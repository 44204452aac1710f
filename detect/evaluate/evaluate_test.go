package evaluate_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

// world is a store whose series do all that series do.
type world struct {
	t      testing.TB
	db     *tsdb.DB
	engine *evaluate.Incremental
	oracle *evaluate.Prometheus
	to     storage.AppendableV2
	r      *rand.Rand
	now    int64 // milliseconds
	pace   int64 // between commits; 0 for 5 s
	series []*actor
	nextID int
	reg    *prometheus.Registry
}

// actor is one series.
type actor struct {
	labels  labels.Labels
	step    int64
	next    int64
	v       float64
	kind    int
	silent  int64 // until
	retires int64
	ref     storage.SeriesRef
	late    []late
}

type late struct {
	at, t int64 // comes in at, is of t
	v     float64
}

func newWorld(t testing.TB, seed uint64, hostile bool) *world {
	opts := tsdb.DefaultOptions()
	opts.OutOfOrderTimeWindow = 10 * 60_000
	opts.RetentionDuration = 0
	opts.MinBlockDuration, opts.MaxBlockDuration = 2*3600_000, 24*3600_000
	db, err := tsdb.Open(t.TempDir(), nil, nil, opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, db: db, r: rand.New(rand.NewPCG(seed, 2)), now: 1_700_000_000_000, reg: prometheus.NewRegistry()}
	w.engine = evaluate.New(evaluate.Options{Queryable: db, Registerer: w.reg})
	w.oracle = evaluate.NewPrometheus(evaluate.Options{Queryable: db})
	w.to = w.engine.Follow(db)
	for range 14 {
		w.spawn(hostile)
	}
	for _, pod := range []string{"h1", "h2"} {
		w.histogram(pod)
	}
	return w
}

// histogram adds the buckets of a classic histogram, which live for ever.
func (w *world) histogram(pod string) {
	step, next := int64(15_000), w.now+int64(w.r.IntN(15_000))
	for i, le := range []string{"0.1", "0.5", "1", "+Inf"} {
		w.series = append(w.series, &actor{
			labels: labels.FromStrings("__name__", "latency_bucket", "service", "a", "pod", pod, "le", le), step: step, next: next,
			kind: 3 + i, retires: math.MaxInt64,
		})
	}
}

func (w *world) spawn(hostile bool) {
	w.nextID++
	code := []string{"200", "404", "500", "503"}[w.nextID%4]
	name := "requests_total"
	kind := 0
	if w.nextID%5 == 0 {
		name, kind = "temperature", 1
	}
	if hostile && w.nextID%7 == 0 {
		name, kind = "wild", 2
	}
	ls := labels.FromStrings("__name__", name, "service", []string{"a", "b"}[w.nextID%2], "code", code, "pod", fmt.Sprint("p", w.nextID))
	w.series = append(w.series, &actor{
		labels: ls, step: []int64{15_000, 15_000, 10_000, 60_000}[w.r.IntN(4)], next: w.now + int64(w.r.IntN(15_000)), kind: kind,
		v: math.Floor(w.r.Float64() * 1000), retires: w.now + int64(w.r.IntN(20*3600_000)) + 600_000,
	})
}

// run lets time pass, up to one commit a second's worth.
func (w *world) run(d time.Duration, hostile bool) {
	end := w.now + d.Milliseconds()
	for w.now < end {
		w.now = min(end, w.now+cmp.Or(w.pace, 5_000))
		app := w.to.AppenderV2(context.Background())
		put := func(a *actor, t int64, v float64) {
			ref, err := app.Append(a.ref, a.labels, 0, t, v, nil, nil, storage.AppendV2Options{})
			if err != nil && !strings.Contains(err.Error(), "out of order") && !strings.Contains(err.Error(), "too old") && !strings.Contains(err.Error(), "duplicate") {
				w.t.Fatal(err)
			}
			if ref != 0 {
				a.ref = ref
			}
		}
		kept := w.series[:0]
		for _, a := range w.series {
			for _, l := range a.late {
				if l.at <= w.now {
					put(a, l.t, l.v)
				}
			}
			if len(a.late) > 0 && a.late[0].at <= w.now {
				a.late = a.late[1:]
			}
			for a.next <= w.now {
				t := a.next
				a.next += a.step
				if w.r.IntN(10) == 0 {
					a.next += int64(w.r.IntN(40)) - 20
				}
				if t < a.silent {
					continue
				}
				switch x := w.r.IntN(3000); {
				case x == 0:
					a.silent = t + int64(w.r.IntN(3*3600_000))
					if w.r.IntN(2) == 0 {
						put(a, t, math.Float64frombits(value.StaleNaN))
						continue
					}
				case x < 6:
					a.v = float64(w.r.IntN(5)) // a reset
				case x < 20 && len(a.late) == 0:
					a.late = append(a.late, late{t + int64(w.r.IntN(400_000)), t, a.v})
					continue
				case x < 40:
					continue // a scrape that failed
				}
				a.move(w.r)
				put(a, t, a.v)
			}
			if a.retires < w.now {
				if w.r.IntN(2) == 0 {
					put(a, max(a.next-a.step+1, w.now-1000), math.Float64frombits(value.StaleNaN))
				}
				defer w.spawn(hostile)
				continue
			}
			kept = append(kept, a)
		}
		w.series = kept
		if err := app.Commit(); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (a *actor) move(r *rand.Rand) {
	switch a.kind {
	case 0:
		a.v += math.Floor(r.ExpFloat64() * 7)
		if r.IntN(8) == 0 {
			a.v += 0.25
		}
	case 1:
		a.v += r.NormFloat64()
	case 3, 4, 5, 6:
		a.v += math.Floor(r.ExpFloat64() * float64(a.kind)) // buckets are not quite monotonic, as scraped ones are
	case 2:
		a.v = []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e308, -1e308, 5e-324, 1e16, -1e16, 1, 0.1, 0, math.Copysign(0, -1)}[r.IntN(12)]
	}
}

var exprs = []string{
	`rate(requests_total[5m])`,
	`increase(requests_total{service="a"}[1h])`,
	`sum by (service) (rate(requests_total{code=~"5.."}[5m])) / sum by (service) (rate(requests_total[5m]))`,
	`sum by (service) (rate(requests_total{code=~"5.."}[2h])) / sum by (service) (rate(requests_total[2h])) > 0.1`,
	`sum(rate(requests_total{code=~"5.."}[1d])) / sum(rate(requests_total[1d]))`,
	`1 - (sum without (pod, code) (increase(requests_total{code!~"5.."}[6h])) / sum without (pod, code) (increase(requests_total[6h])))`,
	`delta(temperature[30m])`, `irate(requests_total[5m])`, `idelta(temperature[10m])`,
	`changes(temperature[1h])`, `resets(requests_total[6h])`, `deriv(temperature[30m])`, `predict_linear(temperature[1h], 4*3600)`,
	`predict_linear(temperature[1h], 3600)`,
	`sum_over_time(temperature[2h])`, `avg_over_time(temperature[1d])`, `min_over_time(temperature[3h])`, `max_over_time(temperature[3h])`,
	`count_over_time(requests_total[1d])`, `last_over_time(requests_total[20m])`, `first_over_time(requests_total[3h])`,
	`present_over_time(requests_total{service="b"}[4h])`, `stddev_over_time(temperature[4h])`, `stdvar_over_time(temperature[10m])`,
	`quantile_over_time(0.9, temperature[1h])`, `absent_over_time(requests_total{service="a",code="500"}[10m])`,
	`absent(requests_total{service="zzz"})`, `absent(sum(requests_total{service="b",code="404"}))`,
	`requests_total`, `requests_total{code="500"} offset 7m`, `rate(requests_total[10m] offset 3h)`, `sum(temperature offset 2h)`,
	`avg(temperature)`, `min by (service) (temperature)`, `max(temperature) - min(temperature)`, `stddev(temperature)`, `stdvar by (code) (temperature)`,
	`count by (code) (requests_total)`, `group by (service) (requests_total)`,
	`topk(2, rate(requests_total[30m]))`, `quantile(0.5, temperature)`, `label_replace(rate(requests_total[5m]), "x", "$1", "pod", "p(.*)")`,
	`requests_total > bool 500`, `500 < requests_total`, `rate(requests_total[5m]) > 0.4 and on (service) temperature > 0`,
	`temperature unless on (service, code) requests_total`, `temperature or requests_total`,
	`sum by (service, code) (requests_total) / on (service) group_left sum by (service) (requests_total)`,
	`requests_total * on (pod) requests_total`, `-temperature`, `abs(temperature) + 1 ^ 2`, `clamp(temperature, -1, 2)`, `round(temperature, 0.5)`,
	`rate(requests_total[10m] offset -4m)`, `temperature offset -3m`, `sum_over_time(temperature[2h] offset -1h)`, `increase(requests_total[1h] offset -3h)`, `timestamp(requests_total offset -2m)`,
	`max_over_time(rate(requests_total[5m])[1h:5m])`, `requests_total @ 1700000000`, `time() - 5`, `scalar(sum(requests_total))`, `vector(1) > 0`,
	`histogram_quantile(0.9, sum by (code) (rate(requests_total[1h])))`, `timestamp(requests_total)`, `sort_desc(temperature)`,
	`topk by (service) (1, temperature)`, `bottomk(3, temperature)`, `topk(scalar(count(temperature)) - 1, temperature)`, `topk(0, temperature)`,
	`bottomk without (pod) (2, rate(requests_total[2h]) > 0)`, `sum(topk(2, temperature))`, `topk(1, requests_total) == on () topk(1, requests_total)`,
	`topk(NaN, temperature)`, `topk(2, sum by (pod) (requests_total))`, `bottomk(2, requests_total * 0)`,
	`quantile by (service) (0.9, rate(requests_total[10m]))`, `quantile(-1, temperature)`, `quantile(scalar(vector(0.25)), requests_total)`, `quantile(NaN, temperature)`,
	`count_values("v", round(temperature))`, `count_values by (service) ("v", requests_total > 500)`, `count_values without (pod) ("code", clamp(temperature, 0, 1))`,
	`histogram_quantile(0.9, sum by (le, service) (rate(latency_bucket[10m])))`, `histogram_quantile(0.5, rate(latency_bucket[2h]))`,
	`histogram_quantile(scalar(vector(0.99)), latency_bucket)`, `histogram_fraction(0, 0.3, sum by (le) (increase(latency_bucket[30m])))`,
	`histogram_quantile(0.9, sum by (le) (rate(latency_bucket{le!="+Inf"}[10m])))`, `histogram_quantile(2, latency_bucket)`,
	`histogram_quantile(0.9, {__name__=~"latency_bucket|requests_total"})`, `histogram_quantile(0.75, sum by (le) (rate(latency_bucket[1d]))) > 0.1`,
	`histogram_count(rate(latency_bucket[5m]))`, `histogram_sum(temperature) or temperature`, `histogram_avg(sum(requests_total))`, `histogram_stddev(temperature) + temperature`, `histogram_stdvar(temperature)`,
	`label_replace(temperature, "service", "", "", "")`, `label_replace(temperature, "__name__", "$1_x", "service", "(.*)")`, `sum by (x) (label_replace(rate(requests_total[1h]), "x", "$1x", "pod", "p([0-5]).*"))`,
	`label_replace(sum(temperature), "a b", "x", "", "")`, `label_replace(temperature, "x", "$1", "pod", "(")`,
	`label_join(temperature, "where", "/", "service", "pod", "nothing")`, `label_join(requests_total, "code", "-", "service")`,
	`timestamp(requests_total offset 5m)`, `timestamp((temperature))`, `timestamp(temperature + 1)`, `time() - timestamp(temperature) > 20`, `max by (service) (timestamp(requests_total))`,
	`hour()`, `minute(temperature)`, `day_of_week(vector(time()))`, `days_in_month()`, `day_of_month()`, `month(requests_total * 1e6)`, `year()`, `day_of_year()`, `hour() >= 9 and on () hour() < 24`,
	`deg(temperature)`, `rad(temperature)`, `sin(temperature) + cos(temperature) + tan(temperature) + asinh(temperature) + atan(temperature)`, `acosh(temperature)`, `pi()`, `temperature > pi()`,
	`sort(temperature)`, `sort_desc(rate(requests_total[5m]))`, `sort(temperature) * 2`, `(sort(sum by (pod) (requests_total)))`,
	`sum(rate(requests_total{service="a"}[1h])) > 100 or sum(rate(requests_total{service="b"}[1h])) >= 0`,
}

var wild = []string{
	`sum_over_time(wild[1h])`, `avg_over_time(wild[1h])`, `sum_over_time(wild[5m])`, `avg_over_time(wild[5m])`, `stddev_over_time(wild[1h])`,
	`min_over_time(wild[1h])`, `max_over_time(wild[1h])`, `max_over_time(wild[5m])`, `rate(wild[1h])`, `rate(wild[5m])`, `changes(wild[1h])`, `resets(wild[1h])`, `sum(wild)`,
	`avg(wild)`, `stddev(wild)`, `min(wild)`, `max(wild)`, `deriv(wild[5m])`, `quantile_over_time(0.5, wild[5m])`, `stdvar_over_time(wild[5m])`,
	`increase(wild[2h])`, `delta(wild[2h])`, `clamp_max(wild, 3)`, `wild % 3`, `wild == wild`, `wild > bool 0`, `sgn(wild)`, `ceil(wild)`,
	`topk(2, wild)`, `bottomk(2, wild)`, `quantile(0.5, wild)`, `count_values("v", wild)`, `topk(1, wild offset 1m)`, `sort_desc(wild)`, `quantile by (code) (0.3, wild)`,
	`histogram_quantile(0.5, label_replace(wild, "le", "$1", "pod", "p(.*)"))`, `histogram_fraction(-1, 1, label_replace(wild, "le", "$1", "pod", "p(.*)"))`, `hour(wild)`, `atanh(wild)`,
}

// exact are the expressions whose bits are the same.
var exact = regexp.MustCompile(`^(step \d+ )?(1 - \()?(rate|increase|sum (by|without) \([a-z, ]+\) \((rate|increase)|sum\(rate|timestamp)\(`)

// same fails when two results are not PromQL's same answer.
func same(t testing.TB, what string, got, want promql.Vector) {
	t.Helper()
	limit := 1e-9
	if exact.MatchString(what) {
		limit = 0
	}
	if d := evaluate.Difference(got, want); d > limit {
		t.Fatalf("%s: differs by %g\ngot  %v\nwant %v", what, d, got, want)
	}
}

func TestLiveIsPromQL(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			hostile := seed%2 == 1
			w := newWorld(t, seed, hostile)
			all := exprs
			if hostile {
				all = append(append([]string(nil), exprs...), wild...)
			}
			w.run(5*time.Hour, hostile)
			live, err := w.engine.Live("test", all...)
			if err != nil {
				t.Fatal(err)
			}
			defer live.Close()
			results := 0
			for step := range 20 {
				d := []time.Duration{time.Second, 15 * time.Second, time.Minute, 7 * time.Minute, 2 * time.Hour}[w.r.IntN(5)]
				w.run(d, hostile)
				if step%10 == 9 {
					if err := w.db.Compact(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
				if testing.Short() && step%5 != 0 && d < time.Minute {
					continue
				}
				at := time.UnixMilli(w.now)
				for _, expr := range all {
					got, err := live.Query(t.Context(), expr, at)
					want, werr := w.oracle.Query(t.Context(), expr, at)
					if (err == nil) != (werr == nil) || err != nil && err.Error() != werr.Error() {
						t.Fatalf("%s: error %v, want %v", expr, err, werr)
					}
					results += len(want)
					same(t, fmt.Sprintf("step %d %s at %s", step, expr, at.UTC()), got, want)
				}
			}
			if results < 5_000 {
				t.Errorf("only %d values were compared", results)
			}
			ours, left := w.shares()
			t.Logf("%d values compared; %.0f evaluations were incremental, left to the engine: %v", results, ours, left)
			for why, n := range left {
				if n > ours/5 {
					t.Errorf("%.0f evaluations of %.0f were left to the engine: %s", n, ours, why)
				}
			}
		})
	}
}

func TestRangesArePromQL(t *testing.T) {
	w := newWorld(t, 9, true)
	w.run(30*time.Hour, true)
	all := append(append([]string(nil), exprs...), wild...)
	to := time.UnixMilli(w.now)
	from := to.Add(-4 * time.Hour)
	for _, step := range []time.Duration{time.Minute, 11*time.Minute + 7*time.Millisecond} {
		var good []string
		for _, expr := range all {
			if strings.HasPrefix(expr, "bottomk(2, requests_total * 0)") {
				continue // among equal values the engine chooses anew with each query
			}
			if _, err := w.oracle.Range(t.Context(), expr, from, to, step); err == nil {
				good = append(good, expr)
			} else if _, ours := w.engine.Range(t.Context(), expr, from, to, step); ours == nil || !strings.Contains(ours.Error(), err.Error()) {
				t.Errorf("%s: error %v, want %v", expr, ours, err)
			}
		}
		got, err := w.engine.Ranges(t.Context(), good, from, to, step)
		if err != nil {
			t.Fatal(err)
		}
		for i, expr := range good {
			want, err := w.oracle.Range(t.Context(), expr, from, to, step)
			if err != nil {
				t.Fatal(err)
			}
			for at := from; !at.After(to); at = at.Add(step) {
				same(t, expr+" at "+at.UTC().String(), column(got[i], at), column(want, at))
			}
		}
	}
}

// shares counts the evaluations that were incremental, and those that were not.
func (w *world) shares() (ours float64, left map[string]float64) {
	w.t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	left = map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			switch f.GetName() {
			case "evenkeel_evaluate_incremental_total":
				ours = m.Counter.GetValue()
			case "evenkeel_evaluate_left_total":
				left[m.Label[0].GetValue()] = m.Counter.GetValue()
			case "evenkeel_evaluate_mended_total":
				left["(mended series)"] = m.Counter.GetValue()
			}
		}
	}
	return ours, left
}

// column is a matrix at one time.
func column(m promql.Matrix, at time.Time) (out promql.Vector) {
	for _, s := range m {
		for _, p := range s.Floats {
			if p.T == at.UnixMilli() {
				out = append(out, promql.Sample{Metric: s.Metric, F: p.F})
			}
		}
	}
	return out
}
