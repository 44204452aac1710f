// Package zipkin receives spans of Zipkin's version 2 in JSON.
//
// In: POST /api/v2/spans, an array of spans, plain or gzip, hostile. Out: spans in the
// trace store. Promise: 202 means that those that were not refused are in the
// write-ahead log, and the answer says which were refused, and why. A body that is not such
// an array, or of which no span is taken, is answered 400: Zipkin's senders drop what is
// answered so, and report it. Zipkin's own server refuses all spans of a body for one.
package zipkin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/trace"
)

const receiver = "zipkin"

// maxSpans is how many spans a request may have.
const maxSpans = 100_000

// Handler serves POST /api/v2/spans.
func Handler(store *trace.Store, body func() int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail := func(refusal *observe.Refusal) {
			store.Rows().Refused(receiver, refusal.Reason, 1)
			http.Error(w, refusal.Error(), refusal.Status)
		}
		raw, refusal := observe.Body(w, r, body())
		if refusal != nil {
			fail(refusal)
			return
		}
		spans, refusal := list(raw)
		if refusal != nil {
			fail(refusal)
			return
		}
		from, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			from = r.RemoteAddr
		}
		batch := store.Begin(receiver, from)
		for i, text := range spans {
			sp, refusal := read(i, text)
			if refusal != nil {
				batch.Refuse(refusal, 1)
				continue
			}
			if sp.Timestamp == 0 { // Zipkin leaves it out of a span that is not complete
				sp.Timestamp = time.Now().UnixMicro()
			}
			batch.Add(sp.span()) // a refusal is counted and told below
		}
		if err := batch.Commit(); err != nil {
			if !errors.As(err, &refusal) {
				refusal = &observe.Refusal{Status: http.StatusServiceUnavailable, Reason: "store", Want: err.Error()}
			}
			observe.Refuse(w, refusal)
			return
		}
		n, text := batch.Refused()
		switch {
		case n == 0:
			w.WriteHeader(http.StatusAccepted)
		case n == len(spans):
			http.Error(w, text, http.StatusBadRequest)
		default:
			w.WriteHeader(http.StatusAccepted)
			_, _ = fmt.Fprintf(w, "%d stored, %s\n", len(spans)-n, text)
		}
	})
}

// span is one as Zipkin writes it. Times are in microseconds.
type span struct {
	TraceID     string            `json:"traceId"`
	ID          string            `json:"id"`
	ParentID    string            `json:"parentId"`
	Kind        string            `json:"kind"`
	Name        string            `json:"name"`
	Timestamp   int64             `json:"timestamp"`
	Duration    int64             `json:"duration"`
	Shared      bool              `json:"shared"`
	Debug       bool              `json:"debug"`
	Local       endpoint          `json:"localEndpoint"`
	Remote      endpoint          `json:"remoteEndpoint"`
	Annotations []annotation      `json:"annotations"`
	Tags        map[string]string `json:"tags"`
}

type endpoint struct {
	Service string `json:"serviceName"`
	IPv4    string `json:"ipv4"`
	IPv6    string `json:"ipv6"`
	Port    int    `json:"port"`
}

type annotation struct {
	Timestamp int64  `json:"timestamp"`
	Value     string `json:"value"`
}

func malformed(where, got, want string) *observe.Refusal {
	return &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: where, Got: got, Want: want}
}

// list reads the array, and no span of it yet.
func list(raw []byte) ([]json.RawMessage, *observe.Refusal) {
	if n := bytes.Count(raw, []byte(`"traceId"`)); n > maxSpans { // before they take their memory
		return nil, &observe.Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "limit_spans", Where: "body", Got: fmt.Sprintf("%d spans", n), Want: fmt.Sprintf("at most %d", maxSpans)}
	}
	var out []json.RawMessage
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, malformed("body", err.Error(), "a JSON array of Zipkin's spans, version 2")
	}
	if len(out) > maxSpans {
		return nil, &observe.Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "limit_spans", Where: "body", Got: fmt.Sprintf("%d spans", len(out)), Want: fmt.Sprintf("at most %d", maxSpans)}
	}
	return out, nil
}

