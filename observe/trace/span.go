package trace

import (
	"slices"
	"time"
)

// Span is one operation of one service.
type Span struct {
	TraceID, SpanID, ParentID string // hexadecimal; ParentID is "" for a root
	Service, Name             string
	Kind                      Kind
	Start                     int64 // Unix nanoseconds
	Duration                  int64 // nanoseconds, not negative
	Status                    Status
	StatusMessage             string
	TraceState                string
	Flags                     uint32
	Resource, Attrs           []Attr // Resource without service.name
	Scope                     Scope
	Events                    []Event
	Links                     []Link
	Dropped                   Dropped
	Unnamed                   bool // no service.name was sent
}

// Kind is a span's kind: "" is unspecified.
type Kind string

// The kinds.
const (
	Internal Kind = "internal"
	Server   Kind = "server"
	Client   Kind = "client"
	Producer Kind = "producer"
	Consumer Kind = "consumer"
)

// Status is a span's status: "" is unset.
type Status string

// The statuses.
const (
	OK    Status = "ok"
	Error Status = "error"
)

// Scope is what instrumented the service.
type Scope struct {
	Name, Version string
	Attrs         []Attr
	Schema        string
	Resource      string // the resource's schema
}

// Attr is an attribute. Value is what people read: 12, true, text; of Bytes it is
// base64, of JSON an OTLP AnyValue.
type Attr struct {
	Key   string
	Type  Type
	Value string
}

// Type is the type of an attribute's value.
type Type byte

// The types.
const (
	String Type = 's'
	Int    Type = 'i'
	Double Type = 'd'
	Bool   Type = 'b'
	Bytes  Type = 'y'
	JSON   Type = 'j' // an array or a map
	Empty  Type = 'e'
)

// Event is something that happened during a span.
type Event struct {
	Time    int64  `json:"t"`
	Name    string `json:"n,omitempty"`
	Attrs   []Attr `json:"a,omitempty"`
	Dropped uint32 `json:"d,omitempty"`
}

// Link is another span that this one has to do with.
type Link struct {
	TraceID    string `json:"t,omitempty"`
	SpanID     string `json:"s,omitempty"`
	TraceState string `json:"ts,omitempty"`
	Flags      uint32 `json:"f,omitempty"`
	Attrs      []Attr `json:"a,omitempty"`
	Dropped    uint32 `json:"d,omitempty"`
}

// Dropped is how much the sender itself has left out.
type Dropped struct {
	Resource, Scope, Attrs, Events, Links uint32
}

// End is when the span ended, in Unix nanoseconds.
func (s *Span) End() int64 { return s.Start + s.Duration }

// Took is the duration.
func (s *Span) Took() time.Duration { return time.Duration(s.Duration) }

func find(list []Attr, key string) (Attr, bool) {
	if i := slices.IndexFunc(list, func(a Attr) bool { return a.Key == key }); i >= 0 {
		return list[i], true
	}
	return Attr{}, false
}

// Has says whether the span carries an attribute of this value anywhere: its own, its
// resource's, its scope's, those of its events and links. This is what Jaeger calls tags.
func (s *Span) Has(key, value string) bool {
	has := func(list []Attr) bool {
		return slices.ContainsFunc(list, func(a Attr) bool { return a.Key == key && a.Value == value })
	}
	switch {
	case key == "error" && value == "true" && s.Status == Error,
		key == "span.kind" && string(s.Kind) == value,
		key == "otel.status_code" && statusCode(s.Status) == value,
		(key == "otel.scope.name" || key == "otel.library.name") && s.Scope.Name == value,
		(key == "otel.scope.version" || key == "otel.library.version") && s.Scope.Version == value,
		key == "service.name" && s.Service == value,
		has(s.Attrs), has(s.Resource), has(s.Scope.Attrs):
		return true
	}
	for i := range s.Events {
		if has(s.Events[i].Attrs) || key == "event" && s.Events[i].Name == value {
			return true
		}
	}
	for i := range s.Links {
		if has(s.Links[i].Attrs) {
			return true
		}
	}
	return false
}

func statusCode(s Status) string {
	switch s {
	case OK:
		return "OK"
	case Error:
		return "ERROR"
	}
	return "UNSET"
}
