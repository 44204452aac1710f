package otlp

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/evenkeel/evenkeel/observe"
)

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// ServeHTTP serves POST /v1/metrics.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || (kind != protobufType && kind != jsonType) {
		r.fail(w, protobufType, &observe.Refusal{
			Status: http.StatusUnsupportedMediaType, Reason: "malformed", Where: "Content-Type",
			Got: req.Header.Get("Content-Type"), Want: protobufType + " or " + jsonType,
		})
		return
	}
	body, refusal := r.body(w, req)
	if refusal != nil {
		r.fail(w, kind, refusal)
		return
	}
	export := pmetricotlp.NewExportRequest()
	if kind == jsonType {
		err = unmarshalJSON(export, body)
	} else {
		err = export.UnmarshalProto(body)
	}
	if err != nil {
		r.fail(w, kind, &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "an ExportMetricsServiceRequest: " + err.Error()})
		return
	}
	resp, err := r.export(req.Context(), export.Metrics())
	if err != nil {
		r.fail(w, kind, &observe.Refusal{Status: http.StatusServiceUnavailable, Reason: "store", Want: err.Error()})
		return
	}
	var out []byte
	if kind == jsonType {
		out, err = resp.MarshalJSON()
	} else {
		out, err = resp.MarshalProto()
	}
	if err != nil {
		r.fail(w, kind, &observe.Refusal{Status: http.StatusInternalServerError, Reason: "store", Want: err.Error()})
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(out)
}

// unmarshalJSON turns the panics that the decoder has for some malformed input into errors.
func unmarshalJSON(into pmetricotlp.ExportRequest, body []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed: %v", p)
		}
	}()
	return into.UnmarshalJSON(body)
}

func (r *Receiver) body(w http.ResponseWriter, req *http.Request) ([]byte, *observe.Refusal) {
	limit := r.store.Limits().BodyBytes
	var src io.Reader = http.MaxBytesReader(w, req.Body, limit)
	switch enc := req.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		zr, err := gzip.NewReader(src)
		if err != nil {
			return nil, &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "gzip: " + err.Error()}
		}
		src = zr
	default:
		return nil, &observe.Refusal{Status: http.StatusUnsupportedMediaType, Reason: "malformed", Where: "Content-Encoding", Got: enc, Want: "gzip"}
	}
	body, err := io.ReadAll(io.LimitReader(src, limit+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), int64(len(body)) > limit:
		return nil, observe.TooLarge(limit)
	case err != nil:
		return nil, &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "a whole body: " + err.Error()}
	}
	return body, nil
}

// fail answers with a google.rpc.Status in the request's own encoding, as OTLP asks.
func (r *Receiver) fail(w http.ResponseWriter, kind string, refusal *observe.Refusal) {
	r.store.Refused(receiver, refusal.Reason)
	code := codes.InvalidArgument
	if refusal.Status >= http.StatusInternalServerError {
		code = codes.Unavailable
	}
	st := &spb.Status{Code: int32(code), Message: refusal.Error()}
	var out []byte
	var err error
	if kind == jsonType {
		out, err = protojson.Marshal(st)
	} else {
		out, err = proto.Marshal(st)
	}
	if err != nil {
		http.Error(w, refusal.Error(), refusal.Status)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(refusal.Status)
	_, _ = w.Write(out)
}
