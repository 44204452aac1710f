package trace

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// MaxSpans is how many spans of one trace are read at once: of a larger one those that
// failed and those that took longest, and all of it in pieces.
const MaxSpans = 20_000

// maxRead is how many spans one search looks at.
const maxRead = 50_000

// Store keeps spans as rows of a log store of its own.
type Store struct {
	rows  *logs.Store
	red   *Red // may be nil
	asked func(text string)
	sizes sizes
}

// New makes a store of spans on rows. Red, when there is one, sees every span that is
// stored.
func New(rows *logs.Store, red *Red) *Store { return &Store{rows: rows, red: red} }

// Asked has f told of every question, in LogsQL, so that it can be seen which services'
// spans nobody asks for. It is called before the store is used.
func (s *Store) Asked(f func(text string)) { s.asked = f }

// Rows is the store of rows below, for LogsQL.
func (s *Store) Rows() *logs.Store { return s.rows }

// Batch collects the spans of one request.
type Batch struct {
	store  *Store
	rows   *logs.Batch
	fields []logs.Field
	seen   []seen
	of     map[string]int // spans of each trace
	last   string         // the trace of the span before, of which there were run
	run    int
}

// Begin begins a batch.
func (s *Store) Begin(receiver, source string) *Batch {
	return &Batch{store: s, rows: s.rows.Begin(logs.Origin{Receiver: receiver, Source: source})}
}

// Add adds a span; nil when it was taken.
func (b *Batch) Add(s *Span) *observe.Refusal {
	if s.TraceID == "" || s.SpanID == "" {
		r := &observe.Refusal{Status: 400, Reason: "malformed", Got: fmt.Sprintf("trace ID %q and span ID %q", s.TraceID, s.SpanID), Want: "both"}
		b.rows.Refuse(r, 1)
		return r
	}
	b.fields = appendRow(b.fields[:0], s)
	if r := b.rows.Add(max(1, s.Start), b.fields, streams); r != nil { // 0 would be now
		r.At("trace %s, span %s", s.TraceID, s.SpanID)
		return r
	}
	if s.TraceID != b.last {
		b.count()
		b.last = s.TraceID
	}
	b.run++
	if b.store.red != nil {
		b.seen = append(b.seen, sightOf(s))
	}
	return nil
}

// count enters the spans of the last trace.
func (b *Batch) count() {
	if b.run == 0 {
		return
	}
	if b.of == nil {
		b.of = map[string]int{}
	}
	b.of[b.last] += b.run
	b.run = 0
}

// Refuse counts n spans that the receiver itself does not take.
func (b *Batch) Refuse(r *observe.Refusal, n int) { b.rows.Refuse(r, n) }

// Commit stores what was added; its error is ours, and the sender should try again.
func (b *Batch) Commit() error {
	b.count()
	b.rows.Changed(logs.ChangedLarge, b.store.sizes.add(b.of))
	if err := b.rows.Commit(); err != nil {
		return err
	}
	if b.store.red != nil {
		b.store.red.see(b.seen)
	}
	return nil
}

// Refused is how many spans were refused and what to tell the sender.
func (b *Batch) Refused() (int, string) { return b.rows.Refused() }

// Trace is a trace with its spans by start time.
type Trace struct {
	ID    string
	Spans []*Span
	// More says that there are more spans than were read. Those that were read failed, or
	// took longest.
	More bool
	// Pieces are all of a trace of which there is more, each small enough to be read whole,
	// unless more than MaxSpans of its spans began in one nanosecond.
	Pieces []Piece

	total, failed int // of a trace of which there is more: its spans, those that failed
	from, to      int64
}

// Trace reads a trace, or what of it began between two times; without them it costs more.
// Nil when there is none.
func (s *Store) Trace(ctx context.Context, id string, from, to time.Time) (*Trace, error) {
	return s.TraceWith(ctx, id, "", from, to)
}

