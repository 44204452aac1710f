package evaluate

import (
	"container/heap"
	"errors"
	"math"
	"slices"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/detect/window"
)

// errTied is returned at one time where the order in which the store gives the series
// decides. Over many steps the inner engine's own choice among equal values is not the same
// from one query to the next, so any will do.
var errTied = errors.New("which of equal values are chosen is the engine's to say")

// errParameter is returned for a parameter that the inner engine refuses, in its words.
var errParameter = errors.New("a parameter is out of range")

// chosen is topk, bottomk, limitk and limit_ratio: some rows of each group as they are.
type chosen struct {
	state
	grouping
	grouped
	of, param node
	op        parser.ItemType
	heap      ranking
	shares    []float64 // of limit_ratio, by row
}

func (c *chosen) eval(e *env) (vector, error) {
	in, param, err := e.both(c.of, c.param)
	if err != nil {
		return in, err
	}
	if c.from != in.shape {
		c.regroup(e.plans.project(in.shape, c.key, c.grouping.of))
		c.shares = nil
	}
	out := c.grouped.room(c.state.room, in.shape, in.n)
	c.state.room = out.vals
	for k := range in.n {
		out.carry(k)
		if err := c.step(in, out, k, param.vals[k]); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (c *chosen) step(in, out vector, k int, param float64) error {
	most := math.MaxInt
	switch {
	case math.IsNaN(param):
		return errParameter
	case c.op != parser.LIMIT_RATIO && (param <= math.MinInt64 || param >= math.MaxInt64):
		return errParameter
	case c.op != parser.LIMIT_RATIO:
		most = max(0, int(param))
	}
	return c.each(in, k, []float64{param}, func(_ int, rows []int32) error {
		at := func(i int32) int { return int(i)*in.n + k }
		switch c.op {
		case parser.LIMIT_RATIO:
			c.share(in, out, rows, at, param)
			return nil
		case parser.LIMITK:
			n := 0
			for _, i := range rows {
				if out.vals[at(i)] = in.vals[at(i)]; !window.IsGone(in.vals[at(i)]) {
					n++
				}
			}
			switch {
			case most == 0:
				for _, i := range rows {
					out.vals[at(i)] = window.Gone
				}
			case n > most && in.n == 1:
				return errTied
			case n > most:
				n = 0
				for _, i := range rows {
					if window.IsGone(out.vals[at(i)]) {
						continue
					}
					if n++; n > most {
						out.vals[at(i)] = window.Gone
					}
				}
			}
			return nil
		}
		return c.best(in, out, rows, at, most)
	})
}

// best keeps the largest or the smallest of a group, as the inner engine does: with a heap
// whose root is the one that the next better one replaces. NaN is worse than everything.
func (c *chosen) best(in, out vector, rows []int32, at func(int32) int, most int) error {
	h := &c.heap
	h.down, h.all = c.op == parser.BOTTOMK, h.all[:0]
	equal := false // one that is as good as the worst chosen one was left out
	for _, i := range rows {
		v := in.vals[at(i)]
		out.vals[at(i)] = window.Gone
		switch {
		case window.IsGone(v) || most == 0:
		case len(h.all) < most:
			heap.Push(h, ranked{i, v})
		case h.worse(h.all[0].v, v):
			last := h.all[0].v
			h.all[0] = ranked{i, v}
			heap.Fix(h, 0)
			equal = !h.worse(last, h.all[0].v)
		default:
			equal = equal || !h.worse(v, h.all[0].v)
		}
	}
	if equal && in.n == 1 {
		return errTied
	}
	for _, r := range h.all {
		out.vals[at(r.row)] = r.v
	}
	return nil
}

// share keeps those whose labels have a hash in a part of all hashes.
func (c *chosen) share(in, out vector, rows []int32, at func(int32) int, ratio float64) {
	sampler := promql.NewHashRatioSampler()
	if c.shares == nil {
		c.shares = make([]float64, len(in.rows))
		for i := range in.rows {
			c.shares[i] = sampler.SampleOffset(&in.rows[i])
		}
	}
	ratio = min(max(ratio, -1), 1)
	for _, i := range rows {
		out.vals[at(i)] = window.Gone
		if ratio != 0 && sampler.AddRatioSampleWithOffset(ratio, c.shares[i]) {
			out.vals[at(i)] = in.vals[at(i)]
		}
	}
}

// order is that of the inner engine: group by group, the best first.
func (c *chosen) order(v promql.Vector) {
	if c.op != parser.TOPK && c.op != parser.BOTTOMK {
		return
	}
	groups := rower{}
	by := make([]int32, len(v))
	at := make([]int, len(v))
	for i := range v {
		by[i], _ = groups.row(c.grouping.of(v[i].Metric))
		at[i] = i
	}
	h := ranking{down: c.op == parser.BOTTOMK}
	slices.SortStableFunc(at, func(i, j int) int {
		switch {
		case by[i] != by[j]:
			return int(by[i] - by[j])
		case h.worse(v[j].F, v[i].F):
			return -1
		case h.worse(v[i].F, v[j].F):
			return 1
		}
		return 0
	})
	sorted := make(promql.Vector, len(v))
	for i, from := range at {
		sorted[i] = v[from]
	}
	copy(v, sorted)
}

// ranked is the value of a row.
type ranked struct {
	row int32
	v   float64
}

// ranking is a heap, the worst at its root.
type ranking struct {
	all  []ranked
	down bool // smaller is better
}

// worse says whether a is worse than b.
func (h *ranking) worse(a, b float64) bool {
	switch {
	case math.IsNaN(a) || math.IsNaN(b):
		return math.IsNaN(a) && !math.IsNaN(b)
	case h.down:
		return a > b
	}
	return a < b
}

func (h *ranking) Len() int           { return len(h.all) }
func (h *ranking) Less(i, j int) bool { return h.worse(h.all[i].v, h.all[j].v) }
func (h *ranking) Swap(i, j int)      { h.all[i], h.all[j] = h.all[j], h.all[i] }
func (h *ranking) Push(x any)         { h.all = append(h.all, x.(ranked)) }
func (h *ranking) Pop() any {
	x := h.all[len(h.all)-1]
	h.all = h.all[:len(h.all)-1]
	return x
}
