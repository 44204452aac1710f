package objective

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"

	"github.com/evenkeel/evenkeel/declare"
)

// AlertName is the alertname of every burning budget.
const AlertName = "ErrorBudgetBurn"

// LabelObjective is the label that says which objective a rule belongs to.
const LabelObjective = "objective"

// Target is what Compile needs besides the objective itself.
type Target struct {
	Team     declare.TeamID
	Interval time.Duration // of evaluation
	Spacing  time.Duration // of samples, see Burns; 0 means Interval
	Now      time.Time     // which calendar period is meant
}

func (t Target) spacing() time.Duration {
	if t.Spacing == 0 {
		return t.Interval
	}
	return t.Spacing
}

// Compile makes the rule groups of an objective. With a calendar window they hold
// for the period of t.Now only; Until says for how long.
func Compile(o *declare.Objective, t Target) []rulefmt.RuleGroup {
	var groups []rulefmt.RuleGroup
	labels := Labels(o, t.Team)
	record := func(name, expr string) rulefmt.Rule {
		return rulefmt.Rule{Record: name, Expr: expr, Labels: labels}
	}
	main := rulefmt.RuleGroup{Name: "objective/" + string(o.Name), Interval: model.Duration(t.Interval)}
	if sampled(o) {
		main.Rules = append(main.Rules, record(sliGood, sample(o)))
	}
	if slicing(o) {
		groups = append(groups, rulefmt.RuleGroup{
			Name: main.Name + "/slices", Interval: model.Duration(o.SliceWindow),
			Rules: []rulefmt.Rule{record(sliceGood, slice(o))},
		})
	}
	windows := Windows(o, t.spacing())
	period := periodRatio(o, t.Now)
	if !o.Window.Calendar && !slices.Contains(windows, o.Window.Length) {
		windows = append(windows, o.Window.Length)
	}
	for _, w := range windows {
		expr := errorRatio(o, span{length: w})
		if o.Composite() && !o.AllHold { // its parts have done the work
			expr = recorded(o, w)
		}
		r := record(RatioSeries(w), expr)
		r.Labels = with(labels, "sloth_window", text(w))
		main.Rules = append(main.Rules, r)
	}
	if !o.Window.Calendar {
		period = "sum(" + series(RatioSeries(o.Window.Length), o) + ")"
	}
	number := func(f float64) string { return fmt.Sprintf("vector(%g)", f) }
	main.Rules = append(main.Rules,
		record("slo:objective:ratio", number(o.Target)),
		record("slo:error_budget:ratio", number(round(o.Budget()))),
		record("slo:time_period:days", number(o.Window.Length.Hours()/24)),
		record("slo:current_burn_rate:ratio", fmt.Sprintf("sum(%s) / %g", series(RatioSeries(windows[0]), o), round(o.Budget()))),
		record("slo:period_burn_rate:ratio", fmt.Sprintf("(%s) / %g", period, round(o.Budget()))),
		record("slo:period_error_budget_remaining:ratio", fmt.Sprintf("1 - sum(%s)", series("slo:period_burn_rate:ratio", o))),
		rulefmt.Rule{Record: "sloth_slo_info", Expr: "vector(1)", Labels: with(labels,
			"sloth_mode", "evenkeel", "sloth_spec", "openslo/v1", "sloth_objective", fmt.Sprintf("%g", round(o.Target*100)))},
	)
	if o.PartOf == "" { // a part does not page: what it is a part of does
		for _, severity := range []string{"page", "ticket"} {
			main.Rules = append(main.Rules, alert(o, t, severity))
		}
	}
	burns := rulefmt.RuleGroup{Name: main.Name + "/burn", Interval: model.Duration(max(t.Interval, burnEvery))}
	for _, w := range windows {
		r := record(BurnSeries, fmt.Sprintf("sum(%s) / %g", series(RatioSeries(w), o), round(o.Budget())))
		r.Labels = with(labels, "sloth_window", text(w))
		burns.Rules = append(burns.Rules, r)
	}
	return append(groups, main, burns)
}

// BurnSeries is the recorded burn rate over each window, told apart by sloth_window. It
// is for people, so it does not need each evaluation.
const BurnSeries = "slo:burn_rate:ratio"

const burnEvery = 15 * time.Second

// slicing says whether an objective judges slices of its own.
func slicing(o *declare.Objective) bool {
	return o.SliceWindow > 0 && (!o.Composite() || o.AllHold)
}

// Labels are those of each series of an objective.
func Labels(o *declare.Objective, team declare.TeamID) map[string]string {
	out := map[string]string{
		LabelObjective: string(o.Name), "service": string(o.Service),
		"sloth_id": string(o.Service) + "-" + string(o.Name), "sloth_service": string(o.Service), "sloth_slo": string(o.Name),
	}
	if team != "" {
		out["team"] = string(team)
	}
	return out
}

