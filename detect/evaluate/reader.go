package evaluate

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"

	"github.com/evenkeel/evenkeel/detect/window"
)

// reader reads series from the store: by whole chunks where the store has them, which is
// several times faster than sample by sample through its layers. The samples then begin
// before, and end after, the times that were asked for.
type reader struct {
	samples storage.SeriesSet
	chunked storage.ChunkSeriesSet
	close   func() error
	it      chunkenc.Iterator
	walker  chunkWalker
}

// selectSeries begins to read the series that match, of the times from first to last.
func (e *Incremental) selectSeries(ctx context.Context, sorted bool, first, last int64, ms []*labels.Matcher) (*reader, error) {
	if c, ok := e.queryable.(storage.ChunkQueryable); ok {
		q, err := c.ChunkQuerier(first, last)
		if err != nil {
			return nil, err
		}
		hints := &storage.SelectHints{Start: first, End: last, DisableTrimming: true}
		return &reader{chunked: q.Select(ctx, sorted, hints, ms...), close: q.Close}, nil
	}
	q, err := e.queryable.Querier(first, last)
	if err != nil {
		return nil, err
	}
	return &reader{samples: q.Select(ctx, sorted, nil, ms...), close: q.Close}, nil
}

func (r *reader) Next() bool {
	if r.chunked != nil {
		return r.chunked.Next()
	}
	return r.samples.Next()
}

func (r *reader) Err() error {
	if r.chunked != nil {
		return r.chunked.Err()
	}
	return r.samples.Err()
}

func (r *reader) Close() error { return r.close() }

func (r *reader) Labels() labels.Labels {
	if r.chunked != nil {
		return r.chunked.At().Labels()
	}
	return r.samples.At().Labels()
}

// Iterator goes through the samples of the series, leaving out chunks that end before the
// time from. It is good until the next series.
func (r *reader) Iterator(from int64) window.Iterator {
	if r.chunked == nil {
		r.it = r.samples.At().Iterator(r.it)
		return r.it
	}
	r.walker.chunks = r.chunked.At().Iterator(r.walker.chunks)
	r.walker.err, r.walker.in, r.walker.from = nil, false, from
	return &r.walker
}

// chunkWalker goes through the samples of chunks that do not overlap.
type chunkWalker struct {
	chunks chunks.Iterator
	cur    chunkenc.Iterator
	in     bool // within a chunk
	from   int64
	err    error
}

func (w *chunkWalker) Next() chunkenc.ValueType {
	for {
		if w.in {
			if k := w.cur.Next(); k != chunkenc.ValNone {
				return k
			}
			if w.err = w.cur.Err(); w.err != nil {
				return chunkenc.ValNone
			}
			w.in = false
		}
		if !w.chunks.Next() {
			w.err = w.chunks.Err()
			return chunkenc.ValNone
		}
		if m := w.chunks.At(); m.MaxTime >= w.from {
			w.cur, w.in = m.Chunk.Iterator(w.cur), true
		}
	}
}

func (w *chunkWalker) At() (int64, float64) { return w.cur.At() }
func (w *chunkWalker) Err() error           { return w.err }
