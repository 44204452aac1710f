package suspect

import (
	"math"
	"slices"
)

// refine looks for the onset inside a stretch of another day than the quiet window: the
// time when the signals that tell of the impact, the target's where it is known, had
// gone half of the way from the calmest to the worst that the stretch shows. ok is false
// where they are alike all along: then the stretch as a whole is the incident.
func refine(c *Case, w window, target string, name func(string) string) (onset int64, ok bool) {
	sum := map[int64]float64{}
	for i := range c.Signals {
		s := &c.Signals[i]
		cl := s.classOf()
		if cl.side != outward || target != "" && name(s.Resource) != target {
			continue
		}
		var quiet []float64
		for _, span := range w.quiet {
			lo, hi := s.between(span[0], span[1])
			quiet = append(quiet, thin(s.Values[lo:hi])...)
		}
		if len(quiet) < leastSeen {
			continue
		}
		slices.Sort(quiet)
		med := quantile(quiet, 0.5)
		spread := max((quantile(quiet, 0.75)-quantile(quiet, 0.25))/1.349, relative*math.Abs(med), 1e-12)
		if cl.share {
			spread = max((quantile(quiet, 0.75)-quantile(quiet, 0.25))/1.349, ofShare*max(math.Abs(med), 1e-9))
		}
		lo, hi := s.between(w.segment, w.end)
		for k := lo; k < hi; k++ {
			sum[s.Times[k]] += strength(cl.sign * (s.Values[k] - med) / spread)
		}
	}
	times := make([]int64, 0, len(sum))
	worst, calm := 0.0, math.Inf(1)
	for t, x := range sum {
		times = append(times, t)
		worst, calm = max(worst, x), min(calm, x)
	}
	slices.Sort(times)
	const least, apart = 4, 3 // samples; times worse than the calmest
	if len(times) < least || worst < 1 || worst < apart*calm {
		return 0, false
	}
	for i, t := range times {
		if sum[t] < calm+(worst-calm)/2 {
			continue
		}
		return t, i > 0 && i*8 >= len(times) // not what is but a ramp at the very start
	}
	return 0, false
}
