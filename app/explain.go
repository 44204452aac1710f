package app

import (
	"context"

	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/detect/rule"
)

// ruleEvaluation is what /api/v1/rules says of how a rule is evaluated.
func (a *App) ruleEvaluation(ctx context.Context, file, group, expr string) any {
	if x := a.rules.Explanation(ctx, file, group, expr); x != nil {
		return x
	}
	return nil
}

// explainRule is what its page says of how a rule is evaluated.
func (a *App) explainRule(ctx context.Context, of rule.Rule) *evaluate.Explanation {
	return a.rules.Explanation(ctx, of.File, of.Group, of.Expr)
}
