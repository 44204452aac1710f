package evaluate

import (
	"context"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// results shows the results of nodes to the inner engine as series, beside those of the
// store.
type results struct {
	store storage.Queryable
	times steps
	by    map[string]vector // by the name that stands for the node
}

func (r results) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := r.store.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return resultsQuerier{q, r}, nil
}

type resultsQuerier struct {
	storage.Querier
	results
}

func (q resultsQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	if len(matchers) == 1 && matchers[0].Type == labels.MatchEqual && matchers[0].Name == labels.MetricName {
		if v, ok := q.by[matchers[0].Value]; ok {
			return &resultSet{times: q.times, v: v, at: -1}
		}
	}
	return q.Querier.Select(ctx, sorted, hints, matchers...)
}

// resultSet is a vector as a set of series. A step without a value is a stale marker, so
// that the engine does not look back to the one before.
type resultSet struct {
	times steps
	v     vector
	at    int
}

func (s *resultSet) Next() bool                        { s.at++; return s.at < len(s.v.rows) }
func (s *resultSet) Err() error                        { return nil }
func (s *resultSet) Warnings() annotations.Annotations { return nil }
func (s *resultSet) At() storage.Series {
	row, times := s.v.row(s.at), s.times
	return &storage.SeriesEntry{Lset: s.v.rows[s.at], SampleIteratorFn: func(chunkenc.Iterator) chunkenc.Iterator {
		return storage.NewListSeriesIterator(rowSamples{row, times})
	}}
}

// rowSamples is one row as samples.
type rowSamples struct {
	row   []float64
	times steps
}

func (r rowSamples) Len() int { return len(r.row) }
func (r rowSamples) Get(k int) chunks.Sample {
	return sample{r.times.at(k), r.row[k]}
}

// sample is one float.
type sample struct {
	t int64
	v float64
}

func (s sample) T() int64                      { return s.t }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.v }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }
