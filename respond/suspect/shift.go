package suspect

import (
	"math"
	"slices"
)

// shift is how far a signal went from its quiet self, in the direction that is bad.
type shift struct {
	signal *Signal
	class  class
	z      float64 // robust deviations, against how far the quiet window itself strays
	fresh  float64 // the part of it that came with the incident
	base   float64 // the quiet median
	peak   float64 // the farthest that it stayed
	at     int64   // when it had gone half of the way
	quiet  int     // samples in the quiet window
}

func (s *shift) delta() float64 { return math.Abs(s.peak - s.base) }

// strength puts deviations of all sizes on one scale: nothing up to 2.5, then 1 for
// each doubling.
func (s *shift) strength() float64 { return strength(s.z) * s.fresh }

func strength(z float64) float64 {
	if z <= still {
		return 0
	}
	return math.Log2(math.Min(z, 1e4) / still)
}

const (
	still     = 2.5   // deviations that mean nothing
	sustained = 90e3  // milliseconds that a shift has to last to count in full
	lone      = 1.5   // times the root of its deviation: what a sample alone counts
	relative  = 0.1   // of its own level: no scale is smaller
	common    = 0.02  // of the level that this metric usually has among the resources
	ofShare   = 0.003 // of a share: the smallest difference that counts, where requests are not counted
	leastSeen = 2     // quiet samples without which nothing is said
)

// levels are what each metric usually amounts to, over all resources: a tenth of a
// percent of CPU more is nothing, however quiet that service was.
func levels(signals []Signal, w window) map[string]float64 {
	all := map[string][]float64{}
	peak := map[string]float64{}
	for i := range signals {
		s := &signals[i]
		var q []float64
		for _, span := range w.quiet {
			lo, hi := s.between(span[0], span[1])
			q = append(q, thin(s.Values[lo:hi])...)
		}
		top := peak[s.family()]
		for _, v := range s.Values {
			top = max(top, math.Abs(v))
		}
		peak[s.family()] = top
		if len(q) > 0 {
			slices.Sort(q)
			all[s.family()] = append(all[s.family()], math.Abs(quantile(q, 0.5)))
		}
	}
	out := map[string]float64{}
	for m, v := range all {
		slices.Sort(v)
		out[m] = quantile(v, 0.5)
		if out[m] == 0 { // mostly nothing, as errors are: then against the worst there is
			out[m] = peak[m]
		}
	}
	return out
}

// counts are how many requests a sample of a resource stands for, where that is
// measured: as a number of each interval, or as a rate.
func counts(signals []Signal, w window) map[string]float64 {
	out := map[string]float64{}
	for i := range signals {
		s := &signals[i]
		if out[s.Resource] > 0 || s.classOf().name != "requests" {
			continue
		}
		lo, hi := s.between(w.earliest, w.end)
		v := thin(s.Values[lo:hi])
		if len(v) == 0 {
			continue
		}
		whole := !slices.ContainsFunc(v, func(x float64) bool { return x != math.Trunc(x) })
		slices.Sort(v)
		n := quantile(v, 0.5)
		if !whole {
			n *= float64(spacing(s.Times)) / 1000
		}
		out[s.Resource] = n
	}
	return out
}

