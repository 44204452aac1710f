package evaluate

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/detect/window"
)

// A node is a part of an expression that is evaluated here. What it keeps between
// evaluations is derived from shapes, and its result is good until the next evaluation.
type node interface {
	eval(e *env) (vector, error)
	st() *state
}

// state is what every node has.
type state struct {
	text    string // PromQL
	version int64  // of the env whose result is out
	out     vector
	room    []float64     // for values, used again
	took    time.Duration // of the last evaluation, children included
	rows    int           // with a value, when it was timed
}

func (s *state) st() *state { return s }

// These end an evaluation here: the inner engine does the whole expression instead, or
// says what is wrong with it.
var (
	errAmbiguous = errors.New("labels are ambiguous")
	errHistogram = errors.New("the series are native histograms")
	errUnsure    = errors.New("a running sum has overflowed or cancelled, or a counter is reset too often")
)

// env is one evaluation.
type env struct {
	ctx     context.Context
	times   steps
	version int64 // a node is evaluated once a version
	inner   *Prometheus
	leaf    func(*leaf) (vector, error)
	plans   *plans
	acc     []accumulator // room, used again
	// Aggregations that are made without their operand's values; may be nil.
	fused func(*aggregate) (v vector, ok bool, err error)
	timed bool
}

func (e *env) eval(n node) (vector, error) {
	s := n.st()
	if s.version == e.version {
		return s.out, nil
	}
	var start time.Time
	if e.timed {
		start = time.Now()
	}
	v, err := n.eval(e)
	if err != nil {
		return v, err
	}
	if e.timed {
		s.took = time.Since(start)
		s.rows = 0
		for _, f := range v.vals {
			if !window.IsGone(f) {
				s.rows++
			}
		}
	}
	s.out, s.version = v, e.version
	return v, nil
}

func (e *env) both(l, r node) (a, b vector, err error) {
	if a, err = e.eval(l); err != nil {
		return a, b, err
	}
	b, err = e.eval(r)
	return a, b, err
}

// leaf is a selector, or a function of a range of one.
type leaf struct {
	state
	name     string
	matchers []*labels.Matcher
	offset   int64 // milliseconds
	fn       window.Function
	length   int64   // of the window, milliseconds; 0 for a selector alone
	param    float64 // of predict_linear, quantile_over_time
	keepName bool
	stamp    bool // timestamp() of a selector: the time of the sample in seconds

	// Set when leaves are arranged.
	family *family
	sel    *selection
	win    int
	// Of a Live: whether the name has to be dropped, and what was fetched.
	bare bool
	now  vector
	err  error
}

func (l *leaf) eval(e *env) (vector, error) { return e.leaf(l) }

// number is a constant.
type number struct {
	state
	v float64
}

func (n *number) eval(e *env) (vector, error) {
	out := sized(n.room, noLabels, e.times.n)
	n.room = out.vals
	for k := range out.vals {
		out.vals[k] = n.v
	}
	return out, nil
}

// clock is time().
type clock struct{ state }

func (c *clock) eval(e *env) (vector, error) {
	out := sized(c.room, noLabels, e.times.n)
	c.room = out.vals
	for k := range out.vals {
		out.vals[k] = float64(e.times.at(k)) / 1000
	}
	return out, nil
}

// toScalar is scalar().
type toScalar struct {
	state
	of node
}

func (t *toScalar) eval(e *env) (vector, error) {
	in, err := e.eval(t.of)
	if err != nil {
		return in, err
	}
	out := sized(t.room, noLabels, in.n)
	t.room = out.vals
	for k := range out.vals {
		seen := 0
		out.vals[k] = math.NaN()
		for i := range in.rows {
			if f := in.vals[i*in.n+k]; !window.IsGone(f) {
				seen++
				out.vals[k] = f
			}
		}
		if seen > 1 {
			out.vals[k] = math.NaN()
		}
	}
	return out, nil
}

// same passes its operand on: parentheses, vector(), a unary plus.
type same struct {
	state
	of node
}

func (s *same) eval(e *env) (vector, error) { return e.eval(s.of) }

// mapped applies a function to each value.
type mapped struct {
	state
	of       node
	args     []node // scalars
	f        func(v float64, args []float64) float64
	keepName bool
	names    dropped
}

