package cli

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// ruleTests are rules and their unit tests. What a file of tests is called says its
// verdict: promtool's is asked, too.
const ruleTests = `
-- rules.yml --
groups:
  - name: recorded
    rules:
      - {record: "job:errors:rate5m", expr: "sum by (job) (rate(errors_total[5m]))"}
  - name: alerts
    rules:
      - alert: Errors
        expr: job:errors:rate5m > 0.5
        for: 2m
        keep_firing_for: 3m
        labels: {severity: page, where: '{{ $externalLabels.region }}'}
        annotations: {summary: '{{ $labels.job }} has {{ $value | humanize }} errors, of {{ with query "sum(errors_total)" }}{{ . | first | value }}{{ end }}'}
      - {alert: Missing, expr: absent(errors_total), labels: {severity: ticket}}
-- limited.yml --
groups:
  - {name: limited, limit: 1, rules: [{record: everything, expr: errors_total}]}
-- same.yml --
groups:
  - {name: a, rules: [{record: one, expr: vector(1)}]}
  - {name: b, rules: [{record: two, expr: one + 1}]}
-- ok_test.yml --
rule_files: ["rule?.yml"]
group_eval_order: [recorded, alerts]
tests:
  - name: errors
    interval: 1m
    external_labels: {region: north}
    input_series:
      - {series: 'errors_total{job="a",i="1"}', values: '0+60x10 600x10'}
      - {series: 'errors_total{job="a",i="2"}', values: '0 _x3 stale 5'}
    alert_rule_test:
      - {eval_time: 2m, alertname: Errors}
      - {eval_time: 2m, alertname: Nothing}
      - eval_time: 5m30s
        alertname: Errors
        exp_alerts: [{exp_labels: {severity: page, where: north, job: a}, exp_annotations: {summary: "a has 1 errors, of 305"}}]
    promql_expr_test:
      - {expr: 'ALERTS{alertname="Errors"}', eval_time: 4m, exp_samples: [{labels: 'ALERTS{alertname="Errors",alertstate="pending",job="a",severity="page",where="north"}', value: 1}]}
      - {expr: 'count(errors_total)', eval_time: 0, exp_samples: [{value: 2}]}
      - {expr: '2 + 3', eval_time: 1m, exp_samples: [{value: 5}]}
  - alert_rule_test: [{eval_time: 10m, alertname: Missing, exp_alerts: [{exp_labels: {severity: ticket}}]}]
-- wrong-labels_test.yml --
rule_files: [rules.yml]
tests:
  - alert_rule_test: [{eval_time: 10m, alertname: Missing, exp_alerts: [{exp_labels: {severity: page}}]}]
-- wrong-annotation_test.yml --
rule_files: [rules.yml]
tests:
  - alert_rule_test: [{eval_time: 10m, alertname: Missing, exp_alerts: [{exp_labels: {severity: ticket}, exp_annotations: {summary: x}}]}]
-- fires-all-the-same_test.yml --
rule_files: [rules.yml]
tests:
  - alert_rule_test: [{eval_time: 10m, alertname: Missing, exp_alerts: []}]
-- too-many-samples_test.yml --
rule_files: [rules.yml]
tests:
  - input_series: [{series: 'x{a="1"}', values: '1'}, {series: 'x{a="2"}', values: '1'}]
    promql_expr_test: [{expr: x, eval_time: 0, exp_samples: [{labels: 'x{a="1"}', value: 1}]}]
-- nan_test.yml --
rule_files: [rules.yml]
tests:
  - input_series: [{series: 'x', values: 'NaN'}]
    promql_expr_test: [{expr: x, eval_time: 0, exp_samples: [{labels: 'x', value: NaN}]}]
-- ok-histogram_test.yml --
rule_files: [rules.yml]
tests:
  - interval: 1m
    input_series: [{series: 'h', values: '{{schema:0 sum:5 count:4 buckets:[1 2 1]}}+{{schema:0 sum:5 count:4 buckets:[1 2 1]}}x3'}]
    promql_expr_test:
      - {expr: h, eval_time: 1m, exp_samples: [{labels: h, histogram: '{{schema:0 sum:10 count:8 counter_reset_hint:not_reset buckets:[2 4 2]}}'}]}
      - {expr: histogram_count(h), eval_time: 2m, exp_samples: [{labels: '{}', value: 12}]}
-- histogram_test.yml --
rule_files: [rules.yml]
tests:
  - input_series: [{series: 'h', values: '{{schema:0 sum:5 count:4 buckets:[1 2 1]}}'}]
    promql_expr_test: [{expr: h, eval_time: 0, exp_samples: [{labels: h, histogram: '{{schema:0 sum:5 count:4 buckets:[1 1 2]}}'}]}]
-- limit_test.yml --
rule_files: [limited.yml]
tests:
  - input_series: [{series: 'errors_total{i="1"}', values: '1'}, {series: 'errors_total{i="2"}', values: '1'}]
    promql_expr_test: [{expr: vector(1), eval_time: 0, exp_samples: [{labels: '{}', value: 1}]}]
-- ok-order_test.yml --
rule_files: [same.yml]
group_eval_order: [a, b]
tests:
  - promql_expr_test: [{expr: two, eval_time: 0, exp_samples: [{labels: two, value: 2}]}]
-- order_test.yml --
rule_files: [same.yml]
group_eval_order: [b, a]
tests:
  - promql_expr_test: [{expr: two, eval_time: 0, exp_samples: [{labels: two, value: 2}]}]
-- ok-start_test.yml --
rule_files: [rules.yml]
tests:
  - start_timestamp: 2026-03-01T12:00:00Z
    interval: 1m
    input_series: [{series: 'x', values: '1+1x10'}]
    promql_expr_test: [{expr: 'hour() + x', eval_time: 5m, exp_samples: [{labels: '{}', value: 18}]}]
-- ok-between_test.yml --
rule_files: [rules.yml]
tests:
  - interval: 30s
    input_series: [{series: 'x', values: '1+1x10'}]
    promql_expr_test: [{expr: x, eval_time: 90s, exp_samples: [{labels: x, value: 3}]}]
-- ok-subquery_test.yml --
rule_files: [rules.yml]
evaluation_interval: 20s
tests:
  - interval: 1m
    input_series: [{series: 'x', values: '1+1x10'}]
    promql_expr_test: [{expr: 'count_over_time(x[5m:])', eval_time: 5m, exp_samples: [{labels: '{}', value: 15}]}]
-- no-vector_test.yml --
rule_files: [rules.yml]
tests:
  - promql_expr_test: [{expr: '"text"', eval_time: 0}]
-- twice_test.yml --
rule_files: [rules.yml]
group_eval_order: [alerts, alerts]
tests: []
-- ok-fuzzy_test.yml --
rule_files: [rules.yml]
fuzzy_compare: true
tests:
  - input_series: [{series: x, values: '2.9999999999999996'}]
    promql_expr_test: [{expr: x, eval_time: 0, exp_samples: [{labels: x, value: 3}]}]
-- exact_test.yml --
rule_files: [rules.yml]
tests:
  - input_series: [{series: x, values: '2.9999999999999996'}]
    promql_expr_test: [{expr: x, eval_time: 0, exp_samples: [{labels: x, value: 3}]}]
-- field_test.yml --
rule_files: [rules.yml]
tests:
  - alert_rule_tests: []
`

