package evaluate

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"

	"github.com/evenkeel/evenkeel/detect/window"
)

// changesMeaning says whether an operation makes another quantity of its operands, so that
// the name of the metric is dropped.
func changesMeaning(op parser.ItemType) bool {
	switch op {
	case parser.ADD, parser.SUB, parser.DIV, parser.MUL, parser.POW, parser.MOD, parser.ATAN2:
		return true
	}
	return false
}

// operate is one operation on two floats; of a comparison, whether it holds.
func operate(op parser.ItemType, l, r float64) (v float64, holds bool) {
	switch op {
	case parser.ADD:
		return l + r, true
	case parser.SUB:
		return l - r, true
	case parser.MUL:
		return l * r, true
	case parser.DIV:
		return l / r, true
	case parser.POW:
		return math.Pow(l, r), true
	case parser.MOD:
		return math.Mod(l, r), true
	case parser.ATAN2:
		return math.Atan2(l, r), true
	case parser.EQLC:
		return l, l == r
	case parser.NEQ:
		return l, l != r
	case parser.GTR:
		return l, l > r
	case parser.LSS:
		return l, l < r
	case parser.GTE:
		return l, l >= r
	case parser.LTE:
		return l, l <= r
	}
	return 0, false
}

func canOperate(op parser.ItemType) bool {
	return changesMeaning(op) || op.IsComparisonOperator()
}

// scalars is an operation on two scalars.
type scalars struct {
	state
	op   parser.ItemType
	l, r node
}

func (b *scalars) eval(e *env) (vector, error) {
	l, r, err := e.both(b.l, b.r)
	if err != nil {
		return l, err
	}
	out := sized(b.room, noLabels, e.times.n)
	b.room = out.vals
	for k := range out.vals {
		v, holds := operate(b.op, l.vals[k], r.vals[k])
		if b.op.IsComparisonOperator() {
			v = truth(holds)
		}
		out.vals[k] = v
	}
	return out, nil
}

// mixed is an operation on a vector and a scalar.
type mixed struct {
	state
	op         parser.ItemType
	vec, num   node
	swapped    bool // the scalar stands on the left
	returnBool bool
	names      dropped
}

func (b *mixed) eval(e *env) (vector, error) {
	v, num, err := e.both(b.vec, b.num)
	if err != nil {
		return v, err
	}
	out := sized(b.room, v.shape, v.n)
	b.room = out.vals
	compares := b.op.IsComparisonOperator()
	for i := range v.rows {
		to := out.row(i)
		for k, f := range v.row(i) {
			if window.IsGone(f) {
				to[k] = window.Gone
				continue
			}
			l, r := f, num.vals[k]
			if b.swapped {
				l, r = r, l
			}
			res, holds := operate(b.op, l, r)
			switch {
			case b.returnBool:
				res = truth(holds)
			case compares && holds:
				res = f
			case compares:
				res = window.Gone
			}
			to[k] = res
		}
	}
	if b.returnBool || !compares {
		return b.names.apply(e.plans, out)
	}
	return out, nil
}

// pairs is an operation on two vectors, row by matching row.
type pairs struct {
	state
	op         parser.ItemType
	l, r       node
	match      *parser.VectorMatching
	returnBool bool
	key        string // says how rows match and what they make
	plan       *matched
}

// matched is which rows of two shapes meet, and which row they make.
type matched struct {
	many, one *shape
	out       *shape
	pairs     []pair
	distinct  bool      // no two pairs make one row
	crowds    [][]int32 // rows of the one side that match the same: one of them at most may have a value
	leftOf    [][]int32 // of one-to-one: rows of the left that match the same row
}

type pair struct{ many, one, out int32 }

// signature of a row, by which rows match.
func signature(m *parser.VectorMatching, names []string, buf []byte, ls labels.Labels) []byte {
	if m.On {
		return ls.BytesWithLabels(buf, names...)
	}
	return ls.BytesWithoutLabels(buf, names...)
}

