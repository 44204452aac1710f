// Package hygiene finds what is doubtful about rules that are valid: pages nobody knows
// what to do about, and expressions that the stored data contradicts.
package hygiene

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/backtest"
	"github.com/evenkeel/evenkeel/detect/history"
)

var notation = parser.NewParser(parser.Options{})

// place is one rule and where it stands.
type place struct {
	alert, record string
	expr          parser.Expr
	at, exprAt    yamldoc.Node
	labels        map[string]string
	annotations   map[string]string
}

func (p *place) name() string {
	if p.alert != "" {
		return p.alert
	}
	return p.record
}

// warn adds a warning at the expression.
func (p *place) warn(to *declare.Problems, got, want, hint string) {
	*to = append(*to, declare.Problem{Position: p.exprAt.Pos(), Warning: true, Field: p.exprAt.Path(), Got: yamldoc.Cut(got), Want: p.name() + ": " + want, Hint: hint})
}

// places are the rules of some files.
func places(files []*declare.RuleFile) []*place {
	var out []*place
	for _, f := range files {
		doc, ok := yamldoc.One(f.Path, f.Source, &declare.Problems{})
		if !ok {
			continue
		}
		groups := doc.Field("groups")
		if groups.Missing() { // a PrometheusRule of Kubernetes
			groups = doc.At("spec", "groups")
		}
		for _, g := range groups.List() {
			if g.Field("type").Text() == "vlogs" { // LogsQL
				continue
			}
			for _, r := range g.Field("rules").List() {
				p := &place{
					alert: r.Field("alert").Text(), record: r.Field("record").Text(), at: r, exprAt: r.Field("expr"),
					labels: r.Field("labels").StringMap(), annotations: r.Field("annotations").StringMap(),
				}
				var err error
				if p.expr, err = notation.ParseExpr(p.exprAt.Text()); err == nil {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// Declared finds what needs no data: alerts that page without a runbook, and alerts
// that nobody owns. w may be nil.
func Declared(w *declare.Workspace, files []*declare.RuleFile) declare.Problems {
	var out declare.Problems
	covered := map[string]bool{} // services with a runbook
	if w != nil {
		for _, r := range w.Runbooks {
			for _, s := range r.Services {
				covered[string(s)] = true
			}
		}
	}
	for _, p := range places(files) {
		if p.alert == "" {
			continue
		}
		if detect.SeverityOf(p.labels["severity"]) == detect.Page && p.annotations["runbook"] == "" && p.annotations["runbook_url"] == "" && !covered[p.labels["service"]] {
			out = append(out, declare.Problem{Position: p.at.Pos(), Warning: true, Field: p.at.Path() + ".annotations", Want: p.alert + " to name a runbook: it pages", Hint: "annotations: {runbook: …}"})
		}
		if p.labels["service"] == "" && p.labels["team"] == "" && !carries(p.expr, "service") && !carries(p.expr, "team") {
			out = append(out, declare.Problem{Position: p.at.Pos(), Warning: true, Field: p.at.Path() + ".labels", Want: p.alert + " to have an owner: neither its labels nor its expression give a service or a team", Hint: "labels: {service: …}"})
		}
	}
	return out
}

// carries says whether the result of an expression may have a label.
func carries(e parser.Expr, label string) bool {
	switch x := e.(type) {
	case *parser.ParenExpr:
		return carries(x.Expr, label)
	case *parser.UnaryExpr:
		return carries(x.Expr, label)
	case *parser.StepInvariantExpr:
		return carries(x.Expr, label)
	case *parser.SubqueryExpr:
		return carries(x.Expr, label)
	case *parser.MatrixSelector:
		return carries(x.VectorSelector, label)
	case *parser.VectorSelector:
		return true
	case *parser.AggregateExpr:
		switch {
		case x.Op == parser.TOPK || x.Op == parser.BOTTOMK || x.Op == parser.LIMITK || x.Op == parser.LIMIT_RATIO:
			return carries(x.Expr, label)
		case x.Without:
			return !slices.Contains(x.Grouping, label) && carries(x.Expr, label)
		}
		return slices.Contains(x.Grouping, label) && carries(x.Expr, label)
	case *parser.BinaryExpr:
		m := x.VectorMatching
		switch {
		case m == nil: // with a scalar
			return carries(x.LHS, label) || carries(x.RHS, label)
		case x.Op == parser.LOR:
			return carries(x.LHS, label) || carries(x.RHS, label)
		case x.Op.IsSetOperator():
			return carries(x.LHS, label)
		case slices.Contains(m.Include, label):
			return carries(x.LHS, label) || carries(x.RHS, label)
		case m.Card == parser.CardOneToMany:
			return carries(x.RHS, label)
		case m.Card == parser.CardOneToOne && (m.On && !slices.Contains(m.MatchingLabels, label) || !m.On && slices.Contains(m.MatchingLabels, label)):
			return x.Op.IsComparisonOperator() && !x.ReturnBool && !m.On && carries(x.LHS, label)
		}
		return carries(x.LHS, label)
	case *parser.Call:
		switch x.Func.Name {
		case "label_replace", "label_join":
			if dst, ok := x.Args[1].(*parser.StringLiteral); ok && dst.Val == label {
				return true
			}
			return carries(x.Args[0], label)
		case "absent", "absent_over_time": // what its matchers say
			for _, s := range parser.ExtractSelectors(x.Args[0]) {
				for _, m := range s {
					if m.Type == labels.MatchEqual && m.Name == label {
						return true
					}
				}
			}
			return false
		case "vector", "scalar", "time", "pi":
			return false
		}
		for _, a := range x.Args {
			if a.Type() == parser.ValueTypeVector || a.Type() == parser.ValueTypeMatrix {
				return carries(a, label)
			}
		}
	}
	return false
}

// Options are what rules are judged by.
type Options struct {
	Workspace *declare.Workspace // what else is declared; may be nil
	Files     []*declare.RuleFile
	History   *history.History
	From, To  time.Time
	Step      time.Duration // 0: as a backtest chooses
	Progress  func(done, total int)
}

const (
	always     = 0.98 // of the time
	muchCost   = 100_000
	outlier    = 20 // times the median
	tooMany    = 10_000_000
	leastTicks = 10
)

// Stored finds what the stored data contradicts: metrics, labels and values that nobody
// writes, comparisons that never held, alerts that always fire, and what costs far more
// than the rest. Everything is a warning: data that was not there may come.
func Stored(ctx context.Context, o Options) (declare.Problems, error) {
	s := &stored{Options: o, made: map[string]bool{"ALERTS": true, "ALERTS_FOR_STATE": true}}
	groups := []backtest.Group{}
	if o.Workspace != nil {
		groups = backtest.Declared(o.Workspace, o.To)
	}
	groups = backtest.Replace(groups, o.Files)
	for _, g := range groups {
		for _, r := range g.Rules {
			s.made[r.Record] = true
		}
	}
	q, err := o.History.Querier(o.From.UnixMilli(), o.To.UnixMilli())
	if err != nil {
		return nil, err
	}
	defer q.Close()
	s.q = q
	all := places(o.Files)
	for _, p := range all {
		if err := s.names(ctx, p); err != nil {
			return nil, err
		}
	}
	if err := s.behaviour(ctx, groups, all); err != nil {
		return nil, err
	}
	s.cost(ctx, all)
	return s.out, ctx.Err()
}

type stored struct {
	Options
	q       storage.Querier
	made    map[string]bool // series that rules make
	metrics []string        // that are stored; nil until asked for
	unknown map[*place]bool
	out     declare.Problems
}

// names looks up the metrics, labels and values that a rule asks for.
func (s *stored) names(ctx context.Context, p *place) (err error) {
	parser.Inspect(p.expr, func(n parser.Node, _ []parser.Node) error {
		if a, ok := n.(*parser.AggregateExpr); ok && !a.Without && err == nil {
			err = s.grouping(ctx, p, a)
		}
		if v, ok := n.(*parser.VectorSelector); ok && err == nil {
			var missing bool
			missing, err = s.selector(ctx, p, v)
			if missing {
				if s.unknown == nil {
					s.unknown = map[*place]bool{}
				}
				s.unknown[p] = true
			}
		}
		return nil
	})
	return err
}

// selector says whether a selector can find nothing.
func (s *stored) selector(ctx context.Context, p *place, v *parser.VectorSelector) (missing bool, err error) {
	var metric *labels.Matcher
	for _, m := range v.LabelMatchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			metric = m
		}
	}
	if metric == nil || s.made[metric.Value] {
		return false, nil
	}
	if s.metrics == nil {
		if s.metrics, _, err = s.q.LabelValues(ctx, labels.MetricName, nil); err != nil {
			return false, fmt.Errorf("cannot list the metrics of %s: %w", s.History.What, err)
		}
	}
	if !slices.Contains(s.metrics, metric.Value) {
		known := s.metrics
		for name := range s.made {
			known = append(known[:len(known):len(known)], name)
		}
		p.warn(&s.out, metric.Value, "a metric that is stored", yamldoc.Suggest(metric.Value, known))
		return true, nil
	}
	names, _, err := s.q.LabelNames(ctx, nil, metric)
	if err != nil {
		return false, fmt.Errorf("cannot list the labels of %s: %w", metric.Value, err)
	}
	for _, m := range v.LabelMatchers {
		if m == metric || m.Matches("") {
			continue
		}
		if !slices.Contains(names, m.Name) {
			p.warn(&s.out, m.Name, "a label that "+metric.Value+" has", yamldoc.Suggest(m.Name, names))
			missing = true
			continue
		}
		values, _, err := s.q.LabelValues(ctx, m.Name, nil, metric)
		if err != nil {
			return false, fmt.Errorf("cannot list the values of %s: %w", m.Name, err)
		}
		if !slices.ContainsFunc(values, m.Matches) {
			p.warn(&s.out, m.String(), "a value that "+metric.Value+" has", yamldoc.Suggest(m.Value, values))
			missing = true
		}
	}
	return missing, nil
}

// grouping looks up the labels that are grouped by: one that nothing below can have is
// always empty.
func (s *stored) grouping(ctx context.Context, p *place, a *parser.AggregateExpr) error {
	known := map[string]bool{}
	sure := true
	parser.Inspect(a.Expr, func(n parser.Node, _ []parser.Node) error {
		switch x := n.(type) {
		case *parser.Call:
			sure = sure && x.Func.Name != "label_replace" && x.Func.Name != "label_join" && x.Func.Name != "info" && !strings.HasPrefix(x.Func.Name, "absent")
		case *parser.AggregateExpr:
			sure = sure && x.Op != parser.COUNT_VALUES
		case *parser.VectorSelector:
			i := slices.IndexFunc(x.LabelMatchers, func(m *labels.Matcher) bool {
				return m.Name == labels.MetricName && m.Type == labels.MatchEqual && !s.made[m.Value]
			})
			if i < 0 {
				sure = false
				return nil
			}
			names, _, err := s.q.LabelNames(ctx, nil, x.LabelMatchers[i])
			if err != nil {
				return err
			}
			sure = sure && len(names) > 0 // an unknown metric is told as such
			for _, name := range names {
				known[name] = true
			}
		}
		return nil
	})
	if !sure {
		return nil
	}
	for _, label := range a.Grouping {
		if !known[label] {
			p.warn(&s.out, "by ("+label+")", "a label that something below has", yamldoc.Suggest(label, slices.Sorted(maps.Keys(known))))
		}
	}
	return nil
}

// behaviour replays the alerts.
func (s *stored) behaviour(ctx context.Context, groups []backtest.Group, all []*place) error {
	r, err := backtest.Run(ctx, backtest.Options{
		History: s.History, Oldest: s.History.Oldest, From: s.From, To: s.To, Step: s.Step, Workspace: s.Workspace,
		Changed: groups, Reach: true, Progress: s.Progress,
	})
	if err != nil {
		return err
	}
	length := r.To.Sub(r.From).Seconds()
	for _, a := range r.Changed.Alerts {
		i := slices.IndexFunc(all, func(p *place) bool {
			return p.alert == a.Name && p.at.Pos().File == a.File && p.exprAt.Text() == a.Expr && same(p.labels, a.Labels)
		})
		if i < 0 { // an objective's
			continue
		}
		p := all[i]
		if a.Error != "" {
			p.warn(&s.out, "", "an expression that can be evaluated throughout", a.Error)
			continue
		}
		longest := 0.0
		for _, f := range a.Firings {
			end := f.Resolved
			if end.IsZero() {
				end = r.To
			}
			longest = max(longest, end.Sub(f.Fired).Seconds())
		}
		if s.unknown[p] {
			continue // it is said why
		}
		if longest >= always*length && length >= leastTicks*r.StepSeconds {
			p.warn(&s.out, "it fires all the time", "an alert that is quiet when all is well", fmt.Sprintf("for %s of %s", backtest.Length(longest), backtest.Length(length)))
			continue
		}
		apart := len(a.Reached) > 1 && !a.Held // each side held, and the whole never
		for _, c := range a.Reached {
			apart = apart && c.True()
			switch {
			case math.IsNaN(c.Max):
				p.warn(&s.out, c.Side, "something to compare: it never gives a value on the stored data", "do the labels of both sides match?")
			case !c.True():
				p.warn(&s.out, c.Expr, "a threshold that was ever reached", fmt.Sprintf("it was between %.4g and %.4g", c.Min, c.Max))
			}
		}
		if apart {
			p.warn(&s.out, p.expr.String(), "sides that hold together: each did on the stored data, never at one time with the same labels", "do the labels of both sides match? on () joins those that don't")
		}
	}
	return nil
}

func same(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// cost counts the samples that one evaluation of each rule reads.
func (s *stored) cost(ctx context.Context, all []*place) {
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: tooMany, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: notation})
	defer engine.Close()
	costs := make([]int64, len(all))
	for i, p := range all {
		q, err := engine.NewInstantQuery(ctx, s.History, promql.NewPrometheusQueryOpts(false, 0, nil), p.expr.String(), s.To)
		if err != nil {
			continue
		}
		if r := q.Exec(ctx); r.Err == nil {
			costs[i] = q.Stats().Samples.TotalSamples
		} else if strings.Contains(r.Err.Error(), "too many samples") {
			costs[i] = tooMany
		}
		q.Close()
	}
	sorted := slices.Sorted(slices.Values(costs))
	if len(sorted) == 0 {
		return
	}
	median := max(sorted[len(sorted)/2], 1)
	for i, p := range all {
		if costs[i] >= muchCost && costs[i] > outlier*median {
			p.warn(&s.out, fmt.Sprintf("%d samples an evaluation", costs[i]), "a cost like the other rules'", fmt.Sprintf("their median is %d", median))
		}
	}
}
