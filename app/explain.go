package app

import (
	"context"

	"github.com/evenkeel/evenkeel/detect/rule"
)

// ruleEvaluation is what /api/v1/rules says of how a rule is evaluated.
func (a *App) ruleEvaluation(ctx context.Context, file, group, expr string) any {
	if x := a.rules.Explanation(ctx, file, group, expr); x != nil {
		return x
	}
	return nil
}

// allRules are those of the page.
func (a *App) allRules(ctx context.Context) []rule.Rule { return a.rules.Rules(ctx) }
