package otlp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/otlp"
)

func logStore(t *testing.T) *logs.Store {
	t.Helper()
	s, err := logs.Open(logs.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// row finds the one row that a query answers with.
func row(t *testing.T, s *logs.Store, query string) map[string]string {
	t.Helper()
	s.Flush()
	q, err := logs.ParseQuery(query, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var found []map[string]string
	if err := s.Blocks(t.Context(), q, func(columns []logs.Column) bool {
		for i := range columns[0].Values {
			m := map[string]string{}
			for _, c := range columns {
				if c.Values[i] != "" {
					m[strings.Clone(c.Name)] = strings.Clone(c.Values[i])
				}
			}
			found = append(found, m)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 {
		t.Fatalf("%s: got %d rows, expected one: %v", query, len(found), found)
	}
	return found[0]
}

func records(at time.Time) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	rl.Resource().Attributes().PutStr("k8s.pod.name", "checkout-1")
	rl.Resource().Attributes().PutInt("process.pid", 7)
	rl.Resource().Attributes().PutStr("shared", "resource")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("lib")
	rec := sl.LogRecords().AppendEmpty()
	rec.SetTimestamp(pcommon.NewTimestampFromTime(at))
	rec.SetObservedTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Second)))
	rec.SetSeverityNumber(plog.SeverityNumberError2)
	rec.SetTraceID(pcommon.TraceID{1, 2})
	rec.SetSpanID(pcommon.SpanID{3})
	rec.SetEventName("payment.failed")
	rec.Body().SetStr("payment failed")
	rec.Attributes().PutStr("shared", "record")
	rec.Attributes().PutEmptyMap("http").PutInt("status", 502)
	rec.Attributes().PutEmptySlice("list").AppendEmpty().SetStr("a")
	rec.SetDroppedAttributesCount(2)
	structured := sl.LogRecords().AppendEmpty()
	structured.SetTimestamp(pcommon.NewTimestampFromTime(at))
	structured.Body().SetEmptyMap().PutStr("message", "structured")
	structured.Body().Map().PutInt("n", 1)
	return ld
}

func TestLogRecordsKeepEverything(t *testing.T) {
	s := logStore(t)
	r := otlp.NewLogs(s, func() int64 { return 1 << 20 })
	at := time.Now().Add(-time.Minute).Truncate(time.Microsecond)
	body, err := plogotlp.NewExportRequestFromLogs(records(at)).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPost, "/v1/logs", strings.NewReader(string(body)))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	if w.Code != http.StatusOK || w.Body.String() != `{"partialSuccess":{}}` {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	got := row(t, s, "payment")
	for name, want := range map[string]string{
		"_time": at.UTC().Format(time.RFC3339Nano), "_stream": `{k8s.pod.name="checkout-1",service.name="checkout"}`, "_msg": "payment failed",
		"service.name": "checkout", "process.pid": "7", "shared": "resource", "attributes.shared": "record", "http.status": "502", "list": `["a"]`,
		"severity": "error", "severity_number": "18", "trace_id": "01020000000000000000000000000000", "span_id": "0300000000000000",
		"event_name": "payment.failed", "scope.name": "lib", "dropped_attributes_count": "2", "observed_time": fmt.Sprint(at.Add(time.Second).UnixNano()),
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, expected %q", name, got[name], want)
		}
	}
	if got := row(t, s, "structured"); got["_msg"] != "structured" || got["body.n"] != "1" {
		t.Errorf("a structured body: %v", got)
	}
}

func TestLogsByGRPC(t *testing.T) {
	rig := start(t)
	s := logStore(t)
	srv, err := otlp.Listen(rig.receiver, "127.0.0.1:0", otlp.NewLogs(s, func() int64 { return 1 << 20 }))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- srv.Run(ctx) }()
	conn, err := grpc.NewClient(srv.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	// A clock that is a year off: stored when it came, and the sender is told.
	resp, err := plogotlp.NewGRPCClient(conn).Export(ctx, plogotlp.NewExportRequestFromLogs(records(time.Now().AddDate(-1, 0, 0))))
	if err != nil || resp.PartialSuccess().RejectedLogRecords() != 0 || !strings.Contains(resp.PartialSuccess().ErrorMessage(), "2 times were replaced") {
		t.Errorf("got %v, %v", resp.PartialSuccess().ErrorMessage(), err)
	}
	if got := row(t, s, "payment"); !strings.HasPrefix(got["time.sent"], fmt.Sprint(time.Now().AddDate(-1, 0, 0).UTC().Year())) {
		t.Errorf("the time that was sent: %v", got)
	}
	_ = conn.Close()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLogsRefusedWhole(t *testing.T) {
	s := logStore(t)
	r := otlp.NewLogs(s, func() int64 { return 1000 })
	f := func(status int, want, kind, body string) {
		t.Helper()
		req := httptest.NewRequest(http.MethodPost, "/v1/logs", strings.NewReader(body))
		req.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("got %d %s, expected %d and %q", w.Code, w.Body, status, want)
		}
	}
	f(415, "application/json", "text/plain", "x")
	f(400, "ExportLogsServiceRequest", "application/json", "{")
	f(400, "ExportLogsServiceRequest", "application/x-protobuf", "\xff\xff")
	f(413, "limits.body_bytes", "application/json", strings.Repeat(" ", 2000))
}
