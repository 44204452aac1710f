package jaeger

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/observe/trace"
)

// Trace is a trace as Jaeger's pages read it.
type Trace struct {
	TraceID   string             `json:"traceID"`
	Spans     []Span             `json:"spans"`
	Processes map[string]Process `json:"processes"`
	Warnings  []string           `json:"warnings"`
}

// Span is one of its spans. Times are in microseconds.
type Span struct {
	TraceID    string      `json:"traceID"`
	SpanID     string      `json:"spanID"`
	Flags      uint32      `json:"flags,omitempty"`
	Operation  string      `json:"operationName"`
	References []Reference `json:"references"`
	Start      int64       `json:"startTime"`
	Duration   int64       `json:"duration"`
	Tags       []Tag       `json:"tags"`
	Logs       []Log       `json:"logs"`
	ProcessID  string      `json:"processID"`
	Warnings   []string    `json:"warnings"`
}

// Reference is another span that this one has to do with.
type Reference struct {
	Type    string `json:"refType"`
	TraceID string `json:"traceID"`
	SpanID  string `json:"spanID"`
}

// Process is a service with the attributes of its resource.
type Process struct {
	Service string `json:"serviceName"`
	Tags    []Tag  `json:"tags"`
}

// Tag is an attribute.
type Tag struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

// Log is an event.
type Log struct {
	Timestamp int64 `json:"timestamp"`
	Fields    []Tag `json:"fields"`
}

func traceOf(t *trace.Trace) *Trace {
	out := &Trace{TraceID: t.ID, Spans: make([]Span, 0, len(t.Spans)), Processes: map[string]Process{}}
	if t.More {
		out.Warnings = append(out.Warnings, fmt.Sprintf("these are %d of the trace's %d spans: those that failed, that begin it, and that took longest; all of it can be read in %d pieces, by when spans began:", len(t.Spans), t.Summary().Spans, len(t.Pieces)))
		for _, p := range t.Pieces[:min(len(t.Pieces), 100)] {
			out.Warnings = append(out.Warnings, fmt.Sprintf("%d spans: ?start=%d&end=%d", p.Spans, p.From.UnixMicro(), p.To.Add(999*time.Nanosecond).UnixMicro()))
		}
	}
	ids := map[string]string{}
	for _, s := range t.Spans {
		p := Process{Service: s.Service, Tags: tagsOf(s.Resource)}
		key, _ := json.Marshal(p)
		id := ids[string(key)]
		if id == "" {
			id = "p" + strconv.Itoa(len(ids)+1)
			ids[string(key)], out.Processes[id] = id, p
		}
		out.Spans = append(out.Spans, spanOf(s, id))
	}
	return out
}

func spanOf(s *trace.Span, process string) Span {
	out := Span{
		TraceID: s.TraceID, SpanID: s.SpanID, Flags: s.Flags & 0xff, Operation: s.Name, References: []Reference{}, Start: s.Start / 1000, Duration: s.Duration / 1000,
		Tags: tagsOf(s.Attrs), Logs: []Log{}, ProcessID: process,
	}
	if s.ParentID != "" {
		out.References = append(out.References, Reference{"CHILD_OF", s.TraceID, s.ParentID})
	}
	for _, l := range s.Links {
		kind := "FOLLOWS_FROM"
		for _, a := range l.Attrs {
			if a.Key == "opentracing.ref_type" && a.Value == "child_of" {
				kind = "CHILD_OF"
			}
		}
		out.References = append(out.References, Reference{kind, l.TraceID, l.SpanID})
	}
	add := func(key, value string) {
		if value != "" {
			out.Tags = append(out.Tags, Tag{key, "string", value})
		}
	}
	add("span.kind", string(s.Kind))
	add("otel.scope.name", s.Scope.Name)
	add("otel.scope.version", s.Scope.Version)
	switch s.Status {
	case trace.Error:
		add("otel.status_code", "ERROR")
		out.Tags = append(out.Tags, Tag{"error", "bool", true})
	case trace.OK:
		add("otel.status_code", "OK")
	}
	add("otel.status_description", s.StatusMessage)
	add("w3c.tracestate", s.TraceState)
	out.Tags = append(out.Tags, tagsOf(s.Scope.Attrs)...)
	for _, e := range s.Events {
		fields := []Tag{}
		if e.Name != "" {
			fields = append(fields, Tag{"event", "string", e.Name})
		}
		out.Logs = append(out.Logs, Log{Timestamp: e.Time / 1000, Fields: append(fields, tagsOf(e.Attrs)...)})
	}
	return out
}

func tagsOf(list []trace.Attr) []Tag {
	out := make([]Tag, 0, len(list))
	for _, a := range list {
		t := Tag{a.Key, "string", a.Value}
		switch a.Type {
		case trace.Int:
			if n, err := strconv.ParseInt(a.Value, 10, 64); err == nil {
				t.Type, t.Value = "int64", n
			}
		case trace.Double:
			if x, err := strconv.ParseFloat(a.Value, 64); err == nil && x-x == 0 { // JSON knows neither NaN nor infinity
				t.Type, t.Value = "float64", x
			}
		case trace.Bool:
			t.Type, t.Value = "bool", a.Value == "true"
		case trace.Bytes:
			t.Type = "binary"
		}
		out = append(out, t)
	}
	return out
}
