package trace_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/trace"
)

// TestSelect: the very spans that a query finds, not all that its filter finds.
func TestSelect(t *testing.T) {
	s := open(t, nil)
	now := time.Now()
	ms := int64(time.Millisecond)
	for id, status := range map[string]trace.Status{"a": trace.Error, "b": ""} {
		var spans []*trace.Span
		for i, name := range []string{"root", "call", "work"} {
			sp := span(i+1, i, int64(i)*ms, 90*ms)
			sp.TraceID, sp.Service, sp.Name = strings.Repeat(id, 32), "shop", name
			sp.Start += now.UnixNano()
			if name == "call" {
				sp.Status = status
			}
			spans = append(spans, sp)
		}
		put(t, s, spans...)
	}
	f := func(query string, want ...string) {
		t.Helper()
		q, err := trace.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		q.From, q.To = now.Add(-time.Minute), now.Add(time.Minute)
		chosen, err := s.Select(t.Context(), q)
		if err != nil {
			t.Fatal(query, err)
		}
		parsed, err := logs.ParseQuery(chosen.Filter, now)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = s.Rows().Each(t.Context(), parsed, func(row logs.Row) bool {
			if chosen.Has(row) {
				got = append(got, row.Field("trace_id")[:1]+" "+row.Field("name"))
			}
			return true
		})
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q (%v)", query, got, want, err)
		}
	}
	f(`{ status = error }`, "a call")
	f(`{ status = error } >> { }`, "a work")
	f(`{ name = "call" && status != error }`, "b call")
	f(`{ name != "call" }`, "a root", "a work", "b root", "b work")
	f(`{ } | count() > 9`)
	f(`{ status = error } && { name = "root" }`, "a call", "a root")
}
