package trace_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/observe/trace"
)

// A trace of more spans than a search looks at does not hide those that began before it.
func TestHugeTraceHidesNoOther(t *testing.T) {
	s := open(t, nil)
	now := time.Now()
	span := func(id string, n int, at time.Time) *trace.Span {
		return &trace.Span{TraceID: strings.Repeat(id, 32), SpanID: fmt.Sprintf("%016x", n+1), Service: "web", Name: "step", Start: at.UnixNano(), Duration: int64(time.Millisecond)}
	}
	var spans []*trace.Span
	for i := range 60_000 {
		spans = append(spans, span("a", i, now))
	}
	put(t, s, spans...)
	put(t, s, span("b", 0, now.Add(-time.Minute)), span("c", 0, now.Add(-2*time.Minute)))
	found, err := s.Search(t.Context(), trace.Search{Service: "web", From: now.Add(-time.Hour), To: now.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	ids := ""
	for _, tr := range found.Traces {
		ids += tr.ID[:1]
	}
	if ids != "abc" || found.More || !found.Traces[0].More {
		t.Errorf("got the traces %q, more: %v", ids, found.More)
	}
}

// A span that is not among those that are read of a large trace is found all the same.
func TestSpanOfHugeTraceIsFound(t *testing.T) {
	s := open(t, nil)
	now := time.Now()
	var spans []*trace.Span
	for i := range trace.MaxSpans + 100 {
		spans = append(spans, &trace.Span{TraceID: strings.Repeat("a", 32), SpanID: fmt.Sprintf("%016x", i+1), ParentID: "f", Service: "web", Name: fmt.Sprintf("step %d", i), Start: now.UnixNano(), Duration: int64(time.Second) - int64(i)})
	}
	put(t, s, spans...)
	for _, query := range []string{`{ name = "step 0" }`, fmt.Sprintf(`{ name = "step %d" }`, len(spans)-1)} {
		search, err := trace.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		search.From, search.To = now.Add(-time.Hour), now.Add(time.Hour)
		if found, err := s.Search(t.Context(), search); err != nil || len(found.Traces) != 1 {
			t.Errorf("%s: %v, %d traces", query, err, len(found.Traces))
		}
	}
}

// A search among many large spans needs no more memory than the engine gives to a query.
func TestSearchAmongLargeSpans(t *testing.T) {
	s := open(t, nil)
	now := time.Now()
	for n := range 12 {
		var spans []*trace.Span
		for i := range 5_000 {
			sp := &trace.Span{TraceID: fmt.Sprintf("%032x", n*5_000+i+1), SpanID: "1", Service: "web", Name: "step", Start: now.Add(-time.Duration(n*5_000+i) * 20 * time.Millisecond).UnixNano(), Duration: 1000}
			for k := range 20 {
				sp.Attrs = append(sp.Attrs, trace.Attr{Key: fmt.Sprintf("attribute.%d", k), Type: trace.String, Value: fmt.Sprintf("%d of a value of some length %d", k, i)})
			}
			spans = append(spans, sp)
		}
		put(t, s, spans...)
	}
	search, err := trace.ParseQuery(`{ duration > 1s }`)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []trace.Search{{Service: "web", Limit: 20}, {Service: "web", Tags: map[string]string{"error": "true"}}, search} {
		o.From, o.To = now.Add(-time.Hour), now.Add(time.Hour)
		if _, err := s.Search(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
}

// TestOnePathThroughTheTrace: whatever is missing or turned round in a trace, its critical
// path takes no longer than the trace.
func TestOnePathThroughTheTrace(t *testing.T) {
	span := func(id, parent string, from, to int64) *trace.Span {
		return &trace.Span{TraceID: "1", SpanID: id, ParentID: parent, Service: "s", Name: id, Start: from, Duration: to - from}
	}
	f := func(what string, want int64, spans ...*trace.Span) {
		t.Helper()
		tr := &trace.Trace{ID: "1", Spans: spans}
		var sum int64
		trace.Walk(tr.Tree(), func(n *trace.Node) {
			for _, c := range n.Critical {
				sum += c.To - c.From
			}
		})
		if sum != want {
			t.Errorf("%s: the path takes %d, expected %d", what, sum, want)
		}
	}
	f("one root", 100, span("a", "", 0, 100), span("b", "a", 10, 50), span("c", "a", 40, 90))
	f("parents that are not there", 100, span("a", "x", 0, 100), span("b", "y", 0, 100), span("c", "z", 20, 60))
	f("one after the other", 80, span("a", "", 0, 50), span("b", "x", 70, 100))
	f("cycles", 100, span("a", "b", 0, 100), span("b", "a", 0, 100), span("c", "c", 0, 100))
	f("a child that began before its parent", 100, span("a", "", 0, 100), span("b", "a", 50, 90), span("c", "b", 30, 80))
	f("a child that ended after its parent", 100, span("a", "", 0, 100), span("b", "a", 50, 150))
	f("nothing", 0)
}

// Of a cycle of parents the span that began first is the root, and the others are below it.
func TestRootOfACycle(t *testing.T) {
	span := func(id, parent string, from int64) *trace.Span {
		return &trace.Span{TraceID: "1", SpanID: id, ParentID: parent, Service: "s", Name: id, Start: from, Duration: 100 - 2*from}
	}
	f := func(want string, spans ...*trace.Span) {
		t.Helper()
		var got []string
		tr := &trace.Trace{ID: "1", Spans: spans}
		trace.Walk(tr.Tree(), func(n *trace.Node) { got = append(got, fmt.Sprint(n.Depth, n.Name)) })
		if text := strings.Join(got, " "); text != want {
			t.Errorf("got %s, expected %s", text, want)
		}
	}
	f("0a 1c 2b 3d", span("a", "b", 0), span("b", "c", 10), span("c", "a", 20), span("d", "b", 30))
	f("0a 1b 2c 0e", span("a", "c", 0), span("b", "a", 10), span("c", "b", 20), span("e", "e", 30))
	f("0a 1b", span("b", "a", 10), span("a", "b", 0))
}
