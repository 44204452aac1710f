package api

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/contrast"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/trace"
)

func (s *server) traceRoutes() []route {
	return []route{
		get("/traces", "Traces that a query in TraceQL finds, newest first.", s.traces),
		get("/traces/{trace}", "One trace: its spans, parents first.", s.trace),
		get("/calls", "The graph of services that spans tell of: who called whom, how often, how often in vain.", s.calls),
		get("/differences", "What is different about the log lines or spans that a query finds, beside all others.", s.differences),
	}
}

// kept is nil when there are stores of spans and lines.
func (s *server) kept() error {
	if s.Traces == nil || s.Logs == nil || s.Calls == nil {
		return act.ErrNotFound
	}
	return nil
}

// over is a time; the last hour when nothing is said.
type over struct {
	From time.Time `query:"from" doc:"Default: an hour before the end."`
	To   time.Time `query:"to" doc:"Default: now."`
}

func (o over) times(now time.Time) (from, to time.Time, err error) {
	from, to = o.From, o.To
	if to.IsZero() {
		to = now
	}
	if from.IsZero() {
		from = to.Add(-time.Hour)
	}
	if !from.Before(to) {
		return from, to, invalid("from", from.Format(time.RFC3339), "a time before to")
	}
	return from, to, nil
}

type tracesQuery struct {
	over
	Q     string `query:"q" doc:"TraceQL, as { resource.service.name = \"checkout\" && status = error }. Default: all."`
	Limit int    `query:"limit" max:"1000" doc:"At most so many; default 20."`
}

// FoundTraces is what a search found.
type FoundTraces struct {
	Items []trace.Summary `json:"items"`
	More  bool            `json:"more" doc:"There may be more than were looked at, or than were asked for."`
}

func (s *server) traces(c *call, q tracesQuery) (FoundTraces, error) {
	from, to, err := q.times(s.Now())
	if err = cmp.Or(s.kept(), err); err != nil {
		return FoundTraces{}, err
	}
	if q.Q == "" {
		q.Q = "{}"
	}
	search, err := trace.ParseQuery(q.Q)
	if err != nil {
		return FoundTraces{}, unparsed("q", q.Q, "TraceQL", err)
	}
	if q.Limit == 0 {
		q.Limit = 20
	}
	search.From, search.To, search.Limit = from, to, q.Limit
	found, err := s.Traces.Search(c.Context(), search)
	if err != nil {
		return FoundTraces{}, err
	}
	out := FoundTraces{Items: []trace.Summary{}, More: found.More || len(found.Traces) == q.Limit}
	for _, t := range found.Traces {
		out.Items = append(out.Items, t.Summary())
	}
	return out, nil
}

// TraceSpan is a span in the tree of its trace.
type TraceSpan struct {
	SpanID     string            `json:"span_id"`
	ParentID   string            `json:"parent_id,omitempty"`
	Depth      int               `json:"depth"`
	Service    string            `json:"service"`
	Name       string            `json:"name"`
	Kind       trace.Kind        `json:"kind,omitempty"`
	Start      time.Time         `json:"start"`
	Took       time.Duration     `json:"duration_ns"`
	Self       time.Duration     `json:"self_ns" doc:"In which no child ran."`
	Critical   time.Duration     `json:"critical_ns" doc:"On the critical path."`
	Status     trace.Status      `json:"status,omitempty"`
	Message    string            `json:"status_message,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// OneTrace is a trace with its spans.
type OneTrace struct {
	trace.Summary
	Truncated bool          `json:"truncated" doc:"It has more spans than are read at once: those of the tree failed, begin it, or took longest."`
	Pieces    []trace.Piece `json:"pieces,omitempty" doc:"All of a truncated trace: each piece is read by its from and to."`
	Tree      []TraceSpan   `json:"tree"`
}

type traceQuery struct {
	From time.Time `query:"from" doc:"Only spans that began at this time or later; default: all."`
	To   time.Time `query:"to" doc:"Only spans that began before this time; default: all."`
}

func (s *server) trace(c *call, q traceQuery) (OneTrace, error) {
	if err := s.kept(); err != nil {
		return OneTrace{}, err
	}
	if !q.To.IsZero() {
		if !q.From.Before(q.To) {
			return OneTrace{}, invalid("from", q.From.Format(time.RFC3339Nano), "a time before to")
		}
		q.To = q.To.Add(-1)
	}
	t, err := s.Traces.Trace(c.Context(), c.PathValue("trace"), q.From, q.To)
	var refusal *observe.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Status == http.StatusBadRequest:
		return OneTrace{}, invalid("trace", c.PathValue("trace"), refusal.Want)
	case err != nil:
		return OneTrace{}, err
	case t == nil:
		return OneTrace{}, act.ErrNotFound
	}
	out := OneTrace{Summary: t.Summary(), Truncated: t.More, Pieces: t.Pieces}
	trace.Walk(t.Tree(), func(n *trace.Node) {
		one := TraceSpan{
			SpanID: n.SpanID, ParentID: n.ParentID, Depth: n.Depth, Service: n.Service, Name: n.Name, Kind: n.Kind, Start: time.Unix(0, n.Start).UTC(),
			Took: n.Took(), Self: time.Duration(n.Self), Status: n.Status, Message: n.StatusMessage, Attributes: map[string]string{},
		}
		for _, c := range n.Critical {
			one.Critical += time.Duration(c.To - c.From)
		}
		for _, a := range n.Attrs {
			one.Attributes[a.Key] = a.Value
		}
		out.Tree = append(out.Tree, one)
	})
	return out, nil
}

func (s *server) calls(c *call, q over) (List[observe.Call], error) {
	from, to, err := q.times(s.Now())
	if err = cmp.Or(s.kept(), err); err != nil {
		return List[observe.Call]{}, err
	}
	found, err := s.Calls(c.Context(), from, to)
	if err != nil {
		return List[observe.Call]{}, err
	}
	n := len(found)
	return List[observe.Call]{Items: found, Total: &n}, nil
}

type differencesQuery struct {
	over
	Of    string `query:"of" doc:"logs, or traces; default logs."`
	Query string `query:"query" doc:"LogsQL of logs, TraceQL of traces."`
}

func (s *server) differences(c *call, q differencesQuery) (*contrast.Result, error) {
	from, to, err := q.times(s.Now())
	if err = cmp.Or(s.kept(), err); err != nil {
		return nil, err
	}
	rows, chosen := s.Logs, contrast.Selection{Filter: q.Query}
	switch q.Of {
	case "", "logs":
		if _, err := logs.ParseQuery(q.Query, s.Now()); err != nil {
			return nil, unparsed("query", q.Query, "LogsQL", err)
		}
		if s.AskedLogs != nil {
			s.AskedLogs(q.Query)
		}
	case "traces":
		search, err := trace.ParseQuery(q.Query)
		if err != nil {
			return nil, unparsed("query", q.Query, "TraceQL", err)
		}
		search.From, search.To = from, to
		found, err := s.Traces.Select(c.Context(), search)
		if err != nil {
			return nil, err
		}
		rows, chosen = s.Traces.Rows(), contrast.Selection{Filter: found.Filter, Others: found.Others, Keep: found.Has}
	default:
		return nil, invalid("of", q.Of, "logs or traces")
	}
	return contrast.Rows(c.Context(), rows, chosen, from, to, s.Now())
}
