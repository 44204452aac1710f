package evaluate

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/schema"

	"github.com/evenkeel/evenkeel/detect/window"
)

// shape is the rows of a vector: their labels, in order. It does not change, so that
// whatever follows from labels alone (groups, matches) is found out once a shape.
type shape struct{ rows []labels.Labels }

// noLabels is the shape of a scalar, and of what has lost all its labels.
var noLabels = &shape{rows: []labels.Labels{labels.EmptyLabels()}}

// vector is the value of a node: for each row of its shape the values at n steps, one
// after another. A step without a value holds window.Gone.
type vector struct {
	*shape
	n    int
	vals []float64 // len(rows)*n
}

func (v vector) row(i int) []float64 { return v.vals[i*v.n : (i+1)*v.n] }

// emptied returns a vector of a shape without any value, in the room given.
func emptied(room []float64, s *shape, n int) vector {
	v := sized(room, s, n)
	for i := range v.vals {
		v.vals[i] = window.Gone
	}
	return v
}

// sized is the same with whatever values were in the room.
func sized(room []float64, s *shape, n int) vector {
	size := len(s.rows) * n
	if cap(room) < size {
		room = make([]float64, size)
	}
	return vector{s, n, room[:size]}
}

// instant is the first step as promql has it.
func (v vector) instant(t int64) promql.Vector {
	out := make(promql.Vector, 0, len(v.rows))
	for i, ls := range v.rows {
		if f := v.vals[i*v.n]; !window.IsGone(f) {
			out = append(out, promql.Sample{Metric: ls, T: t, F: f})
		}
	}
	return out
}

// matrix is all steps as promql has them, rows without any value left out.
func (v vector) matrix(times steps) promql.Matrix {
	var out promql.Matrix
	for i, ls := range v.rows {
		row, n := v.row(i), 0
		for _, f := range row {
			if !window.IsGone(f) {
				n++
			}
		}
		if n == 0 {
			continue
		}
		points := make([]promql.FPoint, 0, n)
		for k, f := range row {
			if !window.IsGone(f) {
				points = append(points, promql.FPoint{T: times.at(k), F: f})
			}
		}
		out = append(out, promql.Series{Metric: ls, Floats: points})
	}
	return out
}

// steps are the times of an evaluation.
type steps struct {
	from, step int64 // milliseconds
	n          int
}

func (s steps) at(k int) int64 { return s.from + int64(k)*s.step }
func (s steps) to() int64      { return s.at(s.n - 1) }

// projection says which row of another shape each row of a shape becomes.
type projection struct {
	from, to *shape
	row      []int32
	distinct bool // no two rows become one
}

// project makes the projection by a change of labels.
func project(from *shape, change func(labels.Labels) labels.Labels) *projection {
	p := &projection{from: from, row: make([]int32, len(from.rows)), distinct: true}
	r := rower{}
	for i, ls := range from.rows {
		k, known := r.row(change(ls))
		p.row[i] = k
		p.distinct = p.distinct && !known
	}
	p.to = &shape{r.rows}
	return p
}

// rower numbers label sets.
type rower struct {
	rows []labels.Labels
	by   map[uint64][]int32
}

func (r *rower) row(ls labels.Labels) (n int32, known bool) {
	h := ls.Hash()
	for _, k := range r.by[h] {
		if labels.Equal(r.rows[k], ls) {
			return k, true
		}
	}
	if r.by == nil {
		r.by = map[uint64][]int32{}
	}
	n = int32(len(r.rows))
	r.rows = append(r.rows, ls)
	r.by[h] = append(r.by[h], n)
	return n, false
}

// apply moves values to their new rows. Two values for one row are an error, which the
// inner engine words.
func (p *projection) apply(v vector) (vector, error) {
	if p.distinct {
		return vector{p.to, v.n, v.vals}, nil
	}
	out := emptied(nil, p.to, v.n)
	for i, k := range p.row {
		from, to := v.row(i), out.row(int(k))
		for s, f := range from {
			if window.IsGone(f) {
				continue
			}
			if !window.IsGone(to[s]) {
				return out, errAmbiguous
			}
			to[s] = f
		}
	}
	return out, nil
}

// dropName is what PromQL does with the name of a metric whose values have changed their
// meaning.
func dropName(ls labels.Labels) labels.Labels { return ls.DropReserved(schema.IsMetadataLabel) }

// dropped is a cache of the projection that drops names.
type dropped struct{ p *projection }

func (d *dropped) apply(p *plans, v vector) (vector, error) {
	if d.p == nil || d.p.from != v.shape {
		d.p = p.project(v.shape, "name", dropName)
	}
	return d.p.apply(v)
}

// plans are what follows from shapes alone, each made once for all the nodes that do the
// same to the same rows: the ratios over eight windows have one plan.
type plans struct {
	projections []planned[*projection]
	matches     []planned[*matched]
}

// planned is a plan and what it follows from.
type planned[T any] struct {
	one, other *shape
	how        string
	plan       T
}

func plan[T any](known *[]planned[T], one, other *shape, how string, prepare func() T) T {
	for i := range *known {
		if k := &(*known)[i]; k.one == one && k.other == other && k.how == how {
			return k.plan
		}
	}
	if len(*known) >= maxPlans {
		*known = nil
	}
	p := prepare()
	*known = append(*known, planned[T]{one, other, how, p})
	return p
}

// maxPlans of one kind are known at a time: parts that are the inner engine's may have
// other rows each time. Nodes hold on to their own.
const maxPlans = 100

func (p *plans) clear() { *p = plans{} }

func (p *plans) project(from *shape, how string, change func(labels.Labels) labels.Labels) *projection {
	return plan(&p.projections, from, nil, how, func() *projection { return project(from, change) })
}

func (p *plans) match(many, one *shape, how string, prepare func(many, one *shape) *matched) *matched {
	return plan(&p.matches, many, one, how, func() *matched { return prepare(many, one) })
}

// sameShape returns the old shape when the rows are the same, so that caches hold.
func sameShape(old *shape, rows []labels.Labels) *shape {
	if old != nil && len(old.rows) == len(rows) {
		same := true
		for i := range rows {
			if !labels.Equal(old.rows[i], rows[i]) {
				same = false
				break
			}
		}
		if same {
			return old
		}
	}
	return &shape{rows}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
