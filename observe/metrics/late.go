package metrics

import (
	"errors"
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// sample is one sample, of whichever kind.
type sample struct {
	t  int64
	v  float64
	h  *histogram.Histogram
	fh *histogram.FloatHistogram
}

type instant struct {
	series storage.SeriesRef
	t      int64
}

// equal says whether two samples of the same time say the same. NaNs are equal when
// their bits are.
func (s sample) equal(o sample) bool {
	a, b := s.float(), o.float()
	if (a == nil) != (b == nil) {
		return false
	}
	if a != nil {
		return a.Equals(b)
	}
	return math.Float64bits(s.v) == math.Float64bits(o.v)
}

func (s sample) float() *histogram.FloatHistogram {
	if s.h != nil {
		return s.h.ToFloat(nil)
	}
	return s.fh
}

// put appends one sample. The store takes late samples, and samples that contradict
// one of the same batch, and drops them at commit where it has another value for that
// time; so those are looked up first. A sample that is stored already, with the same
// value, is accepted again.
func (g *Guard) put(id storage.SeriesRef, ls labels.Labels, st int64, s sample, opts storage.AOptions) (storage.SeriesRef, error) {
	onlyInOrder := opts.RejectOutOfOrder
	if prev := g.last.of(id); prev != nil && s.t <= prev.t {
		if s.t == prev.t {
			if s.equal(*prev) {
				return id, nil
			}
			return id, duplicate(ls, s.t)
		}
		if onlyInOrder || g.window == 0 {
			return id, storage.ErrOutOfOrderSample
		}
		return g.putLate(id, ls, s, opts)
	}
	opts.RejectOutOfOrder = true
	got, err := g.AppenderV2.Append(id, ls, st, s.t, s.v, s.h, s.fh, opts)
	switch {
	case err == nil || errors.Is(err, (*storage.AppendPartialError)(nil)):
		g.last.put(got, s)
		return got, err
	case errors.Is(err, storage.ErrOutOfOrderSample) && !onlyInOrder && g.window > 0:
		opts.RejectOutOfOrder = false
		return g.putLate(id, ls, s, opts)
	}
	return got, err
}

func (g *Guard) putLate(id storage.SeriesRef, ls labels.Labels, s sample, opts storage.AOptions) (storage.SeriesRef, error) {
	if s.t < g.door.store.Head().MaxTime()-g.window {
		return id, storage.ErrTooOldSample
	}
	if prev, again := g.late[instant{id, s.t}]; again {
		if s.equal(prev) {
			return id, nil
		}
		return id, duplicate(ls, s.t)
	}
	prev, stored, err := g.stored(ls, s.t)
	switch {
	case err != nil:
		return id, err
	case stored && s.equal(prev):
		return id, nil
	case stored:
		return id, duplicate(ls, s.t)
	}
	got, err := g.AppenderV2.Append(id, ls, 0, s.t, s.v, s.h, s.fh, opts)
	if err == nil || errors.Is(err, (*storage.AppendPartialError)(nil)) {
		if g.late == nil {
			g.late = map[instant]sample{}
		}
		g.late[instant{got, s.t}] = s
	}
	return got, err
}

// stored looks one sample up.
func (g *Guard) stored(ls labels.Labels, t int64) (sample, bool, error) {
	if g.past == nil || g.pastOf != t { // of that time alone, or every late sample of the series would be merged
		if g.past != nil {
			_ = g.past.Close()
			g.past = nil
		}
		q, err := g.door.store.Querier(t, t)
		if err != nil {
			return sample{}, false, err
		}
		g.past, g.pastOf = q, t
	}
	var matchers []*labels.Matcher
	ls.WithoutEmpty().Range(func(l labels.Label) {
		matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, l.Name, l.Value))
	})
	set := g.past.Select(g.ctx, false, &storage.SelectHints{Start: t, End: t}, matchers...)
	for set.Next() {
		if !labels.Equal(set.At().Labels(), ls.WithoutEmpty()) {
			continue // it has a label more
		}
		it := set.At().Iterator(nil)
		kind := it.Seek(t)
		if kind == chunkenc.ValNone || it.AtT() != t {
			continue
		}
		switch kind {
		case chunkenc.ValFloat:
			_, v := it.At()
			return sample{t: t, v: v}, true, nil
		default:
			_, fh := it.AtFloatHistogram(nil)
			return sample{t: t, fh: fh}, true, nil
		}
	}
	return sample{}, false, set.Err()
}

// end lets go of what only a batch under way needs.
func (g *Guard) end() {
	if g.last != nil && len(g.last.slots) <= maxNewest {
		g.last.begin()
		lasts.Put(g.last)
	}
	g.last = nil
	if g.past != nil {
		_ = g.past.Close()
		g.past = nil
	}
}
