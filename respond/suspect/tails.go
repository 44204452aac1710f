package suspect

import (
	"math"
	"slices"
)

// tails is how far the samples of one metric stray from the median of their own
// resource, in shares of it, as a deviation.
type tails struct {
	n             int // resources
	up, down, any float64
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
		away []float64
	}
	all := map[string]*pool{}
	for i := range signals {
		s := &signals[i]
		var v []float64
		for _, span := range w.quiet {
			lo, hi := s.between(span[0], span[1])
			v = append(v, thin(s.Values[lo:hi])...)
		}
		if len(v) < leastSeen {
			continue
		}
		slices.Sort(v)
		med := quantile(v, 0.5)
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
		for _, x := range v {
			p.away = append(p.away, (x-med)/base)
		}
	}
	out := map[string]tails{}
	for m, p := range all {
		slices.Sort(p.away)
		t := tails{n: p.n, up: math.Max(quantile(p.away, tailq), 0) / tailz, down: math.Max(-quantile(p.away, 1-tailq), 0) / tailz}
		for i, x := range p.away {
			p.away[i] = math.Abs(x)
		}
		slices.Sort(p.away)
		t.any = quantile(p.away, 0.95) / 1.96
		out[m] = t
	}
	return out
}
