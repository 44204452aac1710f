package trace_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/observe/trace"
)

func TestQuery(t *testing.T) {
	s := open(t, nil)
	now := time.Now().UnixNano()
	make := func(id string, spans ...*trace.Span) {
		for _, sp := range spans {
			sp.TraceID = strings.Repeat(id, 32)
			sp.Start += now
		}
		put(t, s, spans...)
	}
	ms := int64(time.Millisecond)
	with := func(sp *trace.Span, service, name string, f func(*trace.Span)) *trace.Span {
		sp.Service, sp.Name = service, name
		if f != nil {
			f(sp)
		}
		return sp
	}
	make("a",
		with(span(1, 0, 0, 300*ms), "checkout", "POST /orders", func(s *trace.Span) {
			s.Kind = trace.Server
			s.Attrs = []trace.Attr{{Key: "http.status_code", Type: trace.Int, Value: "500"}, {Key: "customer", Type: trace.String, Value: "gold"}}
		}),
		with(span(2, 1, 10*ms, 200*ms), "checkout", "charge", func(s *trace.Span) { s.Kind = trace.Client }),
		with(span(3, 2, 20*ms, 190*ms), "payments", "POST /charge", func(s *trace.Span) { s.Kind, s.Status, s.StatusMessage = trace.Server, trace.Error, "declined" }),
		with(span(4, 1, 210*ms, 220*ms), "checkout", "reserve", nil))
	make("b",
		with(span(1, 0, ms, 50*ms), "checkout", "GET /", func(s *trace.Span) {
			s.Kind = trace.Server
			s.Attrs = []trace.Attr{{Key: "http.status_code", Type: trace.Int, Value: "200"}, {Key: "cached", Type: trace.Bool, Value: "true"}, {Key: "http.status", Type: trace.String, Value: "500"}}
			s.Resource = []trace.Attr{{Key: "host.name", Type: trace.String, Value: "web-1"}}
			s.Events = []trace.Event{{Name: "retry", Attrs: []trace.Attr{{Key: "attempt", Type: trace.Int, Value: "2"}}}}
		}))
	f := func(query string, want string) {
		t.Helper()
		q, err := trace.ParseQuery(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			return
		}
		found, err := s.Search(t.Context(), q)
		if err != nil {
			t.Fatal(query, err)
		}
		var got []string
		for _, tr := range found.Traces {
			got = append(got, tr.ID[:1])
		}
		slices.Sort(got)
		if strings.Join(got, "") != want {
			t.Errorf("%s: found %v, expected %q", query, got, want)
		}
	}
	f(`{}`, "ab")
	f(`{ resource.service.name = "payments" }`, "a")
	f(`{ .service.name = "checkout" }`, "ab")
	f(`{ name = "GET /" }`, "b")
	f(`{ name =~ "(GET|POST) /.*" }`, "ab")
	f(`{ name =~ "POST" }`, "") // anchored
	f(`{ span.http.status_code >= 500 }`, "a")
	f(`{ span.http.status_code = 500 }`, "a")
	f(`{ .http.status_code < 500 }`, "b")
	f(`{ span.http.status = 500 }`, "") // it is text
	f(`{ span.http.status = "500" }`, "b")
	f(`{ span.cached = true }`, "b")
	f(`{ span.cached = false }`, "")
	f(`{ resource.host.name != nil }`, "b")
	f(`{ name = "GET /" && resource.host.name = nil }`, "")
	f(`{ event.attempt > 1 }`, "b")
	f(`{ event.name = "retry" }`, "b")
	f(`{ duration > 250ms }`, "a")
	f(`{ duration < 60ms && kind = server }`, "b")
	f(`{ status = error }`, "a")
	f(`{ status = unset && name = "GET /" }`, "b")
	f(`{ statusMessage = "declined" }`, "a")
	f(`{ rootName = "GET /" }`, "b")
	f(`{ traceDuration > 250ms && name = "reserve" }`, "a")
	f(`{ kind = server && !(status = error) && .customer = "gold" }`, "a")
	f(`{ name = "POST /orders" } >> { status = error }`, "a")
	f(`{ name = "POST /orders" } > { status = error }`, "")
	f(`{ name = "charge" } > { status = error }`, "a")
	f(`{ status = error } << { name = "POST /orders" }`, "a")
	f(`{ status = error } < { name = "charge" }`, "a")
	f(`{ name = "charge" } ~ { name = "reserve" }`, "a")
	f(`{ name = "charge" } ~ { name = "charge" }`, "")
	f(`{ name = "GET /" } && { status = error }`, "") // not in one trace
	f(`{ name = "GET /" } || { status = error }`, "ab")
	f(`({ name = "charge" } || { name = "GET /" }) && { kind = server }`, "ab")
	f(`{ resource.service.name = "checkout" } | count() > 2`, "a")
	f(`{} | max(duration) < 100ms`, "b")
	f(`{} | avg(duration) > 1ms | count() = 4`, "a")
	f(`{ span."customer" = "gold" }`, "a")
	f("{ name = `GET /` }", "b")
	f(`{ name = "\" or *" }`, "")

	bad := func(query, text string, at int) {
		t.Helper()
		_, err := trace.ParseQuery(query)
		var where *trace.QueryError
		if !errors.As(err, &where) || !strings.Contains(err.Error(), text) || where.At != at {
			t.Errorf("%q: got %v, expected %q at %d", query, err, text, at)
		}
	}
	bad(``, "{", 0)
	bad(`{ name }`, "=~", 7)
	bad(`{ nme = "a" }`, "a field", 2)
	bad(`{ name = a }`, `"a"`, 9)
	bad(`{ name = "a }`, "that ends", 9)
	bad(`{ name = "a" `, "}", 13)
	bad(`{ duration > 5parsecs }`, "100ms", 13)
	bad(`{ name =~ "(" }`, "regular expression", 10)
	bad(`{} | rate()`, "count()", 5)
	bad(`{} | count() > "a"`, "a number", 15)
	bad(`{} ; {}`, "no ';'", 3)
	bad(strings.Repeat("(", 60)+"{}", "levels", 51)
	bad("{"+strings.Repeat("!", 60)+"true}", "levels", 52)
	bad(strings.Repeat(" ", 20_000), "at most", 16<<10)
}

// FuzzQuery: a query is refused, or it can be run.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{`{}`, `{ name = "a" && duration > 1ms } >> { status = error } | count() > 2`, `{ .a =~ "x" || !(span.b = nil) }`, "{ span.\"a b\" = `c` } ~ {}"} {
		f.Add(q)
	}
	s := open(f, nil)
	put(f, s, span(1, 0, time.Now().UnixNano(), time.Now().UnixNano()+5))
	f.Fuzz(func(t *testing.T, text string) {
		q, err := trace.ParseQuery(text)
		if err != nil {
			return
		}
		if _, err := s.Search(t.Context(), q); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
