package window

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/util/kahansum"
)

// Function is a PromQL function over a range of samples.
type Function uint8

// The functions whose windows are kept.
const (
	None Function = iota
	Rate
	Increase
	Delta
	IRate
	IDelta
	Last
	First
	Count
	Present
	Sum
	Avg
	Min
	Max
	Stddev
	Stdvar
	Changes
	Resets
	Deriv
	PredictLinear
	Quantile
)

var names = map[string]Function{
	"rate": Rate, "increase": Increase, "delta": Delta, "irate": IRate, "idelta": IDelta, "last_over_time": Last,
	"first_over_time": First, "count_over_time": Count, "present_over_time": Present, "sum_over_time": Sum, "avg_over_time": Avg,
	"min_over_time": Min, "max_over_time": Max, "stddev_over_time": Stddev, "stdvar_over_time": Stdvar, "changes": Changes,
	"resets": Resets, "deriv": Deriv, "predict_linear": PredictLinear, "quantile_over_time": Quantile,
}

// Named returns the function of a PromQL name, None when it is not one of these.
func Named(name string) Function { return names[name] }

// longestWalk is the longest window, in milliseconds, for functions that look at each
// sample of the window.
const longestWalk = 6 * 3600_000

// Needs says how the function works on a window of this length: with sums, by walking
// over all its samples, or, with the ends alone, neither. It cannot work at all where ok
// is false: on long windows of functions that have to look at each sample.
func (f Function) Needs(length, tail int64) (sums, walk, ok bool) {
	switch f {
	case Sum, Avg, Min, Max, Stddev, Stdvar, Changes, Resets:
		return length > tail, length <= tail, true
	case Deriv, PredictLinear, Quantile:
		return false, true, length <= longestWalk
	}
	return false, false, f != None
}

// maxResets of a counter that are added up one by one for a rate.
const maxResets = 4096

// Value is the function of one window at the time t, to which the window was advanced.
// The result has no value where ok is false. It is not certain where sure is false: then
// sums have overflowed or cancelled, and the samples have to be asked. param is the
// quantile, or how many seconds to predict.
func (s *Series) Value(f Function, i int, t int64, param float64) (v float64, ok, sure bool) {
	w := &s.wins[i]
	if w.seq == 0 {
		return 0, false, true
	}
	n := int64(s.seq - w.seq) // samples, less one
	switch f {
	case Rate, Increase, Delta:
		if n == 0 {
			return 0, false, true
		}
		if f != Delta && s.broken && len(s.resets) > maxResets {
			return 0, false, false
		}
		return s.rate(w, t, s.spec.Windows[i].Length, n, f != Delta, f == Rate), true, true
	case IRate, IDelta:
		if n == 0 || s.at.T == s.prev.T {
			return 0, false, true
		}
		return instant(s.prev, s.at.Point, f == IRate), true, true
	case Last:
		return s.at.V, true, true
	case First:
		return w.V, true, true
	case Count:
		return float64(n + 1), true, true
	case Present:
		return 1, true, true
	}
	if x := s.sum(i); x != nil {
		v, sure := x.value(f, n+1)
		return v, true, sure
	}
	return walk(f, s.points(w), t, param)
}

// points are all samples of a window within the tail.
func (s *Series) points(w *edge) []Point {
	out := make([]Point, 1, s.seq-w.seq+1)
	out[0] = w.Point
	at, off := w.place, int(w.off-s.tailBase)
	for range s.seq - w.seq {
		off = next(s.tail, off, &at)
		out = append(out, at.Point)
	}
	return out
}

