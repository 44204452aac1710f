package web

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/trace"
)

// failedTrace is one in which a payment was declined.
const failedTrace = "0af7651916cd43dd8448eb211c80319c"

// observed gives the estate log lines and spans: orders go through, until from a moment
// on every third one of version 1.4.2 fails in payments.
func (e *estate) observed(t testing.TB, bad time.Time) {
	t.Helper()
	open := func(name string) *logs.Store {
		s, err := logs.Open(logs.Options{Dir: t.TempDir(), Name: name, Retention: 20 * 365 * 24 * time.Hour, Now: func() time.Time { return night }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	e.lines, e.spans = open("logs"), trace.New(open("traces"), nil)
	lb, sb := e.lines.Begin(logs.Origin{Receiver: "test"}), e.spans.Begin("test", "here")
	add := func(at time.Time, service, severity, message, traceID, spanID string) {
		if r := lb.Add(at.UnixNano(), []logs.Field{{Name: "service.name", Value: service}, {Name: "severity", Value: severity}, {Name: "", Value: message}, {Name: "trace_id", Value: traceID}, {Name: "span_id", Value: spanID}}, 1); r != nil {
			t.Fatal(r)
		}
	}
	for i := range 120 {
		at := night.Add(-time.Duration(60-i/2) * time.Minute).Add(time.Duration(i%2) * 20 * time.Second)
		failed := at.After(bad) && i%3 == 0
		id := fmt.Sprintf("%032x", 0xabc000+i)
		if i == 117 {
			id = failedTrace
		}
		span := func(n int, service, name string, kind trace.Kind, from, to time.Duration) *trace.Span {
			version := "1.4.1"
			if failed {
				version = "1.4.2"
			}
			s := &trace.Span{TraceID: id, SpanID: fmt.Sprintf("%016x", n), Service: service, Name: name, Kind: kind, Start: at.Add(from).UnixNano(), Duration: int64(to - from),
				Attrs: []trace.Attr{{Key: "http.response.status_code", Type: trace.Int, Value: "200"}}, Resource: []trace.Attr{{Key: "service.version", Type: trace.String, Value: version}}}
			if n > 1 {
				s.ParentID = fmt.Sprintf("%016x", n-1)
			}
			return s
		}
		whole := 80 * time.Millisecond
		if failed {
			whole = 900 * time.Millisecond
		}
		spans := []*trace.Span{
			span(1, "storefront", "GET /cart", trace.Server, 0, whole), span(2, "checkout", "POST /orders", trace.Server, 5*time.Millisecond, whole-5*time.Millisecond),
			span(3, "payments", "POST /charge", trace.Server, 20*time.Millisecond, whole-10*time.Millisecond),
		}
		if failed {
			for _, s := range spans {
				s.Status = trace.Error
			}
			spans[2].StatusMessage = "card declined <b>not markup</b>"
			spans[2].Events = []trace.Event{{Time: at.UnixNano(), Name: "exception", Attrs: []trace.Attr{{Key: "exception.message", Type: trace.String, Value: "declined"}}}}
			add(at.Add(30*time.Millisecond), "payments", "ERROR", "charge failed: card declined <script>alert(1)</script>", id, spans[2].SpanID)
		} else {
			add(at.Add(30*time.Millisecond), "payments", "info", "charged", id, spans[2].SpanID)
		}
		for _, s := range spans {
			if r := sb.Add(s); r != nil {
				t.Fatal(r)
			}
		}
	}
	if err := lb.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := sb.Commit(); err != nil {
		t.Fatal(err)
	}
	e.lines.Flush()
	e.spans.Rows().Flush()
}

func (e *estate) exemplars(_ context.Context, expr string, from, to time.Time) ([]Exemplar, error) {
	if e.spans == nil || !strings.Contains(expr, "traces_") {
		return nil, nil
	}
	return []Exemplar{{Labels: map[string]string{"le": "1"}, At: night.Add(-2 * time.Minute), Value: 0.9, TraceID: failedTrace, SpanID: "0000000000000003"}}, nil
}

// TestFromServiceToLine: from a service that burns to the guilty span and its line.
func TestFromServiceToLine(t *testing.T) {
	e := fixtures["busy"](t)
	h := e.handler()
	f := func(path string, parts ...string) string {
		t.Helper()
		res := get(t, h, e, "alice", path)
		text := body(t, res)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", path, res.StatusCode)
		}
		for _, p := range parts {
			if !strings.Contains(text, p) {
				t.Errorf("%s: no %q", path, p)
			}
		}
		return text
	}
	failed := "/explore?" + url.Values{"range": {"1h"}, "traces": {`{ resource.service.name = "checkout" && status = error }`}}.Encode()
	text := f("/services/checkout", "failed traces of checkout", "range=1h")
	if !strings.Contains(html.UnescapeString(text), failed) {
		t.Errorf("the service's page does not lead to %s", failed)
	}
	f(failed, "/traces/"+failedTrace, "storefront: GET /cart")
	text = f("/traces/"+failedTrace, "What took the time", "card declined &lt;b&gt;not markup&lt;/b&gt;", "charge failed: card declined &lt;script&gt;", "exception.message=declined", "service.version", "0000000000000003")
	if n := strings.Count(text, `class="lane"`); n != 3 {
		t.Errorf("%d spans are drawn, expected 3", n)
	}
	f("/traces/"+failedTrace+"?span=0000000000000002", `class="d1 failed own"`)
	f("/explore?"+url.Values{"logs": {`service.name:="payments" severity:ERROR`}, "range": {"1h"}}.Encode(), "charge failed", "/traces/"+failedTrace+"?span=0000000000000003", "What is different here?")
	f("/explore?"+url.Values{"logs": {`service.name:="payments" severity:ERROR`}, "range": {"1h"}}.Encode(), `<a href="/services/payments">service payments, of `, "what it said then", "As they come")
	// Senders write it in any case.
	f("/explore?"+url.Values{"logs": {`service.name:="payments" severity:i(error)`}, "range": {"1h"}}.Encode(), "charge failed")
	f("/services/payments", "severity%3Ai%28error%29")
	f("/explore?"+url.Values{"logs": {`severity:ERROR | stats count() n`}, "range": {"1h"}}.Encode(), "n=")
	// Failed spans are of version 1.4.2.
	f(failed+"&differ=1", "What is different", "service.version", "1.4.2", "100 %")
	f("/explore?"+url.Values{"expr": {"traces_x"}}.Encode(), "Requests behind these values", "/traces/"+failedTrace)
	f("/explore?"+url.Values{"traces": {`{ name ~ "x" }`}}.Encode(), "cannot parse the query: at character 8")
	f("/explore?"+url.Values{"logs": {`a:b:c(`}}.Encode(), "cannot parse the query")
	if res := get(t, h, e, "alice", "/traces/"+strings.Repeat("f", 32)); res.StatusCode != http.StatusNotFound {
		t.Errorf("a trace that is not there: %d", res.StatusCode)
	}
	if res := get(t, h, e, "alice", "/traces/zz"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("no ID of a trace: %d", res.StatusCode)
	}
}

// TestLargeTrace: of more spans than fit, the page shows those that tell most with those above
// them, and leads to all of them in pieces.
func TestLargeTrace(t *testing.T) {
	e := fixtures["busy"](t)
	id, failed := strings.Repeat("7", 32), fmt.Sprintf("%016x", trace.MaxSpans-7)
	b := e.spans.Begin("test", "here")
	for i := range trace.MaxSpans + 5000 {
		sp := &trace.Span{TraceID: id, SpanID: fmt.Sprintf("%016x", i+1), ParentID: fmt.Sprintf("%016x", i/10+1), Service: "checkout", Name: "step", Start: night.UnixNano() + int64(i), Duration: int64(time.Second) - int64(i)}
		if i == 0 {
			sp.ParentID = ""
		}
		if sp.SpanID == failed {
			sp.Status, sp.Duration = trace.Error, 1
		}
		if r := b.Add(sp); r != nil {
			t.Fatal(r)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	e.spans.Rows().Flush()
	h := e.handler()
	page := body(t, get(t, h, e, "alice", "/traces/"+id))
	for _, want := range []string{"20000 of its 25000 spans", "All of it, in 2 pieces", `id="s` + failed + `"`, "19500 more spans are not shown", "25000</dd>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(page, `<li class="d`); n != maxRows {
		t.Errorf("%d spans are shown, expected %d", n, maxRows)
	}
	_, link, _ := strings.Cut(page, `<li><a href="/traces/`+id+"?")
	link, _, _ = strings.Cut(link, `"`)
	piece := body(t, get(t, h, e, "alice", "/traces/"+id+"?"+html.UnescapeString(link)))
	if !strings.Contains(piece, "A piece of a large trace") || strings.Contains(piece, "Too large") || !strings.Contains(piece, "20000</dd>") {
		t.Errorf("a piece is not shown: %q", link)
	}
	if last := fmt.Sprintf("%016x", trace.MaxSpans+5000); !strings.Contains(body(t, get(t, h, e, "alice", "/traces/"+id+"?span="+last)), `id="s`+last+`"`) {
		t.Error("the span that the address names is not shown")
	}
	for _, bad := range []string{"from=x", "from=2026-01-02T00:00:00Z", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"} {
		if res := get(t, h, e, "alice", "/traces/"+id+"?"+bad); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, res.StatusCode)
		}
	}
}