// TraceWith is Trace, with one span among those that are read however large the trace is.
func (s *Store) TraceWith(ctx context.Context, id, span string, from, to time.Time) (*Trace, error) {
	id = strings.ToLower(id)
	if !isHex(id) || len(id) > 32 {
		return nil, &observe.Refusal{Status: 400, Reason: "malformed", Where: "trace ID", Got: strconv.Quote(short(id)), Want: "up to 32 hexadecimal digits"}
	}
	for len(id) < 32 { // Jaeger leaves leading zeros out
		id = "0" + id
	}
	found, err := s.traces(ctx, []string{id}, span, from, to)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

func isHex(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return s != ""
}

// Of calls f with spans of some services in a time, in no order, at most so many.
func (s *Store) Of(ctx context.Context, services []string, from, to time.Time, most int, f func(*Span)) error {
	if len(services) == 0 {
		return nil
	}
	quoted := make([]string, len(services))
	for i, name := range services {
		quoted[i] = strconv.Quote(name)
	}
	text := between(from, to) + strconv.Quote(fieldService) + ":in(" + strings.Join(quoted, ",") + ") | fields _time, " +
		strings.Join([]string{strconv.Quote(fieldService), fieldName, fieldTrace, fieldSpan, fieldParent, fieldDuration, fieldStatus}, ", ") + " | limit " + strconv.Itoa(most)
	return s.each(ctx, text, func(sp *Span) bool { f(sp); return true })
}

// traces reads traces as a whole, in the order of the IDs. Of large ones a span of the wanted
// ID is read in any case.
func (s *Store) traces(ctx context.Context, ids []string, want string, from, to time.Time) ([]*Trace, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = strconv.Quote(id)
	}
	text := between(from, to) + fieldTrace + ":in(" + strings.Join(quoted, ",") + ")"
	q, err := logs.ParseQuery(text, time.Now())
	if err != nil {
		return nil, err
	}
	if s.asked != nil {
		s.asked(text)
	}
	by := map[string]*reading{}
	kept := 0
	err = s.rows.Each(ctx, q, func(row logs.Row) bool {
		id := row.Field(fieldTrace)
		r := by[id]
		if r == nil {
			r = newReading(MaxSpans, want)
			by[strings.Clone(id)] = r
		}
		if kept >= 4*maxRead {
			r.stop()
		}
		if r.take(row) {
			kept++
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	var out []*Trace
	for _, id := range ids {
		if r := by[id]; r != nil {
			out = append(out, r.trace(id))
		}
	}
	return out, nil
}

// sort orders the spans, and drops those that were sent twice.
func (t *Trace) sort() {
	slices.SortStableFunc(t.Spans, func(a, b *Span) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.Duration, a.Duration), strings.Compare(a.SpanID, b.SpanID))
	})
	t.Spans = slices.CompactFunc(t.Spans, func(a, b *Span) bool {
		return a.SpanID == b.SpanID && a.Start == b.Start && a.Duration == b.Duration && a.Service == b.Service && a.Name == b.Name
	})
}

// each calls f with spans; they may be kept.
func (s *Store) each(ctx context.Context, text string, f func(*Span) bool) error {
	q, err := logs.ParseQuery(text, time.Now())
	if err != nil {
		return err
	}
	if s.asked != nil {
		s.asked(text)
	}
	return s.rows.Each(ctx, q, func(row logs.Row) bool { return f(spanOf(row)) })
}

// between is a filter on start times; a zero time is open.
func between(from, to time.Time) string {
	if from.IsZero() && to.IsZero() {
		return ""
	}
	if to.IsZero() {
		to = time.Unix(0, math.MaxInt64)
	}
	if from.IsZero() {
		from = time.Unix(0, 0)
	}
	return logs.Within(from, to)
}

func short(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// Services are the services that have spans in a time.
func (s *Store) Services(ctx context.Context, from, to time.Time) ([]string, error) {
	return s.values(ctx, between(from, to)+"*", fieldService)
}

// Operation is a span's name with its kind.
type Operation struct {
	Name string `json:"name"`
	Kind Kind   `json:"spanKind"`
}

// Operations are what a service does, with the kind of span; of one kind when it is not "".
func (s *Store) Operations(ctx context.Context, service string, kind Kind, from, to time.Time) ([]Operation, error) {
	text := between(from, to) + field(fieldService, service)
	if kind != "" {
		text += " " + field(fieldKind, string(kind))
	}
	q, err := logs.ParseQuery(text+" | stats by (name, kind) count() n | limit 10000", time.Now())
	if err != nil {
		return nil, err
	}
	var out []Operation
	err = s.rows.Each(ctx, q, func(row logs.Row) bool {
		out = append(out, Operation{strings.Clone(row.Field(fieldName)), Kind(strings.Clone(row.Field(fieldKind)))})
		return true
	})
	slices.SortFunc(out, func(a, b Operation) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(string(a.Kind), string(b.Kind)))
	})
	return out, err
}

func (s *Store) values(ctx context.Context, text, name string) ([]string, error) {
	q, err := logs.ParseQuery(text, time.Now())
	if err != nil {
		return nil, err
	}
	found, err := s.rows.FieldValues(ctx, q, name, "", 10_000)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range found {
		if v.Value != "" {
			out = append(out, v.Value)
		}
	}
	slices.Sort(out)
	return out, nil
}

// field is a filter for an exact value.
func field(name, value string) string { return strconv.Quote(name) + ":=" + strconv.Quote(value) }
