package evaluate

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/detect/window"
)

// node returns the node of an expression.
func (p *program) node(e parser.Expr) node {
	e = bare(e)
	text := e.String()
	if n := p.nodes[text]; n != nil {
		return n
	}
	n := p.direct(e)
	if n == nil {
		n = p.engine(e)
	}
	n.st().text = text
	p.nodes[text] = n
	return n
}

// bare takes the parentheses around an expression away.
func bare(e parser.Expr) parser.Expr {
	for {
		paren, ok := e.(*parser.ParenExpr)
		if !ok {
			return e
		}
		e = paren.Expr
	}
}

// direct returns a node that is evaluated here, nil when there is none for it, or when
// there is nothing in it that is.
func (p *program) direct(e parser.Expr) node {
	switch e := e.(type) {
	case *parser.NumberLiteral:
		return &number{v: e.Val}
	case *parser.VectorSelector:
		if l := p.selector(e); l != nil {
			return l
		}
	case *parser.UnaryExpr:
		of := p.node(e.Expr)
		if e.Op == parser.ADD {
			return &same{of: of}
		}
		return &mapped{of: of, f: func(v float64, _ []float64) float64 { return -v }}
	case *parser.AggregateExpr:
		return p.aggregate(e)
	case *parser.BinaryExpr:
		return p.binary(e)
	case *parser.Call:
		return p.call(e)
	}
	return nil
}

// selector returns the leaf of a selector that can be followed: it names a metric, and is
// of now or of a fixed time before or after.
func (p *program) selector(s *parser.VectorSelector) *leaf {
	if s.Timestamp != nil || s.StartOrEnd != 0 || s.Anchored || s.Smoothed || s.OriginalOffsetExpr != nil {
		return nil
	}
	l := &leaf{offset: s.OriginalOffset.Milliseconds(), keepName: true}
	for _, m := range s.LabelMatchers {
		// A regular expression takes kilobytes: the same matcher is kept once.
		if known := p.matchers[m.String()]; known != nil {
			m = known
		} else {
			p.matchers[m.String()] = m
		}
		l.matchers = append(l.matchers, m)
		if m.Name == labels.MetricName {
			if m.Type != labels.MatchEqual || l.name != "" {
				return nil
			}
			l.name = m.Value
		}
	}
	if l.name == "" {
		return nil
	}
	return l
}

func (p *program) ranged(fn window.Function, arg parser.Expr, param float64) *leaf {
	m, ok := arg.(*parser.MatrixSelector)
	if !ok || m.RangeExpr != nil {
		return nil
	}
	length := m.Range.Milliseconds()
	if _, _, ok := fn.Needs(length, p.tail); !ok || length <= 0 {
		return nil
	}
	s, ok := m.VectorSelector.(*parser.VectorSelector)
	if !ok {
		return nil
	}
	l := p.selector(s)
	if l == nil {
		return nil
	}
	l.fn, l.length, l.param = fn, length, param
	l.keepName = fn == window.Last || fn == window.First
	return l
}

func (p *program) binary(e *parser.BinaryExpr) node {
	l, r := e.LHS, e.RHS
	switch {
	case isScalar(l) && isScalar(r):
		if canOperate(e.Op) {
			return &scalars{op: e.Op, l: p.node(l), r: p.node(r)}
		}
	case isScalar(r):
		if canOperate(e.Op) {
			return &mixed{op: e.Op, vec: p.node(l), num: p.node(r), returnBool: e.ReturnBool}
		}
	case isScalar(l):
		if canOperate(e.Op) {
			return &mixed{op: e.Op, vec: p.node(r), num: p.node(l), swapped: true, returnBool: e.ReturnBool}
		}
	case e.VectorMatching.FillValues.LHS != nil || e.VectorMatching.FillValues.RHS != nil:
	case e.Op == parser.LAND || e.Op == parser.LOR || e.Op == parser.LUNLESS:
		return &sets{op: e.Op, l: p.node(l), r: p.node(r), match: e.VectorMatching}
	case canOperate(e.Op):
		m := e.VectorMatching
		key := fmt.Sprintf("%v %v %q %q %v", m.Card, m.On, m.MatchingLabels, m.Include, e.ReturnBool || changesMeaning(e.Op))
		return &pairs{op: e.Op, l: p.node(l), r: p.node(r), match: m, returnBool: e.ReturnBool, key: key}
	}
	return nil
}

