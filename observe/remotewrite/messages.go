package remotewrite

import (
	"fmt"
	"net/http"

	"github.com/gogo/protobuf/proto"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/metrics"
)

// storeV1 stores a prometheus.WriteRequest.
func (h *handler) storeV1(r *http.Request, body []byte, written *stats) error {
	var req prompb.WriteRequest
	if err := proto.Unmarshal(body, &req); err != nil {
		return h.refuse(malformed(err))
	}
	b := &batch{guard: h.door.Begin(r.Context()), written: written}
	limits := h.store.Limits()
	lb := labels.NewScratchBuilder(16)
	for i, ts := range req.Timeseries {
		if refusal := checkV1(ts.Labels, limits); refusal != nil {
			b.refuse(len(ts.Samples)+len(ts.Histograms), i, refusal)
			continue
		}
		s := &series{batch: b, labels: ts.ToLabels(&lb, nil)}
		for _, p := range ts.Samples {
			s.sample(0, p.Timestamp, p.Value)
		}
		for _, p := range ts.Histograms {
			if p.IsFloatHistogram() {
				s.histogram(0, p.Timestamp, nil, p.ToFloatHistogram())
			} else {
				s.histogram(0, p.Timestamp, p.ToIntHistogram(), nil)
			}
		}
		var ex []exemplar.Exemplar
		for _, e := range ts.Exemplars {
			if checkV1(e.Labels, limits) == nil {
				ex = append(ex, e.ToExemplar(&lb, nil))
			}
		}
		s.exemplars(ex)
	}
	return b.end()
}

// checkV1 is before labels are built of them, which must not be too long for that.
func checkV1(pairs []prompb.Label, limits declare.Limits) *observe.Refusal {
	if len(pairs) > limits.LabelsPerSeries {
		return tooMany(len(pairs), limits)
	}
	for _, l := range pairs {
		if r := metrics.CheckLabel(l.Name, l.Value, limits); r != nil {
			return r
		}
	}
	return nil
}

func tooMany(n int, limits declare.Limits) *observe.Refusal {
	return &observe.Refusal{
		Status: http.StatusBadRequest, Reason: "limit_labels", Got: fmt.Sprintf("%d labels", n),
		Want: fmt.Sprintf("at most %d (limits.labels_per_series)", limits.LabelsPerSeries),
	}
}

// storeV2 stores an io.prometheus.write.v2.Request.
func (h *handler) storeV2(r *http.Request, body []byte, written *stats) error {
	var req writev2.Request
	if err := proto.Unmarshal(body, &req); err != nil {
		return h.refuse(malformed(err))
	}
	b := &batch{guard: h.door.Begin(r.Context()), written: written}
	limits := h.store.Limits()
	lb := labels.NewScratchBuilder(16)
	for i, ts := range req.Timeseries {
		if refusal := checkV2(ts.LabelsRefs, req.Symbols, limits); refusal != nil {
			b.refuse(len(ts.Samples)+len(ts.Histograms), i, refusal)
			continue
		}
		ls, err := ts.ToLabels(&lb, req.Symbols)
		if err != nil {
			b.refuse(len(ts.Samples)+len(ts.Histograms), i, malformed(err))
			continue
		}
		s := &series{batch: b, labels: ls}
		for _, p := range ts.Samples {
			s.sample(p.StartTimestamp, p.Timestamp, p.Value)
		}
		for _, p := range ts.Histograms {
			var ih *histogram.Histogram
			var fh *histogram.FloatHistogram
			if p.IsFloatHistogram() {
				fh = p.ToFloatHistogram()
			} else {
				ih = p.ToIntHistogram()
			}
			s.histogram(p.StartTimestamp, p.Timestamp, ih, fh)
		}
		var ex []exemplar.Exemplar
		for _, e := range ts.Exemplars {
			if checkV2(e.LabelsRefs, req.Symbols, limits) != nil {
				continue
			}
			if one, err := e.ToExemplar(&lb, req.Symbols); err == nil {
				ex = append(ex, one)
			}
		}
		s.exemplars(ex)
	}
	return b.end()
}

func checkV2(refs []uint32, symbols []string, limits declare.Limits) *observe.Refusal {
	if len(refs)%2 != 0 {
		return malformed(fmt.Errorf("%d label references", len(refs)))
	}
	if len(refs)/2 > limits.LabelsPerSeries {
		return tooMany(len(refs)/2, limits)
	}
	for i := 0; i < len(refs); i += 2 {
		if int(refs[i]) >= len(symbols) || int(refs[i+1]) >= len(symbols) {
			return malformed(fmt.Errorf("label references %d and %d of %d symbols", refs[i], refs[i+1], len(symbols)))
		}
		if r := metrics.CheckLabel(symbols[refs[i]], symbols[refs[i+1]], limits); r != nil {
			return r
		}
	}
	return nil
}
