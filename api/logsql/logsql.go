// Package logsql answers VictoriaLogs' query API: /select/logsql/query, hits, facets,
// field_names, field_values, stream_field_names, stream_field_values, streams,
// stream_ids, stats_query, stats_query_range and tail.
//
// In: LogsQL and a time range, from people and from VictoriaLogs' own clients. Out:
// what VictoriaLogs answers. A query is bounded in time and in how many run at once;
// what it would take more memory than the engine is given for is refused by the engine.
package logsql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/timeutil"

	"github.com/evenkeel/evenkeel/observe/logs"
)

const (
	timeout    = 30 * time.Second
	maxTimeout = 5 * time.Minute
	atOnce     = 8
	tailsMost  = 32
	maxForm    = 1 << 20
)

// Options of the API.
type Options struct {
	Store *logs.Store
	// Used is told of every query, so that it can be seen which streams nobody asks
	// for; may be nil.
	Used func(text string)
	// Closing ends live tails when the server stops.
	Closing <-chan struct{}
}

type handler struct {
	o     Options
	slots chan struct{}
	tails chan struct{}
}

// New makes the handler of everything below /select/logsql/.
func New(o Options) http.Handler {
	h := &handler{o: o, slots: make(chan struct{}, atOnce), tails: make(chan struct{}, tailsMost)}
	mux := http.NewServeMux()
	for path, f := range map[string]func(http.ResponseWriter, *request) error{
		"query": h.query, "hits": h.hits, "facets": h.facets, "stats_query": h.stats, "stats_query_range": h.statsRange,
		"field_names": h.values(func(ctx context.Context, q *request) ([]logs.ValueWithHits, error) {
			return h.o.Store.FieldNames(ctx, q.q, q.r.FormValue("filter"))
		}),
		"field_values": h.values(func(ctx context.Context, q *request) ([]logs.ValueWithHits, error) {
			return h.o.Store.FieldValues(ctx, q.q, q.field, q.r.FormValue("filter"), q.limit)
		}),
		"stream_field_names": h.values(func(ctx context.Context, q *request) ([]logs.ValueWithHits, error) {
			return h.o.Store.StreamFieldNames(ctx, q.q, q.r.FormValue("filter"))
		}),
		"stream_field_values": h.values(func(ctx context.Context, q *request) ([]logs.ValueWithHits, error) {
			return h.o.Store.StreamFieldValues(ctx, q.q, q.field, q.r.FormValue("filter"), q.limit)
		}),
		"streams": h.values(func(ctx context.Context, q *request) ([]logs.ValueWithHits, error) {
			return h.o.Store.Streams(ctx, q.q, q.limit)
		}),
		"stream_ids": h.values(func(ctx context.Context, q *request) ([]logs.ValueWithHits, error) {
			return h.o.Store.StreamIDs(ctx, q.q, q.limit)
		}),
	} {
		needField := path == "field_values" || path == "stream_field_values"
		mux.HandleFunc("/select/logsql/"+path, func(w http.ResponseWriter, r *http.Request) {
			h.serve(w, r, needField, f)
		})
	}
	mux.HandleFunc("/select/logsql/tail", h.tail)
	return mux
}

// request is what all of them are asked.
type request struct {
	r          *http.Request
	ctx        context.Context
	q          *logs.Query
	field      string
	limit      uint64
	start, end int64 // math.MinInt64 and MaxInt64 when open
}

// statusError is an answer that is the asker's fault or the server's.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func bad(format string, args ...any) error {
	return &statusError{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, needField bool, f func(http.ResponseWriter, *request) error) {
	ctx := r.Context()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-time.After(timeout):
		fail(w, &statusError{http.StatusServiceUnavailable, fmt.Errorf("%d queries are running: try again", atOnce)})
		return
	case <-ctx.Done():
		return
	}
	q, err := h.parse(w, r)
	if err == nil && needField {
		if q.field = r.FormValue("field"); q.field == "" {
			err = bad("got no field, expected its name: field=…")
		}
	}
	if err != nil {
		fail(w, err)
		return
	}
	limit, err := duration(r, "timeout", timeout)
	if err != nil {
		fail(w, err)
		return
	}
	var cancel context.CancelFunc
	q.ctx, cancel = context.WithTimeout(ctx, min(limit, maxTimeout))
	defer cancel()
	if err := f(w, q); err != nil && ctx.Err() == nil {
		fail(w, err)
	}
}

