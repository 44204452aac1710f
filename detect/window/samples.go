package window

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Samples are the samples of one series over a long time, to slide windows over: what a
// replay of history needs. It can be read again for the next series, and keeps its room.
type Samples struct {
	points []Point
	stale  []int64   // the times of stale markers
	resets []int32   // the samples that are less than the one before
	before []float64 // for each reset the sum of all values before it and earlier ones
	broken bool      // these are not exact, as they are not of whole numbers

	// For each step of a replay, and of the time before it that is in a window, how many
	// samples are not later: see Steps.
	upTo       []int32
	lead       int // how many steps are before from
	from, step int64
}

// Read takes all samples of a series. It is false when the series holds histograms.
func (s *Samples) Read(it Iterator) (floats bool, err error) {
	s.points, s.stale, s.resets = s.points[:0], s.stale[:0], s.resets[:0]
	s.before, s.broken, s.upTo = s.before[:0], false, s.upTo[:0]
	var last float64
	for k := it.Next(); k != chunkenc.ValNone; k = it.Next() {
		if k != chunkenc.ValFloat {
			return false, nil
		}
		t, v := it.At()
		if value.IsStaleNaN(v) {
			s.stale = append(s.stale, t)
			continue
		}
		if len(s.points) > 0 && v < last {
			sum := last
			if n := len(s.before); n > 0 {
				sum += s.before[n-1]
			}
			s.broken = s.broken || !exact(last) || math.Abs(sum) >= 1<<52
			s.resets, s.before = append(s.resets, int32(len(s.points))), append(s.before, sum)
		}
		s.points = append(s.points, Point{t, v})
		last = v
	}
	return true, it.Err()
}

// Len is how many samples there are.
func (s *Samples) Len() int { return len(s.points) }

// Gone marks a step without a value in the results of Slide and Instant: a stale marker,
// which no expression has as its value.
var Gone = math.Float64frombits(value.StaleNaN)

// IsGone says whether a result is no value.
func IsGone(v float64) bool { return math.Float64bits(v) == value.StaleNaN }

// maxLead is how many steps before the first one are looked up: windows that are longer
// find their samples one by one.
const maxLead = 1 << 22

// Steps prepares for what is asked next: n steps from a time on, and windows of at most
// this length. Windows of a whole number of steps then all find in one list where they
// begin and end, for the left side of a window is where the right side was.
func (s *Samples) Steps(from, step int64, n int, longest int64) {
	s.from, s.step, s.lead = from, step, int(min(longest/step, maxLead))
	s.upTo = slices.Grow(s.upTo[:0], s.lead+n)[:s.lead+n]
	at, t, p := 0, from-int64(s.lead)*step, s.points
	for k := range s.upTo {
		for at < len(p) && p[at].T <= t {
			at++
		}
		s.upTo[k] = int32(at)
		t += step
	}
}

// edges are, for each step, how many samples are before a window and how many up to its
// end; nil when Steps has not been asked for them.
func (s *Samples) edges(length, from, step int64, n int) (before, upTo []int32) {
	back := int(length / step)
	if length%step != 0 || back > s.lead || from != s.from || step != s.step || s.lead+n > len(s.upTo) {
		return nil, nil
	}
	return s.upTo[s.lead-back:][:n], s.upTo[s.lead:][:n]
}

// Instant writes the current value at each of len(out) times, step apart, the first at
// from; or, with stamps, the time of the sample in seconds.
func (s *Samples) Instant(lookback, from, step int64, stamps bool, out []float64) {
	at, dead := 0, 0 // how many samples and markers are not later than t
	for k := range out {
		t := from + int64(k)*step
		for at < len(s.points) && s.points[at].T <= t {
			at++
		}
		for dead < len(s.stale) && s.stale[dead] <= t {
			dead++
		}
		out[k] = Gone
		if at == 0 {
			continue
		}
		if p := s.points[at-1]; p.T > t-lookback && (dead == 0 || s.stale[dead-1] < p.T) {
			if out[k] = p.V; stamps {
				out[k] = float64(p.T) / 1000
			}
		}
	}
}