// Groups compiles all objectives of a workspace, and says until when they hold: zero
// for ever.
func Groups(w *declare.Workspace, now time.Time) (groups []rulefmt.RuleGroup, until time.Time) {
	for _, o := range w.Objectives {
		t := Target{Interval: w.Settings.Evaluation.Interval, Spacing: w.Settings.Evaluation.Spacing, Now: now}
		if s := w.Service(o.Service); s != nil {
			t.Team = s.Owner
		}
		groups = append(groups, Compile(o, t)...)
		if u := Until(o, now); !u.IsZero() && (until.IsZero() || u.Before(until)) {
			until = u
		}
	}
	return groups, until
}

// with returns labels and some more, as name, value, …
func with(labels map[string]string, more ...string) map[string]string {
	out := maps.Clone(labels)
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

// Until says when compiled rules stop to hold: at the end of a calendar period; zero
// for a rolling window.
func Until(o *declare.Objective, now time.Time) time.Time {
	if !o.Window.Calendar {
		return time.Time{}
	}
	_, to := Period(o.Window, now)
	return to
}

// RatioSeries is the name of the recorded error ratio over a window.
func RatioSeries(w time.Duration) string { return "slo:sli_error:ratio_rate" + text(w) }

func series(name string, o *declare.Objective) string {
	return fmt.Sprintf("%s{objective=%q}", name, o.Name)
}

// round takes the noise of 1 - 0.999 away.
func round(f float64) float64 {
	var r float64
	_, _ = fmt.Sscanf(fmt.Sprintf("%.12g", f), "%g", &r)
	return r
}

func operator(op string) string {
	return map[string]string{"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}[op]
}

// slice judges one slice of time; a slice without traffic is not judged.
func slice(o *declare.Objective) string {
	if o.AllHold {
		return allSlices(o)
	}
	good := fmt.Sprintf("1 - (%s)", occurrences(o, span{length: o.SliceWindow}))
	if o.Method == declare.RatioTimeslices {
		return fmt.Sprintf("sum(%s)", good)
	}
	// ">= 0" drops NaN, which "bool" would turn into a bad slice.
	return fmt.Sprintf("sum((%s) >= 0) >= bool %g", good, o.SliceTarget)
}

// periodRatio is the error ratio over the budget period. For a calendar window the
// range ends where the period does, in the future, which holds no samples: so it is
// exactly what has happened since the period began.
func periodRatio(o *declare.Objective, now time.Time) string {
	if !o.Window.Calendar {
		return errorRatio(o, span{length: o.Window.Length})
	}
	from, to := Period(o.Window, now)
	return errorRatio(o, span{length: to.Sub(from), end: to})
}

// alert joins the conditions of one severity into one rule, so that a page does not
// flap between them.
func alert(o *declare.Objective, t Target, severity string) rulefmt.Rule {
	var conditions, windows []string
	for _, b := range Burns(o, t.spacing()) {
		if b.Severity != severity {
			continue
		}
		burning := func(w time.Duration) string {
			return fmt.Sprintf("max(%s) / %g > %g", series(RatioSeries(w), o), round(o.Budget()), b.Factor)
		}
		c := fmt.Sprintf("(%s and %s%s)", burning(b.Long), burning(b.Short), traffic(o, b.Long))
		conditions = append(conditions, c)
		windows = append(windows, fmt.Sprintf("%gx over %s and %s", b.Factor, text(b.Long), text(b.Short)))
	}
	title := o.Title
	if title == "" {
		title = string(o.Name)
	}
	title = strings.ReplaceAll(title, "{{", `{{"{{"}}`) // annotations are templates, titles are not
	annotations := map[string]string{
		"summary": fmt.Sprintf(`%s burns its error budget {{ $value | printf "%%.1f" }} times too fast`, o.Name),
		"description": fmt.Sprintf("%s: %g%% of %s must be good over %s. Fires at %s.",
			title, round(o.Target*100), what(o), o.Window.Text, strings.Join(windows, ", or ")),
	}
	if o.Runbook != "" {
		annotations["runbook"] = o.Runbook
	}
	labels := map[string]string{"severity": severity, LabelObjective: string(o.Name), "service": string(o.Service)}
	if t.Team != "" {
		labels["team"] = string(t.Team)
	}
	return rulefmt.Rule{Alert: AlertName, Expr: strings.Join(conditions, "\nor\n"), Labels: labels, Annotations: annotations}
}

func what(o *declare.Objective) string {
	if o.SliceWindow > 0 {
		return "slices of " + text(o.SliceWindow)
	}
	if o.Composite() {
		return "its parts, by their weights,"
	}
	if o.Threshold != nil {
		return "the time"
	}
	return "events"
}

// traffic is the minimum-traffic rule: enough events in the long window, and more
// than one bad one among them, so that a single unlucky request wakes nobody.
func traffic(o *declare.Objective, long time.Duration) string {
	all := events(o, long, total)
	if all == "" {
		return ""
	}
	return fmt.Sprintf(" and on () (%s >= %g) and on () (%s > 1.5)", all, o.MinEvents, events(o, long, bad))
}
