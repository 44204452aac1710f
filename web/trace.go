package web

import (
	"cmp"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/observe/trace"
)

// traceView is one trace.
type traceView struct {
	Page
	Summary  trace.Summary
	Rows     []spanRow
	Hidden   int // spans that are not shown
	Read     int // spans that were read
	More     bool
	Piece    *Link          // where the whole of it is, of a piece of a large trace
	Pieces   []pieceLink    // of a large trace
	Critical []criticalLine // who is on the critical path, and for how long
	Logs     []logLine
	Chosen   string // the span that the URL names
	LogsURL  string
}

// spanRow is one span of the waterfall; places are in thousandths of the trace.
type spanRow struct {
	*trace.Node
	Left, Width float64
	Critical    []place
	Own         bool // the span that the URL names
	LogsURL     string
	Lines       []logLine
	Indent      int
}

// pieceLink is where a piece of a large trace is shown.
type pieceLink struct {
	trace.Piece
	URL string
}

type place struct{ Left, Width float64 }

type criticalLine struct {
	Service, Name string
	Took          time.Duration
	Share         float64
}

// maxRows is how many spans a page shows.
const maxRows = 500

func (s *site) trace(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if s.Traces == nil {
		return act.ErrNotFound
	}
	id := strings.ToLower(r.PathValue("id"))
	from, to, err := piece(r)
	if err != nil {
		return err
	}
	t, err := s.Traces.TraceWith(r.Context(), id, strings.ToLower(r.URL.Query().Get("span")), from, to)
	if err != nil {
		return &act.InvalidError{Field: "trace", Got: id, Want: "up to 32 hexadecimal digits"}
	}
	if t == nil {
		return act.ErrNotFound
	}
	v := traceView{Page: s.page(r, me, "Trace "+id[:min(8, len(id))], "explore"), Summary: t.Summary(), More: t.More, Read: len(t.Spans), Chosen: r.URL.Query().Get("span")}
	if !from.IsZero() {
		v.Piece = &Link{Text: "those that began from " + clockOf(from) + " to " + clockOf(to), URL: traceURL(id, "")}
	}
	for _, p := range t.Pieces {
		v.Pieces = append(v.Pieces, pieceLink{p, withQuery(traceURL(id, ""), "from", nanos(p.From), "to", nanos(p.To))})
	}
	start, whole := v.Summary.Start.UnixNano(), max(1, float64(v.Summary.Took))
	at := func(from, to int64) place {
		return place{float64(from-start) / whole * 1000, math.Max(1.5, float64(to-from)/whole*1000)}
	}
	around := time.Minute + v.Summary.Took
	v.LogsURL = withQuery("/explore", "logs", "trace_id:="+strconv.Quote(t.ID), "from", stampURL(v.Summary.Start.Add(-around)), "to", stampURL(v.Summary.Start.Add(around)))
	if s.Logs != nil {
		panel := s.lines(r.Context(), "trace_id:="+strconv.Quote(t.ID), v.Summary.Start.Add(-around), v.Summary.Start.Add(around))
		v.Logs = panel.Lines
		slices.Reverse(v.Logs) // as it happened
	}
	bySpan := map[string][]logLine{}
	for _, l := range v.Logs {
		bySpan[l.SpanID] = append(bySpan[l.SpanID], l)
	}
	type who struct{ service, name string }
	waited := map[who]int64{}
	tree := t.Tree()
	shown := telling(tree, v.Chosen, maxRows)
	trace.Walk(tree, func(n *trace.Node) {
		for _, c := range n.Critical {
			waited[who{n.Service, n.Name}] += c.To - c.From
		}
		if shown != nil && !shown[n] {
			v.Hidden++
			return
		}
		row := spanRow{Node: n, Own: n.SpanID == v.Chosen, Lines: bySpan[n.SpanID], Indent: min(n.Depth, 12)}
		p := at(n.Start, n.End())
		row.Left, row.Width = p.Left, p.Width
		for _, c := range n.Critical {
			row.Critical = append(row.Critical, at(c.From, c.To))
		}
		row.LogsURL = withQuery("/explore", "logs", "trace_id:="+strconv.Quote(t.ID)+" span_id:="+strconv.Quote(n.SpanID), "from", stampURL(v.Summary.Start.Add(-around)), "to", stampURL(v.Summary.Start.Add(around)))
		v.Rows = append(v.Rows, row)
	})
	for k, n := range waited {
		v.Critical = append(v.Critical, criticalLine{k.service, k.name, time.Duration(n), float64(n) / whole})
	}
	slices.SortFunc(v.Critical, func(a, b criticalLine) int {
		return cmp.Or(cmp.Compare(b.Took, a.Took), strings.Compare(a.Name, b.Name))
	})
	v.Critical = v.Critical[:min(len(v.Critical), 8)]
	return s.show(w, "trace", v)
}

