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
	sliGood   = "slo:sli_good:bool"    // threshold: 1 while the value is good; raw expressions: the share of good
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
	case o.Composite() && !o.AllHold:
		return weighted(o, func(part *declare.Objective) string { return errorRatio(part, s) })
	case o.Method == declare.Timeslices || o.Method == declare.RatioTimeslices:
		return averageBad(sliceGood, o, s)
	default:
		return occurrences(o, s)
	}
}

// averageBad averages a recorded series over a span. It sums over all series of the
// objective: after a service has changed hands there are two, with an owner each.
func averageBad(series string, o *declare.Objective, s span) string {
	samples := fmt.Sprintf("%s{objective=%q}[%s]%s", series, o.Name, text(s.length), s.at())
	return fmt.Sprintf("1 - sum(sum_over_time(%s)) / sum(count_over_time(%s))", samples, samples)
}

// sampled says whether the indicator is a state that has to be looked at on each
// evaluation, because no function over a range of its series yields its average.
func sampled(o *declare.Objective) bool {
	if o.Composite() {
		return false
	}
	if o.Threshold != nil {
		return true
	}
	if o.Ratio.Raw == "" || ranged(o.Ratio.Raw) {
		return false
	}
	expr, err := promQL.ParseExpr(o.Ratio.Raw)
	for {
		p, ok := expr.(*parser.ParenExpr)
		if !ok {
			break
		}
		expr = p.Expr
	}
	_, plain := expr.(*parser.VectorSelector)
	return err == nil && !plain
}

// sample is the PromQL of what sampled indicators record: the share of good at this
// moment, nothing where there is no value.
func sample(o *declare.Objective) string {
	// ">= -Inf" drops NaN, which is what a quantile of no requests yields; a comparison
	// with "bool" would turn it into bad service.
	number := func(query string) string { return fmt.Sprintf("%s >= -Inf", vector(query)) }
	switch {
	case o.Threshold != nil:
		return fmt.Sprintf("avg((%s) %s bool %g)", number(o.Threshold.Query), operator(o.Threshold.Op), o.Threshold.Value)
	case o.Ratio.RawGood:
		return fmt.Sprintf("avg(%s)", number(o.Ratio.Raw))
	}
	return fmt.Sprintf("1 - avg(%s)", number(o.Ratio.Raw))
}

// vector puts a query into parentheses, and makes a scalar an element without labels.
func vector(query string) string {
	if e, err := promQL.ParseExpr(query); err == nil && e.Type() == parser.ValueTypeScalar {
		return "vector(" + query + ")"
	}
	return "(" + query + ")"
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
	case o.Composite():
		return weighted(o, func(part *declare.Objective) string { return occurrences(part, s) })
	case sampled(o):
		return averageBad(sliGood, o, s)
	case o.Ratio.Raw != "":
		avg := fmt.Sprintf("avg(%s)", windowed(o.Ratio.Raw, s, "avg_over_time"))
		if o.Ratio.RawGood {
			return "1 - " + avg
		}
		return avg
	}
	return fmt.Sprintf("clamp_min(%s, 0) / (%s > 0)", bad(o.Ratio, s), total(o.Ratio, s))
}

// bad is the PromQL of the number of bad events: zero while no series of bad events
// has been born yet, but nothing while there is no total either.
func bad(r *declare.Ratio, s span) string {
	all := total(r, s)
	if r.Bad != "" {
		return fmt.Sprintf("(%s or %s * 0)", count(r, r.Bad, s), all)
	}
	return fmt.Sprintf("(%s - (%s or %s * 0))", all, count(r, r.Good, s), all)
}

// total is the PromQL of the number of all events.
func total(r *declare.Ratio, s span) string { return count(r, r.Total, s) }

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
	expr, err := promQL.ParseExpr(openslo.Placeholder.ReplaceAllString(query, text(s.length)))
	if err != nil {
		// The workspace has checked it; an expression that cannot be evaluated is
		// better named by the evaluation than hidden here.
		return query
	}
	e := put(expr, s, fn, ranged(query))
	if e.Type() == parser.ValueTypeScalar {
		return "vector(" + e.String() + ")"
	}
	return e.String()
}

// ranged says whether a query looks over a range by itself.
func ranged(query string) bool {
	expr, err := promQL.ParseExpr(openslo.Placeholder.ReplaceAllString(query, "5m"))
	if err != nil {
		return false
	}
	found := false
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n.(type) {
		case *parser.MatrixSelector, *parser.SubqueryExpr:
			found = true
		}
		return nil
	})
	return found
}

func put(e parser.Expr, s span, fn string, ranged bool) parser.Expr {
	switch n := e.(type) {
	case *parser.MatrixSelector:
		if vs, ok := n.VectorSelector.(*parser.VectorSelector); ok {
			return &parser.MatrixSelector{VectorSelector: pin(vs, s), Range: s.length}
		}
	case *parser.SubqueryExpr:
		// What is inside keeps its own ranges: a rate over a minute stays one.
		c := *n
		c.Range, c.RangeExpr = s.length, nil
		c.Timestamp = s.timestamp(c.Timestamp)
		return &c
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
	c.Timestamp = s.timestamp(c.Timestamp)
	return &c
}

// timestamp is where "@" pins a selector, or what it was pinned to before.
func (s span) timestamp(before *int64) *int64 {
	if s.end.IsZero() {
		return before
	}
	ms := s.end.UnixMilli()
	return &ms
}

// perSecond says whether a query counts per second (rate) and not events.
func perSecond(query string) bool { return strings.Contains(query, "rate(") }

// events is the PromQL of a number of events over a length, for the minimum-traffic
// rule; "" where the indicator counts none, or one of a composite's.
func events(o *declare.Objective, length time.Duration, what func(*declare.Ratio, span) string) string {
	if o.Composite() {
		var parts []string
		for _, p := range o.Parts {
			e := events(p.Objective, length, what)
			if e == "" {
				return ""
			}
			parts = append(parts, fmt.Sprintf("(%s or vector(0))", e))
		}
		return "(" + strings.Join(parts, " + ") + ")"
	}
	if o.Ratio == nil || o.Ratio.Raw != "" {
		return ""
	}
	e := what(o.Ratio, span{length: length})
	if perSecond(o.Ratio.Total) {
		return fmt.Sprintf("%s * %g", e, length.Seconds())
	}
	return e
}
