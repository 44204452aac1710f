package trace

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

const serviceName = "service.name"

// Each calls f with every span of an export request. The span is valid during the call.
func Each(td ptrace.Traces, f func(*Span)) {
	for _, rs := range td.ResourceSpans().All() {
		base := Span{Unnamed: true, Service: unknownService}
		for k, v := range rs.Resource().Attributes().All() {
			if k == serviceName && v.Type() == pcommon.ValueTypeStr && v.Str() != "" {
				base.Service, base.Unnamed = v.Str(), false
				continue
			}
			base.Resource = append(base.Resource, attrFrom(k, v))
		}
		base.Dropped.Resource = rs.Resource().DroppedAttributesCount()
		base.Scope.Resource = rs.SchemaUrl()
		for _, ss := range rs.ScopeSpans().All() {
			scoped := base
			scope := ss.Scope()
			scoped.Scope.Name, scoped.Scope.Version, scoped.Scope.Schema = scope.Name(), scope.Version(), ss.SchemaUrl()
			scoped.Scope.Attrs = attrsFrom(scope.Attributes())
			scoped.Dropped.Scope = scope.DroppedAttributesCount()
			for _, sp := range ss.Spans().All() {
				s := scoped
				s.from(sp)
				f(&s)
			}
		}
	}
}

func (s *Span) from(sp ptrace.Span) {
	s.TraceID, s.SpanID, s.ParentID = sp.TraceID().String(), sp.SpanID().String(), sp.ParentSpanID().String()
	s.Name, s.TraceState, s.Flags = sp.Name(), sp.TraceState().AsRaw(), sp.Flags()
	s.Start = int64(sp.StartTimestamp())
	s.Duration = max(0, int64(sp.EndTimestamp())-s.Start)
	switch sp.Kind() {
	case ptrace.SpanKindInternal:
		s.Kind = Internal
	case ptrace.SpanKindServer:
		s.Kind = Server
	case ptrace.SpanKindClient:
		s.Kind = Client
	case ptrace.SpanKindProducer:
		s.Kind = Producer
	case ptrace.SpanKindConsumer:
		s.Kind = Consumer
	}
	switch sp.Status().Code() {
	case ptrace.StatusCodeOk:
		s.Status = OK
	case ptrace.StatusCodeError:
		s.Status = Error
	}
	s.StatusMessage = sp.Status().Message()
	s.Attrs = attrsFrom(sp.Attributes())
	for _, e := range sp.Events().All() {
		s.Events = append(s.Events, Event{Time: int64(e.Timestamp()), Name: e.Name(), Attrs: attrsFrom(e.Attributes()), Dropped: e.DroppedAttributesCount()})
	}
	for _, l := range sp.Links().All() {
		s.Links = append(s.Links, Link{TraceID: l.TraceID().String(), SpanID: l.SpanID().String(), TraceState: l.TraceState().AsRaw(), Flags: l.Flags(), Attrs: attrsFrom(l.Attributes()), Dropped: l.DroppedAttributesCount()})
	}
	s.Dropped.Attrs, s.Dropped.Events, s.Dropped.Links = sp.DroppedAttributesCount(), sp.DroppedEventsCount(), sp.DroppedLinksCount()
}

func attrsFrom(m pcommon.Map) []Attr {
	if m.Len() == 0 {
		return nil
	}
	out := make([]Attr, 0, m.Len())
	for k, v := range m.All() {
		out = append(out, attrFrom(k, v))
	}
	return out
}

func attrFrom(key string, v pcommon.Value) Attr {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return Attr{key, String, v.Str()}
	case pcommon.ValueTypeInt:
		return Attr{key, Int, strconv.FormatInt(v.Int(), 10)}
	case pcommon.ValueTypeDouble:
		return Attr{key, Double, strconv.FormatFloat(v.Double(), 'g', -1, 64)}
	case pcommon.ValueTypeBool:
		return Attr{key, Bool, strconv.FormatBool(v.Bool())}
	case pcommon.ValueTypeBytes:
		return Attr{key, Bytes, base64.StdEncoding.EncodeToString(v.Bytes().AsRaw())}
	case pcommon.ValueTypeMap, pcommon.ValueTypeSlice:
		return Attr{key, JSON, encode(anyOf(v, 0))}
	}
	return Attr{key, Empty, ""}
}

