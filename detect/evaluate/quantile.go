package evaluate

import (
	"math"
	"slices"

	"github.com/evenkeel/evenkeel/detect/window"
)

// quantile is the aggregation of this name.
type quantile struct {
	state
	grouping
	grouped
	of, param node
	sorted    []float64
}

func (q *quantile) eval(e *env) (vector, error) {
	in, param, err := e.both(q.of, q.param)
	if err != nil {
		return in, err
	}
	if q.from != in.shape {
		q.regroup(e.plans.project(in.shape, q.key, q.grouping.of))
	}
	out := q.grouped.room(q.state.room, q.to, in.n)
	q.state.room = out.vals
	for k := range in.n {
		out.carry(k)
		_ = q.each(in, k, param.vals[k:k+1], func(group int, rows []int32) error {
			q.sorted = q.sorted[:0]
			for _, i := range rows {
				if v := in.vals[int(i)*in.n+k]; !window.IsGone(v) {
					q.sorted = append(q.sorted, v)
				}
			}
			v := window.Gone
			if len(q.sorted) > 0 {
				v = quantileOf(param.vals[k], q.sorted)
			}
			out.vals[group*in.n+k] = v
			return nil
		})
	}
	return out, nil
}

// quantileOf some values, by linear interpolation. They are sorted in place, NaNs first.
func quantileOf(q float64, values []float64) float64 {
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
