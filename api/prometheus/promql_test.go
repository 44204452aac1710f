package prometheus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/stats"

	"github.com/evenkeel/evenkeel/api/prometheus"
)

// TestPromQL runs Prometheus' whole suite with every query sent over HTTP to our
// handler and every answer read back from its JSON.
func TestPromQL(t *testing.T) {
	t.Parallel()
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	overHTTP := &httpEngine{engine: engine}
	overHTTP.server = httptest.NewServer(prometheus.New(prometheus.Options{
		Queryable: overHTTP, Engine: engine, Logger: discard, Parser: parser.NewParser(promqltest.TestParserOpts),
	}))
	defer overHTTP.server.Close()
	promqltest.RunBuiltinTests(t, overHTTP)
	if overHTTP.asked < 1000 {
		t.Errorf("only %d queries went over HTTP", overHTTP.asked)
	}
	t.Logf("%d queries, %d histograms", overHTTP.asked, overHTTP.histograms)
}

// httpEngine is a query engine whose every query is an HTTP request.
//
// The JSON of a native histogram names its buckets by their boundaries, and leaves out
// the schema, the width of an empty zero bucket and the counter reset hint, which the
// suite expects. For those the same query is asked of the engine directly, and its
// histograms are taken only where their count, their sum and every bucket are those
// of the answer over HTTP.
type httpEngine struct {
	engine     promql.QueryEngine
	server     *httptest.Server
	over       storage.Queryable // what the suite asks about now
	asked      int
	histograms int
}

func (e *httpEngine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, expr string, at time.Time) (promql.Query, error) {
	return e.query(q, expr, "/api/v1/query", url.Values{"query": {expr}, "time": {seconds(at)}}, func() (promql.Query, error) {
		return e.engine.NewInstantQuery(ctx, q, opts, expr, at)
	})
}

func (e *httpEngine) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, expr string, start, end time.Time, step time.Duration) (promql.Query, error) {
	form := url.Values{"query": {expr}, "start": {seconds(start)}, "end": {seconds(end)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)}}
	return e.query(q, expr, "/api/v1/query_range", form, func() (promql.Query, error) {
		return e.engine.NewRangeQuery(ctx, q, opts, expr, start, end, step)
	})
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

func (e *httpEngine) query(q storage.Queryable, expr, path string, form url.Values, direct func() (promql.Query, error)) (promql.Query, error) {
	e.over = q
	return &httpQuery{engine: e, expr: expr, path: path, form: form, direct: direct}, nil
}

// Querier is what the handler reads.
func (e *httpEngine) Querier(from, to int64) (storage.Querier, error) {
	return e.over.Querier(from, to)
}

// ChunkQuerier is not used by queries.
func (e *httpEngine) ChunkQuerier(int64, int64) (storage.ChunkQuerier, error) {
	return nil, errors.New("expected no query of chunks")
}

type httpQuery struct {
	engine     *httpEngine
	expr, path string
	form       url.Values
	direct     func() (promql.Query, error)
	closers    []func()
}

func (q *httpQuery) Close() {
	for _, c := range q.closers {
		c()
	}
}
func (q *httpQuery) Statement() parser.Statement { return nil }
func (q *httpQuery) Stats() *stats.Statistics    { return nil }
func (q *httpQuery) Cancel()                     {}
func (q *httpQuery) String() string              { return q.expr }

type note struct {
	text string
	kind error
}

func (n note) Error() string { return n.text }
func (n note) Unwrap() error { return n.kind }

type reply struct {
	Status   string
	Error    string
	Warnings []string
	Infos    []string
	Data     struct {
		ResultType string
		Result     json.RawMessage
	}
}

type wireSeries struct {
	Metric     map[string]string
	Value      *[2]any
	Values     [][2]any
	Histogram  *wirePoint
	Histograms []wirePoint
}

type wirePoint struct {
	T int64
	H wireHistogram
}

type wireHistogram struct {
	Count, Sum string
	Buckets    [][4]any
}

func (p *wirePoint) UnmarshalJSON(b []byte) error {
	var t float64
	if err := json.Unmarshal(b, &[2]any{&t, &p.H}); err != nil {
		return err
	}
	p.T = int64(math.Round(t * 1000))
	return nil
}

func (q *httpQuery) Exec(ctx context.Context) *promql.Result {
	q.engine.asked++
	resp, err := http.PostForm(q.engine.server.URL+q.path, q.form)
	if err != nil {
		return &promql.Result{Err: err}
	}
	defer resp.Body.Close()
	var r reply
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		return &promql.Result{Err: fmt.Errorf("status %s: %w", resp.Status, err)}
	}
	out := &promql.Result{}
	for _, w := range r.Warnings {
		out.Warnings.Add(note{w, annotations.PromQLWarning})
	}
	for _, i := range r.Infos {
		out.Warnings.Add(note{i, annotations.PromQLInfo})
	}
	if r.Status != "success" {
		out.Err = errors.New(strings.TrimPrefix(r.Error, `invalid parameter "query": `))
		return out
	}
	out.Value, out.Err = q.value(ctx, r)
	return out
}