// nanos is a time of an address, to the nanosecond.
func nanos(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// clockOf is the time of day, to the microsecond.
func clockOf(t time.Time) string { return t.UTC().Format("15:04:05.000000") }

// piece reads which piece of a trace the address asks for: its spans that began from one
// time, before another.
func piece(r *http.Request) (from, to time.Time, err error) {
	q := r.URL.Query()
	if q.Get("from") == "" && q.Get("to") == "" {
		return from, to, nil
	}
	for _, end := range []struct {
		name string
		into *time.Time
	}{{"from", &from}, {"to", &to}} {
		text := q.Get(end.name)
		if *end.into, err = time.Parse(time.RFC3339Nano, text); err != nil || end.into.Year() < 1971 || end.into.Year() > 2261 {
			return from, to, &act.InvalidError{Field: end.name, Got: text, Want: "a time as 2006-01-02T15:04:05.123456789Z"}
		}
	}
	if !from.Before(to) {
		return from, to, &act.InvalidError{Field: "from", Got: q.Get("from"), Want: "a time before " + q.Get("to")}
	}
	return from, to.Add(-1), nil
}

// telling are the spans of a tree that tell most, with those above them, at most so many: the
// chosen one, those that failed, those of the critical path, the longest. Nil when all of
// them are no more than that.
func telling(tree []*trace.Node, chosen string, most int) map[*trace.Node]bool {
	var all []*trace.Node
	above := map[*trace.Node]*trace.Node{}
	trace.Walk(tree, func(n *trace.Node) {
		all = append(all, n)
		for _, c := range n.Children {
			above[c] = n
		}
	})
	if len(all) <= most {
		return nil
	}
	weight := func(n *trace.Node) int {
		switch {
		case n.SpanID == chosen:
			return 3
		case n.Status == trace.Error:
			return 2
		case len(n.Critical) > 0:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b *trace.Node) int {
		return cmp.Or(cmp.Compare(weight(b), weight(a)), cmp.Compare(b.Duration, a.Duration))
	})
	shown := make(map[*trace.Node]bool, most)
	for _, n := range all {
		path := 0
		for up := n; up != nil && !shown[up]; up = above[up] {
			path++
		}
		if len(shown)+path > most {
			continue // what stands higher may still have room
		}
		for up := n; up != nil && !shown[up]; up = above[up] {
			shown[up] = true
		}
		if len(shown) == most {
			break
		}
	}
	return shown
}

// took is a duration as people read it: 1.23 s, 45 ms, 310 µs.
func took(v any) string {
	var d time.Duration
	switch v := v.(type) {
	case time.Duration:
		d = v
	case int64:
		d = time.Duration(v)
	}
	switch {
	case d >= time.Minute:
		return duration(d)
	case d >= time.Second-time.Millisecond/2: // three digits of milliseconds would be 1000
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	case d >= time.Millisecond:
		return strconv.FormatFloat(float64(d)/1e6, 'g', 3, 64) + " ms"
	}
	return strconv.FormatInt(d.Microseconds(), 10) + " µs"
}

// traceURL is the page of a trace, at one of its spans.
func traceURL(trace, span string) string {
	u := "/traces/" + url.PathEscape(trace)
	if span != "" {
		u += "?span=" + url.QueryEscape(span) + "#s" + span
	}
	return u
}