// maxDepth is how deep values are kept.
const maxDepth = 32

// anyOf is a value as OTLP/JSON writes it.
func anyOf(v pcommon.Value, depth int) map[string]any {
	if depth > maxDepth {
		return map[string]any{"stringValue": "too deep"}
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return map[string]any{"stringValue": v.Str()}
	case pcommon.ValueTypeInt:
		return map[string]any{"intValue": strconv.FormatInt(v.Int(), 10)}
	case pcommon.ValueTypeDouble:
		return map[string]any{"doubleValue": strconv.FormatFloat(v.Double(), 'g', -1, 64)}
	case pcommon.ValueTypeBool:
		return map[string]any{"boolValue": v.Bool()}
	case pcommon.ValueTypeBytes:
		return map[string]any{"bytesValue": base64.StdEncoding.EncodeToString(v.Bytes().AsRaw())}
	case pcommon.ValueTypeSlice:
		values := make([]any, 0, v.Slice().Len())
		for _, e := range v.Slice().All() {
			values = append(values, anyOf(e, depth+1))
		}
		return map[string]any{"arrayValue": map[string]any{"values": values}}
	case pcommon.ValueTypeMap:
		values := make([]any, 0, v.Map().Len())
		for k, e := range v.Map().All() {
			values = append(values, map[string]any{"key": k, "value": anyOf(e, depth+1)})
		}
		return map[string]any{"kvlistValue": map[string]any{"values": values}}
	}
	return map[string]any{}
}

// Traces makes an OTLP message of spans.
func Traces(spans []*Span) ptrace.Traces {
	td := ptrace.NewTraces()
	for _, s := range spans {
		rs := td.ResourceSpans().AppendEmpty()
		if !s.Unnamed {
			rs.Resource().Attributes().PutStr(serviceName, s.Service)
		}
		attrsTo(rs.Resource().Attributes(), s.Resource)
		rs.Resource().SetDroppedAttributesCount(s.Dropped.Resource)
		rs.SetSchemaUrl(s.Scope.Resource)
		ss := rs.ScopeSpans().AppendEmpty()
		ss.SetSchemaUrl(s.Scope.Schema)
		ss.Scope().SetName(s.Scope.Name)
		ss.Scope().SetVersion(s.Scope.Version)
		ss.Scope().SetDroppedAttributesCount(s.Dropped.Scope)
		attrsTo(ss.Scope().Attributes(), s.Scope.Attrs)
		s.to(ss.Spans().AppendEmpty())
	}
	return td
}

