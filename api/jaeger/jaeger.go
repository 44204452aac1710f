// Package jaeger answers Jaeger's query API, for Grafana's Jaeger data source and other
// clients of Jaeger: services, operations, traces, dependencies, and version 3 of it.
//
// In: requests below /jaeger/api/. Out: what Jaeger's query service answers, made of the
// spans that are stored here. A search is bounded in time and in how many run at once.
package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/trace"
)

const (
	timeout  = 30 * time.Second
	atOnce   = 8
	maxLimit = 1500 // Jaeger's own
	// lookback is where a client says nothing of time: Jaeger's default for services.
	lookback = 24 * time.Hour
)

// Options of the API.
type Options struct {
	Store *trace.Store
	// Calls are the calls between services from a time on.
	Calls func(ctx context.Context, from, to time.Time) ([]Call, error)
}

// Call is how often one service called another.
type Call struct {
	Parent string `json:"parent"`
	Child  string `json:"child"`
	Count  uint64 `json:"callCount"`
}

type handler struct {
	o     Options
	slots chan struct{}
}

// New makes the handler of everything below /jaeger/api/.
func New(o Options) http.Handler {
	h := &handler{o: o, slots: make(chan struct{}, atOnce)}
	mux := http.NewServeMux()
	for path, f := range map[string]func(context.Context, *http.Request) (any, error){
		"services": h.services, "services/{service}/operations": h.operationNames, "operations": h.operations,
		"traces": h.traces, "traces/{id}": h.trace, "dependencies": h.dependencies,
		"v3/services": h.services3, "v3/operations": h.operations3, "v3/traces": h.traces3, "v3/traces/{id}": h.trace3,
	} {
		mux.HandleFunc("GET /jaeger/api/"+path, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, f) })
	}
	return mux
}

// page is how Jaeger wraps its answers.
type page struct {
	Data   any       `json:"data"`
	Total  int       `json:"total"`
	Limit  int       `json:"limit"`
	Offset int       `json:"offset"`
	Errors []problem `json:"errors"`
}

