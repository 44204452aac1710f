package openslo

import (
	"fmt"
	"strings"
	"testing"
)

func TestObjectivesOverLogs(t *testing.T) {
	metric := func(q string) string {
		return fmt.Sprintf("{metricSource: {type: VictoriaLogs, spec: {query: %q}}}", q)
	}
	o, _, problems := load(slo("{ratioMetric: {bad: "+metric(`{service.name="checkout"} status:>=500`)+", total: "+metric(`{service.name="checkout"} status:*`)+"}}", rolling, "Occurrences", goal))
	if len(problems) > 0 || len(o) != 1 {
		t.Fatal(problems)
	}
	r := o[0].Ratio
	if !r.Counter || len(r.Logs) != 2 || r.Total != `log_events_total{filter="`+r.Logs[0].ID+`"}` || r.Bad != `log_events_total{filter="`+r.Logs[1].ID+`"}` || r.Logs[1].Filter != `{service.name="checkout"} status:>=500` {
		t.Errorf("%+v", r)
	}
	f := func(indicator, want string) {
		t.Helper()
		if _, _, problems := load(slo(indicator, rolling, "Occurrences", goal)); !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: got %v, expected %q", indicator, problems, want)
		}
	}
	f("{ratioMetric: {bad: "+metric("((")+", total: "+metric("*")+"}}", "expected a LogsQL filter without pipes")
	f("{ratioMetric: {bad: "+metric("* | count()")+", total: "+metric("*")+"}}", "expected a LogsQL filter without pipes")
	f("{thresholdMetric: "+metric("*")+"}", "expected a metric in PromQL here")
}
