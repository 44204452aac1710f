package hygiene_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/rulefile"
	"github.com/evenkeel/evenkeel/detect/history"
	"github.com/evenkeel/evenkeel/detect/hygiene"
)

func file(t *testing.T, rules string) *declare.RuleFile {
	t.Helper()
	var problems declare.Problems
	f, _ := rulefile.Read("rules/a.yml", []byte("groups:\n  - name: g\n    rules:\n"+rules), &problems)
	if f == nil {
		t.Fatal(problems)
	}
	return f
}

func alert(expr, more string) string {
	return fmt.Sprintf("      - {alert: A, expr: '%s', labels: {severity: ticket, service: shop}%s}\n", expr, more)
}

func TestDeclared(t *testing.T) {
	for rule, want := range map[string][]string{
		`{alert: A, expr: 'up == 0', labels: {severity: page}}`:                                                  {"runbook"},
		`{alert: A, expr: 'up == 0', labels: {severity: page}, annotations: {runbook_url: "https://x.example"}}`: nil,
		`{alert: A, expr: 'up == 0', labels: {severity: ticket}}`:                                                nil,
		`{alert: A, expr: 'sum(up) == 0', labels: {severity: ticket}}`:                                           {"owner"},
		`{alert: A, expr: 'sum(up) == 0', labels: {severity: ticket, team: shop}}`:                               nil,
		`{alert: A, expr: 'sum by (service) (up) == 0'}`:                                                         nil,
		`{alert: A, expr: 'sum by (job) (rate(x[5m])) / on (job) group_left (team) y > 1'}`:                      nil,
		`{alert: A, expr: 'sum by (job) (rate(x[5m])) / on (job) y > 1'}`:                                        {"owner"},
		`{alert: A, expr: 'absent(up)'}`:                                                                         {"owner"},
		`{alert: A, expr: 'absent(up{service="shop"})'}`:                                                         nil,
		`{alert: A, expr: 'vector(time()) > 1'}`:                                                                 {"owner"},
		`{alert: A, expr: 'label_replace(sum(up), "team", "x", "", "") > 1'}`:                                    nil,
		`{alert: A, expr: 'sum without (team) (up) > 1'}`:                                                        nil,
		`{alert: A, expr: 'histogram_quantile(0.9, sum by (le) (rate(x[5m]))) > 1'}`:                             {"owner"},
		`{record: a:b, expr: 'sum(up)'}`:                                                                         nil,
	} {
		got := hygiene.Declared(nil, []*declare.RuleFile{file(t, "      - "+rule+"\n")})
		if len(got) != len(want) {
			t.Errorf("%s: %v, expected %q", rule, got, want)
			continue
		}
		for i := range want {
			if !strings.Contains(got[i].Want, want[i]) || got[i].Line != 4 || !got[i].Warning {
				t.Errorf("%s: %v, expected a warning of line 4 about %q", rule, got[i], want[i])
			}
		}
	}
}

func TestStored(t *testing.T) {
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var b strings.Builder
	sample := func(series string, value func(m int) float64) {
		for m := range 120 {
			fmt.Fprintf(&b, "%s %g %d\n", series, value(m), begin.Add(time.Duration(m)*time.Minute).Unix())
		}
	}
	flat := func(v float64) func(int) float64 { return func(int) float64 { return v } }
	b.WriteString("# TYPE queue_depth gauge\n")
	sample(`queue_depth{queue="mail",zone="a"}`, func(m int) float64 { return float64(m % 60) })
	sample(`queue_depth{queue="post",zone="a"}`, flat(3))
	b.WriteString("# TYPE capacity gauge\n")
	sample(`capacity{region="a"}`, flat(100))
	b.WriteString("# EOF\n")
	data := filepath.Join(t.TempDir(), "series.om")
	if err := os.WriteFile(data, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := history.Open(t.Context(), history.Options{Where: data})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	for _, test := range []struct{ rules, want string }{
		{alert("queue_depth > 30", ""), ""},
		{alert("queue_depth > 58.5", ""), ""}, // reached for one minute of two hours
		{alert("queue_depth > 59", ""), `got "queue_depth > 59", expected A: a threshold that was ever reached (it was between 0 and 59)`},
		{alert("queue_depth >= 59", ""), ""},
		{alert("60 < queue_depth", ""), "between 0 and 59"},
		{alert("queue_depth < -1", ""), "between 0 and 59"},
		{alert("queue_depth > 30 or queue_depth > 100", ""), `got "queue_depth > 100"`},
		{alert("queue_depth > 30 and on (zone) queue_depth < 2", ""), "sides that hold together"}, // never at one time
		{alert("queue_depth > 30 and on (zone) queue_depth < 4", ""), ""},
		{"      - {record: a:b, expr: 'max_over_time(queue_depth[2h:100ms])'}\n" + alert("queue_depth > 30", "") + alert("queue_depth > 40", ""), "a cost like the other rules'"},
		{alert("queue_depth > 30 and capacity > 50", ""), "sides that hold together"},
		{alert("queue_depth > 30 and on () capacity > 50", ""), ""},
		{alert("queue_depth > 30 and on (zone) queue_depth > 300", ""), "between 0 and 59"},
		{alert("queue_depth > 30 or capacity > 500", ""), `got "capacity > 500"`},
		{alert("queue_depth unless queue_depth > 100", ""), "fires all the time"},
		{alert("queue_depth >= 0", ""), "it fires all the time"},
		{alert("queue_deepth > 30", ""), `got "queue_deepth", expected A: a metric that is stored (did you mean "queue_depth"?)`},
		{alert("absent(queue_deepth)", ""), `a metric that is stored`},
		{alert(`queue_depth{qeue="mail"} > 30`, ""), `got "qeue", expected A: a label that queue_depth has (did you mean "queue"?)`},
		{alert(`queue_depth{queue="nail"} > 30`, ""), `a value that queue_depth has (did you mean "mail"?)`},
		{alert(`queue_depth{queue=~"mail|fax"} > 30`, ""), ""},
		{alert(`queue_depth{queue!="mail"} > 2`, ""), "fires all the time"},
		{alert(`queue_depth{absent=""} > 30`, ""), ""},
		{alert("sum by (quue) (queue_depth) > 30", ""), `got "by (quue)", expected A: a label that something below has (did you mean "queue"?)`},
		{alert("queue_depth / capacity > 0.3", ""), "it never gives a value"},
		{alert("queue_depth / on () group_left () capacity > 0.3", ""), ""},
		{"      - {record: queue:depth:max, expr: max by (queue) (queue_depth)}\n" + alert("queue:depth:max > 30", ""), ""},
		{"      - {record: queue:depth:max, expr: max by (queue) (queue_depth)}\n" + alert("queue:depth:max > 300", ""), "between 0 and 59"},
		{alert("queue:depth:mx > 300", ""), "a metric that is stored"},
	} {
		f := file(t, test.rules)
		got, err := hygiene.Stored(t.Context(), hygiene.Options{Files: []*declare.RuleFile{f}, History: h, From: begin, To: begin.Add(2*time.Hour - time.Minute), Step: time.Minute})
		if err != nil {
			t.Errorf("%s: %v", test.rules, err)
		}
		if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.Contains(got[0].Error(), test.want) || !got[0].Warning || got[0].Line == 0) {
			t.Errorf("%s found\n%v\nexpected %q", test.rules, got, test.want)
		}
	}
}