func signatureNames(m *parser.VectorMatching) []string {
	names := slices.Clone(m.MatchingLabels)
	if !m.On {
		names = append(names, "__name__", "__type__", "__unit__")
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (b *pairs) prepare(many, one *shape) *matched {
	p := &matched{many: many, one: one, distinct: true}
	names := signatureNames(b.match)
	bySig := map[string][]int32{}
	var buf []byte
	for i, ls := range one.rows {
		buf = signature(b.match, names, buf[:0], ls)
		bySig[string(buf)] = append(bySig[string(buf)], int32(i))
	}
	for _, rows := range bySig {
		if len(rows) > 1 {
			p.crowds = append(p.crowds, rows)
		}
	}
	left := map[string][]int32{}
	r := rower{}
	for i, ls := range many.rows {
		buf = signature(b.match, names, buf[:0], ls)
		ones := bySig[string(buf)]
		if len(ones) > 0 && b.match.Card == parser.CardOneToOne {
			left[string(buf)] = append(left[string(buf)], int32(len(p.pairs)))
		}
		for _, j := range ones {
			k, known := r.row(b.result(ls, one.rows[j]))
			p.distinct = p.distinct && !known
			p.pairs = append(p.pairs, pair{int32(i), j, k})
		}
	}
	for _, rows := range left {
		if len(rows) > 1 {
			p.leftOf = append(p.leftOf, rows)
		}
	}
	p.out = &shape{r.rows}
	return p
}

// result is the labels of a result, as PromQL makes them of the two that matched.
func (b *pairs) result(many, one labels.Labels) labels.Labels {
	lb := labels.NewBuilder(many)
	if b.returnBool || changesMeaning(b.op) {
		schema.Metadata{}.SetToLabels(lb)
	}
	if b.match.Card == parser.CardOneToOne {
		if b.match.On {
			lb.Keep(b.match.MatchingLabels...)
		} else {
			lb.Del(b.match.MatchingLabels...)
		}
	}
	for _, name := range b.match.Include {
		lb.Set(name, one.Get(name)) // an empty value deletes
	}
	return lb.Labels()
}

func (b *pairs) eval(e *env) (vector, error) {
	l, r, err := e.both(b.l, b.r)
	if err != nil {
		return l, err
	}
	many, one, swapped := l, r, b.match.Card == parser.CardOneToMany
	if swapped {
		many, one = r, l
	}
	if b.plan == nil || b.plan.many != many.shape || b.plan.one != one.shape {
		b.plan = e.plans.match(many.shape, one.shape, b.key, b.prepare)
	}
	p := b.plan
	n := e.times.n
	if len(many.rows) == 0 || len(one.rows) == 0 {
		return emptied(b.room, p.out, n), nil
	}
	if crowded(p.crowds, one) {
		return l, errAmbiguous
	}
	if len(p.leftOf) > 0 && b.manyToOne(p, many, one) {
		return l, errAmbiguous
	}
	var out vector
	if p.distinct {
		out = sized(b.room, p.out, n)
	} else {
		out = emptied(b.room, p.out, n)
	}
	b.room = out.vals
	compares := b.op.IsComparisonOperator()
	if b.op == parser.DIV && p.distinct && !swapped {
		for _, m := range p.pairs {
			quotients(out.row(int(m.out)), many.row(int(m.many)), one.row(int(m.one)))
		}
		return out, nil
	}
	for _, m := range p.pairs {
		x, y, to := many.row(int(m.many)), one.row(int(m.one)), out.row(int(m.out))
		for k := range to {
			f, g := x[k], y[k]
			if window.IsGone(f) || window.IsGone(g) {
				if p.distinct {
					to[k] = window.Gone
				}
				continue
			}
			if swapped {
				f, g = g, f
			}
			v, holds := operate(b.op, f, g)
			switch {
			case b.returnBool:
				v = truth(holds)
			case compares && !holds:
				v = window.Gone
			}
			if p.distinct {
				to[k] = v
				continue
			}
			if window.IsGone(v) {
				continue
			}
			if !window.IsGone(to[k]) {
				return out, errAmbiguous
			}
			to[k] = v
		}
	}
	return out, nil
}

// quotients of what has a value on both sides.
func quotients(to, x, y []float64) {
	x, y = x[:len(to)], y[:len(to)]
	for k := range to {
		if window.IsGone(x[k]) || window.IsGone(y[k]) {
			to[k] = window.Gone
		} else {
			to[k] = x[k] / y[k]
		}
	}
}

// crowded says whether two rows that match the same both have a value.
func crowded(crowds [][]int32, v vector) bool {
	for _, rows := range crowds {
		for k := range v.n {
			seen := false
			for _, i := range rows {
				if !window.IsGone(v.row(int(i))[k]) {
					if seen {
						return true
					}
					seen = true
				}
			}
		}
	}
	return false
}

// manyToOne says whether two rows of the left may match the same row of the right at one
// step. The inner engine then decides what to say about it.
func (b *pairs) manyToOne(p *matched, many, one vector) bool {
	for _, group := range p.leftOf {
		for k := range many.n {
			seen := int32(-1)
			for _, i := range group {
				m := p.pairs[i]
				if !window.IsGone(many.row(int(m.many))[k]) {
					if seen >= 0 && seen != m.many {
						return true
					}
					seen = m.many
				}
			}
		}
	}
	return false
}

// sets is and, or, unless.
type sets struct {
	state
	op    parser.ItemType
	l, r  node
	match *parser.VectorMatching
	plan  *overlap
}

type overlap struct {
	l, r    *shape
	out     *shape
	rightOf [][]int32 // of and, unless: the rows of the right that match a row of the left
	leftOf  [][]int32 // of or: the rows of the left that match a row of the right
	toRight []int32   // of or: the row of the result for each row of the right
}

func (b *sets) prepare(l, r *shape) *overlap {
	p := &overlap{l: l, r: r}
	names := signatureNames(b.match)
	index := func(of *shape) map[string][]int32 {
		by := map[string][]int32{}
		for i, ls := range of.rows {
			s := string(signature(b.match, names, nil, ls))
			by[s] = append(by[s], int32(i))
		}
		return by
	}
	look := func(of *shape, by map[string][]int32) [][]int32 {
		out := make([][]int32, len(of.rows))
		for i, ls := range of.rows {
			out[i] = by[string(signature(b.match, names, nil, ls))]
		}
		return out
	}
	if b.op != parser.LOR {
		p.out, p.rightOf = l, look(l, index(r))
		return p
	}
	p.leftOf = look(r, index(l))
	rows := rower{}
	for _, ls := range l.rows {
		rows.row(ls)
	}
	for _, ls := range r.rows {
		k, _ := rows.row(ls)
		p.toRight = append(p.toRight, k)
	}
	p.out = &shape{rows.rows}
	return p
}

func (b *sets) eval(e *env) (vector, error) {
	l, r, err := e.both(b.l, b.r)
	if err != nil {
		return l, err
	}
	if b.plan == nil || b.plan.l != l.shape || b.plan.r != r.shape {
		b.plan = b.prepare(l.shape, r.shape)
	}
	p := b.plan
	n := e.times.n
	any := func(of vector, rows []int32, k int) bool {
		for _, i := range rows {
			if !window.IsGone(of.vals[int(i)*n+k]) {
				return true
			}
		}
		return false
	}
	out := emptied(b.room, p.out, n)
	b.room = out.vals
	copy(out.vals, l.vals)
	if b.op != parser.LOR {
		for i := range l.rows {
			to := out.row(i)
			for k := range to {
				if any(r, p.rightOf[i], k) != (b.op == parser.LAND) {
					to[k] = window.Gone
				}
			}
		}
		return out, nil
	}
	if len(p.out.rows) < len(l.rows) {
		return out, errAmbiguous
	}
	for j, row := range p.toRight {
		to := out.row(int(row))
		for k, f := range r.row(j) {
			if window.IsGone(f) || any(l, p.leftOf[j], k) {
				continue
			}
			if !window.IsGone(to[k]) {
				return out, errAmbiguous
			}
			to[k] = f
		}
	}
	return out, nil
}
