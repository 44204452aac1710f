package rulefile

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

func TestLogGroups(t *testing.T) {
	var problems declare.Problems
	f, refs := Read("logs.yml", []byte(`groups:
  - name: shop
    type: vlogs
    interval: 30s
    labels: {env: prod}
    rules:
      - {record: log_errors, expr: 'severity:error | stats by (service.name) count() errors'}
      - {alert: Refused, expr: '"refused" | count() n | filter n:>20', for: 2m, labels: {service: checkout, severity: page}, annotations: {runbook: restart}}
`), &problems)
	if len(problems) > 0 || f == nil || len(f.Groups.Groups) != 0 || len(f.Logs) != 1 {
		t.Fatalf("%v: %+v", problems, f)
	}
	g := f.Logs[0]
	if g.Interval != 30*time.Second || g.Rules[0].Labels["env"] != "prod" || g.Rules[1].For != 2*time.Minute || len(refs) != 2 {
		t.Errorf("%+v, %d references", g, len(refs))
	}
}

func TestLogGroupMistakes(t *testing.T) {
	f := func(rule, want string) {
		t.Helper()
		var problems declare.Problems
		rf, _ := Read("l.yml", []byte("groups:\n- name: g\n  type: vlogs\n  rules:\n  - "+rule+"\n"), &problems)
		if got := problems.Error(); rf != nil || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, expected %q", rule, got, want)
		}
	}
	f("{alert: A, expr: 'error'}", "l.yml:5:22: groups[0].rules[0].expr: got \"error\", expected LogsQL that ends in a stats pipe")
	f("{alert: A, expr: '((('}", "unexpected end of query")
	f("{expr: '* | count()'}", "expected exactly one of record and alert")
	f("{record: 'a', expr: '* | count()', fro: 5m}", `did you mean "for"?`)
	f("{alert: A, expr: '* | count()'}\n- {name: p, rules: []}", "put PromQL groups into a file of their own")
}
