package history

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// folder is a store on disk that is only read.
type folder struct {
	dir string
	tmp string

	mu      sync.Mutex
	open    []*tsdb.DBReadOnly
	samples storage.Querier
	chunks  storage.ChunkQuerier
}

// metricsDir finds the store in a folder: the folder itself or its "metrics".
func metricsDir(dir string) (string, error) {
	for _, d := range []string{filepath.Join(dir, "metrics"), dir} {
		if i, err := os.Stat(filepath.Join(d, "wal")); err == nil && i.IsDir() {
			return d, nil
		}
	}
	return "", fmt.Errorf("%s: expected a data folder, or the data folder of a Prometheus: there is no wal in it", dir)
}

func openFolder(dir string) (*folder, int64, int64, error) {
	dir, err := metricsDir(dir)
	if err != nil {
		return nil, 0, 0, err
	}
	f := &folder{dir: dir}
	if f.tmp, err = os.MkdirTemp("", "evenkeel-history-*"); err != nil {
		return nil, 0, 0, fmt.Errorf("cannot prepare to read %s: %w", dir, err)
	}
	from, to, err := f.reach()
	if err != nil {
		f.Close()
		return nil, 0, 0, fmt.Errorf("cannot read the samples in %s: %w", dir, err)
	}
	return f, from, to, nil
}

// reach finds the oldest and the newest sample.
func (f *folder) reach() (from, to int64, err error) {
	db, err := f.db()
	if err != nil {
		return 0, 0, err
	}
	blocks, err := db.Blocks()
	if err != nil {
		return 0, 0, err
	}
	from, to = math.MaxInt64, math.MinInt64
	for _, b := range blocks {
		m := b.Meta()
		from, to = min(from, m.MinTime), max(to, m.MaxTime-1)
	}
	q, err := f.chunkQuerier()
	if err != nil {
		return 0, 0, err
	}
	// What no block holds yet.
	set := q.Select(context.Background(), false, &storage.SelectHints{Start: to, End: math.MaxInt64, DisableTrimming: true}, labels.MustNewMatcher(labels.MatchNotEqual, labels.MetricName, ""))
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() {
			m := it.At()
			from, to = min(from, m.MinTime), max(to, m.MaxTime)
			if m.MaxTime == math.MaxInt64 { // still written to
				to = newest(it.At().Chunk, to)
			}
		}
		if it.Err() != nil {
			return 0, 0, it.Err()
		}
	}
	return from, to, set.Err()
}

func (f *folder) db() (*tsdb.DBReadOnly, error) {
	sandbox, err := os.MkdirTemp(f.tmp, "")
	if err != nil {
		return nil, err
	}
	db, err := tsdb.OpenDBReadOnly(f.dir, sandbox, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	f.open = append(f.open, db)
	return db, nil
}

func (f *folder) chunkQuerier() (storage.ChunkQuerier, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.chunks == nil {
		db, err := f.db()
		if err != nil {
			return nil, err
		}
		if f.chunks, err = db.ChunkQuerier(math.MinInt64, math.MaxInt64); err != nil {
			return nil, err
		}
	}
	return f.chunks, nil
}

// ChunkQuerier implements storage.ChunkQueryable.
func (f *folder) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	q, err := f.chunkQuerier()
	if err != nil {
		return nil, err
	}
	return &boundChunks{ChunkQuerier: q, from: mint, to: maxt}, nil
}

// Querier implements storage.Queryable.
func (f *folder) Querier(mint, maxt int64) (storage.Querier, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.samples == nil {
		db, err := f.db()
		if err != nil {
			return nil, err
		}
		if f.samples, err = db.Querier(math.MinInt64, math.MaxInt64); err != nil {
			return nil, err
		}
	}
	return &bound{Querier: f.samples, from: mint, to: maxt}, nil
}

// Close removes what reading needed.
func (f *folder) Close() error {
	if f.samples != nil {
		_ = f.samples.Close()
	}
	if f.chunks != nil {
		_ = f.chunks.Close()
	}
	for _, db := range f.open {
		_ = db.Close()
	}
	return os.RemoveAll(f.tmp)
}

// bound is a querier of a part of the time of another.
type bound struct {
	storage.Querier
	from, to int64
}

func (b *bound) Close() error { return nil }

func (b *bound) Select(ctx context.Context, sortSeries bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	return b.Querier.Select(ctx, sortSeries, within(hints, b.from, b.to), ms...)
}

type boundChunks struct {
	storage.ChunkQuerier
	from, to int64
}

func (b *boundChunks) Close() error { return nil }

func (b *boundChunks) Select(ctx context.Context, sortSeries bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.ChunkSeriesSet {
	return b.ChunkQuerier.Select(ctx, sortSeries, within(hints, b.from, b.to), ms...)
}

func within(hints *storage.SelectHints, from, to int64) *storage.SelectHints {
	if hints == nil {
		return &storage.SelectHints{Start: from, End: to}
	}
	h := *hints
	h.Start, h.End = max(h.Start, from), min(h.End, to)
	return &h
}

// newest is the time of the last sample of a chunk, or t where that is later.
func newest(c chunkenc.Chunk, t int64) int64 {
	it := c.Iterator(nil)
	for it.Next() != chunkenc.ValNone {
		t = max(t, it.AtT())
	}
	return t
}