type problem struct {
	Code    int    `json:"code,omitempty"`
	Msg     string `json:"msg"`
	TraceID string `json:"traceID,omitempty"`
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, f func(context.Context, *http.Request) (any, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	w.Header().Set("Content-Type", "application/json")
	fail := func(status int, text string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(page{Errors: []problem{{Code: status, Msg: text}}})
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		fail(http.StatusServiceUnavailable, "too many searches at once")
		return
	}
	out, err := f(ctx, r)
	var refusal *observe.Refusal
	switch {
	case errors.As(err, &refusal):
		fail(refusal.Status, refusal.Error())
		return
	case errors.Is(err, context.DeadlineExceeded):
		fail(http.StatusGatewayTimeout, fmt.Sprintf("the search took longer than %s: ask for less time, or for a service", timeout))
		return
	case err != nil:
		fail(http.StatusInternalServerError, err.Error())
		return
	}
	if raw, ok := out.(json.RawMessage); ok {
		_, _ = w.Write(raw)
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (h *handler) services(ctx context.Context, _ *http.Request) (any, error) {
	names, err := h.o.Store.Services(ctx, time.Time{}, time.Time{})
	return page{Data: filled(names), Total: len(names)}, err
}

func (h *handler) services3(ctx context.Context, _ *http.Request) (any, error) {
	names, err := h.o.Store.Services(ctx, time.Time{}, time.Time{})
	return map[string]any{"services": filled(names)}, err
}

func filled[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (h *handler) ops(ctx context.Context, service, kind string) ([]trace.Operation, error) {
	if service == "" {
		return nil, bad("service", "", "the name of a service")
	}
	ops, err := h.o.Store.Operations(ctx, service, trace.Kind(strings.ToLower(kind)), time.Time{}, time.Time{})
	return filled(ops), err
}

func (h *handler) operationNames(ctx context.Context, r *http.Request) (any, error) {
	ops, err := h.ops(ctx, r.PathValue("service"), "")
	names := []string{}
	for i, o := range ops {
		if i == 0 || ops[i-1].Name != o.Name {
			names = append(names, o.Name)
		}
	}
	return page{Data: names, Total: len(names)}, err
}

func (h *handler) operations(ctx context.Context, r *http.Request) (any, error) {
	ops, err := h.ops(ctx, r.FormValue("service"), r.FormValue("spanKind"))
	return page{Data: ops, Total: len(ops)}, err
}

func (h *handler) operations3(ctx context.Context, r *http.Request) (any, error) {
	ops, err := h.ops(ctx, first(r, "service", "query.service"), first(r, "span_kind", "spanKind"))
	return map[string]any{"operations": ops}, err
}

func first(r *http.Request, names ...string) string {
	for _, n := range names {
		if v := r.FormValue(n); v != "" {
			return v
		}
	}
	return ""
}

func (h *handler) trace(ctx context.Context, r *http.Request) (any, error) {
	t, err := h.one(ctx, r)
	if err != nil {
		return nil, err
	}
	return page{Data: []*Trace{traceOf(t)}, Total: 1}, nil
}

func (h *handler) trace3(ctx context.Context, r *http.Request) (any, error) {
	t, err := h.one(ctx, r)
	if err != nil {
		return nil, err
	}
	return otlp([]*trace.Trace{t})
}

func (h *handler) one(ctx context.Context, r *http.Request) (*trace.Trace, error) {
	from, to, err := times(r, "start", "end")
	if err != nil {
		return nil, err
	}
	t, err := h.o.Store.Trace(ctx, r.PathValue("id"), from, to)
	if err == nil && t == nil {
		err = &observe.Refusal{Status: http.StatusNotFound, Reason: "unknown", Where: "trace ID", Got: r.PathValue("id"), Want: "the ID of a trace that is stored"}
	}
	return t, err
}

// traces is a search, or several traces by their IDs.
func (h *handler) traces(ctx context.Context, r *http.Request) (any, error) {
	out := page{Data: []*Trace{}}
	var list []*Trace
	if ids := r.URL.Query()["traceID"]; len(ids) > 0 {
		if len(ids) > maxLimit {
			return nil, bad("traceID", strconv.Itoa(len(ids)), fmt.Sprintf("at most %d", maxLimit))
		}
		for _, id := range ids {
			t, err := h.o.Store.Trace(ctx, id, time.Time{}, time.Time{})
			if err != nil {
				return nil, err
			}
			if t == nil {
				out.Errors = append(out.Errors, problem{Msg: "trace not found", TraceID: id})
				continue
			}
			list = append(list, traceOf(t))
		}
	} else {
		s, err := search(r)
		if err != nil {
			return nil, err
		}
		found, err := h.o.Store.Search(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, t := range found.Traces {
			list = append(list, traceOf(t))
		}
		if found.More {
			out.Errors = append(out.Errors, problem{Msg: "not all spans were looked at: ask for less time, or say more of what is looked for"})
		}
	}
	out.Data, out.Total = filled(list), len(list)
	return out, nil
}

func (h *handler) traces3(ctx context.Context, r *http.Request) (any, error) {
	s, err := search3(r)
	if err != nil {
		return nil, err
	}
	found, err := h.o.Store.Search(ctx, s)
	if err != nil {
		return nil, err
	}
	return otlp(found.Traces)
}

// otlp is the answer of version 3: OTLP in JSON.
func otlp(traces []*trace.Trace) (any, error) {
	var spans []*trace.Span
	for _, t := range traces {
		spans = append(spans, t.Spans...)
	}
	raw, err := ptraceotlp.NewExportRequestFromTraces(trace.Traces(spans)).MarshalJSON()
	return map[string]json.RawMessage{"result": raw}, err
}

func (h *handler) dependencies(ctx context.Context, r *http.Request) (any, error) {
	to := time.Now()
	if v := r.FormValue("endTs"); v != "" {
		ms, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return nil, bad("endTs", v, "Unix milliseconds")
		}
		to = time.UnixMilli(ms)
	}
	back := lookback
	if v := r.FormValue("lookback"); v != "" {
		ms, err := strconv.ParseInt(v, 10, 64)
		if err != nil || ms < 0 {
			return nil, bad("lookback", v, "milliseconds")
		}
		back = min(time.Duration(ms), 366*24*3600*1000) * time.Millisecond
	}
	calls, err := h.o.Calls(ctx, to.Add(-back), to)
	return page{Data: filled(calls), Total: len(calls)}, err
}

// search reads the parameters of Jaeger's search.
func search(r *http.Request) (s trace.Search, err error) {
	q := r.URL.Query()
	s.Service, s.Operation = q.Get("service"), q.Get("operation")
	if s.Service == "" {
		return s, bad("service", "", "the name of a service")
	}
	if s.From, s.To, err = times(r, "start", "end"); err != nil {
		return s, err
	}
	if s.Limit, err = limit(q, "limit"); err != nil {
		return s, err
	}
	if s.MinTook, err = took(q, "minDuration"); err != nil {
		return s, err
	}
	if s.MaxTook, err = took(q, "maxDuration"); err != nil {
		return s, err
	}
	s.Tags = map[string]string{}
	for _, t := range q["tag"] {
		k, v, ok := strings.Cut(t, ":")
		if !ok || k == "" {
			return s, bad("tag", t, "key:value")
		}
		s.Tags[k] = v
	}
	for _, t := range q["tags"] {
		if err := tags(t, s.Tags); err != nil {
			return s, err
		}
	}
	return s, nil
}

// tags reads a map of tags. Values may be numbers or truth values too.
func tags(text string, into map[string]string) error {
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return bad("tags", text, `a JSON object as {"http.status_code":"500"}`)
	}
	for k, v := range m {
		switch v := v.(type) {
		case string:
			into[k] = v
		case json.Number:
			into[k] = v.String()
		case bool:
			into[k] = strconv.FormatBool(v)
		default:
			return bad("tags", k, "a string, a number, true or false")
		}
	}
	return nil
}

// search3 reads those of version 3.
func search3(r *http.Request) (s trace.Search, err error) {
	q := r.URL.Query()
	get := func(name string) string {
		snake := "query." + name
		if v := q.Get(snake); v != "" {
			return v
		}
		parts := strings.Split(name, "_")
		for i := range parts[1:] {
			parts[i+1] = strings.ToUpper(parts[i+1][:1]) + parts[i+1][1:]
		}
		return q.Get("query." + strings.Join(parts, ""))
	}
	s.Service, s.Operation = get("service_name"), get("operation_name")
	for name, into := range map[string]*time.Time{"start_time_min": &s.From, "start_time_max": &s.To} {
		if v := get(name); v != "" {
			if *into, err = time.Parse(time.RFC3339Nano, v); err != nil {
				return s, bad("query."+name, v, "a time as 2026-01-02T15:04:05Z")
			}
		}
	}
	for name, into := range map[string]*time.Duration{"duration_min": &s.MinTook, "duration_max": &s.MaxTook} {
		if v := get(name); v != "" {
			if *into, err = time.ParseDuration(v); err != nil {
				return s, bad("query."+name, v, "a duration as 100ms")
			}
		}
	}
	for _, name := range []string{"num_traces", "search_depth"} {
		if v := get(name); v != "" {
			if s.Limit, err = strconv.Atoi(v); err != nil || s.Limit < 0 {
				return s, bad("query."+name, v, "a number")
			}
		}
	}
	s.Limit = min(s.Limit, maxLimit)
	s.Tags = map[string]string{}
	for k, v := range q {
		if key, ok := strings.CutPrefix(k, "query.attributes["); ok && strings.HasSuffix(key, "]") && len(v) > 0 {
			s.Tags[strings.TrimSuffix(key, "]")] = v[0]
		}
	}
	if v := get("attributes"); v != "" {
		if err := tags(v, s.Tags); err != nil {
			return s, err
		}
	}
	return s, nil
}

func limit(q url.Values, name string) (int, error) {
	v := q.Get(name)
	if v == "" {
		return 100, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, bad(name, v, "a number")
	}
	return min(n, maxLimit), nil
}

func took(q url.Values, name string) (time.Duration, error) {
	v := q.Get(name)
	if v == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return 0, bad(name, v, "a duration as 1.2s, 100ms or 500us")
	}
	return d, nil
}

// times reads a start and an end in Unix microseconds.
func times(r *http.Request, start, end string) (from, to time.Time, err error) {
	for name, into := range map[string]*time.Time{start: &from, end: &to} {
		if v := r.FormValue(name); v != "" {
			us, err := strconv.ParseInt(v, 10, 64)
			if err != nil || us < 0 {
				return from, to, bad(name, v, "Unix microseconds")
			}
			*into = time.UnixMicro(us)
		}
	}
	return from, to, nil
}

func bad(where, got, want string) error {
	return &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: where, Got: strconv.Quote(got), Want: want}
}
