package otlp

import (
	"net/http"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/evenkeel/evenkeel/observe"
)

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// ServeHTTP serves POST /v1/metrics.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	refused := func(reason string) { r.store.Refused(receiver, reason) }
	serve(w, req, r.store.Limits().BodyBytes, refused, func(kind string, body []byte) (message, *observe.Refusal) {
		export := pmetricotlp.NewExportRequest()
		if refusal := decode("ExportMetricsServiceRequest", kind, body, export.UnmarshalJSON, export.UnmarshalProto); refusal != nil {
			return nil, refusal
		}
		resp, err := r.export(req.Context(), export.Metrics(), source(req))
		return resp, ours(err)
	})
}
