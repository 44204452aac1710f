package bench

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Objective is a ratio of bad to all events of a service, as Sloth and we both take it.
type Objective struct {
	Service, Name string
	Target        float64 // 0.999
	Bad, Total    string  // selectors; a range follows
}

// Objectives are those of the data, one a service.
func (d Data) Objectives() []Objective {
	var out []Objective
	for i := range d.Services {
		out = append(out, Objective{
			Service: Service(i), Name: "availability", Target: 0.999,
			Bad: fmt.Sprintf(`http_requests_total{service=%q,code=~"5.."}`, Service(i)), Total: fmt.Sprintf(`http_requests_total{service=%q}`, Service(i)),
		})
	}
	return out
}

// Ratio is the PromQL of the error ratio over a window, read from the raw series.
func (o Objective) Ratio(w time.Duration) string {
	return fmt.Sprintf("(sum(rate(%s[%s])))\n/\n(sum(rate(%s[%s])))", o.Bad, span(w), o.Total, span(w))
}

// Ratios are the error ratios over all Windows.
func (o Objective) Ratios() []string {
	var out []string
	for _, w := range Windows {
		out = append(out, o.Ratio(w))
	}
	return out
}

// burn is one condition of the workbook: both windows burn the budget factor times too fast.
type burn struct {
	factor      float64
	short, long time.Duration
}

var burns = []struct {
	severity string
	either   [2]burn
}{
	{"page", [2]burn{{14.4, 5 * time.Minute, time.Hour}, {6, 30 * time.Minute, 6 * time.Hour}}},
	{"ticket", [2]burn{{3, 2 * time.Hour, 24 * time.Hour}, {1, 6 * time.Hour, 72 * time.Hour}}},
}

// Alerts are the page's and the ticket's conditions. recorded is the PromQL of a ratio
// over a window: a recorded series, or the raw expression.
func (o Objective) Alerts(recorded func(time.Duration) string) []string {
	var out []string
	for _, b := range burns {
		var either []string
		for _, c := range b.either {
			above := func(w time.Duration) string {
				return fmt.Sprintf("max(%s > (%v * %v)) without (sloth_window)", recorded(w), c.factor, 1-o.Target)
			}
			either = append(either, fmt.Sprintf("(\n    %s\n    and\n    %s\n)", above(c.short), above(c.long)))
		}
		out = append(out, strings.Join(either, "\nor\n"))
	}
	return out
}

func (o Objective) id() string { return o.Service + "-" + o.Name }

func (o Objective) selector() string {
	return fmt.Sprintf(`{sloth_id="%s", sloth_service="%s", sloth_slo="%s"}`, o.id(), o.Service, o.Name)
}

// Recorded is the series that Sloth's rules record the ratio over a window as.
func (o Objective) Recorded(w time.Duration) string {
	return "slo:sli_error:ratio_rate" + span(w) + o.selector()
}

// FromRecorded is the PromQL of a long window's ratio by the short cut: the average of
// the recorded ratios over five minutes.
func (o Objective) FromRecorded(w time.Duration) string {
	s := o.Recorded(Windows[0])
	return fmt.Sprintf("sum_over_time(%s[%s])\n/ ignoring (sloth_window)\ncount_over_time(%s[%s])", s, span(w), s, span(w))
}

// Labels of the recorded ratio over a window, without its name.
func (o Objective) Labels(w time.Duration) map[string]string {
	return map[string]string{"sloth_id": o.id(), "sloth_service": o.Service, "sloth_slo": o.Name, "sloth_window": span(w)}
}

// SlothRules is the rule file that Sloth generates for an objective of 30 days: eight
// recorded ratios (the last one by the short cut), seven series about the objective, and
// two alerts.
func SlothRules(o Objective) string {
	var b strings.Builder
	rule := func(kind, name, expr string, more ...string) {
		fmt.Fprintf(&b, "  - %s: %s\n    expr: |\n      %s\n    labels:\n", kind, name, strings.ReplaceAll(expr, "\n", "\n      "))
		if kind == "record" {
			more = append([]string{"sloth_id: " + o.id(), "sloth_service: " + o.Service, "sloth_slo: " + o.Name}, more...)
		}
		for _, l := range more {
			fmt.Fprintf(&b, "      %s\n", l)
		}
	}
	group := func(name string) { fmt.Fprintf(&b, "- name: sloth-slo-%s-%s\n  rules:\n", name, o.id()) }

	b.WriteString("groups:\n")
	group("sli-recordings")
	last := Windows[len(Windows)-1]
	for _, w := range Windows {
		expr := o.Ratio(w)
		if w == last {
			expr = o.FromRecorded(w)
		}
		rule("record", "slo:sli_error:ratio_rate"+span(w), expr, "sloth_window: "+span(w))
	}
	group("meta-recordings")
	s := o.selector()
	rate := func(w time.Duration) string {
		return fmt.Sprintf("%s\n/ on(sloth_id, sloth_slo, sloth_service) group_left\nslo:error_budget:ratio%s", o.Recorded(w), s)
	}
	rule("record", "slo:objective:ratio", fmt.Sprintf("vector(%v)", o.Target))
	rule("record", "slo:error_budget:ratio", fmt.Sprintf("vector(1-%v)", o.Target))
	rule("record", "slo:time_period:days", fmt.Sprintf("vector(%d)", int(last.Hours()/24)))
	rule("record", "slo:current_burn_rate:ratio", rate(Windows[0]))
	rule("record", "slo:period_burn_rate:ratio", rate(last))
	rule("record", "slo:period_error_budget_remaining:ratio", "1 - slo:period_burn_rate:ratio"+s)
	rule("record", "sloth_slo_info", "vector(1)", "sloth_mode: cli-gen-prom", fmt.Sprintf("sloth_objective: %q", fmt.Sprint(o.Target*100)), "sloth_spec: prometheus/v1", "sloth_version: dev")
	group("alerts")
	for i, expr := range o.Alerts(o.Recorded) {
		rule("alert", "HighErrorRate", expr, "sloth_severity: "+burns[i].severity)
	}
	return b.String()
}

func span(d time.Duration) string { return model.Duration(d).String() }
