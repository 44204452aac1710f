package window

import (
	"math"

	"github.com/prometheus/prometheus/model/value"
)

// Late takes in a sample that is older than the newest, while the windows stand at the time
// now: it is put between those of the tail. It says false, and changes nothing, where this
// cannot be done, because the sample is older than the longest window that is read from the
// tail, or sums are kept: then the state has to be loaded again.
func (s *Series) Late(p Point, now int64) bool {
	short := 0
	for short < len(s.wins) && s.short(short) {
		short++
	}
	if short == 0 || s.rare != nil && s.rare.sums != nil {
		return false
	}
	first := s.wins[short-1]
	if first.seq == 0 || p.T <= first.T {
		return false
	}
	scratch := scratches.Get().(*[]Point)
	points := append((*scratch)[:0], first.Point)
	defer func() { *scratch = points; scratches.Put(scratch) }()
	at, off, in := first.place, int(first.off-s.tailBase), false
	for range s.seq - first.seq {
		off = next(s.tail, off, &at)
		if at.T == p.T {
			return math.Float64bits(at.V) == math.Float64bits(p.V) // it was read before it arrived
		}
		if !in && at.T > p.T {
			points, in = append(points, p), true
		}
		points = append(points, at.Point)
	}
	if value.IsStaleNaN(p.V) {
		return true // it ended nothing: there is a newer sample
	}
	if !in {
		points = append(points, p) // behind the last sample, and before a stale marker
	}
	s.retell(short, points, now)
	for i := short; i < len(s.wins); i++ {
		s.wins[i].reread(s.spec.ahead.of(i), p.T)
	}
	return true
}

// retell has the state hold other samples from the first one on of the longest window that is
// read from the tail: one more than it did.
func (s *Series) retell(short int, points []Point, now int64) {
	first := s.wins[short-1]
	kept := len(s.resets)
	for kept > 0 && s.resets[kept-1].seq > first.seq {
		kept--
	}
	s.resets = s.resets[:kept]
	s.forgetSums()
	s.tail, s.tailBase = s.tail[:0], first.off
	s.seq, s.at = first.seq, first.place
	clear(s.wins[:short])
	left := short // windows that do not begin yet
	begin := func() {
		for left > 0 && s.at.T > now-s.spec.Windows[left-1].Length {
			left--
			s.open(left)
		}
	}
	begin()
	for _, p := range points[1:] {
		s.add(p, true)
		begin()
	}
}

// reread has the samples behind an edge be read from the store again, if a new one is among
// those that were read ahead.
func (w *edge) reread(b []byte, t int64) {
	if w.left == 0 {
		return
	}
	last := *w
	for last.left > 0 && last.T < t {
		last.next(b)
	}
	if last.T >= t {
		w.left = 0
	}
}