func (p *program) aggregate(e *parser.AggregateExpr) node {
	g := newGrouping(e.Grouping, e.Without)
	switch e.Op {
	case parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO:
		return &chosen{grouping: g, op: e.Op, of: p.node(e.Expr), param: p.node(e.Param)}
	case parser.QUANTILE:
		return &quantile{grouping: g, of: p.node(e.Expr), param: p.node(e.Param)}
	case parser.COUNT_VALUES:
		label, ok := e.Param.(*parser.StringLiteral)
		if !ok || !model.UTF8Validation.IsValidLabelName(label.Val) {
			return nil
		}
		if !g.without {
			g = newGrouping(append(slices.Clone(g.names), label.Val), false)
		}
		return &counts{grouping: g, of: p.node(e.Expr), label: label.Val}
	}
	if canAggregate(e.Op) {
		return &aggregate{grouping: g, op: e.Op, of: p.node(e.Expr)}
	}
	return nil
}

func (p *program) call(e *parser.Call) node {
	name := e.Func.Name
	if f := plainFunctions[name]; f != nil {
		return &mapped{of: p.node(e.Args[0]), f: func(v float64, _ []float64) float64 { return f(v) }}
	}
	if f := dateFunctions[name]; f != nil {
		if len(e.Args) == 0 {
			return &mapped{of: p.clock(), f: date(f)}
		}
		return &mapped{of: p.node(e.Args[0]), f: date(f)}
	}
	switch name {
	case "pi":
		return &number{v: math.Pi}
	case "label_replace", "label_join":
		if change := relabel(e); change != nil {
			return &relabelled{of: p.node(e.Args[0]), change: change}
		}
		return nil
	case "histogram_quantile":
		return &buckets{of: p.node(e.Args[1]), params: []node{p.node(e.Args[0])}, f: bucketQuantile}
	case "histogram_fraction":
		return &buckets{of: p.node(e.Args[2]), params: []node{p.node(e.Args[0]), p.node(e.Args[1])}, f: bucketFraction}
	case "histogram_count", "histogram_sum", "histogram_avg", "histogram_stddev", "histogram_stdvar":
		// Of floats they have no value; with native histograms the whole is the inner engine's.
		return &mapped{of: p.node(e.Args[0]), f: func(float64, []float64) float64 { return window.Gone }}
	case "timestamp":
		if s, ok := bare(e.Args[0]).(*parser.VectorSelector); ok {
			if l := p.selector(s); l != nil {
				l.stamp, l.keepName = true, false
				return l
			}
			return nil
		}
		return &mapped{of: p.node(e.Args[0]), args: []node{p.clock()}, f: func(_ float64, now []float64) float64 { return now[0] }}
	case "time":
		return p.clock()
	case "vector":
		return &same{of: p.node(e.Args[0])}
	case "scalar":
		return &toScalar{of: p.node(e.Args[0])}
	case "clamp_min":
		return p.mapped(e, func(v float64, a []float64) float64 { return math.Max(a[0], math.Min(math.Inf(1), v)) })
	case "clamp_max":
		return p.mapped(e, func(v float64, a []float64) float64 { return math.Max(math.Inf(-1), math.Min(a[0], v)) })
	case "clamp":
		return p.mapped(e, func(v float64, a []float64) float64 {
			if a[1] < a[0] {
				return window.Gone
			}
			return math.Max(a[0], math.Min(a[1], v))
		})
	case "round":
		return p.mapped(e, func(v float64, a []float64) float64 {
			inverse := 1.0
			if len(a) > 0 {
				inverse = 1 / a[0]
			}
			return math.Floor(v*inverse+0.5) / inverse
		})
	case "absent":
		if s := p.absence(e); s != nil {
			return &absent{of: p.node(e.Args[0]), shape: s}
		}
		return nil
	case "absent_over_time":
		if l := p.ranged(window.Present, e.Args[0], 0); l != nil {
			if s := p.absence(e); s != nil {
				l.text = "present_over_time(" + e.Args[0].String() + ")"
				return &absent{of: l, shape: s}
			}
		}
		return nil
	case "quantile_over_time":
		if q, ok := constant(e.Args[0]); ok {
			if l := p.ranged(window.Quantile, e.Args[1], q); l != nil {
				return l
			}
		}
		return nil
	case "predict_linear":
		if d, ok := constant(e.Args[1]); ok {
			if l := p.ranged(window.PredictLinear, e.Args[0], d); l != nil {
				return l
			}
		}
		return nil
	}
	if fn := window.Named(name); fn != window.None {
		if l := p.ranged(fn, e.Args[0], 0); l != nil {
			return l
		}
	}
	return nil
}

