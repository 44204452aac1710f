package evaluate

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/evenkeel/evenkeel/detect/window"
)

// Explanation says how an expression is evaluated and what each part of it costs.
type Explanation struct {
	Expr string    `json:"expr"`
	At   time.Time `json:"at"`
	// How much is incremental: all, some or none of it.
	Incremental string `json:"incremental" doc:"all, some or none: whether its parts are kept up to date from what has changed, or Prometheus' engine reads every sample."`
	Group       string `json:"group,omitempty" doc:"The group of rules that keeps these windows; without one they were built for this answer alone."`
	Left        string `json:"left,omitempty" doc:"Why the last evaluation was left to Prometheus' engine as a whole, although its parts are incremental."`
	Series      int    `json:"series" doc:"How many series the result has."`
	// Costs of one evaluation.
	Seconds       float64 `json:"seconds" doc:"To evaluate it once, windows kept; of one that is left to Prometheus' engine, what that takes."`
	EngineSeconds float64 `json:"engine_seconds,omitempty" doc:"The same on Prometheus' engine, which reads every sample. Only where it was asked for."`
	Difference    float64 `json:"difference" doc:"The largest relative difference between the two."`
	Built         *Built  `json:"built,omitempty"`
	Bytes         int64   `json:"bytes" doc:"Memory of the windows that it looks at."`
	Part          Part    `json:"part"`
}

// Built is what it took to read the windows from the store.
type Built struct {
	Samples int64   `json:"samples"`
	Seconds float64 `json:"seconds"`
}

// Part is a part of an expression.
type Part struct {
	Expr        string  `json:"expr"`
	How         string  `json:"how" doc:"window, current value, aggregation, operation, function, constant or engine."`
	Incremental bool    `json:"incremental"`
	Why         string  `json:"why,omitempty" doc:"Why it is not, or what that means."`
	Series      int     `json:"series" doc:"How many series it has."`
	Bytes       int64   `json:"bytes,omitempty" doc:"Its share of the memory of the windows."`
	Seconds     float64 `json:"seconds" doc:"To evaluate it with all of its parts."`
	Parts       []Part  `json:"parts,omitempty"`
}

// Explain explains an expression at a time: from the windows of a group that evaluates it,
// if there is one that has not passed the time, and else from ones that are built for the
// purpose and given back. With compare, it is evaluated by Prometheus' engine as well.
func (e *Incremental) Explain(ctx context.Context, expr string, at time.Time, compare bool) (*Explanation, error) {
	var x *Explanation
	var v promql.Vector
	for _, l := range e.all() {
		if l.prog.roots[expr] == nil {
			continue
		}
		got, value, err := l.explain(ctx, expr)
		if err != nil {
			return nil, err
		}
		if got != nil && (got.At.After(at) || at.Sub(got.At) < time.Minute) {
			x, v = got, value
			break
		}
	}
	if x == nil {
		l, err := e.follow("", true, expr)
		if err != nil {
			return nil, err
		}
		defer l.Close()
		start := time.Now()
		if _, err := l.query(ctx, l.prog.roots[expr], at.UnixMilli(), false); err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		built := &Built{Seconds: time.Since(start).Seconds()}
		if x, v, err = l.explain(ctx, expr); err != nil {
			return nil, err
		}
		if x == nil {
			return nil, fmt.Errorf("cannot explain %q: it was not evaluated", expr)
		}
		for _, f := range l.families {
			f.of.mu.Lock()
			built.Samples += f.of.read
			f.of.mu.Unlock()
		}
		x.Built = built
	}
	if !compare && (x.Left == "" || x.Group != "") {
		return x, nil
	}
	start := time.Now()
	want, err := e.Prometheus.Query(ctx, expr, x.At)
	if err != nil {
		return nil, err
	}
	x.EngineSeconds = time.Since(start).Seconds()
	if x.Left != "" {
		x.Seconds, x.Series = x.EngineSeconds, len(want)
	} else if d := Difference(v, want); !math.IsInf(d, 0) {
		x.Difference = d
	} else {
		x.Difference = 1 // other series, or a value that is no number
	}
	return x, nil
}

// Explain explains one of the Live's expressions at the time of its last evaluation. It is
// nil before there was one.
func (l *Live) Explain(ctx context.Context, expr string) (*Explanation, error) {
	x, _, err := l.explain(ctx, expr)
	return x, err
}

