package ruletest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const rulesFile = `groups:
  - name: g
    rules:
      - {record: "job:up:sum", expr: sum by (job) (up)}
      - {alert: Down, expr: 'job:up:sum < 1', for: 2m, labels: {severity: page}, annotations: {summary: '{{ $labels.job }} has {{ $value }}'}}
`

// run runs a test of these rules. The rest of it follows the input series.
func run(t *testing.T, text string) *Report {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.yml"), []byte(rulesFile), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a_test.yml")
	r, err := Run(t.Context(), file, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Problems {
		r.Problems[i].File = ""
	}
	return r
}

func TestVerdicts(t *testing.T) {
	const head = "rule_files: [rules.yml]\ntests:\n  - interval: 1m\n    input_series: [{series: 'up{job=\"shop\"}', values: '1 0 0 0 0 0'}]\n    "
	f := func(text string, want ...string) {
		t.Helper()
		r := run(t, text)
		if len(r.Problems) != len(want) {
			t.Errorf("%s\nfound %v, expected %q", text, r.Problems, want)
			return
		}
		for i, w := range want {
			if got := r.Problems[i].Error(); !strings.Contains(got, w) || r.Problems[i].Line == 0 {
				t.Errorf("%s\nfound %s, expected %s and a line", text, got, w)
			}
		}
	}
	f(head + `alert_rule_test: [{eval_time: 3m, alertname: Down, exp_alerts: [{exp_labels: {job: shop, severity: page}, exp_annotations: {summary: shop has 0}}]}]`)
	f(head + `alert_rule_test: [{eval_time: 2m, alertname: Down}]`) // pending still
	f(head+`alert_rule_test: [{eval_time: 3m, alertname: Down}]`, `got "{job=\"shop\", severity=\"page\"} with {summary=\"shop has 0\"}", expected Down at 3m: nothing else`)
	f(head+`alert_rule_test: [{eval_time: 1m, alertname: Down, exp_alerts: [{exp_labels: {job: shop}}]}]`, `got "nothing else", expected Down at 1m: {job="shop"}`)
	f(head + `promql_expr_test: [{expr: 'job:up:sum', eval_time: 1m, exp_samples: [{labels: 'job:up:sum{job="shop"}', value: 0}]}]`)
	f(head+`promql_expr_test: [{expr: 'job:up:sum', eval_time: 0, exp_samples: [{labels: 'job:up:sum{job="shop"}', value: 2}]}]`, `got "{__name__=\"job:up:sum\", job=\"shop\"} 1"`)
	f(head+`promql_expr_test: [{expr: 'up{', eval_time: 0}]`, "PromQL")
	f(head+`promql_expr_test: [{expr: up, eval_time: 0, exp_samples: [{labels: 'up{', value: 1}]}]`, "labels as up")
	f("rule_files: [gone.yml]\ntests: []\n", "a rule file beside this one")
	f("rule_files: [rules.yml]\ntests:\n  - {input_series: [{series: 'up{', values: '1'}]}\n", "a series and its values")
	f("rule_files: [rules.yml]\ntests:\n  - {start_timestamp: soon}\n", "a time as 2026")
	f("rule_files: [rules.yml]\nevaluation_interval: 1s\ntests:\n  - {promql_expr_test: [{expr: vector(1), eval_time: 500d}]}\n", "at most 1000000 evaluations")
	f("rule_files: [rules.yml]\ntets: []\n", `did you mean "tests"?`)
	f("- 1\n", "a mapping")
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Run(ctx, filepath.Join(t.TempDir(), "a_test.yml"), []byte("tests:\n  - {promql_expr_test: [{expr: vector(1), eval_time: 1h}]}\n"))
	if err == nil {
		t.Error("it ended without having run, and says nothing")
	}
}

func TestIs(t *testing.T) {
	for text, want := range map[string]bool{"tests: []": true, "groups: []": false, "rule_files: []": false, "": false, "]": false, "- tests": false} {
		if Is([]byte(text)) != want {
			t.Errorf("%q: expected %v", text, want)
		}
	}
}

// FuzzRun: whatever stands in a file of tests, there is a verdict.
func FuzzRun(f *testing.F) {
	f.Add("rule_files: [rules.yml]\ntests:\n  - interval: 1m\n    input_series: [{series: up, values: '1+1x5'}]\n    promql_expr_test: [{expr: up, eval_time: 2m, exp_samples: [{labels: up, value: 3}]}]\n")
	f.Add("tests:\n  - {alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: [{}]}]}\n")
	f.Add("tests: [{start_timestamp: 1e9, external_labels: {a: b}}]\nfuzzy_compare: true\ngroup_eval_order: [a]\n")
	f.Add("tests:\n  - input_series: [{series: h, values: '{{schema:0 count:3 sum:5 buckets:[1 2]}}x3'}]\n    promql_expr_test: [{expr: h, eval_time: 0, exp_samples: [{labels: h, histogram: '{{schema:0 count:3}}'}]}]\n")
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.yml"), []byte(rulesFile), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "x99") || strings.Contains(text, "/") || len(text) > 2000 { // long series, other files
			return
		}
		r, err := Run(t.Context(), filepath.Join(dir, "a_test.yml"), []byte(text))
		if err == nil && r == nil {
			t.Error("no verdict")
		}
	})
}
