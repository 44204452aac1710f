package window

import (
	"math"

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
}

// Read takes all samples of a series. It is false when the series holds histograms.
func (s *Samples) Read(it Iterator) (floats bool, err error) {
	s.points, s.stale, s.resets = s.points[:0], s.stale[:0], s.resets[:0]
	s.before, s.broken = s.before[:0], false
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

// Instant writes the current value at each of len(out) times, step apart, the first at
// from.
func (s *Samples) Instant(lookback, from, step int64, out []float64) {
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
			out[k] = p.V
		}
	}
}

// Slide writes a function of the window that ends at each of len(out) times, step apart,
// the first at from. It allocates nothing for functions of a window's ends.
func (s *Samples) Slide(f Function, length, from, step int64, param float64, out []float64) {
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
				if r1-r0 > 8 && !s.broken && exact(v) && math.Abs(p[hi-1].V) < 1<<52 && math.Abs(p[lo].V) < 1<<52 {
					v += s.before[r1-1] - s.before[r0] + p[s.resets[r0]-1].V
				} else {
					for _, r := range s.resets[r0:r1] {
						v += p[r-1].V
					}
				}
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
