package rulefile

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

const good = `groups:
  - name: shop
    interval: 30s
    labels: {team: shop}
    rules:
      - alert: Slow
        expr: |
          # how slow
          rate(seconds_sum[5m]) / rate(seconds_count[5m]) > 1
        for: 5m
        keep_firing_for: 1m
        labels: {severity: page, service: checkout, region: "{{ $labels.region }}"}
        annotations: {summary: "{{ $value }} s", runbook: slow-checkout}
      - record: shop:up:sum
        expr: sum(up)
        labels: {service: "not an alert"}
`

// prometheusRule is the same as Kubernetes has it.
func prometheusRule() string {
	return "# From the chart.\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: shop\nspec:\n" +
		"  " + strings.TrimSuffix(strings.ReplaceAll(good, "\n", "\n  "), "  ") + "status: {}\n"
}

func TestRuleFile(t *testing.T) {
	f := func(text string, line int) {
		t.Helper()
		var problems declare.Problems
		rf, refs := Read("rules/a.yml", []byte(text), &problems)
		if len(problems) > 0 || rf == nil {
			t.Fatal(problems)
		}
		g := rf.Groups.Groups[0]
		if g.Name != "shop" || time.Duration(g.Interval) != 30*time.Second || len(g.Rules) != 2 || g.Rules[0].Alert != "Slow" || time.Duration(g.Rules[0].KeepFiringFor) != time.Minute ||
			!strings.Contains(g.Rules[0].Expr, "# how slow\nrate(") || string(rf.Source) != text || rf.Path != "rules/a.yml" {
			t.Errorf("%+v", rf.Groups)
		}
		var got []string
		for _, r := range refs {
			got = append(got, r.Kind+" "+r.Name)
			if r.Name == "slow-checkout" && r.At.Pos().Line != line {
				t.Errorf("runbook in line %d, want %d", r.At.Pos().Line, line)
			}
		}
		if strings.Join(got, ", ") != "team shop, service checkout, runbook slow-checkout" {
			t.Errorf("references: %v", got)
		}
	}
	f(good, 13)
	f(prometheusRule(), 19)

	var problems declare.Problems
	if rf, _ := Read("rules/a.yml", []byte("# nothing yet\n"), &problems); rf == nil || len(rf.Groups.Groups) != 0 || len(problems) > 0 {
		t.Errorf("an empty file declares nothing: %v, %v", rf, problems)
	}
}

func TestMistakes(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		var problems declare.Problems
		if rf, refs := Read("r.yml", []byte(text), &problems); rf != nil || refs != nil {
			t.Errorf("got a rule file in spite of %v", problems)
		}
		if got := problems.Error(); got != strings.Join(want, "\n") {
			t.Errorf("%s\ngot\n%s\nwant\n%s", text, got, strings.Join(want, "\n"))
		}
	}
	change := func(from, to string, want ...string) {
		t.Helper()
		if !strings.Contains(good, from) {
			t.Fatalf("%q is not there", from)
		}
		f(strings.Replace(good, from, to, 1), want...)
	}
	change("sum(up)", "sum(up", `r.yml:15:15: shop: got "shop:up:sum", expected a valid Prometheus rule (could not parse expression: 1:7: parse error: unclosed left parenthesis)`)
	change("for: 5m", "fro: 5m", `r.yml:10: expected a valid Prometheus rule (field fro not found in type rulefmt.Rule)`)
	change("for: 5m", "for: soon", `r.yml:10:14: groups[0].rules[0].for: got "soon", expected a duration as 15s, 5m or 30d`)
	change("record: shop:up:sum", "alert: ''", `r.yml:14:9: shop: expected a valid Prometheus rule (one of 'record' or 'alert' must be set)`)
	change("{{ $value }}", "{{ $value", `r.yml:6:9: shop: got "Slow", expected a valid Prometheus rule (annotation "summary": template: __alert_Slow:1: function "s" not defined)`)
}

func TestUnitTests(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		var problems declare.Problems
		ReadTest("r_test.yml", []byte(text), &problems)
		if got := problems.Error(); got != strings.Join(want, "\n") {
			t.Errorf("%s\ngot\n%s\nwant\n%s", text, got, strings.Join(want, "\n"))
		}
	}
	values := func(v string) string {
		return "rule_files: [r.yml]\ntests:\n  - input_series:\n      - {series: 'up{a=\"b\"}', values: '" + v + "'}\n"
	}
	f(values("0+1x10 _x5 stale 1 2"))
	f(values("0+1x1000 0x1000 {{schema:1 sum:5}}x10"))
	f(values("0+1y10"), `r_test.yml:4:9: tests[0].input_series[0]: got "up{a=\"b\"} 0+1y10", expected a series and its values, in promtool's notation (1:13: parse error: bad number syntax: "1")`)
	// Written out these would be gigabytes.
	f(values("0+1x1000000000"), `r_test.yml:4:39: tests[0].input_series[0].values: got "0+1x1000000000", expected at most 100000 values in a series`)
	f(values("0x99999999999999999999"), `r_test.yml:4:39: tests[0].input_series[0].values: got "0x99999999999999999999", expected at most 100000 values in a series`)
	f(values("0x60000 _x60000"), `r_test.yml:4:39: tests[0].input_series[0].values: got "0x60000 _x60000", expected at most 100000 values in a series`)
	f("rule_files: [r.yml]\ntest: []\n", `r_test.yml:2:1: test: got "test", expected one of rule_files, evaluation_interval, group_eval_order, tests, fuzzy_compare, start_timestamp (did you mean "tests"?)`)
	f("tests: [{promql_expr_test: [{expr: 'sum(', eval_time: soon}]}]\n",
		`r_test.yml:1:55: tests[0].promql_expr_test[0].eval_time: got "soon", expected a duration as 15s, 5m or 30d`,
		`r_test.yml:1:36: tests[0].promql_expr_test[0].expr: got "sum(", expected PromQL (1:5: parse error: unclosed left parenthesis)`)
}
