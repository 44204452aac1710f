package backtest

import (
	"context"
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
