package objective

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/openslo"
)

// The series that objectives of the other kinds are averaged from.
const (
	sliGood   = "slo:sli_good:bool"    // threshold: 1 while the value is good
	sliceGood = "slo:slice_good:ratio" // one sample a slice: 1 or 0, or the slice's own share of good
)

// span is the range that is looked at: a length, and where it ends (zero: now).
type span struct {
	length time.Duration
	end    time.Time
}

// errorRatio is the PromQL of the share of bad over a span: nothing where there was
// no traffic.
func errorRatio(o *declare.Objective, s span) string {
	switch {
	case o.Method == declare.Timeslices || o.Method == declare.RatioTimeslices:
		return averageBad(sliceGood, o, s)
	default:
		return occurrences(o, s)
	}
}

func averageBad(series string, o *declare.Objective, s span) string {
	return fmt.Sprintf("1 - avg_over_time(%s{objective=%q}[%s]%s)", series, o.Name, text(s.length), s.at())
}

func (s span) at() string {
	if s.end.IsZero() {
		return ""
	}
	return fmt.Sprintf(" @ %d", s.end.Unix())
}

// occurrences counts events, whatever the budgeting method makes of them later.
func occurrences(o *declare.Objective, s span) string {
	switch {
	case o.Threshold != nil:
		return averageBad(sliGood, o, s)
	case o.Ratio.Raw != "":
		avg := fmt.Sprintf("avg(%s)", windowed(o.Ratio.Raw, s, "avg_over_time"))
		if o.Ratio.RawGood {
			return "1 - " + avg
		}
		return avg
	}
	total := count(o.Ratio, o.Ratio.Total, s)
	return fmt.Sprintf("clamp_min(%s, 0) / (%s > 0)", bad(o.Ratio, s), total)
}

// bad is the PromQL of the number of bad events: zero while no series of bad events
// has been born yet, but nothing while there is no total either.
func bad(r *declare.Ratio, s span) string {
	total := count(r, r.Total, s)
	if r.Bad != "" {
		return fmt.Sprintf("(%s or %s * 0)", count(r, r.Bad, s), total)
	}
	return fmt.Sprintf("(%s - (%s or %s * 0))", total, count(r, r.Good, s), total)
}

// count is the PromQL of the number of events of one metric.
func count(r *declare.Ratio, query string, s span) string {
	fn := "increase"
	if !r.Counter {
		fn = "sum_over_time"
	}
	return fmt.Sprintf("sum(%s)", windowed(query, s, fn))
}

var promQL = parser.NewParser(parser.Options{})

// windowed puts a span into a query: placeholders and ranges that are there are
// replaced; a query without any gets fn around each of its selectors.
func windowed(query string, s span, fn string) string {
	w := text(s.length)
	ranged := openslo.Placeholder.MatchString(query)
	expr, err := promQL.ParseExpr(openslo.Placeholder.ReplaceAllString(query, w))
	if err != nil {
		// The workspace has checked it; an expression that cannot be evaluated is
		// better named by the evaluation than hidden here.
		return query
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if _, ok := n.(*parser.MatrixSelector); ok {
			ranged = true
		}
		return nil
	})
	return put(expr, s, fn, ranged).String()
}

func put(e parser.Expr, s span, fn string, ranged bool) parser.Expr {
	switch n := e.(type) {
	case *parser.MatrixSelector:
		if vs, ok := n.VectorSelector.(*parser.VectorSelector); ok {
			return &parser.MatrixSelector{VectorSelector: pin(vs, s), Range: s.length}
		}
	case *parser.VectorSelector:
		if ranged {
			return n
		}
		return &parser.Call{Func: parser.Functions[fn], Args: parser.Expressions{&parser.MatrixSelector{VectorSelector: pin(n, s), Range: s.length}}}
	case *parser.AggregateExpr:
		c := *n
		c.Expr = put(n.Expr, s, fn, ranged)
		return &c
	case *parser.BinaryExpr:
		c := *n
		c.LHS, c.RHS = put(n.LHS, s, fn, ranged), put(n.RHS, s, fn, ranged)
		return &c
	case *parser.ParenExpr:
		return &parser.ParenExpr{Expr: put(n.Expr, s, fn, ranged)}
	case *parser.UnaryExpr:
		c := *n
		c.Expr = put(n.Expr, s, fn, ranged)
		return &c
	case *parser.Call:
		c := *n
		c.Args = make(parser.Expressions, len(n.Args))
		for i, a := range n.Args {
			c.Args[i] = put(a, s, fn, ranged)
		}
		return &c
	}
	return e
}

func pin(vs *parser.VectorSelector, s span) *parser.VectorSelector {
	c := *vs
	if !s.end.IsZero() {
		ms := s.end.UnixMilli()
		c.Timestamp = &ms
	}
	return &c
}

// perSecond says whether a query counts per second (rate) and not events.
func perSecond(query string) bool { return strings.Contains(query, "rate(") }

// events is the PromQL of a number of events over a length, for the minimum-traffic
// rule; "" where the indicator counts none.
func events(o *declare.Objective, length time.Duration, what func(*declare.Ratio, span) string) string {
	if o.Ratio == nil || o.Ratio.Raw != "" {
		return ""
	}
	e := what(o.Ratio, span{length: length})
	if perSecond(o.Ratio.Total) {
		return fmt.Sprintf("%s * %g", e, length.Seconds())
	}
	return e
}
