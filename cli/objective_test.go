package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const drained = `apiVersion: openslo/v1
kind: SLO
metadata: {name: queue-drained, displayName: The queue drains}
spec:
  service: queue
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  indicator:
    metadata: {name: drained}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: mails_failed_total}}}
        total: {metricSource: {type: Prometheus, spec: {query: mails_total}}}
  objectives: [{target: 0.99}]
`

// TestObjectiveVerbs asks a server that serves one mail of ten badly.
func TestObjectiveVerbs(t *testing.T) {
	p := newProcess(t)
	write(t, filepath.Join(p.dir, "workspace"), "objectives/queue.yml", drained)
	p.start()
	t.Setenv(envToken, p.token)
	begin := time.Now().Add(-20 * time.Minute)
	for k := range 80 {
		at := begin.Add(time.Duration(k) * 15 * time.Second)
		if err := p.write(at, map[string]float64{"mails_total": float64(10 * k), "mails_failed_total": float64(k)}); err != nil {
			t.Fatal(err)
		}
	}
	url := []string{"--url", "http://" + p.addr}
	var o standing
	for range 100 {
		o = runJSON[standing](t, 0, append(url, "objective", "show", "queue-drained")...)
		if o.Budget.Spent != nil && len(o.Budget.Burns) > 0 && o.Budget.Burns[0].Rate != nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if o.Target != 0.99 || o.Budget.Unit != "events" || o.Budget.Spent == nil || *o.Budget.Spent < 9 || *o.Budget.Spent > 11 {
		t.Fatalf("a tenth is bad where a hundredth may be: %+v, %+v", o.Objective, o.Budget)
	}
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"objective", "list"}, []string{"queue-drained", "99 %", "30d", "10×"}},
		{[]string{"objective", "list", "--service", "queue"}, []string{"The queue drains"}},
		{[]string{"objectives", "show", "queue-drained"}, []string{"99 % over 30d, Occurrences", "It is spent.", "WINDOW", "1h", "14.4× and 5m (page)", "SPENT BY INCIDENT"}},
	} {
		text, _ := run(t, 0, append(url, test.args...)...)
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("%v: no %q in\n%s", test.args, want, text)
			}
		}
	}
	for _, bad := range [][]string{{"objective", "show", "nowhere"}, {"objective", "show", "../status"}, {"objective", "show"}, {"objective", "list", "more"}} {
		if _, talk := run(t, 2, append(url, bad...)...); talk == "" {
			t.Errorf("%v: not a word", bad)
		}
	}
	if text, _ := run(t, 0, append(url, "review", "outcomes")...); !strings.Contains(text, "ErrorBudgetBurn") {
		t.Errorf("what somebody was told of:\n%s", text)
	}
}