// rate is PromQL's extrapolated rate. The resets are added one by one, in the order of
// time, as PromQL does: this gives the same bits.
func (s *Series) rate(w *edge, t, length, n int64, counter, perSecond bool) float64 {
	v := s.at.V - w.V
	if counter {
		resets := s.resets[w.reset-s.resetBase:]
		if len(resets) > 8 && s.rare != nil && len(s.rare.upTo) == len(s.resets) && !s.broken && math.Abs(s.at.V) < 1<<52 && math.Abs(w.V) < 1<<52 && exact(v) {
			first := len(s.resets) - len(resets)
			upTo := s.rare.upTo
			v += upTo[len(upTo)-1] - upTo[first] + resets[0].before // whole numbers: in any order
		} else {
			for _, r := range resets {
				v += r.before
			}
		}
	}
	return extrapolate(v, w.Point, s.at.T, t, length, n, counter, perSecond)
}

func exact(v float64) bool { _, ok := whole(v); return ok }

// extrapolate extends an increase that was sampled from first to lastT to the whole
// window, as PromQL defines it: up to a bit over the average step, and never below a
// counter's zero. n is the number of steps.
func extrapolate(v float64, first Point, lastT, t, length, n int64, counter, perSecond bool) float64 {
	return v * stretch(v, first, lastT, t, length, n, counter, perSecond)
}

// stretch is how much the increase is extended by, and divided by the seconds of the
// window for a rate.
func stretch(v float64, first Point, lastT, t, length, n int64, counter, perSecond bool) float64 {
	toStart := float64(first.T-(t-length)) / 1000
	toEnd := float64(t-lastT) / 1000
	sampled := float64(lastT-first.T) / 1000
	average := sampled / float64(n)
	threshold := average * 1.1
	if toStart >= threshold {
		toStart = average / 2
	}
	// A counter that was at least as high as it has grown was not at zero within the window.
	if counter && v > 0 && first.V >= 0 && (first.V < v || toStart > sampled) {
		if toZero := sampled * (first.V / v); toZero < toStart {
			toStart = toZero
		}
	}
	if toEnd >= threshold {
		toEnd = average / 2
	}
	factor := 1.0
	if sampled != 0 {
		factor = (sampled + toStart + toEnd) / sampled
	}
	if perSecond {
		factor /= float64(length) / 1000
	}
	return factor
}

// instant is irate and idelta.
func instant(a, b Point, counter bool) float64 {
	v := b.V
	if !counter || !(b.V < a.V) {
		v = b.V - a.V
	}
	if counter {
		v /= float64(b.T-a.T) / 1000
	}
	return v
}

// value of a function from the sums of n samples.
func (x *sums) value(f Function, n int64) (v float64, sure bool) {
	switch f {
	case Changes:
		return float64(x.changes), true
	case Resets:
		return float64(x.resets), true
	case Min:
		return x.least.first(), true
	case Max:
		return x.most.first(), true
	}
	if x.abs > 1e300 {
		return 0, false
	}
	odd := x.nan+x.inf[0]+x.inf[1] > 0
	switch f {
	case Sum, Avg:
		v = x.sum.value()
		switch {
		case x.nan > 0 || x.inf[0] > 0 && x.inf[1] > 0:
			return math.NaN(), true
		case x.inf[0] > 0:
			return math.Inf(1), true
		case x.inf[1] > 0:
			return math.Inf(-1), true
		case x.abs*0x1p-52 > 1e-10*math.Abs(v) && x.abs > 0:
			return 0, false
		}
		if f == Avg {
			v /= float64(n)
		}
		return v, true
	}
	if odd {
		return math.NaN(), true
	}
	mean := pair{x.sum.hi, x.sum.lo}
	mean.add(-x.shift * float64(n))
	d := mean.value() / float64(n)
	all := x.squares.value() / float64(n)
	v = all - d*d
	if v < 1e-4*all || x.abs > 1e150 {
		return 0, all == 0 && v == 0
	}
	if f == Stddev {
		v = math.Sqrt(v)
	}
	return v, true
}