// measure compares one signal's incident window with its quiet one.
func measure(s *Signal, w window, level, requests float64, usual tails) shift {
	out := shift{signal: s, class: s.classOf(), at: w.onset}
	step := spacing(s.Times)
	var n int
	for _, span := range w.quiet {
		lo, hi := s.between(span[0], span[1])
		n += hi - lo
	}
	out.quiet = n
	if n < leastSeen {
		return out
	}
	v, k, m := steady(s, w, step, n)
	quiet := make([]float64, 0, n)
	for _, span := range w.quiet {
		lo, hi := s.between(span[0], span[1])
		quiet = append(quiet, v[lo:hi]...)
	}
	lo, hi := s.between(w.earliest, w.end)
	if lo == hi { // sparse: the sample whose time span holds the onset
		lo, hi = s.between(w.earliest-step, w.end)
	}
	if lo == hi {
		return out
	}
	sorted := thin(quiet)
	slices.Sort(sorted)
	med := quantile(sorted, 0.5)
	out.base = med
	q := calmness{values: quiet, sorted: sorted, med: med, own: float64(n) / float64(k), level: level, peers: usual, class: out.class, request: requests}
	alone, dev := q.ruler(1, usual.alone).dev, q.ruler(m, usual.held).dev
	lasts := func(x []float64, i int) float64 { return lasting(x, i, m, dev, alone) }
	best, z := lo, math.Inf(-1)
	for i := lo; i < hi; i++ {
		if x := lasts(v[:hi], i); x > z {
			best, z = i, x
		}
	}
	out.peak = v[best]
	if z <= 0 {
		return out
	}
	// How far the quiet window itself strays in as long a time.
	if w.past != nil { // one earlier incident is not its habit, several are
		quiet = quiet[:0]
		for _, span := range w.past {
			lo, hi := s.between(span[0], span[1])
			quiet = append(quiet, v[lo:hi]...)
		}
	}
	if usual := strays(quiet, hi-lo, lasts); usual > still {
		z *= still / usual
	}
	out.z, out.fresh = z, since(s, v, w, step, best, med)
	for i := lo; i <= best; i++ {
		if dev(v[i]) >= dev(v[best])/2 {
			out.at = s.Times[i]
			break
		}
	}
	return out
}

// steady is a signal without its shortest moves, how many samples each is the mean of,
// and how many in a row a shift has to last: samples that are much more frequent are
// averaged over as long a time.
func steady(s *Signal, w window, step int64, n int) (v []float64, k, m int) {
	began, until := s.between(w.onset, w.end)
	k = min(int(sustained/float64(max(step, 1))), n/8, until-began) // no more than the incident has
	switch {
	case k > 1:
		return smooth(s, k, step), k, 1
	case float64(step) < sustained:
		return s.Values, 1, 2
	}
	return s.Values, 1, 1
}

// strays is the deviation that most blocks of n quiet samples reach.
func strays(quiet []float64, n int, dev func([]float64, int) float64) float64 {
	if n < 1 || len(quiet) < 3*n {
		return 0
	}
	var peaks []float64
	for i := 0; i+n <= len(quiet); i += n {
		worst := 0.0
		for j := range n {
			worst = math.Max(worst, dev(quiet[i:i+n], j))
		}
		peaks = append(peaks, worst)
	}
	slices.Sort(peaks)
	return quantile(peaks, 0.8)
}

// since is the part of a deviation that came with the incident. Where the quiet window
// is of another day, a level that differed before the onset as well is no shift.
func since(s *Signal, v []float64, w window, step int64, best int, med float64) float64 {
	const least = 0.05
	if w.beside() {
		return 1
	}
	known := step // so much of the stretch has to lie before it
	if !w.detected {
		known = max(known, 2*sustained) // of less all may be the incident's
	}
	lo, hi := s.between(w.segment, w.onset+1)
	if hi-lo < 1 || w.onset-w.segment < known || v[best] == med {
		return 1
	}
	calm := v[lo]
	for i := lo; i < min(hi, best+1); i++ {
		if math.Abs(v[i]-med) < math.Abs(calm-med) {
			calm = v[i]
		}
	}
	return min(max((v[best]-calm)/(v[best]-med), least), 1)
}

// spacing is the usual time between samples.
func spacing(times []int64) int64 {
	if len(times) < 2 {
		return 60_000
	}
	var d []int64
	for i := 1; i < len(times); i += max(1, len(times)/64) {
		d = append(d, times[i]-times[i-1])
	}
	slices.Sort(d)
	return d[len(d)/2]
}

// smooth is the mean of each sample and those before it, k at most, without reaching
// over a gap.
func smooth(s *Signal, k int, step int64) []float64 {
	if k <= 1 {
		return s.Values
	}
	out := make([]float64, len(s.Values))
	from, sum := 0, 0.0
	for i, v := range s.Values {
		if i > 0 && s.Times[i]-s.Times[i-1] > 5*step {
			from, sum = i, 0
		}
		sum += v
		if i-from >= k {
			sum -= s.Values[from]
			from++
		}
		out[i] = sum / float64(i-from+1)
	}
	return out
}
