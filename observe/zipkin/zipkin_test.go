package zipkin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	zipkingo "github.com/openzipkin/zipkin-go"
	"github.com/openzipkin/zipkin-go/model"
	reporter "github.com/openzipkin/zipkin-go/reporter/http"

	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/trace"
	"github.com/evenkeel/evenkeel/observe/zipkin"
)

func open(t testing.TB) (*trace.Store, http.Handler) {
	t.Helper()
	rows, err := logs.Open(logs.Options{Dir: t.TempDir(), Name: "traces"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rows.Close() })
	store := trace.New(rows, nil)
	return store, zipkin.Handler(store, func() int64 { return 1 << 20 })
}

// TestZipkinSends: Zipkin's own library sends, and both sides of a call that share an ID
// stand below each other.
func TestZipkinSends(t *testing.T) {
	store, h := open(t)
	srv := httptest.NewServer(h)
	defer srv.Close()
	send := reporter.NewReporter(srv.URL+"/api/v2/spans", reporter.BatchInterval(10*time.Millisecond))
	tracer := func(service string) *zipkingo.Tracer {
		local, err := zipkingo.NewEndpoint(service, "127.0.0.1:8080")
		if err != nil {
			t.Fatal(err)
		}
		tr, err := zipkingo.NewTracer(send, zipkingo.WithLocalEndpoint(local), zipkingo.WithSharedSpans(true))
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	call := tracer("checkout").StartSpan("charge", zipkingo.Kind(model.Client))
	served := tracer("payments").StartSpan("post /charge", zipkingo.Kind(model.Server), zipkingo.Parent(call.Context()))
	served.Tag("customer", "gold")
	zipkingo.TagError.Set(served, "declined")
	served.Annotate(time.Now(), "retried")
	served.Finish()
	call.Finish()
	if err := send.Close(); err != nil { // it sends what is left
		t.Fatal(err)
	}
	store.Rows().Flush()
	tr, err := store.Trace(t.Context(), call.Context().TraceID.String(), time.Time{}, time.Time{})
	if err != nil || tr == nil || len(tr.Spans) != 2 {
		t.Fatal(tr, err)
	}
	roots := tr.Tree()
	if len(roots) != 1 || roots[0].Service != "checkout" || len(roots[0].Children) != 1 {
		t.Fatalf("%d roots, expected checkout alone with a child", len(roots))
	}
	s := roots[0].Children[0]
	if s.Service != "payments" || s.Status != trace.Error || s.StatusMessage != "declined" || !s.Has("customer", "gold") || !s.Has("event", "retried") || s.Kind != trace.Server {
		t.Errorf("got %+v", s.Span)
	}
}

func TestRubbish(t *testing.T) {
	_, h := open(t)
	f := func(status int, text, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v2/spans", strings.NewReader(body)))
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%.60s: %d %q, expected %d and %q", body, w.Code, w.Body, status, text)
		}
	}
	f(400, "JSON array", "rubbish")
	f(400, "JSON array", `{"traceId":"1"}`)
	f(400, "span 0, traceId", `[{"traceId":"","id":"1"}]`)
	f(400, "parentId", `[{"traceId":"1","id":"1","parentId":"12345678901234567"}]`)
	f(400, "microseconds", `[{"traceId":"1","id":"1","timestamp":-5}]`)
	f(413, "limits.body_bytes", strings.Repeat(" ", 2<<20))
	f(400, "1 refused", `[{"traceId":"1","id":"1","timestamp":4102444800000000}]`) // of 2100
	f(400, "span 0", `["rubbish"]`)
	f(202, "", `[]`)
}

// TestOneBadSpan: the others are stored, and the sender is told of it.
func TestOneBadSpan(t *testing.T) {
	store, h := open(t)
	w := httptest.NewRecorder()
	body := `[{"traceId":"a1","id":"1","name":"one"},{"traceId":"a1","id":"2","duration":-1},{"traceId":"a1","id":"zz"},{"traceId":5},{"traceId":"a1","id":"3","parentId":"1","name":"two"}]`
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v2/spans", strings.NewReader(body)))
	if want := "2 stored, 3 refused, the first: span 1: got timestamp 0 and duration -1, expected microseconds\n"; w.Code != 202 || w.Body.String() != want {
		t.Errorf("%d %q, expected 202 %q", w.Code, w.Body, want)
	}
	store.Rows().Flush()
	tr, err := store.Trace(t.Context(), "a1", time.Time{}, time.Time{})
	if err != nil || tr == nil || len(tr.Spans) != 2 {
		t.Errorf("stored: %v %v", tr, err)
	}
}

func FuzzHandler(f *testing.F) {
	f.Add(`[{"traceId":"1","id":"1","parentId":"1","kind":"SERVER","shared":true,"timestamp":1,"duration":1,"localEndpoint":{"serviceName":"a"},"tags":{"error":""},"annotations":[{"timestamp":1,"value":"x"}]}]`)
	_, h := open(f)
	f.Fuzz(func(t *testing.T, body string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v2/spans", strings.NewReader(body)))
		if w.Code != 202 && w.Code != 400 && w.Code != 413 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
