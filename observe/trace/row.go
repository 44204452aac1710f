package trace

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/observe/logs"
)

// The fields of a span's row. A query in LogsQL may use them: service.name, name,
// trace_id, duration (nanoseconds), span.K and resource.K for attributes.
const (
	fieldService, fieldName         = "service.name", "name"
	fieldTrace, fieldSpan           = "trace_id", "span_id"
	fieldParent, fieldKind          = "parent_id", "kind"
	fieldDuration, fieldStatus      = "duration", "status"
	fieldMessage, fieldState        = "status_message", "trace_state"
	fieldFlags                      = "flags"
	fieldScope, fieldScopeVer       = "scope.name", "scope.version"
	fieldSchema, fieldResSchema     = "scope.schema_url", "resource_schema_url"
	fieldEvents, fieldLinks         = "events", "links"
	fieldTypes, fieldDropped        = "types", "dropped"
	ofSpan, ofResource, ofScope     = "span.", "resource.", "scope.attributes."
	unknownService, absent          = "unknown_service", "-"
	streams                     int = 2 // service and name
)

// appendRow writes a span as a row. Types holds those of attributes that are not text.
func appendRow(fields []logs.Field, s *Span) []logs.Field {
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, logs.Field{Name: name, Value: value})
		}
	}
	types := map[string]string{}
	service := s.Service
	if s.Unnamed || service == "" {
		service, types[fieldService] = unknownService, absent
	}
	name := s.Name
	if name == "" {
		name, types[fieldName] = absent, absent
	}
	add(fieldService, service)
	add(fieldName, name)
	add(fieldTrace, s.TraceID)
	add(fieldSpan, s.SpanID)
	add(fieldParent, s.ParentID)
	add(fieldKind, string(s.Kind))
	add(fieldDuration, strconv.FormatInt(s.Duration, 10))
	add(fieldStatus, string(s.Status))
	add(fieldMessage, s.StatusMessage)
	add(fieldState, s.TraceState)
	if s.Flags != 0 {
		add(fieldFlags, strconv.FormatUint(uint64(s.Flags), 10))
	}
	add(fieldScope, s.Scope.Name)
	add(fieldScopeVer, s.Scope.Version)
	add(fieldSchema, s.Scope.Schema)
	add(fieldResSchema, s.Scope.Resource)
	attrs := func(prefix string, list []Attr) {
		for _, a := range list {
			name := prefix + a.Key
			value := a.Value
			if a.Type != String {
				types[name] = string(rune(a.Type))
			}
			if value == "" { // a column has no value that is empty
				types[name] = string(rune(a.Type)) + absent
				value = absent
			}
			fields = append(fields, logs.Field{Name: name, Value: value})
		}
	}
	attrs(ofResource, s.Resource)
	attrs(ofScope, s.Scope.Attrs)
	attrs(ofSpan, s.Attrs)
	if len(s.Events) > 0 {
		add(fieldEvents, encode(s.Events))
	}
	if len(s.Links) > 0 {
		add(fieldLinks, encode(s.Links))
	}
	if s.Dropped != (Dropped{}) {
		add(fieldDropped, encode(s.Dropped))
	}
	if len(types) > 0 {
		add(fieldTypes, encode(types))
	}
	return fields
}

func encode(v any) string {
	out, err := json.Marshal(v)
	if err != nil { // strings and numbers: it cannot be
		panic(fmt.Sprintf("cannot encode %T: %v", v, err))
	}
	return string(out)
}

// spanOf reads a row back. What does not parse, because it was cut, is left out.
func spanOf(row logs.Row) *Span {
	s := &Span{Start: row.Time}
	types := map[string]string{}
	_ = json.Unmarshal([]byte(row.Field(fieldTypes)), &types)
	for _, f := range row.Fields {
		value := strings.Clone(f.Value) // the row is valid during the call only
		switch f.Name {
		case fieldService:
			s.Service, s.Unnamed = value, types[fieldService] == absent
		case fieldName:
			if types[fieldName] != absent {
				s.Name = value
			}
		case fieldTrace:
			s.TraceID = value
		case fieldSpan:
			s.SpanID = value
		case fieldParent:
			s.ParentID = value
		case fieldKind:
			s.Kind = Kind(value)
		case fieldDuration:
			s.Duration, _ = strconv.ParseInt(value, 10, 64)
		case fieldStatus:
			s.Status = Status(value)
		case fieldMessage:
			s.StatusMessage = value
		case fieldState:
			s.TraceState = value
		case fieldFlags:
			n, _ := strconv.ParseUint(value, 10, 32)
			s.Flags = uint32(n)
		case fieldScope:
			s.Scope.Name = value
		case fieldScopeVer:
			s.Scope.Version = value
		case fieldSchema:
			s.Scope.Schema = value
		case fieldResSchema:
			s.Scope.Resource = value
		case fieldEvents:
			_ = json.Unmarshal([]byte(value), &s.Events)
		case fieldLinks:
			_ = json.Unmarshal([]byte(value), &s.Links)
		case fieldDropped:
			_ = json.Unmarshal([]byte(value), &s.Dropped)
		default:
			for prefix, into := range map[string]*[]Attr{ofResource: &s.Resource, ofScope: &s.Scope.Attrs, ofSpan: &s.Attrs} {
				if key, ok := strings.CutPrefix(f.Name, prefix); ok {
					*into = append(*into, attrOf(strings.Clone(key), value, types[f.Name]))
				}
			}
		}
	}
	return s
}

func attrOf(key, value, kind string) Attr {
	a := Attr{Key: key, Type: String, Value: value}
	if kind != "" {
		a.Type = Type(kind[0])
		if len(kind) > 1 {
			a.Value = ""
		}
	}
	return a
}