// read reads the i-th span.
func read(i int, raw []byte) (*span, *observe.Refusal) {
	where := fmt.Sprintf("span %d", i)
	s := &span{}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, malformed(where, err.Error(), "a span of Zipkin's, version 2")
	}
	switch {
	case !isID(s.TraceID, 32):
		return nil, malformed(where+", traceId", strconv.Quote(cut(s.TraceID)), "up to 32 hexadecimal digits")
	case !isID(s.ID, 16):
		return nil, malformed(where+", id", strconv.Quote(cut(s.ID)), "up to 16 hexadecimal digits")
	case s.ParentID != "" && !isID(s.ParentID, 16):
		return nil, malformed(where+", parentId", strconv.Quote(cut(s.ParentID)), "up to 16 hexadecimal digits")
	case s.Timestamp < 0 || s.Timestamp > 1<<53 || s.Duration < 0 || s.Duration > 1<<53:
		return nil, malformed(where, fmt.Sprintf("timestamp %d and duration %d", s.Timestamp, s.Duration), "microseconds")
	}
	return s, nil
}

func isID(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	return strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

func cut(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// pad gives an ID the digits that OpenTelemetry's have.
func pad(id string, n int) string {
	if id == "" {
		return ""
	}
	return strings.Repeat("0", n-len(id)) + strings.ToLower(id)
}

func (s *span) span() *trace.Span {
	out := &trace.Span{
		TraceID: pad(s.TraceID, 32), SpanID: pad(s.ID, 16), ParentID: pad(s.ParentID, 16), Service: s.Local.Service, Name: s.Name,
		Start: s.Timestamp * 1000, Duration: s.Duration * 1000, Unnamed: s.Local.Service == "",
	}
	if out.Unnamed {
		out.Service = "unknown_service"
	}
	switch s.Kind {
	case "CLIENT":
		out.Kind = trace.Client
	case "SERVER":
		out.Kind = trace.Server
	case "PRODUCER":
		out.Kind = trace.Producer
	case "CONSUMER":
		out.Kind = trace.Consumer
	}
	if s.Shared && out.Kind == trace.Server {
		// Both sides of a call have one ID: the called side becomes a child of it.
		out.ParentID = out.SpanID
		out.SpanID = pad(strconv.FormatUint(shared(s.ID), 16), 16)
	}
	add := func(list *[]trace.Attr, key, value string) {
		if value != "" {
			*list = append(*list, trace.Attr{Key: key, Type: trace.String, Value: value})
		}
	}
	add(&out.Resource, "net.host.ip", first(s.Local.IPv4, s.Local.IPv6))
	add(&out.Attrs, "peer.service", s.Remote.Service)
	add(&out.Attrs, "net.peer.ip", first(s.Remote.IPv4, s.Remote.IPv6))
	if s.Remote.Port != 0 {
		out.Attrs = append(out.Attrs, trace.Attr{Key: "net.peer.port", Type: trace.Int, Value: strconv.Itoa(s.Remote.Port)})
	}
	keys := make([]string, 0, len(s.Tags))
	for k := range s.Tags {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if k == "error" {
			out.Status = trace.Error
			if v := s.Tags[k]; v != "true" {
				out.StatusMessage = v
			}
			continue
		}
		out.Attrs = append(out.Attrs, trace.Attr{Key: k, Type: trace.String, Value: s.Tags[k]})
	}
	for _, a := range s.Annotations {
		out.Events = append(out.Events, trace.Event{Time: a.Timestamp * 1000, Name: a.Value})
	}
	return out
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// shared is another ID, the same for the same one.
func shared(id string) uint64 {
	n, _ := strconv.ParseUint(id, 16, 64)
	return n ^ 0x5a5a5a5a5a5a5a5a
}