// Slide writes a function of the window that ends at each of len(out) times, step apart,
// the first at from. It allocates nothing for functions of a window's ends.
func (s *Samples) Slide(f Function, length, from, step int64, param float64, out []float64) {
	if f == Rate || f == Increase || f == Delta {
		if before, upTo := s.edges(length, from, step, len(out)); before != nil {
			s.rates(before, upTo, f, length, from, step, out)
			return
		}
	}
	sums, _, _ := f.Needs(length, 0)
	var x *sumsOf
	if sums && length > 64*step {
		x = &sumsOf{s: s}
	}
	p := s.points
	lo, hi, r0, r1 := 0, 0, 0, 0 // the window is p[lo:hi], its resets resets[r0:r1]
	for k := range out {
		t := from + int64(k)*step
		for hi < len(p) && p[hi].T <= t {
			hi++
		}
		for left := t - length; lo < hi && p[lo].T <= left; {
			lo++
		}
		if lo == hi {
			out[k] = Gone
			continue
		}
		switch f {
		case Rate, Increase, Delta:
			if hi-lo < 2 {
				out[k] = Gone
				continue
			}
			v := p[hi-1].V - p[lo].V
			if f != Delta {
				for r1 < len(s.resets) && int(s.resets[r1]) < hi {
					r1++
				}
				for r0 < r1 && int(s.resets[r0]) <= lo {
					r0++
				}
				v = s.mend(v, lo, hi, r0, r1)
			}
			out[k] = extrapolate(v, p[lo], p[hi-1].T, t, length, int64(hi-1-lo), f != Delta, f == Rate)
		case IRate, IDelta:
			if hi-lo < 2 || p[hi-1].T == p[hi-2].T {
				out[k] = Gone
				continue
			}
			out[k] = instant(p[hi-2], p[hi-1], f == IRate)
		case Last:
			out[k] = p[hi-1].V
		case First:
			out[k] = p[lo].V
		case Count:
			out[k] = float64(hi - lo)
		case Present:
			out[k] = 1
		default:
			if x != nil {
				x.move(lo, hi)
				if v, sure := x.value(f, int64(hi-lo)); sure {
					out[k] = v
					continue
				}
			}
			v, ok, _ := walk(f, p[lo:hi], t, param)
			if !ok {
				v = Gone
			}
			out[k] = v
		}
	}
}

// mend adds the values before the resets of a window to its increase.
func (s *Samples) mend(v float64, lo, hi, r0, r1 int) float64 {
	p := s.points
	if r1-r0 > 8 && !s.broken && exact(v) && math.Abs(p[hi-1].V) < 1<<52 && math.Abs(p[lo].V) < 1<<52 {
		return v + (s.before[r1-1] - s.before[r0] + p[s.resets[r0]-1].V)
	}
	for _, r := range s.resets[r0:r1] {
		v += p[r-1].V
	}
	return v
}

// rates are the extrapolated ones. Where samples come at regular times, a window lies
// over them as the one before did: then the extrapolation is the same, too, but for a
// counter that was near to its zero.
func (s *Samples) rates(before, upTo []int32, f Function, length, from, step int64, out []float64) {
	p, counter, perSecond := s.points, f != Delta, f == Rate
	r0, r1 := 0, 0
	var steps, toStart, toEnd int64 = -1, 0, 0 // of the window that factor is of
	var factor float64
	t := from
	for k := range out {
		lo, hi := int(before[k]), int(upTo[k])
		if hi-lo < 2 {
			out[k] = Gone
			t += step
			continue
		}
		a, b := p[lo], p[hi-1]
		v := b.V - a.V
		if counter && len(s.resets) > 0 {
			for r1 < len(s.resets) && int(s.resets[r1]) < hi {
				r1++
			}
			for r0 < r1 && int(s.resets[r0]) <= lo {
				r0++
			}
			if r0 < r1 {
				v = s.mend(v, lo, hi, r0, r1)
			}
		}
		n, start, end := int64(hi-1-lo), a.T-(t-length), t-b.T
		switch {
		case counter && v > 0 && a.V >= 0 && (a.V < v || n < 2):
			out[k] = extrapolate(v, a, b.T, t, length, n, counter, perSecond)
		case n == steps && start == toStart && end == toEnd:
			out[k] = v * factor
		default:
			steps, toStart, toEnd = n, start, end
			factor = stretch(v, a, b.T, t, length, n, counter, perSecond)
			out[k] = v * factor
		}
		t += step
	}
}

// sumsOf follows a window over samples.
type sumsOf struct {
	sums
	s      *Samples
	lo, hi int
}

func (x *sumsOf) move(lo, hi int) {
	p := x.s.points
	if lo >= x.hi { // nothing of the window is left
		x.sums, x.lo, x.hi = sums{}, lo, lo
	}
	for ; x.hi < hi; x.hi++ {
		var prev Point
		if x.hi > x.lo {
			prev = p[x.hi-1]
		}
		x.push(uint32(x.hi), p[x.hi], prev)
	}
	for ; x.lo < lo; x.lo++ {
		x.pop(uint32(x.lo), p[x.lo].V, p[x.lo+1].V)
	}
}
