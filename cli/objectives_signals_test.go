package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/evenkeel/evenkeel/detect"
)

// TestObjectivesOverLogsAndSpans goes the whole way: failing requests that only logs and
// spans tell of burn the budgets of an objective over log lines and of one over spans,
// and a LogsQL rule in vmalert's format fires; each is a finding of the service's owner.
func TestObjectivesOverLogsAndSpans(t *testing.T) {
	p := newProcess(t)
	objective := func(name, kind, bad, total string) string {
		return fmt.Sprintf(`---
apiVersion: openslo/v1
kind: SLO
metadata: {name: %s}
spec:
  service: queue
  budgetingMethod: Occurrences
  timeWindow: [{duration: 1h, isRolling: true}]
  indicator:
    metadata: {name: %s-ratio}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: %s, spec: {query: '%s'}}}
        total: {metricSource: {type: %s, spec: {query: '%s'}}}
  objectives: [{target: 0.99}]
`, name, name, kind, bad, kind, total)
	}
	for name, text := range map[string]string{
		"objectives/logs.yml":  objective("queue-lines", "VictoriaLogs", `{service.name="queue"} status:>=500`, `{service.name="queue"} status:*`),
		"objectives/spans.yml": objective("queue-spans", "Prometheus", `traces_spanmetrics_calls_total{service="queue",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_ERROR"}`, `traces_spanmetrics_calls_total{service="queue",span_kind="SPAN_KIND_SERVER"}`),
		"rules/logs.yml": `groups:
  - name: queue-logs
    type: vlogs
    interval: 1s
    rules:
      - alert: BrokerRefuses
        expr: '"broker refused" | stats by (service.name) count() n | filter n:>5'
        labels: {severity: ticket, service: queue, team: ops}
        annotations: {summary: '{{ $value }} refusals'}
`,
	} {
		path := filepath.Join(p.dir, "workspace", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.start()
	n := byte(0)
	send := func() {
		t.Helper()
		n++
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", "queue")
		td := ptrace.NewTraces()
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", "queue")
		records, spans := rl.ScopeLogs().AppendEmpty().LogRecords(), rs.ScopeSpans().AppendEmpty().Spans()
		for i := range 20 {
			now := time.Now().Add(time.Duration(i) * time.Microsecond)
			failed := i%2 == 0
			r := records.AppendEmpty()
			r.SetTimestamp(pcommon.NewTimestampFromTime(now))
			s := spans.AppendEmpty()
			s.SetTraceID(pcommon.TraceID{n, byte(i), 1})
			s.SetSpanID(pcommon.SpanID{n, byte(i), 1})
			s.SetName("publish")
			s.SetKind(ptrace.SpanKindServer)
			s.SetStartTimestamp(pcommon.NewTimestampFromTime(now))
			s.SetEndTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Millisecond)))
			if failed {
				r.Body().SetStr("broker refused the message")
				r.Attributes().PutInt("status", 503)
				s.Status().SetCode(ptrace.StatusCodeError)
			} else {
				r.Body().SetStr("message published")
				r.Attributes().PutInt("status", 200)
			}
		}
		logs, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		if err != nil {
			t.Fatal(err)
		}
		traces, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
		if err != nil {
			t.Fatal(err)
		}
		for path, body := range map[string][]byte{"/v1/logs": logs, "/v1/traces": traces} {
			res, err := http.Post("http://"+p.addr+path, "application/x-protobuf", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s", path, res.Status)
			}
		}
	}
	var last time.Time
	missing := map[string]bool{}
	p.until("the findings", func() bool {
		if time.Since(last) > 300*time.Millisecond {
			send()
			last = time.Now()
		}
		var list struct{ Items []detect.Finding }
		if err := p.call(http.MethodGet, "findings?open=true", nil, &list); err != nil {
			t.Fatal(err)
		}
		missing = map[string]bool{"queue-lines": true, "queue-spans": true, "BrokerRefuses": true}
		for _, f := range list.Items {
			if f.Team == "ops" && f.Service == "queue" {
				delete(missing, string(f.Objective))
				delete(missing, f.Name)
				for name := range missing {
					if strings.Contains(f.Summary, name) {
						delete(missing, name)
					}
				}
			}
		}
		return len(missing) == 0
	})
}
