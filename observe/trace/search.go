package trace

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Search says which traces are looked for: those in which one span meets all of it.
type Search struct {
	From, To           time.Time // of the span's start
	Service, Operation string    // "" for any
	Kind               Kind
	MinTook, MaxTook   time.Duration // 0 for no bound
	Tags               map[string]string
	Errors             bool
	Limit              int // traces, the newest first; default 20, at most 1,000

	// What TraceQL adds.
	filter string
	span   func(*Span) bool
	pick   func(*Trace) []*Span // the spans that the query finds in a trace
}

// Found is what a search found.
type Found struct {
	Traces []*Trace
	// More says that the search looked at as many spans as it may, and there may be more.
	More bool
}

// Search finds traces.
func (s *Store) Search(ctx context.Context, o Search) (*Found, error) {
	if o.Limit <= 0 {
		o.Limit = 20
	}
	o.Limit = min(o.Limit, 1000)
	var ids []string
	out := &Found{}
	seen := map[string]bool{}
	met := map[string][]*Span{} // of each trace: what is read of a large one may lack them
	type hit struct {
		id string
		at int64
	}
	var hits []hit
	text := o.text()
	for round := 0; ; round++ {
		read, of := 0, map[string]int{}
		// Newest first costs a sort of all that is found, unless the engine keeps only so many.
		err := s.each(ctx, text+fmt.Sprintf(" | sort by (_time desc) limit %d", maxRead), func(sp *Span) bool {
			read++
			of[sp.TraceID]++
			if !o.meets(sp) {
				return true
			}
			if len(met[sp.TraceID]) < metMost {
				met[sp.TraceID] = append(met[sp.TraceID], sp)
			}
			if !seen[sp.TraceID] {
				seen[sp.TraceID] = true
				hits = append(hits, hit{sp.TraceID, sp.Start})
			}
			return len(hits) < 20*o.Limit
		})
		if err != nil {
			return nil, err
		}
		out.More = read >= maxRead
		// A few traces of very many spans must not hide all others.
		huge := hugeOf(of)
		if !out.More || len(hits) >= o.Limit || len(huge) == 0 || round == againMost {
			break
		}
		text += " !" + fieldTrace + ":in(" + strings.Join(huge, ",") + ")"
	}
	slices.SortFunc(hits, func(a, b hit) int { return cmp.Compare(b.at, a.at) })
	for _, h := range hits {
		ids = append(ids, h.id)
	}
	// A trace reaches beyond the time in which one of its spans was found.
	from, to := o.From, o.To
	if !from.IsZero() {
		from = from.Add(-time.Hour)
	}
	if !to.IsZero() {
		to = to.Add(time.Hour)
	}
	for len(ids) > 0 && len(out.Traces) < o.Limit {
		n := min(len(ids), max(20, o.Limit-len(out.Traces)))
		found, err := s.traces(ctx, ids[:n], "", from, to)
		if err != nil {
			return nil, err
		}
		ids = ids[n:]
		for _, t := range found {
			if t.More {
				t.Spans = append(t.Spans, met[t.ID]...)
				t.sort()
			}
			if o.pick != nil && len(o.pick(t)) == 0 {
				continue
			}
			if out.Traces = append(out.Traces, t); len(out.Traces) == o.Limit {
				break
			}
		}
	}
	return out, nil
}

// metMost is how many spans of one trace that meet a search are kept.
const metMost = 100

// againMost is how often a search looks again, past the traces that took up what it reads.
const againMost = 3

// hugeOf are the quoted IDs of traces that have a twentieth or more of the spans that one
// search looks at.
func hugeOf(spans map[string]int) (ids []string) {
	for id, n := range spans {
		if n >= maxRead/20 {
			ids = append(ids, strconv.Quote(id))
		}
	}
	slices.Sort(ids)
	return ids
}

// text is a filter that finds at least the spans that are looked for.
func (o *Search) text() string {
	parts := []string{strings.TrimSpace(between(o.From, o.To) + "*")}
	add := func(filter string) { parts = append(parts, filter) }
	if o.Service != "" {
		add(field(fieldService, o.Service))
	}
	if o.Operation != "" {
		add(field(fieldName, o.Operation))
	}
	if o.Kind != "" {
		add(field(fieldKind, string(o.Kind)))
	}
	if o.MinTook > 0 {
		add(fieldDuration + ":>=" + strconv.FormatInt(int64(o.MinTook), 10))
	}
	if o.MaxTook > 0 {
		add(fieldDuration + ":<=" + strconv.FormatInt(int64(o.MaxTook), 10))
	}
	if o.Errors {
		add(field(fieldStatus, string(Error)))
	}
	for k, v := range o.Tags {
		switch k {
		case "error", "span.kind", "otel.status_code", "otel.scope.name", "otel.scope.version", "otel.library.name", "otel.library.version", "service.name", "event":
			continue // looked at below, they have fields of their own
		}
		value := v
		if v == "" {
			value = absent
		}
		add("(" + field(ofSpan+k, value) + " or " + field(ofResource+k, value) + " or " + field(ofScope+k, value) +
			" or " + fieldEvents + ":" + strconv.Quote(k) + " or " + fieldLinks + ":" + strconv.Quote(k) + ")")
	}
	if o.filter != "" {
		add("(" + o.filter + ")")
	}
	return strings.Join(parts, " ")
}

// meets looks at all conditions, also those that the filter leaves open.
func (o *Search) meets(s *Span) bool {
	if o.Service != "" && s.Service != o.Service || o.Operation != "" && s.Name != o.Operation || o.Kind != "" && s.Kind != o.Kind ||
		o.MinTook > 0 && s.Took() < o.MinTook || o.MaxTook > 0 && s.Took() > o.MaxTook || o.Errors && s.Status != Error {
		return false
	}
	for k, v := range o.Tags {
		if !s.Has(k, v) {
			return false
		}
	}
	return o.span == nil || o.span(s)
}

// Summary is a trace in a line.
type Summary struct {
	ID       string         `json:"trace_id"`
	Service  string         `json:"service"`   // of the root, or of the first span
	Name     string         `json:"operation"` // of the same
	Start    time.Time      `json:"start"`
	Took     time.Duration  `json:"duration_ns"`
	Spans    int            `json:"spans"`
	Errors   int            `json:"errors"`
	Services map[string]int `json:"services"` // spans of each, among those that were read
	Orphan   bool           `json:"orphan,omitempty"`
}

// Summary sums a trace up. It must have spans.
func (t *Trace) Summary() Summary {
	root := t.Root()
	out := Summary{ID: t.ID, Service: root.Service, Name: root.Name, Spans: len(t.Spans), Services: map[string]int{}, Orphan: root.ParentID != ""}
	start, end := t.Spans[0].Start, t.Spans[0].End()
	for _, s := range t.Spans {
		start, end = min(start, s.Start), max(end, s.End())
		out.Services[s.Service]++
		if s.Status == Error {
			out.Errors++
		}
	}
	if t.More {
		start, end, out.Spans, out.Errors = t.from, t.to, t.total, t.failed
	}
	out.Start, out.Took = time.Unix(0, start).UTC(), time.Duration(end-start)
	return out
}

// Root is the first span without a parent; without one, the first whose parent is not
// there; else the first.
func (t *Trace) Root() *Span {
	known := map[string]bool{}
	for _, s := range t.Spans {
		if s.ParentID == "" {
			return s
		}
		known[s.SpanID] = true
	}
	for _, s := range t.Spans {
		if !known[s.ParentID] {
			return s
		}
	}
	return t.Spans[0]
}
