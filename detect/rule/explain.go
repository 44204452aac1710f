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
	Summary *evaluate.Summary
}

// Rules lists all rules, group by group as they are evaluated.
func (r *Runner) Rules() []Rule {
	var out []Rule
	for _, g := range r.manager.RuleGroups() {
		for _, rule := range g.Rules() {
			out = append(out, r.describe(g, rule))
		}
	}
	return out
}

func (r *Runner) describe(g *rules.Group, of rules.Rule) Rule {
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
	if live := r.live(out.File, out.Group); live != nil {
		out.Summary = live.Summary(out.Expr)
	}
	return out
}

// live is what evaluates a group, nil when there is none.
func (r *Runner) live(file, group string) *evaluate.Live {
	r.paces.mu.Lock()
	defer r.paces.mu.Unlock()
	if mine := r.paces.groups[rules.GroupKey(file, group)]; mine != nil {
		return mine.live
	}
	return nil
}

// Explanation says how a rule is evaluated: nil when there is none of this group and
// expression, or it was not evaluated yet.
func (r *Runner) Explanation(ctx context.Context, file, group, expr string) *evaluate.Explanation {
	live := r.live(file, group)
	if live == nil {
		return nil
	}
	x, err := live.Explain(ctx, expr)
	if err != nil {
		return nil
	}
	return x
}
