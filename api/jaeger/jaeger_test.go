package jaeger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/api/jaeger"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/trace"
)

func open(t *testing.T) *trace.Store {
	t.Helper()
	rows, err := logs.Open(logs.Options{Dir: t.TempDir(), Name: "traces", Retention: 20 * 365 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rows.Close() })
	return trace.New(rows, nil)
}

func get(t *testing.T, h http.Handler, path string, into any) int {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		t.Fatalf("%s: %d %v: %.300s", path, w.Code, err, w.Body)
	}
	return w.Code
}

func fill(t *testing.T, store *trace.Store) time.Time {
	t.Helper()
	at := time.Now().Add(-time.Minute).Truncate(time.Millisecond)
	b := store.Begin("test", "here")
	add := func(s trace.Span) {
		s.Start += at.UnixNano()
		if r := b.Add(&s); r != nil {
			t.Fatal(r)
		}
	}
	ms := int64(time.Millisecond)
	one, two := strings.Repeat("a", 32), "000000000000000000000000000000b0"
	add(trace.Span{TraceID: one, SpanID: "1111111111111111", Service: "checkout", Name: "POST /orders", Kind: trace.Server, Duration: 90 * ms, Status: trace.Error, StatusMessage: "declined",
		Attrs: []trace.Attr{{Key: "http.status_code", Type: trace.Int, Value: "500"}, {Key: "user", Type: trace.String, Value: "x y"}}})
	add(trace.Span{TraceID: one, SpanID: "2222222222222222", ParentID: "1111111111111111", Service: "payments", Name: "charge", Kind: trace.Server, Start: 10 * ms, Duration: 60 * ms,
		Events: []trace.Event{{Time: at.UnixNano(), Name: "retry", Attrs: []trace.Attr{{Key: "attempt", Type: trace.Int, Value: "2"}}}}})
	add(trace.Span{TraceID: two, SpanID: "3333333333333333", Service: "checkout", Name: "GET /", Kind: trace.Server, Start: ms, Duration: 2 * ms})
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	store.Rows().Flush()
	return at
}

func TestAPI(t *testing.T) {
	store := open(t)
	fill(t, store)
	h := jaeger.New(jaeger.Options{Store: store, Calls: func(context.Context, time.Time, time.Time) ([]jaeger.Call, error) {
		return []jaeger.Call{{Parent: "checkout", Child: "payments", Count: 3}}, nil
	}})
	var names struct{ Data []string }
	get(t, h, "/jaeger/api/services", &names)
	if !slices.Equal(names.Data, []string{"checkout", "payments"}) {
		t.Errorf("services: %v", names.Data)
	}
	get(t, h, "/jaeger/api/services/checkout/operations", &names)
	if !slices.Equal(names.Data, []string{"GET /", "POST /orders"}) {
		t.Errorf("operations: %v", names.Data)
	}
	var ops struct{ Data []trace.Operation }
	get(t, h, "/jaeger/api/operations?service=payments&spanKind=server", &ops)
	if len(ops.Data) != 1 || ops.Data[0] != (trace.Operation{Name: "charge", Kind: trace.Server}) {
		t.Errorf("operations: %v", ops.Data)
	}
	find := func(query string) (out []string) {
		t.Helper()
		var answer struct{ Data []jaeger.Trace }
		get(t, h, "/jaeger/api/traces?"+query, &answer)
		for _, tr := range answer.Data {
			out = append(out, tr.TraceID[:2])
		}
		return out
	}
	f := func(query string, want ...string) {
		t.Helper()
		if got := find(query); !slices.Equal(got, want) {
			t.Errorf("%s: found %v, expected %v", query, got, want)
		}
	}
	f("service=checkout", "00", "aa") // the newest first
	f("service=checkout&limit=1", "00")
	f("service=payments", "aa")
	f("service=nobody")
	f("service=checkout&tag=http.status_code:500", "aa")
	f("service=checkout&tag=http.status_code:50")
	f("service=checkout&tag=user:x+y", "aa")
	f("service=checkout&tag=error:true", "aa")
	f("service=payments&tag=attempt:2", "aa")
	f("service=payments&tag=event:retry", "aa")
	f("service=checkout&minDuration=50ms", "aa")
	f("service=checkout&maxDuration=50ms", "00")
	f("service=checkout&operation=GET+/", "00")
	f("service=checkout&"+url.Values{"tags": {`{"http.status_code":500,"user":"x y"}`}}.Encode(), "aa")
	f("traceID=b0&traceID=ff", "00") // leading zeros may be left out
	var one struct{ Data []jaeger.Trace }
	if code := get(t, h, "/jaeger/api/traces/"+strings.Repeat("A", 32), &one); code != 200 || len(one.Data) != 1 || len(one.Data[0].Spans) != 2 || len(one.Data[0].Processes) != 2 {
		t.Errorf("one trace: %d %+v", code, one)
	}
	var deps struct{ Data []jaeger.Call }
	get(t, h, "/jaeger/api/dependencies?endTs=1700000000000&lookback=3600000", &deps)
	if len(deps.Data) != 1 || deps.Data[0].Count != 3 {
		t.Errorf("dependencies: %v", deps)
	}
	var three struct {
		Result struct{ ResourceSpans []json.RawMessage }
	}
	get(t, h, "/jaeger/api/v3/traces/"+strings.Repeat("a", 32), &three)
	if len(three.Result.ResourceSpans) != 2 {
		t.Errorf("version 3: %v", three)
	}
	get(t, h, "/jaeger/api/v3/traces?query.service_name=checkout&query.duration_min=50ms&query.start_time_min=2020-01-01T00:00:00Z", &three)
	if len(three.Result.ResourceSpans) != 2 {
		t.Errorf("version 3: %v", three)
	}
}

