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
