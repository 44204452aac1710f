package suspect

import (
	"math"
	"slices"
)

// late says whether the onset was told late: whether the last of the quiet window, up to
// a third of it, already looks like what follows. Each signal that moved says of each
// part of it whether that is nearer to the quiet level or to the one after the onset; the
// time from which on they have said the latter most is when it began.
func late(c *Case, w window) (began int64, ok bool) {
	const (
		parts  = 12
		moved  = 3   // deviations of a signal from which it is asked
		surely = 0.5 // -1 is as the quiet level, 1 as the one after
	)
	i := slices.IndexFunc(w.quiet, func(q [2]int64) bool { // that ends where the incident begins, in the same stretch
		return q[0] >= w.segment && q[0] < w.onset && q[1] >= w.onset-lateBy.Milliseconds()
	})
	if i < 0 {
		return 0, false
	}
	from, to := w.quiet[i][0], min(w.quiet[i][1], w.onset)
	tail := min(lateBy.Milliseconds(), (to-from)/3)
	if tail < parts {
		return 0, false
	}
	cut := func(part int) int64 { return to - tail*int64(part)/parts }
	var says, asked [parts]float64
	for i := range c.Signals {
		s := &c.Signals[i]
		lo, hi := s.between(from, to-tail)
		after, end := s.between(w.onset, min(w.end, w.onset+lateBy.Milliseconds()))
		calm, then := thin(s.Values[lo:hi]), thin(s.Values[after:end])
		if len(calm) < leastSeen || len(then) < leastSeen {
			continue
		}
		slices.Sort(calm)
		slices.Sort(then)
		med := quantile(calm, 0.5)
		shift := quantile(then, 0.5) - med
		spread := max(spreadOf(calm, med, float64(len(calm))), relative*math.Abs(med), 1e-12)
		if math.Abs(shift) < moved*spread {
			continue
		}
		weight := strength(math.Abs(shift) / spread)
		for p := range says {
			lo, hi := s.between(cut(p+1), cut(p))
			sum := 0.0
			for _, x := range s.Values[lo:hi] {
				away := (x - med) / shift // 0 is the quiet level, 1 the one after
				sum += min(max(2*away-1, -1), 1)
			}
			if hi > lo {
				says[p], asked[p] = says[p]+weight*sum/float64(hi-lo), asked[p]+weight
			}
		}
	}
	best, sum, all := 0.0, 0.0, 0.0
	for p := range says {
		sum, all = sum+says[p], all+asked[p]
		if sum > best && sum >= surely*all {
			best, began, ok = sum, cut(p+1), true
		}
	}
	return began, ok
}