func (s *Span) to(sp ptrace.Span) {
	sp.SetTraceID(id[pcommon.TraceID](s.TraceID))
	sp.SetSpanID(id[pcommon.SpanID](s.SpanID))
	sp.SetParentSpanID(id[pcommon.SpanID](s.ParentID))
	sp.SetName(s.Name)
	sp.TraceState().FromRaw(s.TraceState)
	sp.SetFlags(s.Flags)
	sp.SetStartTimestamp(pcommon.Timestamp(s.Start))
	sp.SetEndTimestamp(pcommon.Timestamp(s.End()))
	sp.SetKind(map[Kind]ptrace.SpanKind{Internal: ptrace.SpanKindInternal, Server: ptrace.SpanKindServer, Client: ptrace.SpanKindClient, Producer: ptrace.SpanKindProducer, Consumer: ptrace.SpanKindConsumer}[s.Kind])
	sp.Status().SetCode(map[Status]ptrace.StatusCode{OK: ptrace.StatusCodeOk, Error: ptrace.StatusCodeError}[s.Status])
	sp.Status().SetMessage(s.StatusMessage)
	attrsTo(sp.Attributes(), s.Attrs)
	for _, e := range s.Events {
		o := sp.Events().AppendEmpty()
		o.SetTimestamp(pcommon.Timestamp(e.Time))
		o.SetName(e.Name)
		o.SetDroppedAttributesCount(e.Dropped)
		attrsTo(o.Attributes(), e.Attrs)
	}
	for _, l := range s.Links {
		o := sp.Links().AppendEmpty()
		o.SetTraceID(id[pcommon.TraceID](l.TraceID))
		o.SetSpanID(id[pcommon.SpanID](l.SpanID))
		o.TraceState().FromRaw(l.TraceState)
		o.SetFlags(l.Flags)
		o.SetDroppedAttributesCount(l.Dropped)
		attrsTo(o.Attributes(), l.Attrs)
	}
	sp.SetDroppedAttributesCount(s.Dropped.Attrs)
	sp.SetDroppedEventsCount(s.Dropped.Events)
	sp.SetDroppedLinksCount(s.Dropped.Links)
}

// id reads a hexadecimal ID; anything else is the empty one.
func id[T ~[8]byte | ~[16]byte](text string) (out T) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return out
	}
	switch p := any(&out).(type) {
	case *pcommon.TraceID:
		copy(p[max(0, 16-len(raw)):], raw)
	case *pcommon.SpanID:
		copy(p[max(0, 8-len(raw)):], raw)
	}
	return out
}

func attrsTo(m pcommon.Map, list []Attr) {
	for _, a := range list {
		v := m.PutEmpty(a.Key)
		switch a.Type {
		case Int:
			n, _ := strconv.ParseInt(a.Value, 10, 64)
			v.SetInt(n)
		case Double:
			x, _ := strconv.ParseFloat(a.Value, 64)
			v.SetDouble(x)
		case Bool:
			v.SetBool(a.Value == "true")
		case Bytes:
			raw, _ := base64.StdEncoding.DecodeString(a.Value)
			v.SetEmptyBytes().FromRaw(raw)
		case JSON:
			var any anyValue
			_ = json.Unmarshal([]byte(a.Value), &any)
			any.to(v)
		case Empty:
		default:
			v.SetStr(a.Value)
		}
	}
}

// anyValue is an OTLP AnyValue as anyOf writes it.
type anyValue struct {
	String *string `json:"stringValue"`
	Int    *string `json:"intValue"`
	Double *string `json:"doubleValue"`
	Bool   *bool   `json:"boolValue"`
	Bytes  *string `json:"bytesValue"`
	Array  *struct {
		Values []anyValue `json:"values"`
	} `json:"arrayValue"`
	Map *struct {
		Values []struct {
			Key   string   `json:"key"`
			Value anyValue `json:"value"`
		} `json:"values"`
	} `json:"kvlistValue"`
}

func (a *anyValue) to(v pcommon.Value) {
	switch {
	case a.String != nil:
		v.SetStr(*a.String)
	case a.Int != nil:
		n, _ := strconv.ParseInt(*a.Int, 10, 64)
		v.SetInt(n)
	case a.Double != nil:
		x, _ := strconv.ParseFloat(*a.Double, 64)
		v.SetDouble(x)
	case a.Bool != nil:
		v.SetBool(*a.Bool)
	case a.Bytes != nil:
		raw, _ := base64.StdEncoding.DecodeString(*a.Bytes)
		v.SetEmptyBytes().FromRaw(raw)
	case a.Array != nil:
		s := v.SetEmptySlice()
		for i := range a.Array.Values {
			a.Array.Values[i].to(s.AppendEmpty())
		}
	case a.Map != nil:
		m := v.SetEmptyMap()
		for i := range a.Map.Values {
			a.Map.Values[i].Value.to(m.PutEmpty(a.Map.Values[i].Key))
		}
	}
}
