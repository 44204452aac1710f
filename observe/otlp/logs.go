package otlp

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// LogReceiver stores log records. Resource attributes keep their names and make the
// stream (see logs.StreamFields); so do the record's own, which yield where both have
// the same name. Nothing that was sent is left out.
type LogReceiver struct {
	store *logs.Store
	body  func() int64 // limit of a request's body, in bytes
}

// NewLogs makes a receiver of logs.
func NewLogs(store *logs.Store, body func() int64) *LogReceiver {
	return &LogReceiver{store: store, body: body}
}

// export stores one request.
func (r *LogReceiver) export(ld plog.Logs, source string) (plogotlp.ExportResponse, error) {
	resp := plogotlp.NewExportResponse()
	batch := r.store.Begin(logs.Origin{Receiver: receiver, Source: source, Arrival: true})
	var fields []logs.Field
	for ri, rl := range ld.ResourceLogs().All() {
		resource, streams := resourceFields(rl.Resource())
		if rl.SchemaUrl() != "" {
			resource = append(resource, logs.Field{Name: "resource.schema_url", Value: rl.SchemaUrl()})
		}
		for si, sl := range rl.ScopeLogs().All() {
			common := append(resource[:len(resource):len(resource)], scopeFields(sl.Scope())...)
			if sl.SchemaUrl() != "" {
				common = append(common, logs.Field{Name: "scope.schema_url", Value: sl.SchemaUrl()})
			}
			for i, rec := range sl.LogRecords().All() {
				fields = append(fields[:0], common...)
				at := int64(rec.Timestamp())
				fields = recordFields(fields, len(common), rec)
				if at == 0 {
					at = int64(rec.ObservedTimestamp())
				}
				if r := batch.Add(at, fields, streams); r != nil { // it is counted and told below
					r.At("resource %d, scope %d, record %d", ri, si, i)
				}
			}
		}
	}
	if err := batch.Commit(); err != nil {
		return resp, err
	}
	if n, text := batch.Refused(); text != "" {
		resp.PartialSuccess().SetRejectedLogRecords(int64(n))
		resp.PartialSuccess().SetErrorMessage(text)
	}
	return resp, nil
}

// resourceFields are a resource's attributes, those of the stream first.
func resourceFields(res pcommon.Resource) (fields []logs.Field, streams int) {
	attrs := res.Attributes()
	for _, name := range logs.StreamFields {
		if v, ok := attrs.Get(name); ok && v.Type() == pcommon.ValueTypeStr && v.Str() != "" {
			fields = append(fields, logs.Field{Name: name, Value: v.Str()})
		}
	}
	streams = len(fields)
	for k, v := range attrs.All() {
		if !slices.ContainsFunc(fields[:streams], func(f logs.Field) bool { return f.Name == k }) {
			fields = appendValue(fields, k, v)
		}
	}
	if n := res.DroppedAttributesCount(); n > 0 {
		fields = append(fields, logs.Field{Name: "resource.dropped_attributes_count", Value: strconv.FormatUint(uint64(n), 10)})
	}
	return fields, streams
}

func scopeFields(s pcommon.InstrumentationScope) []logs.Field {
	var out []logs.Field
	if s.Name() != "" {
		out = append(out, logs.Field{Name: "scope.name", Value: s.Name()})
	}
	if s.Version() != "" {
		out = append(out, logs.Field{Name: "scope.version", Value: s.Version()})
	}
	for k, v := range s.Attributes().All() {
		out = appendValue(out, "scope.attributes."+k, v)
	}
	return out
}

