package runbook

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	parse "github.com/evenkeel/evenkeel/declare/runbook"
)

// substitute puts parameters into the values of label matchers, on the parsed
// expression: no value can become syntax.
func substitute(expr string, params map[string]string) (string, error) {
	e, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return "", fmt.Errorf("cannot read the query: %w", err)
	}
	var missing error
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		vs, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		for i, m := range vs.LabelMatchers {
			if !parse.Reference.MatchString(m.Value) {
				continue
			}
			regex := m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp
			value := parse.Reference.ReplaceAllStringFunc(m.Value, func(ref string) string {
				v, ok := params[ref[2:len(ref)-1]]
				if !ok {
					missing = fmt.Errorf("no parameter %s", ref)
				}
				if regex {
					return regexp.QuoteMeta(v)
				}
				return v
			})
			nm, err := labels.NewMatcher(m.Type, m.Name, value)
			if err != nil {
				missing = err
				continue
			}
			vs.LabelMatchers[i] = nm
		}
		return nil
	})
	if missing != nil {
		return "", missing
	}
	return e.String(), nil
}

// promql asks the metrics.
func (r *Runner) promql(ctx context.Context, run *act.Run, step *declare.Step, out io.Writer) result {
	expr, err := substitute(step.Body, run.Params)
	if err != nil {
		return result{detail: err.Error()}
	}
	return r.keepAsking(ctx, step, expr, out, r.o.Query)
}

// judge compares every value with what is expected; no data does not meet an
// expectation, and is an answer where there is none.
func judge(expect string, values []Value) (bool, string) {
	if expect == "" {
		return true, fmt.Sprintf("%d results", len(values))
	}
	op, want, err := parse.ParseExpect(expect)
	if err != nil {
		return false, err.Error()
	}
	if len(values) == 0 {
		return false, "no data, expected " + expect
	}
	var bad []string
	for _, v := range values {
		holds := map[string]bool{"<": v.Value < want, "<=": v.Value <= want, ">": v.Value > want, ">=": v.Value >= want, "==": v.Value == want, "!=": v.Value != want}[op]
		if !holds && len(bad) < 5 {
			bad = append(bad, strings.TrimSpace(fmt.Sprintf("%s %g", v.Labels, v.Value)))
		}
	}
	if len(bad) > 0 {
		return false, fmt.Sprintf("got %s, expected %s", strings.Join(bad, "; "), expect)
	}
	if len(values) == 1 {
		return true, fmt.Sprintf("%g %s", values[0].Value, expect)
	}
	return true, fmt.Sprintf("all of %d %s", len(values), expect)
}
