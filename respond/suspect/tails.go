package suspect

import (
	"math"
	"slices"
)

// tails is how far the samples of one metric stray from the median of their own
// resource, in shares of it, as a deviation.
type tails struct {
	n           int // resources
	any         float64
	alone, held [2]float64 // up and down: of one sample, and of as many in a row as a shift has to last
}

const (
	fewPeers = 4    // resources that have the metric: fewer tell nothing of each other
	borrowed = 20   // samples: with so many of its own they weigh as much as its peers
	finest   = 0.03 // share of its own level: no scale is smaller, however calm all are
	tailq    = 0.95
	tailz    = 1.645 // the same quantile of a normal distribution
)

// strayings pools the quiet samples of each metric over its resources: how often a
// latency doubles for a minute is seen in ten services sooner than in one.
func strayings(signals []Signal, w window, level map[string]float64) map[string]tails {
	type pool struct {
		n    int
		away [5][]float64 // any; alone up, down; held up, down
	}
	all := map[string]*pool{}
	for i := range signals {
		s := &signals[i]
		n := 0
		for _, span := range w.quiet {
			lo, hi := s.between(span[0], span[1])
			n += hi - lo
		}
		if n < leastSeen {
			continue
		}
		v, _, m := steady(s, w, spacing(s.Times), n)
		var quiet, high, low []float64
		for _, span := range w.quiet {
			lo, hi := s.between(span[0], span[1])
			quiet = append(quiet, thin(v[lo:hi])...)
			h, l := held(v[lo:hi], m)
			high, low = append(high, thin(h)...), append(low, thin(l)...)
		}
		slices.Sort(quiet)
		med := quantile(quiet, 0.5)
		base := math.Max(math.Abs(med), common*level[s.family()])
		if base == 0 {
			continue
		}
		p := all[s.family()]
		if p == nil {
			p = &pool{}
			all[s.family()] = p
		}
		p.n++
		for _, x := range quiet {
			away := (x - med) / base
			p.away[0], p.away[1], p.away[2] = append(p.away[0], math.Abs(away)), append(p.away[1], away), append(p.away[2], -away)
		}
		for i := range high {
			p.away[3], p.away[4] = append(p.away[3], (high[i]-med)/base), append(p.away[4], (med-low[i])/base)
		}
	}
	out := map[string]tails{}
	for m, p := range all {
		var of [5]float64
		for i, x := range p.away {
			if slices.Sort(x); len(x) > 0 {
				of[i] = math.Max(quantile(x, tailq), 0)
			}
		}
		out[m] = tails{p.n, of[0] / 1.96, [2]float64{of[1] / tailz, of[2] / tailz}, [2]float64{of[3] / tailz, of[4] / tailz}}
	}
	return out
}