func (q *httpQuery) value(ctx context.Context, r reply) (parser.Value, error) {
	switch r.Data.ResultType {
	case "scalar", "string":
		var p [2]any
		if err := json.Unmarshal(r.Data.Result, &p); err != nil {
			return nil, err
		}
		if r.Data.ResultType == "string" {
			return promql.String{V: p[1].(string)}, nil
		}
		f, err := point(p)
		return promql.Scalar{T: f.T, V: f.F}, err
	case "vector", "matrix":
	default:
		return nil, fmt.Errorf("unknown result type %q", r.Data.ResultType)
	}
	var got []wireSeries
	if err := json.Unmarshal(r.Data.Result, &got); err != nil {
		return nil, err
	}
	var full map[string]*histogram.FloatHistogram
	if slices.ContainsFunc(got, func(s wireSeries) bool { return s.Histogram != nil || len(s.Histograms) > 0 }) {
		var err error
		if full, err = q.histograms(ctx); err != nil {
			return nil, err
		}
	}
	vector, matrix := promql.Vector{}, promql.Matrix{}
	for _, s := range got {
		ls := labels.FromMap(s.Metric)
		series := promql.Series{Metric: ls}
		if s.Value != nil {
			s.Values = [][2]any{*s.Value}
		}
		if s.Histogram != nil {
			s.Histograms = []wirePoint{*s.Histogram}
		}
		for _, v := range s.Values {
			f, err := point(v)
			if err != nil {
				return nil, err
			}
			series.Floats = append(series.Floats, f)
			vector = append(vector, promql.Sample{Metric: ls, T: f.T, F: f.F})
		}
		for _, p := range s.Histograms {
			q.engine.histograms++
			h := full[key(ls, p.T)]
			if err := same(p.H, h); err != nil {
				return nil, fmt.Errorf("%s at %d: %w", ls, p.T, err)
			}
			series.Histograms = append(series.Histograms, promql.HPoint{T: p.T, H: h})
			vector = append(vector, promql.Sample{Metric: ls, T: p.T, H: h})
		}
		matrix = append(matrix, series)
	}
	if r.Data.ResultType == "vector" {
		return vector, nil
	}
	return matrix, nil
}

func point(p [2]any) (promql.FPoint, error) {
	f, err := strconv.ParseFloat(p[1].(string), 64)
	return promql.FPoint{T: int64(math.Round(p[0].(float64) * 1000)), F: f}, err
}

func key(ls labels.Labels, t int64) string { return fmt.Sprint(ls, "@", t) }

// histograms asks the engine directly.
func (q *httpQuery) histograms(ctx context.Context) (map[string]*histogram.FloatHistogram, error) {
	query, err := q.direct()
	if err != nil {
		return nil, err
	}
	q.closers = append(q.closers, query.Close)
	res := query.Exec(ctx)
	if res.Err != nil {
		return nil, res.Err
	}
	out := map[string]*histogram.FloatHistogram{}
	switch v := res.Value.(type) {
	case promql.Vector:
		for _, s := range v {
			out[key(s.Metric, s.T)] = s.H
		}
	case promql.Matrix:
		for _, s := range v {
			for _, p := range s.Histograms {
				out[key(s.Metric, p.T)] = p.H
			}
		}
	}
	return out, nil
}

// same compares what the JSON of a histogram says with a histogram.
func same(got wireHistogram, want *histogram.FloatHistogram) error {
	if want == nil {
		return errors.New("a histogram over HTTP, none from the engine")
	}
	if err := sameFloat("count", got.Count, want.Count); err != nil {
		return err
	}
	if err := sameFloat("sum", got.Sum, want.Sum); err != nil {
		return err
	}
	i := 0
	for it := want.AllBucketIterator(); it.Next(); {
		b := it.At()
		if b.Count == 0 {
			continue
		}
		if i == len(got.Buckets) {
			return fmt.Errorf("bucket %s is not there over HTTP", b)
		}
		closed := map[[2]bool]float64{{false, true}: 0, {true, false}: 1, {false, false}: 2, {true, true}: 3}[[2]bool{b.LowerInclusive, b.UpperInclusive}]
		w := got.Buckets[i]
		if w[0] != closed {
			return fmt.Errorf("bucket %s: boundaries %v over HTTP, expected %v", b, w[0], closed)
		}
		for j, f := range []float64{b.Lower, b.Upper, b.Count} {
			if err := sameFloat("bucket "+b.String(), w[j+1].(string), f); err != nil {
				return err
			}
		}
		i++
	}
	if i != len(got.Buckets) {
		return fmt.Errorf("%d buckets over HTTP, %d from the engine", len(got.Buckets), i)
	}
	return nil
}

func sameFloat(what, got string, want float64) error {
	f, err := strconv.ParseFloat(got, 64)
	if err != nil {
		return err
	}
	if f != want && !(math.IsNaN(f) && math.IsNaN(want)) {
		return fmt.Errorf("%s: %s over HTTP, %v from the engine", what, got, want)
	}
	return nil
}