// fail answers in the words of Prometheus' API, which VictoriaLogs' clients read too.
func fail(w http.ResponseWriter, err error) {
	status := http.StatusUnprocessableEntity
	var s *statusError
	switch {
	case errors.As(err, &s):
		status = s.status
	case errors.Is(err, context.DeadlineExceeded):
		status = http.StatusServiceUnavailable
		err = errors.New("the query took too long: narrow its time range, or add a stream filter as {service.name=\"…\"}")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": strconv.Itoa(status), "error": err.Error()})
}

func (h *handler) parse(w http.ResponseWriter, r *http.Request) (*request, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseMultipartForm(maxForm); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return nil, bad("cannot read the form: %w", err)
	}
	now := time.Now()
	if at, ok, err := moment(r, "time", now, false); err != nil {
		return nil, err
	} else if ok {
		now = time.Unix(0, at)
	}
	text := r.FormValue("query")
	if text == "" {
		return nil, bad("got no query, expected LogsQL: query=…")
	}
	q, err := logs.ParseQuery(text, now)
	if err != nil {
		return nil, &statusError{http.StatusBadRequest, err}
	}
	req := &request{r: r, q: q, start: math.MinInt64, end: math.MaxInt64}
	start, hasStart, err := moment(r, "start", now, false)
	if err != nil {
		return nil, err
	}
	end, hasEnd, err := moment(r, "end", now, true)
	if err != nil {
		return nil, err
	}
	if hasStart {
		req.start = start
	}
	if hasEnd {
		req.end = end
	}
	if req.start > req.end {
		return nil, bad("start is after end")
	}
	if hasStart || hasEnd {
		q.AddTimeFilter(req.start, req.end)
	}
	for _, name := range []string{"extra_filters", "extra_stream_filters"} {
		for _, text := range r.Form[name] {
			f, err := logstorage.ParseFilter(text)
			if err != nil {
				return nil, bad("%s: %w", name, err)
			}
			q.AddExtraFilters(f)
		}
	}
	if req.limit, err = number(r, "limit"); err != nil {
		return nil, err
	}
	if h.o.Used != nil {
		h.o.Used(text)
	}
	return req, nil
}

func moment(r *http.Request, name string, now time.Time, end bool) (int64, bool, error) {
	text := r.FormValue(name)
	if text == "" {
		return 0, false, nil
	}
	at, err := timeutil.ParseTimeAt(text, now.UnixNano())
	if err != nil {
		return 0, false, bad("%s: got %q, expected a time as 2026-01-02T15:04:05Z, a Unix time, or a duration before now as -1h", name, text)
	}
	if end && len(text) < len("2006-01-02T15:04:05.000") { // a whole second, minute or day is meant
		if unit := wholeOf(text); unit > 0 {
			at += int64(unit) - 1
		}
	}
	return at, true, nil
}

// wholeOf is the length of what a time without a finer part names.
func wholeOf(text string) time.Duration {
	switch len(text) {
	case len("2006-01-02"):
		if text[4] == '-' {
			return 24 * time.Hour
		}
		return time.Second // Unix seconds
	case len("2006-01-02T15:04Z"):
		return time.Minute
	case len("2006-01-02T15:04:05Z"):
		return time.Second
	}
	return 0
}

func number(r *http.Request, name string) (uint64, error) {
	text := r.FormValue(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, bad("%s: got %q, expected a whole number", name, text)
	}
	return n, nil
}

func duration(r *http.Request, name string, otherwise time.Duration) (time.Duration, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	if n, ok := logstorage.TryParseDuration(text); ok && n > 0 {
		return time.Duration(n), nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f > 0 && f < 1e9 { // seconds, as in Prometheus
		return time.Duration(f * float64(time.Second)), nil
	}
	return 0, bad("%s: got %q, expected a duration as 5m", name, text)
}

// values answers a list of values with how many rows have each.
func (h *handler) values(f func(context.Context, *request) ([]logs.ValueWithHits, error)) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, q *request) error {
		found, err := f(q.ctx, q)
		if err != nil {
			return err
		}
		type value struct {
			Value string `json:"value"`
			Hits  uint64 `json:"hits"`
		}
		out := make([]value, len(found))
		for i, v := range found {
			out[i] = value{v.Value, v.Hits}
		}
		return send(w, map[string]any{"values": out})
	}
}

func send(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}