func TestRubbish(t *testing.T) {
	store := open(t)
	h := jaeger.New(jaeger.Options{Store: store, Calls: func(context.Context, time.Time, time.Time) ([]jaeger.Call, error) { return nil, nil }})
	f := func(status int, text, path string) {
		t.Helper()
		var answer struct{ Errors []struct{ Msg string } }
		if code := get(t, h, path, &answer); code != status || len(answer.Errors) != 1 || !strings.Contains(answer.Errors[0].Msg, text) {
			t.Errorf("%s: %d %v, expected %d and %q", path, code, answer, status, text)
		}
	}
	f(400, "service", "/jaeger/api/traces")
	f(400, "Unix microseconds", "/jaeger/api/traces?service=a&start=yesterday")
	f(400, "100ms", "/jaeger/api/traces?service=a&minDuration=long")
	f(400, "key:value", "/jaeger/api/traces?service=a&tag=x")
	f(400, "JSON object", "/jaeger/api/traces?service=a&tags=%7B")
	f(400, "hexadecimal", "/jaeger/api/traces/zz%22%20or%20*")
	f(404, "that is stored", "/jaeger/api/traces/abc")
	f(400, "service", "/jaeger/api/operations")
	f(400, "milliseconds", "/jaeger/api/dependencies?endTs=x")
	for _, q := range []string{`"`, `" or *`, "a\nb", "\x00", "*", "{}"} { // what a name must not become is a query
		var answer struct{ Data []jaeger.Trace }
		if code := get(t, h, "/jaeger/api/traces?"+url.Values{"service": {q}, "operation": {q}, "tag": {q + "k:" + q}}.Encode(), &answer); code != 200 || len(answer.Data) != 0 {
			t.Errorf("%q: %d, %d traces", q, code, len(answer.Data))
		}
	}
}

// TestLargeTrace: Jaeger's pages are told that a trace is not whole, and where the rest is.
func TestLargeTrace(t *testing.T) {
	store := open(t)
	at, id := time.Now().Add(-time.Minute).Truncate(time.Millisecond), strings.Repeat("5", 32)
	b := store.Begin("test", "here")
	for i := range trace.MaxSpans + 10 {
		if r := b.Add(&trace.Span{TraceID: id, SpanID: fmt.Sprintf("%016x", i+1), Service: "web", Name: "step", Start: at.Add(time.Duration(i) * time.Microsecond).UnixNano(), Duration: 1000}); r != nil {
			t.Fatal(r)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	store.Rows().Flush()
	h := jaeger.New(jaeger.Options{Store: store})
	var got struct{ Data []jaeger.Trace }
	get(t, h, "/jaeger/api/traces/"+id, &got)
	if len(got.Data) != 1 || len(got.Data[0].Spans) != trace.MaxSpans || len(got.Data[0].Warnings) != 3 || !strings.HasPrefix(got.Data[0].Warnings[0], "these are 20000 of the trace's 20010 spans") {
		t.Fatalf("%d traces, warned %q", len(got.Data), got.Data[0].Warnings)
	}
	seen := map[string]bool{}
	for _, w := range got.Data[0].Warnings[1:] {
		var part struct{ Data []jaeger.Trace }
		get(t, h, "/jaeger/api/traces/"+id+w[strings.IndexByte(w, '?'):], &part)
		for _, s := range part.Data[0].Spans {
			seen[s.SpanID] = true
		}
	}
	if len(seen) != trace.MaxSpans+10 {
		t.Errorf("the pieces have %d spans", len(seen))
	}
}