func (m *mapped) eval(e *env) (vector, error) {
	in, err := e.eval(m.of)
	if err != nil {
		return in, err
	}
	var room [2]float64
	args := make([]vector, len(m.args))
	for i, a := range m.args {
		if args[i], err = e.eval(a); err != nil {
			return in, err
		}
	}
	out := sized(m.room, in.shape, in.n)
	m.room = out.vals
	for k := range in.n {
		now := room[:len(args)]
		for i := range args {
			now[i] = args[i].vals[k]
		}
		for at := k; at < len(out.vals); at += in.n {
			if f := in.vals[at]; window.IsGone(f) {
				out.vals[at] = window.Gone
			} else {
				out.vals[at] = m.f(f, now)
			}
		}
	}
	if m.keepName {
		return out, nil
	}
	return m.names.apply(e.plans, out)
}

// absent is absent() and absent_over_time().
type absent struct {
	state
	of    node
	shape *shape
}

func (a *absent) eval(e *env) (vector, error) {
	in, err := e.eval(a.of)
	if err != nil {
		return in, err
	}
	out := sized(a.room, a.shape, in.n)
	a.room = out.vals
	for k := range out.vals {
		out.vals[k] = 1
		for at := k; at < len(in.vals); at += in.n {
			if !window.IsGone(in.vals[at]) {
				out.vals[k] = window.Gone
				break
			}
		}
	}
	return out, nil
}

// engine is a part that the inner engine evaluates, over the store and over the results of
// the nodes that stand in it.
type engine struct {
	state
	expr  string // the children in it are selectors of their results
	nodes []node
	names []string
	why   string
	shape *shape
}

func (n *engine) eval(e *env) (vector, error) {
	q := storage.Queryable(e.inner.queryable)
	if len(n.nodes) > 0 {
		r := results{store: e.inner.queryable, times: e.times, by: map[string]vector{}}
		for i, child := range n.nodes {
			v, err := e.eval(child)
			if err != nil {
				return v, err
			}
			r.by[n.names[i]] = v
		}
		q = r
	}
	if e.times.n == 1 {
		got, err := e.inner.over(q, e.ctx, n.expr, e.times.from)
		if err != nil {
			return vector{}, err
		}
		rows := make([]labels.Labels, len(got))
		for i := range got {
			if got[i].H != nil {
				return vector{}, errHistogram
			}
			rows[i] = got[i].Metric
		}
		n.shape = sameShape(n.shape, rows)
		out := sized(n.room, n.shape, 1)
		n.room = out.vals
		for i := range got {
			out.vals[i] = got[i].F
		}
		return out, nil
	}
	got, err := e.inner.matrix(q, e.ctx, n.expr, e.times)
	if err != nil {
		return vector{}, err
	}
	rows := make([]labels.Labels, len(got))
	for i := range got {
		if len(got[i].Histograms) > 0 {
			return vector{}, errHistogram
		}
		rows[i] = got[i].Metric
	}
	out := emptied(nil, &shape{rows}, e.times.n)
	for i := range got {
		row := out.row(i)
		for _, p := range got[i].Floats {
			row[(p.T-e.times.from)/e.times.step] = p.F
		}
	}
	return out, nil
}

// over evaluates at one time over any store.
func (p *Prometheus) over(q storage.Queryable, ctx context.Context, expr string, t int64) (promql.Vector, error) {
	query, err := p.engine.NewInstantQuery(ctx, q, nil, expr, time.UnixMilli(t))
	if err != nil {
		return nil, err
	}
	defer query.Close()
	res := query.Exec(ctx)
	if res.Err != nil {
		return nil, res.Err
	}
	switch v := res.Value.(type) {
	case promql.Vector:
		return append(promql.Vector(nil), v...), nil // Close takes back the engine's own slice
	case promql.Scalar:
		return promql.Vector{promql.Sample{T: v.T, F: v.V}}, nil
	}
	return nil, notAVector(expr, res.Value.Type())
}

// matrix evaluates at many times over any store.
func (p *Prometheus) matrix(q storage.Queryable, ctx context.Context, expr string, t steps) (promql.Matrix, error) {
	query, err := p.engine.NewRangeQuery(ctx, q, nil, expr, time.UnixMilli(t.from), time.UnixMilli(t.to()), time.Duration(t.step)*time.Millisecond)
	if err != nil {
		return nil, err
	}
	defer query.Close()
	m, err := query.Exec(ctx).Matrix()
	if err != nil {
		return nil, err
	}
	out := make(promql.Matrix, len(m))
	for i, s := range m {
		out[i] = promql.Series{Metric: s.Metric, Floats: append([]promql.FPoint(nil), s.Floats...), Histograms: append([]promql.HPoint(nil), s.Histograms...)}
	}
	return out, nil
}

// valueType is what PromQL calls the type of a node's result.
func isScalar(e parser.Expr) bool { return e.Type() == parser.ValueTypeScalar }
