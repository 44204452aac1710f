package evaluate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
)

// watched is the engine for which Prometheus' own acceptance tests are written. Each of
// their queries is answered by this one, too, and has to be what Prometheus' engine with
// the settings of a server gives.
type watched struct {
	promql.QueryEngine
	t           *testing.T
	asked, kept *atomic.Int64
}

type watchedQuery struct {
	promql.Query
	w                *watched
	q                storage.Queryable
	expr             string
	start, end       time.Time
	interval         time.Duration
	instant, refused bool
}

func (w *watched) NewInstantQuery(ctx context.Context, q storage.Queryable, o promql.QueryOpts, expr string, at time.Time) (promql.Query, error) {
	inner, err := w.QueryEngine.NewInstantQuery(ctx, q, o, expr, at)
	return &watchedQuery{Query: inner, w: w, q: q, expr: expr, start: at, end: at, instant: true, refused: o != nil && o.LookbackDelta() != 0}, err
}

func (w *watched) NewRangeQuery(ctx context.Context, q storage.Queryable, o promql.QueryOpts, expr string, start, end time.Time, interval time.Duration) (promql.Query, error) {
	inner, err := w.QueryEngine.NewRangeQuery(ctx, q, o, expr, start, end, interval)
	return &watchedQuery{Query: inner, w: w, q: q, expr: expr, start: start, end: end, interval: interval, refused: o != nil && o.LookbackDelta() != 0}, err
}

func (q *watchedQuery) Exec(ctx context.Context) *promql.Result {
	if !q.refused {
		q.compare(ctx)
	}
	return q.Query.Exec(ctx)
}

// compare asks both.
func (q *watchedQuery) compare(ctx context.Context) {
	t := q.w.t
	e := New(Options{Queryable: q.q})
	p := parser.NewParser(promqltest.TestParserOpts)
	e.parser = p
	e.engine = promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, LookbackDelta: lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() }, Parser: p,
	})
	defer e.engine.Close()
	where := fmt.Sprintf("%s at %s", q.expr, q.start.UTC().Format(time.RFC3339))
	q.w.asked.Add(1)
	if !q.instant {
		where = fmt.Sprintf("%s from %s to %s every %s", q.expr, q.start.UTC().Format(time.RFC3339), q.end.UTC().Format(time.RFC3339), q.interval)
		want, wantErr := e.Prometheus.Range(ctx, q.expr, q.start, q.end, q.interval)
		got, err := e.Range(ctx, q.expr, q.start, q.end, q.interval)
		if (err != nil) != (wantErr != nil) {
			t.Errorf("%s: error %v, expected %v", where, err, wantErr)
		} else if err == nil {
			equalMatrix(t, where, got, want)
		}
		return
	}
	want, wantErr := e.Prometheus.Query(ctx, q.expr, q.start)
	l, err := e.Live("test", q.expr)
	var got promql.Vector
	if err == nil {
		defer l.Close()
		if !l.volatile {
			q.w.kept.Add(1)
		}
		got, err = l.Query(ctx, q.expr, q.start)
	}
	if (err != nil) != (wantErr != nil) {
		t.Errorf("%s: error %v, expected %v", where, err, wantErr)
		return
	}
	if wantErr != nil {
		return
	}
	toMatrix := func(v promql.Vector) (m promql.Matrix) {
		for _, s := range v {
			one := promql.Series{Metric: s.Metric}
			if s.H != nil {
				one.Histograms = []promql.HPoint{{T: s.T, H: s.H}}
			} else {
				one.Floats = []promql.FPoint{{T: s.T, F: s.F}}
			}
			m = append(m, one)
		}
		return m
	}
	equalMatrix(t, where, toMatrix(got), toMatrix(want))
}

func equalMatrix(t *testing.T, where string, got, want promql.Matrix) {
	t.Helper()
	byLabels := func(a, b promql.Series) int { return labels.Compare(a.Metric, b.Metric) }
	got, want = slices.Clone(got), slices.Clone(want)
	slices.SortFunc(got, byLabels)
	slices.SortFunc(want, byLabels)
	same := slices.EqualFunc(got, want, func(a, b promql.Series) bool {
		return labels.Equal(a.Metric, b.Metric) &&
			slices.EqualFunc(a.Floats, b.Floats, func(x, y promql.FPoint) bool { return x.T == y.T && near(x.F, y.F) }) &&
			slices.EqualFunc(a.Histograms, b.Histograms, func(x, y promql.HPoint) bool { return x.T == y.T && x.H.Equals(y.H) })
	})
	if !same {
		t.Errorf("%s:\n%s\nexpected\n%s", where, got, want)
	}
}

func near(a, b float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.IsNaN(a) && math.IsNaN(b)
	}
	return a == b || math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b))
}

// TestPrometheusOwnSuite runs all queries of Prometheus' acceptance tests.
func TestPrometheusOwnSuite(t *testing.T) {
	var asked, kept atomic.Int64
	suite := &watched{QueryEngine: promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery), t: t, asked: &asked, kept: &kept}
	promqltest.RunBuiltinTests(t, suite)
	t.Logf("%d queries, %d of the instant ones without the inner engine", asked.Load(), kept.Load())
	if asked.Load() < 1000 || kept.Load() < 300 {
		t.Errorf("asked %d queries, of which %d were answered without the inner engine: the suite has gone", asked.Load(), kept.Load())
	}
}