// clock is the node of time().
func (p *program) clock() node {
	const text = "time()"
	if p.nodes[text] == nil {
		p.nodes[text] = &clock{state{text: text}}
	}
	return p.nodes[text]
}

func (p *program) mapped(e *parser.Call, f func(float64, []float64) float64) node {
	m := &mapped{of: p.node(e.Args[0]), f: f}
	for _, a := range e.Args[1:] {
		m.args = append(m.args, p.node(a))
	}
	return m
}

func constant(e parser.Expr) (float64, bool) {
	switch e := e.(type) {
	case *parser.NumberLiteral:
		return e.Val, true
	case *parser.ParenExpr:
		return constant(e.Expr)
	case *parser.BinaryExpr:
		l, ok := constant(e.LHS)
		r, also := constant(e.RHS)
		if !ok || !also || !changesMeaning(e.Op) {
			return 0, false
		}
		v, _ := operate(e.Op, l, r)
		return v, true
	case *parser.UnaryExpr:
		v, ok := constant(e.Expr)
		if e.Op == parser.SUB {
			v = -v
		}
		return v, ok
	}
	return 0, false
}

// absence asks the inner engine, over an empty store, which labels it gives to absence.
func (p *program) absence(e *parser.Call) *shape {
	v, err := p.inner.over(storage.QueryableFunc(func(int64, int64) (storage.Querier, error) { return storage.NoopQuerier(), nil }),
		context.Background(), e.String(), 0)
	if err != nil || len(v) != 1 {
		return nil
	}
	return &shape{[]labels.Labels{v[0].Metric}}
}

// engine returns a node for a part that is the inner engine's. Parts of it that can be
// evaluated here are, and are shown to it as series.
func (p *program) engine(e parser.Expr) node {
	n := &engine{why: "the inner engine evaluates " + kind(e)}
	if p.open(e) {
		replace := func(child parser.Expr) parser.Expr {
			if child.Type() != parser.ValueTypeVector {
				return child
			}
			c := p.node(child)
			if !follows(c) {
				return child
			}
			name := fmt.Sprintf("__evenkeel_node_%d", len(n.nodes))
			n.nodes, n.names = append(n.nodes, c), append(n.names, name)
			return &parser.VectorSelector{Name: name, LabelMatchers: []*labels.Matcher{
				labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, name),
			}}
		}
		switch e := e.(type) {
		case *parser.AggregateExpr:
			e.Expr = replace(e.Expr)
		case *parser.BinaryExpr:
			e.LHS, e.RHS = replace(e.LHS), replace(e.RHS)
		case *parser.Call:
			for i := range e.Args {
				e.Args[i] = replace(e.Args[i])
			}
		}
	}
	n.expr = e.String()
	return n
}

// open says whether the operands of a part may be evaluated apart from it.
func (p *program) open(e parser.Expr) bool {
	switch e := e.(type) {
	case *parser.AggregateExpr, *parser.BinaryExpr:
		return true
	case *parser.Call:
		switch e.Func.Name {
		case "timestamp", "info", "absent", "absent_over_time":
			return false // these look at the selector itself
		}
		return true
	}
	return false
}
