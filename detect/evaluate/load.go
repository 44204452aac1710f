package evaluate

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/evenkeel/evenkeel/detect/window"
)

// load reads the series from the store, or from a snapshot and what came since.
func (s *states) load(ctx context.Context, now int64) error {
	s.loading.Store(true)
	defer s.loading.Store(false)
	start := time.Now()
	s.release()
	s.wrong = nil
	resumed, err := s.resume(ctx, now)
	if err == nil && !resumed {
		err = s.build(ctx, now)
	}
	if err != nil {
		s.release()
		return err
	}
	if s.wrong != nil {
		return nil
	}
	var bytes int64
	for _, row := range s.series {
		bytes += int64(row.Bytes())
	}
	if resumed && bytes > s.e.opts.StateLimit-s.e.used.Load() {
		s.noRoom(now)
		return nil
	}
	s.loaded, s.pulled, s.bytes = true, now, bytes
	s.e.used.Add(bytes)
	for i := range s.until {
		s.until[i] = never
	}
	s.sort()
	if resumed {
		// The store may have deleted what was there when the snapshot was written.
		s.expire()
		if err := s.slide(ctx, now); err != nil {
			s.release()
			return err
		}
	}
	s.since = now
	// Whatever came in so far is in the store; what is newer than now waits.
	if s.offset <= queued {
		if err := s.pull(ctx, now, farAway/2); err != nil {
			s.release()
			return err
		}
	}
	s.e.metrics.loaded.Add(float64(s.read))
	s.e.samples.Add(s.read)
	if took := time.Since(start); took > time.Second {
		s.e.opts.Logger.Info("windows are loaded", "of", s.names(), "series", s.String(), "count", len(s.series), "samples", s.read, "took", took.Round(time.Millisecond))
	}
	return nil
}

// build reads all samples of all windows.
func (s *states) build(ctx context.Context, now int64) error {
	first := now - s.spec.Span() + 1
	set, err := s.e.selectSeries(ctx, false, first, now, s.matchers)
	if err != nil {
		return err
	}
	defer set.Close()
	var bytes int64
	room := s.e.opts.StateLimit - s.e.used.Load()
	for set.Next() {
		row := window.New(&s.spec, set.Labels().Copy())
		n, floats, err := row.Load(set.Iterator(first), now)
		if err != nil {
			return err
		}
		s.read += int64(n)
		if !floats {
			s.release()
			s.wrong, s.retry = errHistogram, now+s.offset+3600_000
			return nil
		}
		if n == 0 || row.Dead(now) {
			continue
		}
		s.enter(row)
		if bytes += int64(row.Bytes()); bytes > room {
			s.noRoom(now)
			return nil
		}
	}
	s.at = now
	return set.Err()
}

func (s *states) noRoom(now int64) {
	s.count()
	series, bytes := len(s.series), s.bytes
	s.release()
	s.wrong, s.retry = errLimit, now+s.offset+600_000
	s.e.tooMuch(s, series, bytes)
}

// mend reads the series again that something happened to which they have not seen.
func (s *states) mend(ctx context.Context, now int64) error {
	n := 0
	for _, row := range s.series {
		if row.Dirty {
			n++
		}
	}
	if n > 64 && n > len(s.series)/2 {
		return s.load(ctx, now)
	}
	for _, row := range s.series {
		if !row.Dirty {
			continue
		}
		err := s.one(ctx, row.Labels, now-s.spec.Span()+1, now, func(it window.Iterator) error {
			read, floats, err := row.Load(it, now)
			s.read += int64(read)
			if err == nil && !floats {
				s.wrong, s.retry = errHistogram, now+s.offset+3600_000
			}
			return err
		})
		if err != nil {
			return err
		}
		s.e.metrics.mended.Inc()
	}
	s.dirty, s.since = false, now
	s.touch(never)
	return nil
}

// one reads one series.
func (s *states) one(ctx context.Context, ls labels.Labels, from, to int64, read func(window.Iterator) error) error {
	var ms []*labels.Matcher
	ls.Range(func(lb labels.Label) { ms = append(ms, labels.MustNewMatcher(labels.MatchEqual, lb.Name, lb.Value)) })
	set, err := s.e.selectSeries(ctx, false, from, to, ms)
	if err != nil {
		return err
	}
	defer set.Close()
	for set.Next() {
		if labels.Equal(set.Labels(), ls) {
			return read(set.Iterator(from))
		}
	}
	if err := set.Err(); err != nil {
		return err
	}
	return read(chunkenc.NewNopIterator())
}

// pull reads what is newer than one time, up to another, for when it is its time.
func (s *states) pull(ctx context.Context, after, until int64) error {
	set, err := s.e.selectSeries(ctx, false, after+1, until, s.matchers)
	if err != nil {
		return err
	}
	defer set.Close()
	for set.Next() {
		ls := set.Labels()
		to := &subscription{states: s, row: s.find(ls)}
		if to.row == nil {
			ls = ls.Copy()
		}
		to.labels.Store(&ls)
		it := set.Iterator(after + 1)
		for k := it.Next(); k != chunkenc.ValNone; k = it.Next() {
			a := arrival{to: to, t: after + 1, histogram: k != chunkenc.ValFloat}
			if !a.histogram {
				a.t, a.v = it.At()
			}
			if a.t <= after {
				continue
			}
			if a.t > until {
				break
			}
			s.later = append(s.later, a)
			s.next = min(s.next, a.t)
		}
		if err := it.Err(); err != nil {
			return err
		}
	}
	s.pulled = until
	return set.Err()
}
