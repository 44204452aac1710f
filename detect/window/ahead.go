package window

import (
	"errors"
	"sync"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// ahead is what was read ahead of all series of a spec, for all windows that are longer than
// the tail: a segment of each. They share one buffer. Whenever samples are read for one of the
// windows, the others' are moved together, and what they have used up since makes room. So
// windows that are read for at different times take half of what each would have to have for
// itself.
type ahead struct {
	b    []byte
	from []int // where in it the segments of each window begin
}

// of is where the segments of a window are.
func (a *ahead) of(i int) []byte {
	if i >= len(a.from) {
		return nil
	}
	return a.b[a.from[i]:]
}

// errAhead is returned when a window has so many series that what will leave it next has no
// room.
var errAhead = errors.New("too many samples to read ahead")

// ReadAhead reads ahead for a window: what was read before is forgotten, of all series of
// the spec, which fill then fills again one by one.
func (s *Spec) ReadAhead(i int, all func(yield func(*Series) bool), fill func() error) error {
	a, old, scratch := &s.ahead, s.ahead.b, buffers.Get().(*[]byte)
	if a.from == nil {
		a.from = make([]int, len(s.Windows))
	}
	b := (*scratch)[:0]
	for j := range s.Windows {
		if j == i || s.Windows[j].Length <= s.Tail {
			continue
		}
		of, begin := a.of(j), len(b)
		for row := range all {
			w := &row.wins[j]
			if w.left > 0 {
				rest := w.rest(of)
				w.off = w.off&7 + uint32(len(b)-begin)*8
				b = append(b, rest...)
			}
		}
		a.from[j] = begin
	}
	for row := range all {
		row.wins[i].left = 0
	}
	a.from[i] = len(b)
	a.b = append(b, make([]byte, padding)...)
	err := fill()
	*scratch = a.b
	if n := len(*scratch); n > cap(old) || n < cap(old)*7/8 {
		old = make([]byte, 0, n)
	}
	a.b = append(old[:0], *scratch...)
	buffers.Put(scratch)
	return err
}

// Forget gives back what was read ahead. The series must not be used any more.
func (s *Spec) Forget() { s.ahead = ahead{} }

// buffers are for segments until it is known how much they take.
var buffers = sync.Pool{New: func() any { return &[]byte{} }}

// AheadBytes is how much memory is taken by what was read ahead, of all series.
func (s *Spec) AheadBytes() int { return cap(s.ahead.b) + 8*cap(s.ahead.from) }

// WindowBytes is how much of AheadBytes was one window's when something was read last.
func (s *Spec) WindowBytes(i int) int {
	if i >= len(s.ahead.from) || s.Windows[i].Length <= s.Tail {
		return 0
	}
	begin, end := s.ahead.from[i], len(s.ahead.b)
	for j, from := range s.ahead.from {
		if from > begin && s.Windows[j].Length > s.Tail {
			end = min(end, from)
		}
	}
	return end - begin
}

// Fill takes the next samples of a window that is longer than the tail, from its first
// sample up to the time until.
func (s *Series) Fill(i int, it Iterator, until int64) error {
	w := &s.wins[i]
	if w.seq == 0 || s.short(i) {
		return nil
	}
	last := min(until, s.at.T)
	scratch := scratches.Get().(*[]Point)
	points := (*scratch)[:0]
	defer func() { *scratch = points; scratches.Put(scratch) }()
	for k := it.Next(); k != chunkenc.ValNone; k = it.Next() {
		if k != chunkenc.ValFloat {
			return ErrLost
		}
		t, v := it.At()
		if t > last {
			break
		}
		if t <= w.T || value.IsStaleNaN(v) {
			continue
		}
		if points = append(points, Point{t, v}); len(points) == maxPacked {
			break
		}
	}
	if len(points) > 0 {
		a := &s.spec.ahead
		if a.from == nil {
			a.from = make([]int, len(s.spec.Windows))
		}
		if len(a.b)-a.from[i] > maxAhead {
			return errAhead
		}
		a.b = w.pack(a.b, a.from[i], points)
	}
	return it.Err()
}
