package evaluate

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"math"

	"github.com/evenkeel/evenkeel/detect/window"
)

// slide moves the left sides of the windows on.
func (s *states) slide(ctx context.Context, now int64) error {
	var missing window.Missing
	for i := range s.spec.Windows {
		length := s.spec.Windows[i].Length
		if length > s.spec.Tail && now-length > s.until[i]-margin && s.due(i, now) {
			if err := s.ahead(ctx, i, s.at, now); err != nil {
				return err
			}
		}
		for _, row := range s.series {
			if row.Dirty || !row.Leaves(i, now) {
				continue
			}
			if missing == nil {
				missing = func(row *window.Series, i int, after, until int64) error {
					return s.one(ctx, row.Labels, after+1, until, func(it window.Iterator) error { return row.Fill(i, it, until) })
				}
			}
			left, err := row.Advance(i, now, missing)
			if errors.Is(err, window.ErrLost) {
				row.Dirty, s.dirty = true, true
			} else if err != nil {
				return err
			}
			s.since = max(s.since, left+length)
		}
	}
	s.at, s.took = now, false
	return nil
}

// due says whether samples leave a window now.
func (s *states) due(i int, now int64) bool {
	for _, row := range s.series {
		if row.Leaves(i, now) {
			return true
		}
	}
	return false
}

// ahead reads the samples that will leave a window soon, for all series at once.
func (s *states) ahead(ctx context.Context, i int, before, now int64) error {
	length := s.spec.Windows[i].Length
	ahead := s.horizon(i)
	if s.until[i] == never {
		ahead -= int64(float64(ahead-2*margin) * s.phase(i)) // not all windows at one time
	}
	until := now - length + ahead
	set, err := s.e.selectSeries(ctx, false, before-length+1, until, s.matchers)
	if err != nil {
		return err
	}
	defer set.Close()
	all := func(yield func(*window.Series) bool) {
		for _, row := range s.series {
			if !yield(&row.Series) {
				return
			}
		}
	}
	err = s.spec.ReadAhead(i, all, func() error {
		for set.Next() {
			row := s.find(set.Labels())
			if row == nil || row.Dirty || !row.Wants(i, until) {
				continue
			}
			if err := row.Fill(i, set.Iterator(row.First(i)+1), until); errors.Is(err, window.ErrLost) {
				row.Dirty, s.dirty = true, true
			} else if err != nil {
				return err
			}
		}
		return set.Err()
	})
	if err == nil {
		s.until[i] = until
	}
	return err
}

// horizon is for how long, in milliseconds, the samples that will leave a window are read
// ahead: such that all windows that are longer than the tail, one of which has just been read
// for and one is used up, hold so many together as may be.
func (s *states) horizon(i int) int64 {
	var samples, spans int64
	for _, row := range s.series {
		n, span := row.Extent(i)
		samples, spans = samples+n, spans+span
	}
	if samples == 0 {
		return minHorizon
	}
	return min(max(spans/samples*(2*leaving/(s.long()+1)), minHorizon), maxHorizon)
}

// long is how many windows are longer than the tail. They are the last.
func (s *states) long() int64 {
	n := int64(0)
	for _, w := range s.spec.Windows {
		if w.Length > s.spec.Tail {
			n++
		}
	}
	return n
}

// phase is where in the first time that is read ahead a window begins, from 0 to 1: those of
// the same series are evenly apart, and so are those of many.
func (s *states) phase(i int) float64 {
	h := fnv.New32a()
	io.WriteString(h, s.String())
	_, phase := math.Modf(float64(h.Sum32())/(1<<32) + float64(len(s.spec.Windows)-i)/float64(s.long()))
	return phase
}