// walk computes a function from the samples, as PromQL does and in its order.
func walk(f Function, p []Point, t int64, param float64) (v float64, ok, sure bool) {
	switch f {
	case Sum:
		var sum, c float64
		for i := range p {
			sum, c = kahansum.Inc(p[i].V, sum, c)
		}
		if math.IsInf(sum, 0) {
			return sum, true, true
		}
		return sum + c, true, true
	case Avg:
		return average(p), true, true
	case Min, Max:
		v = p[0].V
		for i := range p {
			if x := p[i].V; math.IsNaN(v) || f == Max && x > v || f == Min && x < v {
				v = x
			}
		}
		return v, true, true
	case Stddev, Stdvar:
		v = variance(p)
		if f == Stddev {
			v = math.Sqrt(v)
		}
		return v, true, true
	case Changes, Resets:
		for i := 1; i < len(p); i++ {
			a, b := p[i-1].V, p[i].V
			if f == Resets && b < a || f == Changes && b != a && !(math.IsNaN(a) && math.IsNaN(b)) {
				v++
			}
		}
		return v, true, true
	case Deriv, PredictLinear:
		if len(p) < 2 {
			return 0, false, true
		}
		if f == Deriv {
			v, _ = regression(p, p[0].T)
			return v, true, true
		}
		slope, intercept := regression(p, t)
		return slope*param + intercept, true, true
	case Quantile:
		values := make([]float64, len(p))
		for i := range p {
			values[i] = p[i].V
		}
		return QuantileOf(param, values), true, true
	}
	return 0, false, false
}

func average(p []Point) float64 {
	sum, c, n := p[0].V, 0.0, 1.0
	var mean float64
	incremental := false
	for i := 1; i < len(p); i++ {
		n = float64(i + 1)
		if !incremental {
			s, d := kahansum.Inc(p[i].V, sum, c)
			if !math.IsInf(s, 0) {
				sum, c = s, d
				continue
			}
			// A sum that overflows is given up for a mean that is kept up to date.
			incremental = true
			mean = sum / (n - 1)
			c /= n - 1
		}
		q := (n - 1) / n
		mean, c = kahansum.Inc(p[i].V/n, q*mean, q*c)
	}
	if incremental {
		return mean + c
	}
	return sum/n + c/n
}

// variance by Welford's method with compensated sums.
func variance(p []Point) float64 {
	var n, mean, cMean, aux, cAux float64
	for i := range p {
		n++
		d := p[i].V - (mean + cMean)
		mean, cMean = kahansum.Inc(d/n, mean, cMean)
		aux, cAux = kahansum.Inc(d*(p[i].V-(mean+cMean)), aux, cAux)
	}
	return (aux + cAux) / n
}

// regression is a least-squares line through the samples, as seen from the time origin.
func regression(p []Point, origin int64) (slope, intercept float64) {
	var n, x, cx, y, cy, xy, cxy, xx, cxx float64
	same := true
	for i := range p {
		if same && i > 0 && p[i].V != p[0].V {
			same = false
		}
		n++
		at := float64(p[i].T-origin) / 1e3
		x, cx = kahansum.Inc(at, x, cx)
		y, cy = kahansum.Inc(p[i].V, y, cy)
		xy, cxy = kahansum.Inc(at*p[i].V, xy, cxy)
		xx, cxx = kahansum.Inc(at*at, xx, cxx)
	}
	if same {
		if math.IsInf(p[0].V, 0) {
			return math.NaN(), math.NaN()
		}
		return 0, p[0].V
	}
	x, y, xy, xx = x+cx, y+cy, xy+cxy, xx+cxx
	slope = (xy - x*y/n) / (xx - x*x/n)
	return slope, y/n - slope*x/n
}

// QuantileOf is the quantile q of some values, at least one, by linear interpolation. They
// are sorted in place, NaNs first.
func QuantileOf(q float64, values []float64) float64 {
	switch {
	case math.IsNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(1)
	}
	slices.Sort(values)
	n := float64(len(values))
	rank := q * (n - 1)
	lower := math.Max(0, math.Floor(rank))
	upper := math.Min(n-1, lower+1)
	weight := rank - math.Floor(rank)
	if weight == 0 {
		return values[int(lower)]
	}
	return values[int(lower)]*(1-weight) + values[int(upper)]*weight
}
