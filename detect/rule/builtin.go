package rule

import (
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
)

// builtIn are the rules on the program's own metrics: its failures are findings like
// anybody else's.
func builtIn() *rulefmt.RuleGroups {
	self := func(alert, expr, severity, summary string, hold time.Duration) rulefmt.Rule {
		return rulefmt.Rule{
			Alert: alert, Expr: expr, For: model.Duration(hold),
			Labels:      map[string]string{"severity": severity, "detector": "self"},
			Annotations: map[string]string{"summary": summary},
		}
	}
	return &rulefmt.RuleGroups{Groups: []rulefmt.RuleGroup{{
		Name: "built-in", Interval: model.Duration(15 * time.Second),
		Rules: []rulefmt.Rule{
			self("EvenkeelNotificationsFail", `sum by (integration) (increase(evenkeel_notifications_total{job="evenkeel",status="failed"}[5m])) > 0`, "ticket",
				`notifications by {{ $labels.integration }} cannot be delivered`, 0),
			self("EvenkeelRulesFail", `sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total{job="evenkeel"}[5m])) > 0`, "ticket",
				`rules of {{ $labels.rule_group }} cannot be evaluated`, time.Minute),
			self("EvenkeelWindowsFull", `increase(evenkeel_evaluate_left_total{job="evenkeel",reason="limit on state"}[5m]) > 0`, "ticket",
				`windows of rules take all the memory they may: some rules read every sample; evaluation.state_limit is the limit, and the page of rules names the most costly`, 0),
			self("EvenkeelStoreFails", `sum by (receiver) (increase(evenkeel_observe_refused_total{job="evenkeel",reason="store"}[5m])) > 0`, "page",
				`samples of {{ $labels.receiver }} cannot be stored`, 0),
		},
	}}}
}
