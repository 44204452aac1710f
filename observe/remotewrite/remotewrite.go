// Package remotewrite receives Prometheus remote write 1.0 and 2.0 on one path.
//
// In: a snappy-compressed protobuf message, hostile. Out: samples through the guarded
// door. Promise: 204 means that every sample is in the write-ahead log; 400 means that
// those named in the answer were refused and all others are stored; 5xx means that
// nothing was acknowledged and the sender may send it again.
package remotewrite

import (
	"bytes"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"sync"

	"github.com/klauspost/compress/snappy"

	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/metrics"
)

const receiver = "remote_write"

// The names of the two messages, as content types name them.
const (
	messageV1 = "prometheus.WriteRequest"
	messageV2 = "io.prometheus.write.v2.Request"
)

// Handler serves POST /api/v1/write.
func Handler(store *metrics.Store, logger *slog.Logger) http.Handler {
	return &handler{store: store, door: store.Guarded(receiver, true), logger: logger}
}

type handler struct {
	known  known
	store  *metrics.Store
	door   *metrics.Door
	logger *slog.Logger
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	written := stats{}
	v2, err := h.receive(w, r, &written)
	if v2 { // the sender counts what arrived by these, also when some was refused
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(written.samples))
		w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(written.histograms))
		w.Header().Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(written.exemplars))
	}
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var refusal *observe.Refusal
	if !errors.As(err, &refusal) {
		refusal = &observe.Refusal{Status: http.StatusInternalServerError, Reason: "store", Want: err.Error()}
	}
	if refusal.Status >= http.StatusInternalServerError {
		h.logger.Error("cannot store remote write", "err", err)
	}
	refusal.RetryAfter(w.Header())
	http.Error(w, err.Error(), refusal.Status)
}

type stats struct{ samples, histograms, exemplars int }

func (h *handler) receive(w http.ResponseWriter, r *http.Request, written *stats) (v2 bool, err error) {
	v2, refusal := message(r)
	if refusal == nil {
		var body []byte
		buf := buffers.Get().(*buffer)
		defer buf.release()
		if body, refusal = h.body(w, r, buf); refusal == nil {
			refusal = h.bounded(r, body, v2)
		}
		if refusal == nil {
			if v2 {
				return v2, h.storeV2(r, body, written)
			}
			return v2, h.storeV1(r, body, written)
		}
	}
	return v2, h.refuse(refusal)
}

// refuse counts what was refused before any sample was seen.
func (h *handler) refuse(r *observe.Refusal) error {
	h.store.Refused(receiver, r.Reason)
	return r
}

// message reads the content type and encoding.
func message(r *http.Request) (v2 bool, _ *observe.Refusal) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "snappy" {
		return false, &observe.Refusal{Status: http.StatusUnsupportedMediaType, Reason: "malformed", Where: "Content-Encoding", Got: enc, Want: "snappy"}
	}
	ct := r.Header.Get("Content-Type")
	if ct == "" {
		return false, nil // senders of 1.0 before it said so
	}
	kind, params, err := mime.ParseMediaType(ct)
	if err != nil || kind != "application/x-protobuf" {
		return false, &observe.Refusal{Status: http.StatusUnsupportedMediaType, Reason: "malformed", Where: "Content-Type", Got: ct, Want: "application/x-protobuf"}
	}
	switch params["proto"] {
	case "", messageV1:
		return false, nil
	case messageV2:
		return true, nil
	}
	return false, &observe.Refusal{Status: http.StatusUnsupportedMediaType, Reason: "malformed", Where: "Content-Type", Got: params["proto"], Want: messageV1 + " or " + messageV2}
}

// buffer holds a request; nothing that outlives the request may point into it.
type buffer struct {
	packed bytes.Buffer
	body   []byte
}

var buffers = sync.Pool{New: func() any { return &buffer{} }}

// release keeps the buffer for another request, unless it is a large one.
func (b *buffer) release() {
	if b.packed.Cap()+cap(b.body) <= 4<<20 {
		b.packed.Reset()
		buffers.Put(b)
	}
}

// body reads and decompresses within the limit, on both sides of the compression.
func (h *handler) body(w http.ResponseWriter, r *http.Request, buf *buffer) ([]byte, *observe.Refusal) {
	limit := h.store.Limits().BodyBytes
	if _, err := buf.packed.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, observe.TooLarge(limit)
		}
		return nil, &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "a whole body: " + err.Error()}
	}
	packed := buf.packed.Bytes()
	size, err := snappy.DecodedLen(packed)
	if err != nil {
		return nil, &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "snappy block format: " + err.Error()}
	}
	if int64(size) > limit {
		return nil, observe.TooLarge(limit)
	}
	body, err := snappy.Decode(buf.body[:cap(buf.body)], packed)
	if err != nil {
		return nil, &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "snappy block format: " + err.Error()}
	}
	buf.body = body
	return body, nil
}
