package evaluate

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/evenkeel/evenkeel/detect/window"
)

// buckets is histogram_quantile and histogram_fraction of classic histograms: a function of
// rows that are the same but for the label le.
type buckets struct {
	state
	grouped
	of     node
	params []node // scalars
	f      func(params []float64, b promql.Buckets) float64
	bounds []float64 // by row, NaN of one that is no bucket
	some   promql.Buckets
	names  dropped
}

func (b *buckets) eval(e *env) (vector, error) {
	in, err := e.eval(b.of)
	if err != nil {
		return in, err
	}
	params := make([]vector, len(b.params))
	for i, p := range b.params {
		if params[i], err = e.eval(p); err != nil {
			return in, err
		}
	}
	if b.from != in.shape {
		b.prepare(e, in.shape)
	}
	out := b.grouped.room(b.state.room, b.to, in.n)
	b.state.room = out.vals
	args := make([]float64, len(params))
	for k := range in.n {
		out.carry(k)
		for i := range params {
			args[i] = params[i].vals[k]
		}
		_ = b.each(in, k, args, func(group int, rows []int32) error {
			b.some = b.some[:0]
			for _, i := range rows {
				if v := in.vals[int(i)*in.n+k]; !window.IsGone(v) && !math.IsNaN(b.bounds[i]) {
					b.some = append(b.some, promql.Bucket{UpperBound: b.bounds[i], Count: v})
				}
			}
			v := window.Gone
			if len(b.some) > 0 {
				v = b.f(args, b.some)
			}
			out.vals[group*in.n+k] = v
			return nil
		})
	}
	return b.names.apply(e.plans, out)
}

// prepare finds the histograms and puts their buckets in order.
func (b *buckets) prepare(e *env, s *shape) {
	b.regroup(e.plans.project(s, "le", func(ls labels.Labels) labels.Labels {
		return labels.NewBuilder(ls).Del(labels.BucketLabel).Labels()
	}))
	b.bounds = make([]float64, len(s.rows))
	for i, ls := range s.rows {
		bound, err := strconv.ParseFloat(ls.Get(labels.BucketLabel), 64)
		if err != nil {
			bound = math.NaN()
		}
		b.bounds[i] = bound
	}
	for _, rows := range b.members {
		slices.SortStableFunc(rows, func(x, y int32) int { return cmp.Compare(b.bounds[x], b.bounds[y]) })
	}
}

func bucketQuantile(params []float64, b promql.Buckets) float64 {
	v, _, _, _, _, _ := promql.BucketQuantile(params[0], b)
	return v
}

func bucketFraction(params []float64, b promql.Buckets) float64 {
	return promql.BucketFraction(params[0], params[1], b)
}
