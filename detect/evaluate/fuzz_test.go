package evaluate_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

// drifts says whether an expression may turn a difference in the last digits into any
// other one: by taking what is nearly the same from each other, or by comparing it.
func drifts(e parser.Expr) bool {
	summed, decides := false, false
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		switch x := n.(type) {
		case *parser.Call:
			switch x.Func.Name {
			case "sum_over_time", "avg_over_time", "stddev_over_time", "stdvar_over_time", "deriv", "predict_linear", "quantile_over_time", "histogram_quantile":
				summed = true
			case "round", "floor", "ceil", "sgn", "clamp", "clamp_min", "clamp_max", "changes", "resets", "ln", "log2", "log10", "tan", "sin", "cos", "exp", "acos", "asin", "acosh", "atanh", "scalar", "sort", "sort_desc", "delta", "idelta", "irate", "rate", "increase":
				decides = true
			}
		case *parser.AggregateExpr:
			switch x.Op {
			case parser.STDDEV, parser.STDVAR, parser.AVG, parser.SUM:
				summed = true
			case parser.TOPK, parser.BOTTOMK, parser.COUNT_VALUES, parser.QUANTILE:
				decides = true
			}
		case *parser.BinaryExpr:
			decides = true
		case *parser.SubqueryExpr:
			decides = true
		}
		return nil
	})
	return summed && decides
}

// chooses says whether an expression may choose among equal values: over many steps the
// engine chooses anew with each query.
func chooses(e parser.Expr) (found bool) {
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if a, ok := n.(*parser.AggregateExpr); ok && (a.Op == parser.TOPK || a.Op == parser.BOTTOMK) {
			found = true
		}
		return nil
	})
	return found
}

// FuzzExpressionOnSeries asks any expression of any series, and wants Prometheus' answer
// from windows that move on and from a replay.
func FuzzExpressionOnSeries(f *testing.F) {
	for i, expr := range append(append([]string(nil), exprs...), wild...) {
		f.Add(expr, uint64(i))
	}
	f.Fuzz(func(t *testing.T, expr string, seed uint64) {
		e, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
		if err != nil || len(expr) > 300 || e.Type() != parser.ValueTypeVector && e.Type() != parser.ValueTypeScalar {
			return
		}
		costly := false
		parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
			if s, ok := n.(*parser.SubqueryExpr); ok && (s.Step < 30*time.Second || s.Range > 6*time.Hour) {
				costly = true
			}
			return nil
		})
		if costly {
			return
		}
		w := newWorld(t, seed, true)
		w.pace = 15_000
		w.run(40*time.Minute, true)
		live, err := w.engine.Live("fuzz", expr)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		defer live.Close()
		loose := drifts(e)
		from := time.UnixMilli(w.now)
		for range 5 {
			w.run(time.Duration(w.r.IntN(400)+1)*time.Second, true)
			at := time.UnixMilli(w.now)
			got, err := live.Query(t.Context(), expr, at)
			want, werr := w.oracle.Query(t.Context(), expr, at)
			if (err == nil) != (werr == nil) {
				t.Fatalf("%s: error %v, expected %v", expr, err, werr)
			}
			if d := evaluate.Difference(got, want); d > 1e-9 && !loose {
				t.Fatalf("%s at %s: differs by %g\ngot  %v\nwant %v", expr, at.UTC(), d, got, want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		to := time.UnixMilli(w.now)
		got, err := w.engine.Range(ctx, expr, from, to, 37*time.Second)
		want, werr := w.oracle.Range(ctx, expr, from, to, 37*time.Second)
		if (err == nil) != (werr == nil) {
			t.Fatalf("%s: error %v, expected %v", expr, err, werr)
		}
		if err != nil || werr != nil || loose || chooses(e) {
			return
		}
		for at := from; !at.After(to); at = at.Add(37 * time.Second) {
			if d := evaluate.Difference(column(got, at), column(want, at)); d > 1e-9 {
				t.Fatalf("%s at %s of a range: differs by %g\ngot  %v\nwant %v", expr, at.UTC(), d, column(got, at), column(want, at))
			}
		}
	})
}
