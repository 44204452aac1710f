// Package remotewrite receives Prometheus remote write 1.0 and 2.0 on one path.
//
// In: a snappy-compressed protobuf message, hostile. Out: samples through the guarded
// door. Promise: 204 means that every sample is in the write-ahead log; 400 means that
// those named in the answer were refused and all others are stored; 5xx means that
// nothing was acknowledged and the sender may send it again.
package remotewrite

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"

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
	http.Error(w, err.Error(), refusal.Status)
}

type stats struct{ samples, histograms, exemplars int }

func (h *handler) receive(w http.ResponseWriter, r *http.Request, written *stats) (v2 bool, err error) {
	v2, refusal := message(r)
	if refusal == nil {
		var body []byte
		if body, refusal = h.body(w, r); refusal == nil {
			if v2 {
				return v2, h.storeV2(r, body, written)
			}
			return v2, h.storeV1(r, body)
		}
	}
	h.store.Refused(receiver, refusal.Reason)
	return v2, refusal
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

// body reads and decompresses within the limit, on both sides of the compression.
func (h *handler) body(w http.ResponseWriter, r *http.Request) ([]byte, *observe.Refusal) {
	limit := h.store.Limits().BodyBytes
	packed, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, observe.TooLarge(limit)
		}
		return nil, &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "a whole body: " + err.Error()}
	}
	size, err := snappy.DecodedLen(packed)
	if err != nil {
		return nil, &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "snappy block format: " + err.Error()}
	}
	if int64(size) > limit {
		return nil, observe.TooLarge(limit)
	}
	body, err := snappy.Decode(nil, packed)
	if err != nil {
		return nil, &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "snappy block format: " + err.Error()}
	}
	return body, nil
}

// batch is one request being stored: what is valid goes in, what is not is named.
type batch struct {
	h       *handler
	guard   *metrics.Guard
	limit   int
	seen    int
	extra   []string // refusals that the guard did not see
	nExtra  int
	failure error
}

func (h *handler) begin(r *http.Request) *batch {
	return &batch{h: h, guard: h.door.Begin(r.Context()), limit: h.store.Limits().SamplesPerWrite}
}

// add appends one sample; false ends the request: the store itself has failed.
func (b *batch) add(ref *storage.SeriesRef, ls labels.Labels, st, t int64, v float64, hi *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AOptions) (stored, goOn bool) {
	if b.seen++; b.seen > b.limit {
		b.refuse("limit_samples", fmt.Sprintf("expected at most %d samples in a request (limits.samples_per_write)", b.limit))
		return false, true
	}
	got, err := b.guard.Append(*ref, ls, st, t, v, hi, fh, o)
	if err == nil {
		*ref = got
		return true, true
	}
	var refusal *observe.Refusal
	if errors.As(err, &refusal) {
		return false, true
	}
	b.failure = err
	return false, false
}

func (b *batch) refuse(reason, text string) {
	b.h.store.Refused(receiver, reason)
	if b.nExtra++; len(b.extra) < 5 {
		b.extra = append(b.extra, text)
	}
}

// end commits what is valid and says what was not.
func (b *batch) end() error {
	if b.failure != nil {
		_ = b.guard.Rollback()
		return &observe.Refusal{Status: http.StatusServiceUnavailable, Reason: "store", Want: "a store that can write: " + b.failure.Error()}
	}
	if err := b.guard.Commit(); err != nil {
		return err
	}
	refused, why := b.guard.Refused()
	if refused+b.nExtra == 0 {
		return nil
	}
	lines := b.extra
	for _, r := range why {
		if len(lines) == 5 {
			break
		}
		lines = append(lines, r.Error())
	}
	text := fmt.Sprintf("%d stored, %d refused: %s", b.guard.Accepted(), refused+b.nExtra, strings.Join(lines, "; "))
	return &observe.Refusal{Status: http.StatusBadRequest, Reason: "partial", Want: text}
}

func malformed(err error) *observe.Refusal {
	return &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "a remote write message: " + err.Error()}
}

func (h *handler) storeV1(r *http.Request, body []byte) error {
	var req prompb.WriteRequest
	if err := proto.Unmarshal(body, &req); err != nil {
		h.store.Refused(receiver, "malformed")
		return malformed(err)
	}
	b := h.begin(r)
	lb := labels.NewScratchBuilder(16)
	for _, ts := range req.Timeseries {
		ls := ts.ToLabels(&lb, nil)
		var ref storage.SeriesRef
		for _, s := range ts.Samples {
			if _, ok := b.add(&ref, ls, 0, s.Timestamp, s.Value, nil, nil, storage.AOptions{}); !ok {
				return b.end()
			}
		}
		for _, hp := range ts.Histograms {
			ih, fh := histogramV1(hp)
			if _, ok := b.add(&ref, ls, 0, hp.Timestamp, 0, ih, fh, storage.AOptions{}); !ok {
				return b.end()
			}
		}
		if ref != 0 && len(ts.Exemplars) > 0 {
			ex := make([]exemplar.Exemplar, 0, len(ts.Exemplars))
			for _, e := range ts.Exemplars {
				ex = append(ex, e.ToExemplar(&lb, nil))
			}
			_, _ = b.guard.AppendExemplars(ref, ls, ex)
		}
	}
	return b.end()
}

func histogramV1(hp prompb.Histogram) (*histogram.Histogram, *histogram.FloatHistogram) {
	if hp.IsFloatHistogram() {
		return nil, hp.ToFloatHistogram()
	}
	return hp.ToIntHistogram(), nil
}

func (h *handler) storeV2(r *http.Request, body []byte, written *stats) error {
	var req writev2.Request
	if err := proto.Unmarshal(body, &req); err != nil {
		h.store.Refused(receiver, "malformed")
		return malformed(err)
	}
	b := h.begin(r)
	lb := labels.NewScratchBuilder(16)
	for i, ts := range req.Timeseries {
		ls, err := ts.ToLabels(&lb, req.Symbols)
		if err != nil {
			b.refuse("malformed", fmt.Sprintf("series %d: %v", i, err))
			continue
		}
		var ref storage.SeriesRef
		for _, s := range ts.Samples {
			stored, ok := b.add(&ref, ls, s.StartTimestamp, s.Timestamp, s.Value, nil, nil, storage.AOptions{})
			if !ok {
				return b.end()
			}
			if stored {
				written.samples++
			}
		}
		for _, hp := range ts.Histograms {
			var ih *histogram.Histogram
			var fh *histogram.FloatHistogram
			if hp.IsFloatHistogram() {
				fh = hp.ToFloatHistogram()
			} else {
				ih = hp.ToIntHistogram()
			}
			stored, ok := b.add(&ref, ls, hp.StartTimestamp, hp.Timestamp, 0, ih, fh, storage.AOptions{})
			if !ok {
				return b.end()
			}
			if stored {
				written.histograms++
			}
		}
		if ref == 0 {
			continue
		}
		var ex []exemplar.Exemplar
		for _, e := range ts.Exemplars {
			if one, err := e.ToExemplar(&lb, req.Symbols); err == nil {
				ex = append(ex, one)
			}
		}
		if len(ex) > 0 {
			if _, err := b.guard.AppendExemplars(ref, ls, ex); err == nil {
				written.exemplars += len(ex)
			}
		}
	}
	err := b.end()
	var refusal *observe.Refusal
	if errors.As(err, &refusal) && refusal.Status >= http.StatusInternalServerError {
		*written = stats{} // nothing was acknowledged
	}
	return err
}
