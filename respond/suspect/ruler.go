package suspect

import (
	"math"
	"slices"
)

// ruler is what a deviation of one signal is measured with.
type ruler struct{ med, up, down, sign float64 }

// dev is how far off a value is, in the direction that is bad.
func (r ruler) dev(x float64) float64 {
	u, d := (x-r.med)/r.up, (r.med-x)/r.down
	switch {
	case r.sign > 0:
		return u
	case r.sign < 0:
		return d
	}
	return math.Max(u, d)
}

// calmness is what the quiet window says of one signal.
type calmness struct {
	values  []float64 // in order, without the shortest moves
	sorted  []float64 // some of them
	med     float64
	own     float64 // samples that tell something each: those that were averaged over count as one
	level   float64 // what the metric usually amounts to
	peers   tails
	class   class
	request float64 // requests that a sample stands for
}

// ruler is what a shift of m samples in a row is held against. peers are the tails of
// the same metric elsewhere, of as many in a row.
func (q *calmness) ruler(m int, peers [2]float64) ruler {
	floor := (1 + 3/q.own) * q.floor() // what few samples say is no sure thing
	spread := math.Max(spreadOf(q.sorted, q.med, q.own), floor)
	r := ruler{q.med, spread, spread, q.class.sign}
	const enough = 20 // samples that show tails which are heavier than the middle says
	if len(q.values) >= enough {
		high, low := q.sorted, q.sorted
		if m > 1 {
			high, low = held(q.values, m)
		}
		r.up = math.Max(r.up, (quantile(high, 0.98)-q.med)/2.05)
		r.down = math.Max(r.down, (q.med-quantile(low, 0.02))/2.05)
	}
	if q.peers.n >= fewPeers && !q.class.share { // few samples of its own: what its peers do as well
		x := math.Max(math.Abs(q.med), common*q.level) * borrowed / (borrowed + q.own)
		r.up, r.down = math.Max(r.up, x*peers[0]), math.Max(r.down, x*peers[1])
	}
	r.up, r.down = math.Max(r.up, 1e-12), math.Max(r.down, 1e-12)
	return r
}

// floor is the smallest deviation that the metric's scale allows.
func (q *calmness) floor() float64 {
	if q.class.share {
		top := 1.0
		if q.level > 1.5 {
			top = 100
		}
		if q.request > 0 { // one failure is the least there can be
			return top * min(max(1/q.request, ofShare/6), 0.05)
		}
		return ofShare * top
	}
	rel := relative
	if q.peers.n >= fewPeers {
		rel = min(max(q.peers.any, finest), relative)
	}
	return math.Max(rel*math.Abs(q.med), common*q.level)
}

// spreadOf is the deviation of sorted values by their middle half, or by the half that is
// nearest to the median where that is less: what an earlier incident in a short quiet
// window does to one side does not widen it. Both are too small now and then where
// samples are few, the second more.
func spreadOf(sorted []float64, med, own float64) float64 {
	away := make([]float64, len(sorted))
	for i, x := range sorted {
		away[i] = math.Abs(x - med)
	}
	slices.Sort(away)
	middle := (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 1.349
	return math.Min((1+3/own)*middle, (1+9/own)*1.4826*quantile(away, 0.5))
}

// held are, sorted, the least and the most that m samples in a row reach.
func held(x []float64, m int) (high, low []float64) {
	for i := 0; i+m <= len(x); i++ {
		high, low = append(high, slices.Min(x[i:i+m])), append(low, slices.Max(x[i:i+m]))
	}
	slices.Sort(high)
	slices.Sort(low)
	return high, low
}

// lasting is the deviation that m samples in a row reach, for signals whose samples are
// no mean of a long time: one alone is little, however far off it is.
func lasting(x []float64, i, m int, dev, alone func(float64) float64) float64 {
	if m <= 1 {
		return dev(x[i])
	}
	all := math.Inf(-1)
	if i+m <= len(x) {
		all = dev(x[i])
		for _, y := range x[i+1 : i+m] {
			all = math.Min(all, dev(y))
		}
	}
	a := alone(x[i])
	return math.Max(all, math.Min(a, lone*math.Sqrt(math.Max(a, 0))))
}
