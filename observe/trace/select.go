package trace

import (
	"context"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/observe/logs"
)

// selectTraces is of how many traces spans are selected: the newest.
const selectTraces = 1000

// Selected are the very spans that a search finds: of a query in TraceQL those that its
// last spanset has, as the standing to other spans and counts decide.
type Selected struct {
	// Filter is LogsQL that finds rows of spans among which all of these are; Others finds
	// rows that are no such spans, but perhaps some of these.
	Filter, Others string
	spans          map[spanKey]bool
}

type spanKey struct{ trace, span string }

// Has says whether a row is one of the spans.
func (s *Selected) Has(row logs.Row) bool {
	return s.spans[spanKey{row.Field(fieldTrace), row.Field(fieldSpan)}]
}

// Select finds the spans, of the newest 1,000 traces in which there are some.
func (s *Store) Select(ctx context.Context, o Search) (*Selected, error) {
	o.Limit = selectTraces
	found, err := s.Search(ctx, o)
	if err != nil {
		return nil, err
	}
	out := &Selected{spans: map[spanKey]bool{}, Others: "*"}
	ids := make([]string, 0, len(found.Traces))
	for _, t := range found.Traces {
		ids = append(ids, strconv.Quote(t.ID))
		spans := t.Spans
		if o.pick != nil {
			spans = o.pick(t)
		}
		for _, sp := range spans {
			if o.pick == nil && !o.meets(sp) {
				continue
			}
			at := sp.Start
			if (o.From.IsZero() || at >= o.From.UnixNano()) && (o.To.IsZero() || at <= o.To.UnixNano()) {
				out.spans[spanKey{sp.TraceID, sp.SpanID}] = true
			}
		}
	}
	if found.More || len(found.Traces) == selectTraces {
		// Further traces may have such spans: what could be one is not compared with.
		out.Others = "!(" + o.text() + ")"
	}
	out.Filter = fieldTrace + ":in(" + strings.Join(ids, ",") + ")"
	return out, nil
}
