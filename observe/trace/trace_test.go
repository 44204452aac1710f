package trace_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/evenkeel/evenkeel/declare/settings"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/metrics"
	"github.com/evenkeel/evenkeel/observe/trace"
)

func open(t testing.TB, red *trace.Red) *trace.Store {
	t.Helper()
	rows, err := logs.Open(logs.Options{Dir: t.TempDir(), Name: "traces"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rows.Close() })
	return trace.New(rows, red)
}

func put(t testing.TB, s *trace.Store, spans ...*trace.Span) {
	t.Helper()
	b := s.Begin("test", "here")
	for _, sp := range spans {
		if r := b.Add(sp); r != nil {
			t.Fatal(r)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	s.Rows().Flush()
}

func read(t testing.TB, s *trace.Store, id string) *trace.Trace {
	t.Helper()
	tr, err := s.Trace(t.Context(), id, time.Time{}, time.Time{})
	if err != nil || tr == nil {
		t.Fatalf("trace %s: %v %v", id, tr, err)
	}
	return tr
}

// random makes a span of everything that a span can be.
func random(r *rand.Rand, i int, now time.Time) *trace.Span {
	text := func() string {
		return []string{"", "-", "plain", "with \"quotes\" and\nlines", "ünïcode → 漢字", "0", "true", strings.Repeat("long ", 50)}[r.IntN(8)]
	}
	attrs := func() (out []trace.Attr) {
		for n := range r.IntN(6) {
			key := fmt.Sprintf("key.%d.%s", n, []string{"a", "with space", "x=y", "\"q\""}[r.IntN(4)])
			out = append(out, []trace.Attr{
				{Key: key, Type: trace.String, Value: text()},
				{Key: key, Type: trace.Int, Value: fmt.Sprint(int64(r.Uint64()))},
				{Key: key, Type: trace.Double, Value: fmt.Sprint(r.NormFloat64())},
				{Key: key, Type: trace.Double, Value: "NaN"},
				{Key: key, Type: trace.Bool, Value: "false"},
				{Key: key, Type: trace.Bytes, Value: base64.StdEncoding.EncodeToString([]byte{0, 255, byte(n)})},
				{Key: key, Type: trace.JSON, Value: `{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"b"}]}}`},
				{Key: key, Type: trace.Empty},
			}[r.IntN(8)])
		}
		return out
	}
	s := &trace.Span{
		TraceID: fmt.Sprintf("%032x", 7), SpanID: fmt.Sprintf("%016x", i+1), Service: "svc", Name: text(),
		Kind:   []trace.Kind{"", trace.Internal, trace.Server, trace.Client, trace.Producer, trace.Consumer}[r.IntN(6)],
		Status: []trace.Status{"", trace.OK, trace.Error}[r.IntN(3)], StatusMessage: text(), Start: now.UnixNano() - int64(r.IntN(1e9)), Duration: int64(r.IntN(1e9)),
		TraceState: "a=b", Flags: uint32(r.IntN(3)), Resource: attrs(), Attrs: attrs(), Scope: trace.Scope{Name: text(), Version: "1", Attrs: attrs(), Schema: text(), Resource: text()},
	}
	if r.IntN(5) == 0 {
		s.Service, s.Unnamed = "unknown_service", true
	}
	if i > 0 {
		s.ParentID = fmt.Sprintf("%016x", r.IntN(i)+1)
	}
	for range r.IntN(3) {
		s.Events = append(s.Events, trace.Event{Time: s.Start + 5, Name: text(), Attrs: attrs(), Dropped: 1})
		s.Links = append(s.Links, trace.Link{TraceID: fmt.Sprintf("%032x", 9), SpanID: fmt.Sprintf("%016x", 9), Flags: 1, Attrs: attrs()})
		s.Dropped.Events = 3
	}
	return s
}

// TestWhatComesBack: spans come back as they were sent, from the store and as OTLP.
func TestWhatComesBack(t *testing.T) {
	s := open(t, nil)
	r := rand.New(rand.NewPCG(1, 2))
	want := map[string]*trace.Span{}
	var all []*trace.Span
	for i := range 300 {
		sp := random(r, i, time.Now())
		want[sp.SpanID], all = sp, append(all, sp)
	}
	var again []*trace.Span
	trace.Each(trace.Traces(all), func(sp *trace.Span) { c := *sp; again = append(again, &c) })
	put(t, s, again...) // by way of OTLP
	got := read(t, s, "7")
	if len(got.Spans) != len(want) {
		t.Fatalf("%d spans, expected %d", len(got.Spans), len(want))
	}
	order := func(list []trace.Attr) []trace.Attr { // columns have an order of their own
		slices.SortFunc(list, func(a, b trace.Attr) int { return strings.Compare(a.Key, b.Key) })
		return list
	}
	for _, sp := range got.Spans {
		w := want[sp.SpanID]
		for _, x := range []*trace.Span{sp, w} {
			x.Attrs, x.Resource, x.Scope.Attrs = order(x.Attrs), order(x.Resource), order(x.Scope.Attrs)
		}
		if !reflect.DeepEqual(normal(*sp), normal(*w)) {
			t.Fatalf("span %s came back as\n%+v, expected\n%+v", sp.SpanID, *sp, *w)
		}
	}
}

// normal makes empty lists nil.
func normal(s trace.Span) trace.Span {
	fix := func(l *[]trace.Attr) {
		if len(*l) == 0 {
			*l = nil
		}
	}
	fix(&s.Attrs)
	fix(&s.Resource)
	fix(&s.Scope.Attrs)
	for i := range s.Events {
		fix(&s.Events[i].Attrs)
	}
	for i := range s.Links {
		fix(&s.Links[i].Attrs)
	}
	return s
}

func span(id, parent int, from, to int64) *trace.Span {
	s := &trace.Span{TraceID: strings.Repeat("c", 32), SpanID: fmt.Sprintf("%016x", id), Service: "s", Name: fmt.Sprint(id), Start: from, Duration: to - from}
	if parent > 0 {
		s.ParentID = fmt.Sprintf("%016x", parent)
	}
	return s
}

func TestTree(t *testing.T) {
	tr := &trace.Trace{Spans: []*trace.Span{
		span(1, 0, 0, 100), span(2, 1, 10, 40), span(3, 1, 30, 60), span(4, 1, 70, 90), span(5, 4, 75, 80),
		span(6, 7, 0, 10), span(7, 6, 0, 10), // each other's parent
		span(8, 8, 0, 5), span(9, 99, 2, 4), // its own; one that is not there
	}}
	var lines []string
	seen := 0
	trace.Walk(tr.Tree(), func(n *trace.Node) {
		seen++
		lines = append(lines, fmt.Sprintf("%d %s self=%d critical=%v", n.Depth, n.Name, n.Self, n.Critical))
	})
	want := []string{
		// 2 ran beside 3 and was not waited for.
		"0 1 self=30 critical=[{0 30} {60 70} {90 100}]", "1 2 self=30 critical=[]", "1 3 self=30 critical=[{30 60}]",
		"1 4 self=15 critical=[{70 75} {80 90}]", "2 5 self=5 critical=[{75 80}]",
		"0 8 self=5 critical=[]", "0 9 self=2 critical=[]", // beside 1
	}
	for _, w := range want {
		if !slices.Contains(lines, w) {
			t.Errorf("no line %q in\n%s", w, strings.Join(lines, "\n"))
		}
	}
	if seen != len(tr.Spans) {
		t.Errorf("%d of %d spans are in the tree", seen, len(tr.Spans))
	}
}

// TestTreeHoldsAllSpans, whatever their parents say.
func TestTreeHoldsAllSpans(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		n := 1 + r.IntN(60)
		tr := &trace.Trace{}
		for i := range n {
			from := int64(r.IntN(1000))
			tr.Spans = append(tr.Spans, span(i+1, r.IntN(n+3), from, from+int64(r.IntN(500))))
		}
		seen := map[string]bool{}
		trace.Walk(tr.Tree(), func(n *trace.Node) {
			seen[n.SpanID] = true
			if n.Self < 0 || n.Self > n.Duration {
				t.Fatalf("self time %d of %d", n.Self, n.Duration)
			}
			for i, c := range n.Critical {
				if c.From < n.Start || c.To > n.End() || c.From >= c.To || i > 0 && c.From < n.Critical[i-1].To {
					t.Fatalf("critical path %v of a span from %d to %d", n.Critical, n.Start, n.End())
				}
			}
		})
		if len(seen) != n {
			t.Fatalf("%d of %d spans are in the tree", len(seen), n)
		}
	}
}

// TestLargeTrace: of a trace of 100,000 spans, one below the other, those that failed and
// that took longest are read, all of it in pieces, and its sender is told.
func TestLargeTrace(t *testing.T) {
	s := open(t, nil)
	now := time.Now().UnixNano()
	const all = 100_000
	told := ""
	for first := 0; first < all; first += 10_000 {
		b := s.Begin("test", "here")
		for i := range 10_000 {
			sp := span(first+i+1, first+i, now+int64(first+i), now+2*all)
			if (first+i)%100 == 99 { // one in a hundred fails
				sp.Status, sp.Duration = trace.Error, 1
			}
			if r := b.Add(sp); r != nil {
				t.Fatal(r)
			}
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		if n, text := b.Refused(); n > 0 {
			t.Fatal(text)
		} else if text != "" {
			told += fmt.Sprintf("%d: %s\n", first, text)
		}
	}
	s.Rows().Flush()
	if strings.Count(told, "1 traces have more spans than are read at once") != 5 {
		t.Errorf("the sender was told %q, expected so each 20,000 spans", told)
	}
	id := strings.Repeat("c", 32)
	tr := read(t, s, id)
	failed := 0
	for _, sp := range tr.Spans {
		if sp.Status == trace.Error {
			failed++
		}
	}
	if len(tr.Spans) != trace.MaxSpans || !tr.More || failed != all/100 || tr.Spans[0].ParentID != "" {
		t.Errorf("%d spans, of which %d failed, more: %v, the first below %q", len(tr.Spans), failed, tr.More, tr.Spans[0].ParentID)
	}
	if sum := tr.Summary(); sum.Spans != all || sum.Errors != all/100 || sum.Took != 2*all {
		t.Errorf("in a line: %+v", sum)
	}
	n := 0
	trace.Walk(tr.Tree(), func(*trace.Node) { n++ })
	if n != trace.MaxSpans {
		t.Errorf("%d in the tree", n)
	}
	seen := map[string]bool{}
	for _, p := range tr.Pieces {
		part, err := s.Trace(t.Context(), id, p.From, p.To.Add(-1))
		if err != nil || part.More || len(part.Spans) != p.Spans {
			t.Fatalf("the piece %+v: %v, %d spans", p, err, len(part.Spans))
		}
		for _, sp := range part.Spans {
			seen[sp.SpanID] = true
		}
	}
	if len(seen) != all || len(tr.Pieces) != 5 {
		t.Errorf("%d spans in %d pieces", len(seen), len(tr.Pieces))
	}
}

func TestRefused(t *testing.T) {
	s := open(t, nil)
	b := s.Begin("test", "here")
	ok := span(1, 0, time.Now().UnixNano(), time.Now().UnixNano()+1)
	future, past, bare := *ok, *ok, *ok
	future.Start += int64(400 * 24 * time.Hour)
	past.Start = 1
	bare.TraceID = ""
	for sp, reason := range map[*trace.Span]string{ok: "", &future: "future", &past: "too_old", &bare: "malformed"} {
		r := b.Add(sp)
		if got := ""; r != nil {
			if got = r.Reason; got != reason {
				t.Errorf("%q, expected %q", got, reason)
			}
		} else if reason != "" {
			t.Errorf("taken, expected %q", reason)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	if n, text := b.Refused(); n != 3 || !strings.Contains(text, "3 refused") {
		t.Errorf("%d %q", n, text)
	}
}

// TestRed: series and the graph of services, with the first span counted.
func TestRed(t *testing.T) {
	store, err := metrics.Open(metrics.Options{Dir: t.TempDir(), Settings: settings.Default(), Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	red := trace.NewRed(store, slog.New(slog.DiscardHandler))
	s := open(t, red)
	now := time.Now().UnixNano()
	call := func(i int, failed bool, swap bool) {
		client, server := span(2*i+1, 0, now, now+2e8), span(2*i+2, 2*i+1, now+1e7, now+1e8)
		client.Service, client.Kind, client.Name = "checkout", trace.Client, "charge"
		server.Service, server.Kind, server.Name = "payments", trace.Server, "POST /charge"
		if failed {
			server.Status = trace.Error
		}
		if swap { // the called side's spans may come first
			client, server = server, client
		}
		put(t, s, client)
		put(t, s, server)
	}
	call(0, false, false)
	call(1, true, true)
	call(2, false, true)
	red.Flush(t.Context())
	got := map[string][]float64{}
	q, err := store.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", "traces_.*")); set.Next(); {
		var points []float64
		for it := set.At().Iterator(nil); it.Next() != 0; {
			_, v := it.At()
			points = append(points, v)
		}
		got[set.At().Labels().String()] = points
	}
	f := func(series string, want ...float64) {
		t.Helper()
		if !slices.Equal(got[series], want) {
			t.Errorf("%s: %v, expected %v", series, got[series], want)
		}
	}
	f(`{__name__="traces_spanmetrics_calls_total", service="payments", span_kind="SPAN_KIND_SERVER", span_name="POST /charge", status_code="STATUS_CODE_ERROR"}`, 0, 1)
	f(`{__name__="traces_spanmetrics_calls_total", service="payments", span_kind="SPAN_KIND_SERVER", span_name="POST /charge", status_code="STATUS_CODE_UNSET"}`, 0, 2)
	f(`{__name__="traces_spanmetrics_latency_bucket", le="0.05", service="payments", span_kind="SPAN_KIND_SERVER", span_name="POST /charge"}`, 0, 0)
	f(`{__name__="traces_spanmetrics_latency_bucket", le="0.1", service="payments", span_kind="SPAN_KIND_SERVER", span_name="POST /charge"}`, 0, 3)
	f(`{__name__="traces_spanmetrics_latency_count", service="checkout", span_kind="SPAN_KIND_CLIENT", span_name="charge"}`, 0, 3)
	f(`{__name__="traces_service_graph_request_total", client="checkout", server="payments"}`, 0, 3)
	f(`{__name__="traces_service_graph_request_failed_total", client="checkout", server="payments"}`, 0, 1)
	eq, err := store.ExemplarQuerier(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ex, err := eq.Select(0, math.MaxInt64, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "traces_spanmetrics_latency_bucket"), labels.MustNewMatcher(labels.MatchEqual, "service", "payments")})
	if err != nil || len(ex) != 1 || ex[0].Exemplars[0].Labels.Get("trace_id") != strings.Repeat("c", 32) {
		t.Errorf("exemplars: %v %v", ex, err)
	}
}

// FuzzEach: whatever an export request holds, its spans can be stored and read.
func FuzzEach(f *testing.F) {
	m := ptrace.ProtoMarshaler{}
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 5 {
		raw, err := m.MarshalTraces(trace.Traces([]*trace.Span{random(r, i, time.Now())}))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	s := open(f, nil)
	f.Fuzz(func(t *testing.T, raw []byte) {
		td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(raw)
		if err != nil {
			return
		}
		b := s.Begin("test", "here")
		tr := &trace.Trace{}
		trace.Each(td, func(sp *trace.Span) {
			b.Add(sp)
			c := *sp
			tr.Spans = append(tr.Spans, &c)
		})
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		if len(tr.Spans) > 0 {
			tr.Tree()
			tr.Summary()
		}
		if _, err := (&ptrace.JSONMarshaler{}).MarshalTraces(trace.Traces(tr.Spans)); err != nil {
			t.Fatal(err)
		}
	})
}
