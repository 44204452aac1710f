package evaluate

import "github.com/evenkeel/evenkeel/detect/window"

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
				v = window.QuantileOf(param.vals[k], q.sorted)
			}
			out.vals[group*in.n+k] = v
			return nil
		})
	}
	return out, nil
}
