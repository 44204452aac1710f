package rule

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/rules"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

// Rule is a rule with how it is evaluated.
type Rule struct {
	File, Group, Name string
	Alert             bool   // and not a recording rule
	Expr              string // as PromQL writes it
	Interval          time.Duration
	Health            string // ok, err or unknown
	Error             string // of the last evaluation
	State             string // of an alert: inactive, pending or firing
	Active            int    // how many alerts are pending or firing
	At                time.Time
	Took              time.Duration // by the last evaluation
	// How it is evaluated; nil before it was.
	Explanation *evaluate.Explanation
}

// Rules lists all rules, group by group as they are evaluated.
func (r *Runner) Rules(ctx context.Context) []Rule {
	var out []Rule
	for _, g := range r.manager.RuleGroups() {
		for _, rule := range g.Rules() {
			out = append(out, r.describe(ctx, g, rule))
		}
	}
	return out
}

func (r *Runner) describe(ctx context.Context, g *rules.Group, of rules.Rule) Rule {
	out := Rule{
		File: g.File(), Group: g.Name(), Name: of.Name(), Expr: of.Query().String(), Interval: g.Interval(),
		Health: string(of.Health()), At: of.GetEvaluationTimestamp(), Took: of.GetEvaluationDuration(),
	}
	if err := of.LastError(); err != nil {
		out.Error = err.Error()
	}
	if a, ok := of.(*rules.AlertingRule); ok {
		out.Alert, out.State, out.Active = true, a.State().String(), len(a.ActiveAlerts())
	}
	out.Explanation = r.Explanation(ctx, out.File, out.Group, out.Expr)
	return out
}

// Explanation says how a rule is evaluated: nil when there is none of this group and
// expression, or it was not evaluated yet.
func (r *Runner) Explanation(ctx context.Context, file, group, expr string) *evaluate.Explanation {
	r.paces.mu.Lock()
	mine := r.paces.groups[rules.GroupKey(file, group)]
	r.paces.mu.Unlock()
	if mine == nil {
		return nil
	}
	x, err := mine.live.Explain(ctx, expr)
	if err != nil {
		return nil
	}
	return x
}