func recordFields(fields []logs.Field, common int, rec plog.LogRecord) []logs.Field {
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, logs.Field{Name: name, Value: value})
		}
	}
	switch body := rec.Body(); body.Type() {
	case pcommon.ValueTypeStr:
		add("", body.Str())
	case pcommon.ValueTypeMap:
		fields = appendValue(fields, "body", body)
		add("", mapMessage(body.Map(), body))
	case pcommon.ValueTypeEmpty:
		add("", rec.EventName())
	default:
		add("", body.AsString())
	}
	text := rec.SeverityText()
	if text == "" {
		text = severityName(rec.SeverityNumber())
	}
	add("severity", text)
	if n := rec.SeverityNumber(); n != 0 {
		add("severity_number", strconv.Itoa(int(n)))
	}
	add("event_name", rec.EventName())
	if id := rec.TraceID(); !id.IsEmpty() {
		add("trace_id", id.String())
	}
	if id := rec.SpanID(); !id.IsEmpty() {
		add("span_id", id.String())
	}
	if f := rec.Flags(); f != 0 {
		add("flags", strconv.FormatUint(uint64(f), 10))
	}
	if o := rec.ObservedTimestamp(); o != 0 && o != rec.Timestamp() && rec.Timestamp() != 0 {
		add("observed_time", strconv.FormatUint(uint64(o), 10))
	}
	if n := rec.DroppedAttributesCount(); n > 0 {
		add("dropped_attributes_count", strconv.FormatUint(uint64(n), 10))
	}
	taken := len(fields)
	for k, v := range rec.Attributes().All() {
		name := k
		for i := range fields[:taken] {
			if fields[i].Name == name || name == "_msg" {
				name = "attributes." + k
				break
			}
		}
		fields = appendValue(fields, name, v)
	}
	return fields
}

// mapMessage is the message within a structured body, or the whole as JSON.
func mapMessage(m pcommon.Map, whole pcommon.Value) string {
	for _, key := range []string{"message", "msg", "event"} {
		if v, ok := m.Get(key); ok && v.Type() == pcommon.ValueTypeStr && v.Str() != "" {
			return v.Str()
		}
	}
	return whole.AsString()
}

const maxDepth = 8

// appendValue adds a value; a map becomes one field for each of its leaves.
func appendValue(fields []logs.Field, name string, v pcommon.Value) []logs.Field {
	return appendDeep(fields, name, v, 0)
}

func appendDeep(fields []logs.Field, name string, v pcommon.Value, depth int) []logs.Field {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return append(fields, logs.Field{Name: name, Value: v.Str()})
	case pcommon.ValueTypeMap:
		if depth < maxDepth && v.Map().Len() > 0 {
			for k, inner := range v.Map().All() {
				fields = appendDeep(fields, name+"."+k, inner, depth+1)
			}
			return fields
		}
	case pcommon.ValueTypeEmpty:
		return fields
	}
	return append(fields, logs.Field{Name: name, Value: v.AsString()})
}

func severityName(n plog.SeverityNumber) string {
	switch {
	case n <= 0 || n > 24:
		return ""
	default:
		return strings.ToLower([]string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}[(n-1)/4])
	}
}

// ServeHTTP serves POST /v1/logs.
func (r *LogReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	refused := func(reason string) { r.store.Refused(receiver, reason, 1) }
	serve(w, req, r.body(), refused, func(kind string, body []byte) (message, *observe.Refusal) {
		export := plogotlp.NewExportRequest()
		if refusal := decode("ExportLogsServiceRequest", kind, body, export.UnmarshalJSON, export.UnmarshalProto); refusal != nil {
			return nil, refusal
		}
		resp, err := r.export(export.Logs(), source(req))
		return resp, ours(err)
	})
}

// RegisterGRPC adds the service to a server.
func (r *LogReceiver) RegisterGRPC(srv *grpc.Server) {
	plogotlp.RegisterGRPCServer(srv, &logService{r: r})
}

type logService struct {
	plogotlp.UnimplementedGRPCServer
	r *LogReceiver
}

// Export implements plogotlp.GRPCServer.
func (s *logService) Export(ctx context.Context, req plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	from := ""
	if p, ok := peer.FromContext(ctx); ok {
		from = host(p.Addr.String())
	}
	resp, err := s.r.export(req.Logs(), from)
	if err != nil {
		return resp, grpcError(err)
	}
	return resp, nil
}

// grpcError is what a gRPC sender is told of a request that was not stored. Without a
// RetryInfo, senders drop what a RESOURCE_EXHAUSTED has refused.
func grpcError(err error) error {
	r := ours(err)
	wait, again := r.Retry()
	switch {
	case r.Status >= http.StatusInternalServerError:
		return status.Error(codes.Unavailable, err.Error())
	case !again:
		return status.Error(codes.InvalidArgument, err.Error())
	}
	st := status.New(codes.ResourceExhausted, err.Error())
	if detailed, derr := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)}); derr == nil {
		st = detailed
	}
	return st.Err()
}
