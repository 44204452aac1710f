package evaluate

import (
	"math"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/kahansum"

	"github.com/evenkeel/evenkeel/detect/window"
)

// aggregate is an aggregation that needs no more of a group than a few numbers.
type aggregate struct {
	state
	grouping
	of     node
	op     parser.ItemType
	leaf   *leaf // what it is of, when nobody else asks for that
	groups *projection
	now    vector // of a Live, when there is a leaf: what was fetched
	err    error
}

// accumulator is one group at one step. Its arithmetic is the same as the inner engine's,
// operation by operation, so that the bits are.
type accumulator struct {
	n        float64 // values seen
	value, c float64 // the sum and its compensation, the extreme, the squares
	mean     float64
	meanOnly bool // the sum overflowed: the mean is kept instead
}

func canAggregate(op parser.ItemType) bool {
	switch op {
	case parser.SUM, parser.AVG, parser.MIN, parser.MAX, parser.COUNT, parser.GROUP, parser.STDDEV, parser.STDVAR:
		return true
	}
	return false
}

func (a *aggregate) eval(e *env) (vector, error) {
	if e.fused != nil {
		if v, ok, err := e.fused(a); ok {
			return v, err
		}
	}
	in, err := e.eval(a.of)
	if err != nil {
		return in, err
	}
	acc := a.prepare(e, in.shape, in.n)
	for i, g := range a.groups.row {
		to := acc[int(g)*in.n:]
		for s, f := range in.row(i) {
			if !window.IsGone(f) {
				to[s].add(a.op, f)
			}
		}
	}
	return a.results(acc, in.n), nil
}

// prepare returns an empty accumulator for each group of the rows of a shape and each
// step. It is good until the next aggregation of the same evaluation.
func (a *aggregate) prepare(e *env, from *shape, n int) []accumulator {
	if a.groups == nil || a.groups.from != from {
		a.groups = e.plans.project(from, a.key, a.grouping.of)
	}
	size := len(a.groups.to.rows) * n
	if cap(e.acc) < size {
		e.acc = make([]accumulator, size)
	}
	acc := e.acc[:size]
	clear(acc)
	return acc
}

func (a *aggregate) results(acc []accumulator, n int) vector {
	out := sized(a.room, a.groups.to, n)
	a.room = out.vals
	for i := range acc {
		out.vals[i] = acc[i].result(a.op)
	}
	return out
}

func (a *accumulator) add(op parser.ItemType, f float64) {
	a.n++
	if a.n == 1 {
		a.value, a.mean = f, f
		switch op {
		case parser.STDDEV, parser.STDVAR:
			a.value = 0
			if math.IsNaN(f) || math.IsInf(f, 0) {
				a.value = math.NaN()
			}
		}
		return
	}
	switch op {
	case parser.SUM:
		a.value, a.c = kahansum.Inc(f, a.value, a.c)
	case parser.AVG:
		if !a.meanOnly {
			v, c := kahansum.Inc(f, a.value, a.c)
			if !math.IsInf(v, 0) {
				a.value, a.c = v, c
				return
			}
			a.meanOnly = true
			a.mean = a.value / (a.n - 1)
			a.c /= a.n - 1
		}
		q := (a.n - 1) / a.n
		a.mean, a.c = kahansum.Inc(f/a.n, q*a.mean, q*a.c)
	case parser.MIN:
		if a.value > f || math.IsNaN(a.value) {
			a.value = f
		}
	case parser.MAX:
		if a.value < f || math.IsNaN(a.value) {
			a.value = f
		}
	case parser.STDDEV, parser.STDVAR:
		d := f - a.mean
		a.mean += d / a.n
		a.value += d * (f - a.mean)
	}
}

func (a *accumulator) result(op parser.ItemType) float64 {
	if a.n == 0 {
		return window.Gone
	}
	switch op {
	case parser.SUM:
		return a.value + a.c
	case parser.AVG:
		if a.meanOnly {
			return a.mean + a.c
		}
		return a.value/a.n + a.c/a.n
	case parser.COUNT:
		return a.n
	case parser.GROUP:
		return 1
	case parser.STDVAR:
		return a.value / a.n
	case parser.STDDEV:
		return math.Sqrt(a.value / a.n)
	}
	return a.value
}
