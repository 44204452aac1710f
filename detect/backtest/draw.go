package backtest

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// Drawing is what an alert looks at, as it was, for a chart: the side of its first
// comparison that is not a number, and that number.
type Drawing struct {
	Expr      string
	Threshold *float64
	Step      time.Duration
	Series    promql.Matrix
}

const (
	drawnPoints = 300
	drawnSeries = 20
)

// looks finds what to draw of an alert's expression.
func looks(e parser.Expr) (side parser.Expr, threshold *float64) {
	switch x := e.(type) {
	case *parser.ParenExpr:
		return looks(x.Expr)
	case *parser.BinaryExpr:
		if x.Op.IsSetOperator() {
			return looks(x.LHS)
		}
		if !x.Op.IsComparisonOperator() {
			break
		}
		if n, ok := number(x.RHS); ok {
			return x.LHS, &n
		}
		if n, ok := number(x.LHS); ok {
			return x.RHS, &n
		}
		return x.LHS, nil
	}
	return e, nil
}

// Reached is a comparison of an alert with a number, and what its other side was.
type Reached struct {
	Expr      string // the comparison
	Side      string // its side that is not the number
	Op        string // as if the side stood left: >, <, >=, <=
	Threshold float64
	Min, Max  float64 // NaN: the side was never anything
}

// True says whether the comparison ever held.
func (r *Reached) True() bool {
	switch r.Op {
	case ">":
		return r.Max > r.Threshold
	case ">=":
		return r.Max >= r.Threshold
	case "<":
		return r.Min < r.Threshold
	}
	return r.Min <= r.Threshold
}

// comparisons finds the comparisons with a number that decide whether there is a result.
func comparisons(e parser.Expr) []Reached {
	switch x := e.(type) {
	case *parser.ParenExpr:
		return comparisons(x.Expr)
	case *parser.BinaryExpr:
		switch x.Op {
		case parser.LUNLESS:
			return comparisons(x.LHS)
		case parser.LAND, parser.LOR:
			return append(comparisons(x.LHS), comparisons(x.RHS)...)
		}
		turned := map[parser.ItemType]string{parser.GTR: "<", parser.GTE: "<=", parser.LSS: ">", parser.LTE: ">="}
		if turned[x.Op] == "" || x.ReturnBool || x.LHS.Type() != parser.ValueTypeVector && x.RHS.Type() != parser.ValueTypeVector {
			return nil
		}
		if n, ok := number(x.RHS); ok {
			return []Reached{{Expr: x.String(), Side: x.LHS.String(), Op: x.Op.String(), Threshold: n}}
		}
		if n, ok := number(x.LHS); ok {
			return []Reached{{Expr: x.String(), Side: x.RHS.String(), Op: turned[x.Op], Threshold: n}}
		}
	}
	return nil
}

// reach finds what the sides of the alerts' comparisons were, at each evaluation. What
// cannot be evaluated has its error elsewhere.
func (x *run) reach(ctx context.Context, from time.Time) error {
	for _, n := range x.job.nodes {
		if n.Alert == "" || n.broken != "" {
			continue
		}
		for _, r := range comparisons(n.expr) {
			m, err := x.engine.Ranges(ctx, []string{"max(" + r.Side + ")", "min(" + r.Side + ")"}, from, x.to, n.step)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				continue
			}
			r.Min, r.Max = math.NaN(), math.NaN()
			for _, s := range m[0] {
				for _, p := range s.Floats {
					if !(p.F <= r.Max) && !math.IsNaN(p.F) { //nolint:staticcheck // NaN is below all
						r.Max = p.F
					}
				}
			}
			for _, s := range m[1] {
				for _, p := range s.Floats {
					if !(p.F >= r.Min) && !math.IsNaN(p.F) { //nolint:staticcheck // as above
						r.Min = p.F
					}
				}
			}
			x.out.reached[n] = append(x.out.reached[n], r)
		}
	}
	return nil
}

func number(e parser.Expr) (float64, bool) {
	switch x := e.(type) {
	case *parser.NumberLiteral:
		return x.Val, true
	case *parser.ParenExpr:
		return number(x.Expr)
	case *parser.UnaryExpr:
		if v, ok := number(x.Expr); ok && x.Op == parser.SUB {
			return -v, true
		}
	}
	return 0, false
}

// draw evaluates what the alerts of a replay look at. What cannot be drawn is not.
func (x *run) draw(ctx context.Context, from time.Time) {
	s := x.to.Sub(from) / drawnPoints
	s = max(s.Truncate(time.Second), x.job.nodes[0].step)
	for _, n := range x.job.nodes {
		if n.Alert == "" || n.broken != "" || len(x.out.alerts[n]) == 0 {
			continue
		}
		side, threshold := looks(n.expr)
		m, err := x.engine.Range(ctx, side.String(), from, x.to, s)
		if err != nil {
			continue
		}
		if len(m) > drawnSeries {
			m = m[:drawnSeries]
		}
		x.out.drawings[n] = &Drawing{Expr: side.String(), Threshold: threshold, Step: s, Series: m}
	}
}
