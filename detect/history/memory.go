package history

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// Point is a sample; Histogram is nil for a float.
type Point struct {
	T         int64 // Unix milliseconds
	V         float64
	Histogram *histogram.FloatHistogram
}

// Memory is series in memory. It is not safe for concurrent use while Add is called.
type Memory struct {
	series map[uint64][]*memorySeries // by hash of the labels
	named  map[string][]*memorySeries // by metric name
	from   int64
	to     int64
	n      int
}

type memorySeries struct {
	labels labels.Labels
	points []Point // ascending in time
}

// NewMemory returns one without series.
func NewMemory() *Memory {
	return &Memory{series: map[uint64][]*memorySeries{}, named: map[string][]*memorySeries{}}
}

// Add adds samples to a series. Of two samples of one time it refuses the second.
func (m *Memory) Add(ls labels.Labels, points ...Point) error {
	if len(points) == 0 {
		return nil
	}
	s := m.get(ls)
	sorted := true
	for _, p := range points {
		if k := len(s.points); k > 0 && s.points[k-1].T >= p.T {
			sorted = false
		}
		s.points = append(s.points, p)
		if m.n == 0 || p.T < m.from {
			m.from = p.T
		}
		if m.n == 0 || p.T > m.to {
			m.to = p.T
		}
		m.n++
	}
	if !sorted {
		slices.SortStableFunc(s.points, func(a, b Point) int { return int(max(-1, min(1, a.T-b.T))) })
		for i := 1; i < len(s.points); i++ {
			if s.points[i].T == s.points[i-1].T {
				return fmt.Errorf("%s has two samples at %s", ls, time.UnixMilli(s.points[i].T).UTC().Format(time.RFC3339Nano))
			}
		}
	}
	return nil
}

func (m *Memory) get(ls labels.Labels) *memorySeries {
	h := ls.Hash()
	for _, s := range m.series[h] {
		if labels.Equal(s.labels, ls) {
			return s
		}
	}
	s := &memorySeries{labels: ls}
	m.series[h] = append(m.series[h], s)
	name := ls.Get(labels.MetricName)
	m.named[name] = append(m.named[name], s)
	return s
}

// Querier implements storage.Queryable.
func (m *Memory) Querier(mint, maxt int64) (storage.Querier, error) {
	return &memoryQuerier{m: m, from: mint, to: maxt}, nil
}

type memoryQuerier struct {
	m        *Memory
	from, to int64
}

func (q *memoryQuerier) Close() error { return nil }

func (q *memoryQuerier) Select(_ context.Context, _ bool, _ *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	var out []storage.Series
	for _, s := range q.m.matching(ms) {
		i := sort.Search(len(s.points), func(i int) bool { return s.points[i].T >= q.from })
		j := sort.Search(len(s.points), func(i int) bool { return s.points[i].T > q.to })
		if i < j {
			one := promql.Series{Metric: s.labels}
			for _, p := range s.points[i:j] {
				if p.Histogram != nil {
					one.Histograms = append(one.Histograms, promql.HPoint{T: p.T, H: p.Histogram})
				} else {
					one.Floats = append(one.Floats, promql.FPoint{T: p.T, F: p.V})
				}
			}
			out = append(out, promql.NewStorageSeries(one))
		}
	}
	slices.SortFunc(out, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return &listSet{series: out, at: -1}
}

func (m *Memory) matching(ms []*labels.Matcher) []*memorySeries {
	var from []*memorySeries
	named := false
	for _, x := range ms {
		if x.Name == labels.MetricName && x.Type == labels.MatchEqual {
			from, named = m.named[x.Value], true
		}
	}
	if !named {
		for _, list := range m.named {
			from = append(from, list...)
		}
	}
	var out []*memorySeries
next:
	for _, s := range from {
		for _, x := range ms {
			if !x.Matches(s.labels.Get(x.Name)) {
				continue next
			}
		}
		out = append(out, s)
	}
	return out
}

// LabelValues implements storage.LabelQuerier.
func (q *memoryQuerier) LabelValues(_ context.Context, name string, _ *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	seen := map[string]bool{}
	for _, s := range q.m.matching(ms) {
		if v := s.labels.Get(name); v != "" {
			seen[v] = true
		}
	}
	return sorted(seen), nil, nil
}

// LabelNames implements storage.LabelQuerier.
func (q *memoryQuerier) LabelNames(_ context.Context, _ *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	seen := map[string]bool{}
	for _, s := range q.m.matching(ms) {
		s.labels.Range(func(l labels.Label) { seen[l.Name] = true })
	}
	return sorted(seen), nil, nil
}

func sorted(seen map[string]bool) []string {
	out := make([]string, 0, len(seen))
	for v := range seen {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

type listSet struct {
	series []storage.Series
	at     int
}

func (s *listSet) Next() bool                        { s.at++; return s.at < len(s.series) }
func (s *listSet) At() storage.Series                { return s.series[s.at] }
func (s *listSet) Err() error                        { return nil }
func (s *listSet) Warnings() annotations.Annotations { return nil }
