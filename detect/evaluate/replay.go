package evaluate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/kahansum"

	"github.com/evenkeel/evenkeel/detect/window"
)

// maxCells is how many values a replay keeps at one time. A longer one is cut.
const maxCells = 64 << 20

// Ranges implements Engine: each series is read once, and all windows slide over it.
func (e *Incremental) Ranges(ctx context.Context, exprs []string, from, to time.Time, step time.Duration) ([]promql.Matrix, error) {
	s, err := between(from, to, step)
	if err != nil {
		return nil, err
	}
	p := newProgram(e.Prometheus, liveTail)
	for _, expr := range exprs {
		if err := p.add(expr); err != nil {
			return nil, fmt.Errorf("cannot evaluate %q: %w", expr, err)
		}
	}
	r := &replay{e: e, prog: p, families: arrange(p.asked(), liveTail), fused: p.grouped(), out: make([]promql.Matrix, len(exprs)), exprs: exprs}
	if err := r.run(ctx, s); err != nil {
		return nil, err
	}
	return r.out, nil
}

// Range implements Engine.
func (e *Incremental) Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, error) {
	out, err := e.Ranges(ctx, []string{expr}, from, to, step)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// replay is one run over history.
type replay struct {
	e        *Incremental
	prog     *program
	families []*family
	exprs    []string
	fused    map[*leaf][]*aggregate // sums of a leaf: made while reading, its own values are not kept
	out      []promql.Matrix

	times   steps
	values  map[*leaf]vector
	sums    map[*aggregate]*fusion
	wrong   map[*family]error
	version int64
	shapes  []*shape
}

// fusion is an aggregation under way.
type fusion struct {
	rows rower
	acc  [][]accumulator // a row; of sums
	sums []sumOf         // this instead
}

// sumOf is a row of sums and of what they have lost so far.
type sumOf struct{ value, lost []float64 }

// run evaluates some steps, in two halves when they are too many to keep.
func (r *replay) run(ctx context.Context, s steps) error {
	r.times, r.values, r.sums, r.wrong = s, map[*leaf]vector{}, map[*aggregate]*fusion{}, map[*family]error{}
	for _, f := range r.families {
		fits, err := r.read(ctx, f)
		if err != nil {
			return err
		}
		if !fits {
			if s.n < 2 {
				return fmt.Errorf("cannot evaluate over %s: it has more than %d series", f, maxCells)
			}
			half := s
			half.n = s.n / 2
			if err := r.run(ctx, half); err != nil {
				return err
			}
			half.from, half.n = s.at(half.n), s.n-half.n
			return r.run(ctx, half)
		}
	}
	r.version++
	env := &env{ctx: ctx, times: s, version: r.version, inner: r.e.Prometheus, leaf: r.leaf, fused: r.aggregate, plans: &plans{}}
	for i, expr := range r.exprs {
		var m promql.Matrix
		root := r.prog.roots[expr]
		v, err := env.eval(root)
		if err == nil {
			m = v.matrix(s)
		} else {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if m, err = r.e.Prometheus.matrix(r.e.queryable, ctx, expr, s); err != nil {
				return fmt.Errorf("cannot evaluate %q: %w", expr, err)
			}
		}
		r.out[i] = join(r.out[i], m)
	}
	return nil
}

// join appends a later matrix.
func join(a, b promql.Matrix) promql.Matrix {
	if len(a) == 0 {
		return b
	}
	rows := rower{}
	for _, s := range a {
		rows.row(s.Metric)
	}
	for _, s := range b {
		if k, known := rows.row(s.Metric); known {
			a[k].Floats = append(a[k].Floats, s.Floats...)
			a[k].Histograms = append(a[k].Histograms, s.Histograms...)
		} else {
			a = append(a, s)
		}
	}
	return a
}

// read slides all windows of a family over each of its series. It is false when the values
// are too many.
func (r *replay) read(ctx context.Context, f *family) (fits bool, err error) {
	first, last := r.times.from-f.offset, r.times.to()-f.offset
	set, err := r.e.selectSeries(ctx, true, first-f.spec.Span()+1, last, f.matchers)
	if err != nil {
		return false, err
	}
	defer set.Close()
	n := r.times.n
	row := make([]float64, n)
	rows := map[*leaf]*vector{}
	full := map[*leaf]*shape{}
	for _, l := range f.leaves {
		full[l] = &shape{}
		rows[l] = &vector{full[l], n, nil}
		for _, a := range r.fused[l] {
			r.sums[a] = &fusion{}
		}
	}
	cells := 0
	columns := f.columns()
	selected := make([]bool, len(f.sels))
	var samples window.Samples
	for set.Next() {
		ls := set.Labels()
		floats, err := samples.Read(set.Iterator(first - f.spec.Span() + 1))
		if err != nil {
			return false, err
		}
		if !floats {
			r.wrong[f] = errHistogram
			return true, nil
		}
		if samples.Len() == 0 {
			continue
		}
		for i, s := range f.sels {
			selected[i] = s.matches(ls)
		}
		bare := dropName(ls)
		samples.Steps(first, r.times.step, n, f.spec.Span())
		for _, c := range columns {
			made := false
			for i, l := range c.leaves {
				if !selected[c.sels[i]] {
					continue
				}
				if !made {
					made = true
					if l.fn == window.None {
						samples.Instant(f.spec.Lookback, first, r.times.step, l.stamp, row)
					} else {
						samples.Slide(l.fn, l.length, first, r.times.step, l.param, row)
					}
				}
				name := bare
				if l.keepName {
					name = ls
				}
				if len(r.fused[l]) == 0 {
					if cells += n; cells > maxCells {
						return false, nil
					}
					rows[l].vals = append(rows[l].vals, row...)
					full[l].rows = append(full[l].rows, name)
				}
				for _, a := range r.fused[l] {
					if !r.sums[a].add(a, name, row, &cells) {
						return false, nil
					}
				}
			}
		}
	}
	if err := set.Err(); err != nil {
		return false, err
	}
	for l, v := range rows {
		r.values[l] = *v
	}
	return true, nil
}

// column is a function of one window, and the leaves that ask for it: of all series of a
// family, or of some.
type column struct {
	leaves []*leaf
	sels   []int // for each leaf the index of its selection
}

func (f *family) columns() []column {
	type what struct {
		fn     window.Function
		length int64
		param  float64
		stamp  bool
	}
	var out []column
	by := map[what]int{}
	for _, l := range f.leaves {
		w := what{l.fn, l.length, l.param, l.stamp}
		k, known := by[w]
		if !known {
			k = len(out)
			by[w] = k
			out = append(out, column{})
		}
		out[k].leaves = append(out[k].leaves, l)
		out[k].sels = append(out[k].sels, slices.Index(f.sels, l.sel))
	}
	return out
}

func (x *fusion) add(a *aggregate, ls labels.Labels, row []float64, cells *int) bool {
	g, known := x.rows.row(a.grouping.of(ls))
	if a.op == parser.SUM {
		if !known {
			if *cells += 2 * len(row); *cells > maxCells {
				return false
			}
			x.sums = append(x.sums, sumOf{value: slices.Clone(row)})
			return true
		}
		if x.sums[g].lost == nil {
			x.sums[g].lost = make([]float64, len(row))
		}
		x.sums[g].add(row)
		return true
	}
	if !known {
		if *cells += 5 * len(row); *cells > maxCells {
			return false
		}
		x.acc = append(x.acc, make([]accumulator, len(row)))
	}
	acc := x.acc[g]
	for k, v := range row {
		if !window.IsGone(v) {
			acc[k].add(a.op, v)
		}
	}
	return true
}

// add adds a row of values, a step each. What a sum loses by rounding is found by Knuth's
// two-sum, without asking which of the two is larger: it is exact, so it is the same as
// the inner engine's, as long as nothing comes near to overflowing.
func (x sumOf) add(row []float64) {
	value, lost := x.value[:len(row)], x.lost[:len(row)]
	for k, f := range row {
		if window.IsGone(f) {
			continue
		}
		s := value[k]
		if window.IsGone(s) {
			value[k] = f
			continue
		}
		t := s + f
		if !(t < 1e300 && t > -1e300) {
			value[k], lost[k] = kahansum.Inc(f, s, lost[k])
			continue
		}
		b := t - s
		lost[k] += (s - (t - b)) + (f - b)
		value[k] = t
	}
}

// leaf is env.leaf.
func (r *replay) leaf(l *leaf) (vector, error) {
	if err := r.wrong[l.family]; err != nil {
		return vector{}, err
	}
	return r.values[l], nil
}

// aggregate is env.fused.
func (r *replay) aggregate(a *aggregate) (v vector, ok bool, err error) {
	x := r.sums[a]
	if x == nil {
		return vector{}, false, nil
	}
	if l := a.of.(*leaf); r.wrong[l.family] != nil {
		return vector{}, true, r.wrong[l.family]
	}
	out := sized(nil, r.shape(x.rows.rows), r.times.n)
	for g, sum := range x.sums {
		row := out.row(g)
		for k, v := range sum.value {
			switch {
			case window.IsGone(v):
			case sum.lost != nil:
				v += sum.lost[k]
			case v == 0:
				v = 0 // as a sum with a minus zero is
			}
			row[k] = v
		}
	}
	for g, acc := range x.acc {
		row := out.row(g)
		for k := range acc {
			row[k] = acc[k].result(a.op)
		}
	}
	return out, true, nil
}

// shape returns one that is known already where the rows are the same.
func (r *replay) shape(rows []labels.Labels) *shape {
	for _, s := range r.shapes {
		if len(s.rows) == len(rows) && sameShape(s, rows) == s {
			return s
		}
	}
	s := &shape{rows}
	if len(r.shapes) < 64 {
		r.shapes = append(r.shapes, s)
	}
	return s
}
