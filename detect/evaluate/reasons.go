package evaluate

import (
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/detect/window"
)

// kind says what the inner engine evaluates, as a reason why that is not done here.
func kind(e parser.Expr) string {
	switch e := e.(type) {
	case *parser.Call:
		for _, a := range e.Args {
			if _, ok := a.(*parser.SubqueryExpr); ok {
				return e.Func.Name + " of a subquery"
			}
			if m, ok := a.(*parser.MatrixSelector); ok {
				return e.Func.Name + kindOfRange(e.Func.Name, m)
			}
		}
		return e.Func.Name
	case *parser.AggregateExpr:
		return e.Op.String()
	case *parser.BinaryExpr:
		return "the operator " + e.Op.String()
	case *parser.VectorSelector:
		return "selectors " + kindOfSelector(e)
	case *parser.StringLiteral:
		return "strings"
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", e), "*parser.")
}

func kindOfSelector(s *parser.VectorSelector) string {
	if s.Timestamp != nil || s.StartOrEnd != 0 {
		return "with @"
	}
	return "that name no metric"
}

// kindOfRange says why a function of a range is not evaluated here, or nothing when the
// function itself is not.
func kindOfRange(name string, m *parser.MatrixSelector) string {
	fn := window.Named(name)
	if fn == window.None && name != "absent_over_time" {
		return ""
	}
	if s, ok := m.VectorSelector.(*parser.VectorSelector); ok {
		names := 0
		for _, l := range s.LabelMatchers {
			if l.Name == labels.MetricName && l.Type == labels.MatchEqual && l.Value != "" {
				names++
			}
		}
		if s.Timestamp != nil || s.StartOrEnd != 0 || names != 1 {
			return " of selectors " + kindOfSelector(s)
		}
	}
	if _, _, ok := fn.Needs(m.Range.Milliseconds(), liveTail); !ok && fn != window.None {
		return " over more than 6h: it looks at each sample"
	}
	if fn == window.Quantile || fn == window.PredictLinear {
		return " whose parameter is not a constant"
	}
	return ""
}
