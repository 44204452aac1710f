package history

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// Over lays series over a store: of the metrics that hidden names, only what lies over
// it is seen. It reads whole chunks where the store can.
func Over(base storage.Queryable, top *Memory, hidden func(metric string) bool) storage.Queryable {
	l := &layer{base: base, top: top, hidden: hidden}
	if c, ok := base.(storage.ChunkQueryable); ok {
		return &chunkLayer{layer: l, chunks: c}
	}
	return l
}

type layer struct {
	base   storage.Queryable
	top    *Memory
	hidden func(string) bool
}

// Querier implements storage.Queryable.
func (l *layer) Querier(mint, maxt int64) (storage.Querier, error) {
	base, err := l.base.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	top, _ := l.top.Querier(mint, maxt)
	return &layerQuerier{l: l, base: base, top: top}, nil
}

// seen says which of the two can hold what matches.
func (l *layer) seen(ms []*labels.Matcher) (base, top bool) {
	for _, m := range ms {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			return !l.hidden(m.Value), l.hidden(m.Value)
		}
	}
	return true, true
}

type layerQuerier struct {
	l    *layer
	base storage.Querier
	top  storage.Querier
}

func (q *layerQuerier) Close() error { return q.base.Close() }

func (q *layerQuerier) Select(ctx context.Context, sortSeries bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	base, top := q.l.seen(ms)
	switch {
	case !top:
		return q.base.Select(ctx, sortSeries, hints, ms...)
	case !base:
		return q.top.Select(ctx, sortSeries, hints, ms...)
	}
	under := &visible{SeriesSet: q.base.Select(ctx, true, hints, ms...), hidden: q.l.hidden}
	return storage.NewMergeSeriesSet([]storage.SeriesSet{under, q.top.Select(ctx, true, hints, ms...)}, 0, storage.ChainedSeriesMerge)
}

func (q *layerQuerier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	a, warn, err := q.base.LabelValues(ctx, name, hints, ms...)
	if err != nil {
		return nil, warn, err
	}
	b, _, _ := q.top.LabelValues(ctx, name, hints, ms...)
	return union(a, b), warn, nil
}

func (q *layerQuerier) LabelNames(ctx context.Context, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	a, warn, err := q.base.LabelNames(ctx, hints, ms...)
	if err != nil {
		return nil, warn, err
	}
	b, _, _ := q.top.LabelNames(ctx, hints, ms...)
	return union(a, b), warn, nil
}

func union(a, b []string) []string {
	seen := map[string]bool{}
	for _, list := range [][]string{a, b} {
		for _, v := range list {
			seen[v] = true
		}
	}
	return sorted(seen)
}

// visible leaves out what is hidden.
type visible struct {
	storage.SeriesSet
	hidden func(string) bool
}

func (v *visible) Next() bool {
	for v.SeriesSet.Next() {
		if !v.hidden(v.At().Labels().Get(labels.MetricName)) {
			return true
		}
	}
	return false
}

// chunkLayer is a layer over a store that gives whole chunks.
type chunkLayer struct {
	*layer
	chunks storage.ChunkQueryable
}

// ChunkQuerier implements storage.ChunkQueryable.
func (l *chunkLayer) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	base, err := l.chunks.ChunkQuerier(mint, maxt)
	if err != nil {
		return nil, err
	}
	both, err := l.Querier(mint, maxt)
	if err != nil {
		base.Close()
		return nil, err
	}
	return &layerChunks{Querier: both, l: l.layer, base: base}, nil
}

type layerChunks struct {
	storage.Querier
	l    *layer
	base storage.ChunkQuerier
}

func (q *layerChunks) Close() error {
	_ = q.Querier.Close()
	return q.base.Close()
}

func (q *layerChunks) Select(ctx context.Context, sortSeries bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.ChunkSeriesSet {
	if _, top := q.l.seen(ms); !top {
		return q.base.Select(ctx, sortSeries, hints, ms...)
	}
	return storage.NewSeriesSetToChunkSet(q.Querier.Select(ctx, sortSeries, hints, ms...))
}
