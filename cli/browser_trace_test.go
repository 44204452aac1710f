package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// spanObjective is what checkout owes, by the outcome of its spans.
const spanObjective = `apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout-answers}
spec:
  service: checkout
  budgetingMethod: Occurrences
  timeWindow: [{duration: 1d, isRolling: true}]
  indicator:
    metadata: {name: answers}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'traces_spanmetrics_calls_total{service="checkout",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_ERROR"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'traces_spanmetrics_calls_total{service="checkout",span_kind="SPAN_KIND_SERVER"}'}}}
  objectives: [{target: 0.99}]
`

// order sends the spans and the line of one order, of which payments declines the failed ones.
func order(t *testing.T, base string, n int, failed bool) (traceID string) {
	t.Helper()
	at := time.Now().Add(-100 * time.Millisecond)
	var id pcommon.TraceID
	copy(id[:], fmt.Sprintf("%016d", n))
	span := func(service, name string, own, parent byte, kind ptrace.SpanKind) ptrace.Traces {
		td := ptrace.NewTraces()
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", service)
		s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetTraceID(id)
		s.SetSpanID(pcommon.SpanID{7: own})
		if parent != 0 {
			s.SetParentSpanID(pcommon.SpanID{7: parent})
		}
		s.SetName(name)
		s.SetKind(kind)
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Duration(own) * time.Millisecond)))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Duration(90-own) * time.Millisecond)))
		if failed {
			s.Status().SetCode(ptrace.StatusCodeError)
		}
		return td
	}
	post := func(path string, body []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.Post(base+path, "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatal(path, res.Status)
		}
	}
	for _, td := range []ptrace.Traces{span("checkout", "POST /orders", 1, 0, ptrace.SpanKindServer), span("payments", "POST /charge", 2, 1, ptrace.SpanKindServer)} {
		body, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
		post("/v1/traces", body, err)
	}
	if failed {
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", "payments")
		r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(at.Add(50 * time.Millisecond)))
		r.SetSeverityText("ERROR")
		r.Body().SetStr(fmt.Sprintf("order %d: the issuer's certificate has expired", n))
		r.SetTraceID(id)
		r.SetSpanID(pcommon.SpanID{7: 2})
		body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
		post("/v1/logs", body, err)
	}
	return id.String()
}

// TestBrowserFromObjectiveToLine: from an objective that burns to the guilty span and the
// line that says why, in at most four presses.
func TestBrowserFromObjectiveToLine(t *testing.T) {
	p := newProcess(t)
	p.declare(map[string]string{"objectives/spans.yml": spanObjective, "catalog/spans.yml": `apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: payers}
spec: {type: team, children: [], members: [carol]}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: checkout}
spec: {type: service, lifecycle: production, owner: payers}
`})
	p.accounts("carol")
	p.start()
	base := "http://" + p.addr
	v := signIn(t, chromium(t), base, "carol")
	n := 0
	v.until("the objective to burn", func() bool {
		for range 10 {
			n++
			order(t, base, n, n > 20 && n%2 == 0)
		}
		v.open("/objectives/checkout-answers")
		return strings.Contains(v.text("#budget"), "Burns at") && !strings.Contains(v.text("#budget"), "0.00×") && !strings.Contains(v.text("#budget"), "no data")
	})
	presses := 0
	press := func(label string) { v.press(label); presses++ }
	press("failed traces of checkout")
	v.finds(v.path(), "Duration of each trace") // a span, too, can be read about a second after it was sent
	v.sees("checkout: POST /orders")
	v.click(`td.lead a[href^="/traces/"]`)
	presses++
	v.finds(v.path(), "payments POST /charge")
	v.sees("What took the time")
	v.finds(v.path(), "the issuer's certificate has expired") // a line can be read about a second after it was sent
	if presses > 4 {
		t.Errorf("it took %d presses", presses)
	}
	v.fits()
	v.picture("trace")
	v.phone().open(v.path())
	v.sees("the issuer's certificate has expired")
	v.fits()
	v.open(`/explore?range=15m&differ=1&traces=` + `%7B+status+%3D+error+%7D`)
	v.sees("What is different", "Traces")
	v.fits()
}
