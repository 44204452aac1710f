package otlp

import (
	"context"
	"net/http"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/trace"
)

// TraceReceiver stores spans.
type TraceReceiver struct {
	store *trace.Store
	body  func() int64 // limit of a request's body, in bytes
}

// NewTraces makes a receiver of spans.
func NewTraces(store *trace.Store, body func() int64) *TraceReceiver {
	return &TraceReceiver{store: store, body: body}
}

func (r *TraceReceiver) export(td ptrace.Traces, source string) (ptraceotlp.ExportResponse, error) {
	resp := ptraceotlp.NewExportResponse()
	batch := r.store.Begin(receiver, source)
	trace.Each(td, func(s *trace.Span) { batch.Add(s) }) // a refusal is counted and told below
	if err := batch.Commit(); err != nil {
		return resp, err
	}
	if n, text := batch.Refused(); text != "" {
		resp.PartialSuccess().SetRejectedSpans(int64(n))
		resp.PartialSuccess().SetErrorMessage(text)
	}
	return resp, nil
}

// ServeHTTP serves POST /v1/traces.
func (r *TraceReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	refused := func(reason string) { r.store.Rows().Refused(receiver, reason, 1) }
	serve(w, req, r.body(), refused, func(kind string, body []byte) (message, *observe.Refusal) {
		export := ptraceotlp.NewExportRequest()
		if refusal := decode("ExportTraceServiceRequest", kind, body, export.UnmarshalJSON, export.UnmarshalProto); refusal != nil {
			return nil, refusal
		}
		resp, err := r.export(export.Traces(), source(req))
		return resp, ours(err)
	})
}

// RegisterGRPC adds the service to a server.
func (r *TraceReceiver) RegisterGRPC(srv *grpc.Server) {
	ptraceotlp.RegisterGRPCServer(srv, &traceService{r: r})
}

type traceService struct {
	ptraceotlp.UnimplementedGRPCServer
	r *TraceReceiver
}

// Export implements ptraceotlp.GRPCServer.
func (s *traceService) Export(ctx context.Context, req ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	from := ""
	if p, ok := peer.FromContext(ctx); ok {
		from = host(p.Addr.String())
	}
	resp, err := s.r.export(req.Traces(), from)
	if err != nil {
		return resp, grpcError(err)
	}
	return resp, nil
}