func TestRuleTestsAsPromtool(t *testing.T) {
	promtool := peer(t, "promtool")
	dir := unpack(t, ruleTests)
	files := 0
	for _, f := range txtar.Parse([]byte(ruleTests)).Files {
		if !strings.HasSuffix(f.Name, "_test.yml") {
			continue
		}
		files++
		t.Run(f.Name, func(t *testing.T) {
			path := filepath.Join(dir, f.Name)
			out, err := exec.Command(promtool, "test", "rules", path).CombinedOutput()
			passes := err == nil
			if passes != strings.HasPrefix(f.Name, "ok") {
				t.Fatalf("promtool: %v\n%s", err, out)
			}
			code := 1
			if passes {
				code = 0
			}
			stdout, _ := runCheck(t, code, "--test", path)
			if !passes && !regexp.MustCompile(regexp.QuoteMeta(path)+`:\d+:\d+: error: `).MatchString(stdout) {
				t.Errorf("it does not say where:\n%s", stdout)
			}
		})
	}
	if files < 19 {
		t.Errorf("%d files of tests", files)
	}
}

func TestRuleTestsOfAWorkspace(t *testing.T) {
	dir := t.TempDir()
	for name, text := range killWorkspace {
		write(t, dir, name, text)
	}
	expecting := func(value string) {
		write(t, dir, "rules/queue_test.yml", "rule_files: [queue.yml]\ntests:\n  - input_series: [{series: queue_depth, values: '"+value+
			"'}]\n    alert_rule_test: [{eval_time: 0, alertname: QueueStuck, exp_alerts: [{exp_labels: {severity: page, service: queue, team: ops}}]}]\n")
	}
	expecting("200")
	if _, talk := runCheck(t, 0, "--test", dir); !strings.Contains(talk, "queue_test.yml: 1 test passed") {
		t.Errorf("what passed is not said:\n%s", talk)
	}
	// promtool warns, and says that all is fine: nothing was tested.
	if out, _ := runCheck(t, 1, "--test", write(t, t.TempDir(), "a_test.yml", "rule_files: [nowhere.yml]\ntests: []\n")); !strings.Contains(out, "nowhere.yml") {
		t.Errorf("tests of rules that are not there: %s", out)
	}
	expecting("20")
	runCheck(t, 0, dir)
	if out, _ := runCheck(t, 1, "--test", dir); !strings.Contains(out, "QueueStuck at 0s: ") {
		t.Errorf("what failed is not said:\n%s", out)
	}
}