func (l *Live) explain(ctx context.Context, expr string) (*Explanation, promql.Vector, error) {
	root := l.prog.roots[expr]
	if root == nil {
		return nil, nil, fmt.Errorf("cannot explain %q: %s does not evaluate it", expr, l.name)
	}
	l.mu.Lock()
	t := l.t
	if t != never { // what an earlier evaluation took is not what this one takes
		walk(root, func(n node) { n.st().took, n.st().rows = 0, 0 })
	}
	l.mu.Unlock()
	if t == never {
		return nil, nil, nil
	}
	start := time.Now()
	v, err := l.query(ctx, root, t, true)
	x := &Explanation{Expr: expr, At: time.UnixMilli(t).UTC(), Group: l.name, Seconds: time.Since(start).Seconds(), Series: len(v)}
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		x.Left = reason(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if run, ok := l.left[root]; err != nil && ok {
		x.Seconds, x.Series = run.took.Seconds(), run.series
	}
	x.Part = l.part(root)
	x.Bytes, x.Incremental = l.kept(root)
	if err != nil {
		x.Incremental = none
	}
	return x, v, nil
}

// How much of an expression is incremental.
const (
	all  = "all"
	some = "some"
	none = "none"
)

// kept is what is kept for an expression: bytes of windows, and how much of it is
// incremental. The caller holds the lock.
func (l *Live) kept(root node) (bytes int64, incremental string) {
	ours, theirs := map[*leaf]bool{}, false
	walk(root, func(n node) {
		switch n := n.(type) {
		case *engine:
			theirs = true
		case *leaf:
			if !ours[n] {
				ours[n] = true
				bytes += l.share(n)
			}
		}
	})
	switch {
	case theirs && len(ours) == 0:
		return bytes, none
	case theirs:
		return bytes, some
	}
	return bytes, all
}

// Summary is what is known of how an expression is evaluated, without evaluating it.
type Summary struct {
	At          time.Time // of the last evaluation
	Incremental string    // as in Explanation
	Left        string    // as in Explanation
	Bytes       int64     // memory of the windows that it looks at
}

// Summary sums up how one of the Live's expressions is evaluated. It is nil before it was.
func (l *Live) Summary(expr string) *Summary {
	root := l.prog.roots[expr]
	if root == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.t == never {
		return nil
	}
	s := &Summary{At: time.UnixMilli(l.t).UTC()}
	s.Bytes, s.Incremental = l.kept(root)
	if run, ok := l.left[root]; ok && run.at >= l.t {
		s.Left, s.Incremental = run.why, none
	}
	return s
}

// part explains a node. The caller holds the lock.
func (l *Live) part(n node) Part {
	s := n.st()
	p := Part{Expr: s.text, Incremental: true, Series: s.rows, Seconds: s.took.Seconds()}
	switch n := n.(type) {
	case *leaf:
		p.How = "window"
		if n.fn == window.None {
			p.How = "current value"
		}
		p.Series, p.Bytes = len(n.sel.rows), l.share(n)
		if wrong := n.family.wrong; wrong != nil {
			p.Incremental, p.Why = false, wrong.Error()
		}
	case *aggregate:
		p.How = "aggregation"
		if n.leaf != nil && n.leaf.fn != window.None {
			p.Why = "it takes the values of its windows one by one and keeps none of them"
		}
	case *chosen, *quantile, *counts:
		p.How, p.Why = "aggregation", "groups are made again when a value in them changes"
	case *buckets:
		p.How, p.Why = "function", "histograms are made again when a bucket of them changes"
	case *pairs, *sets, *mixed, *scalars:
		p.How = "operation"
	case *number, *clock:
		p.How = "constant"
	case *engine:
		p.How, p.Incremental, p.Why = "engine", false, n.why
	default:
		p.How = "function"
	}
	for _, c := range children(n) {
		p.Parts = append(p.Parts, l.part(c))
	}
	return p
}

// share is what a leaf takes of the memory of its states: the windows share the samples
// that are kept and the labels, and all who look at them share it all.
func (l *Live) share(n *leaf) int64 {
	s := n.family.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.series) == 0 {
		return 0
	}
	var all int64
	for _, row := range n.sel.rows {
		all += int64(row.Bytes())
	}
	all += int64(s.spec.AheadBytes() * len(n.sel.rows) / len(s.series))
	return all / int64(max(1, len(s.spec.Windows))) / int64(max(1, len(s.who())))
}

// Shares says how many of some expressions are evaluated from windows as a whole, in
// parts, or by Prometheus' engine alone, and what the reasons are.
type Shares struct {
	All, Some, None int
	Why             map[string]int // reasons of those that are not whole
}

// Share counts expressions by how they would be evaluated, without a store.
func Share(exprs ...string) (Shares, error) {
	p := newProgram(NewPrometheus(Options{}), liveTail)
	out := Shares{Why: map[string]int{}}
	for _, expr := range exprs {
		if err := p.add(expr); err != nil {
			return out, err
		}
		ours, theirs := false, map[string]bool{}
		walk(p.roots[expr], func(n node) {
			switch n := n.(type) {
			case *engine:
				theirs[n.why] = true
			case *leaf:
				ours = true
			}
		})
		switch {
		case len(theirs) == 0:
			out.All++
		case ours:
			out.Some++
		default:
			out.None++
		}
		for why := range theirs {
			out.Why[why]++
		}
	}
	return out, nil
}
