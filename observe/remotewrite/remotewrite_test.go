package remotewrite_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/metrics"
	"github.com/evenkeel/evenkeel/observe/remotewrite"
)

func limits() declare.Limits {
	return declare.Limits{
		BodyBytes: 1 << 20, SamplesPerWrite: 2000, LabelsPerSeries: 10, LabelNameBytes: 100, LabelValueBytes: 1000,
		ActiveSeries: 500, Future: 10 * time.Minute,
	}
}

type rig struct {
	t       testing.TB
	store   *metrics.Store
	reg     *prometheus.Registry
	handler http.Handler
}

func start(t testing.TB) *rig {
	t.Helper()
	var s declare.Settings
	s.Metrics.Retention, s.Metrics.OutOfOrder, s.Limits = 24*time.Hour, 5*time.Minute, limits()
	reg := prometheus.NewRegistry()
	store, err := metrics.Open(metrics.Options{Dir: t.TempDir(), Settings: s, Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return &rig{t: t, store: store, reg: reg, handler: remotewrite.Handler(store, slog.New(slog.DiscardHandler))}
}

const (
	typeV1 = "application/x-protobuf"
	typeV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

func (r *rig) post(contentType string, body io.Reader) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/api/v1/write", body)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", "snappy")
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w
}

func (r *rig) send(m proto.Message) *httptest.ResponseRecorder {
	r.t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		r.t.Fatal(err)
	}
	kind := typeV1
	if _, ok := m.(*writev2.Request); ok {
		kind = typeV2
	}
	return r.post(kind, bytes.NewReader(snappy.Encode(nil, raw)))
}

// stored counts the samples of all series.
func (r *rig) stored() (n int) {
	r.t.Helper()
	q, err := r.store.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		r.t.Fatal(err)
	}
	defer q.Close()
	for set := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".*")); set.Next(); {
		for it := set.At().Iterator(nil); it.Next() != 0; {
			n++
		}
	}
	return n
}

func (r *rig) refused(reason string) (n float64) {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "evenkeel_observe_refused_total" && strings.Contains(fmt.Sprint(m.GetLabel()), `"`+reason+`"`) {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

func seriesV1(at int64, v float64, pairs ...string) prompb.TimeSeries {
	ts := prompb.TimeSeries{Samples: []prompb.Sample{{Timestamp: at, Value: v}}}
	for i := 0; i < len(pairs); i += 2 {
		ts.Labels = append(ts.Labels, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return ts
}

func TestBothMessages(t *testing.T) {
	r := start(t)
	now := time.Now().UnixMilli()
	native := &histogram.Histogram{Count: 3, Sum: 4, PositiveSpans: []histogram.Span{{Length: 2}}, PositiveBuckets: []int64{1, 1}}
	v1 := &prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{
			seriesV1(now, 1, "job", "b", "__name__", "a"), // not sorted
			{Labels: []prompb.Label{{Name: "__name__", Value: "h"}}, Histograms: []prompb.Histogram{prompb.FromIntHistogram(now, native), prompb.FromFloatHistogram(now+1, native.ToFloat(nil))}},
		},
		Metadata: []prompb.MetricMetadata{{MetricFamilyName: "a", Help: "help"}},
	}
	v1.Timeseries[0].Exemplars = []prompb.Exemplar{{Labels: []prompb.Label{{Name: "trace_id", Value: "1"}}, Value: 1, Timestamp: now}}
	if w := r.send(v1); w.Code != http.StatusNoContent || r.stored() != 3 {
		t.Fatalf("1.0: %d %s, %d stored", w.Code, w.Body, r.stored())
	}
	v2 := &writev2.Request{
		Symbols: []string{"", "__name__", "c", "job", "b", "trace_id", "1", "help"},
		Timeseries: []writev2.TimeSeries{{
			LabelsRefs: []uint32{1, 2, 3, 4}, Samples: []writev2.Sample{{Timestamp: now, Value: 1, StartTimestamp: now - 1000}},
			Exemplars: []writev2.Exemplar{{LabelsRefs: []uint32{5, 6}, Timestamp: now, Value: 1}, {LabelsRefs: []uint32{5, 4}, Timestamp: now - 5, Value: 1}},
			Metadata:  writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: 7},
		}, {
			LabelsRefs: []uint32{1, 4}, Histograms: []writev2.Histogram{writev2.FromIntHistogram(0, now, native)},
		}},
	}
	w := r.send(v2)
	got := w.Header()
	if w.Code != http.StatusNoContent || got.Get("X-Prometheus-Remote-Write-Samples-Written") != "1" ||
		got.Get("X-Prometheus-Remote-Write-Histograms-Written") != "1" || got.Get("X-Prometheus-Remote-Write-Exemplars-Written") != "2" {
		t.Errorf("2.0: %d %s %v", w.Code, w.Body, got)
	}
	if n := r.stored(); n != 6 { // with the zero at the counter's start
		t.Errorf("%d stored, expected 6", n)
	}
}

// TestPartial: what is valid is stored, what is not is named and counted.
func TestPartial(t *testing.T) {
	now := time.Now().UnixMilli()
	f := func(reason, text string, bad ...prompb.TimeSeries) {
		t.Helper()
		r := start(t)
		good := []prompb.TimeSeries{seriesV1(now, 1, "__name__", "first")}
		good = append(append(good, bad...), seriesV1(now, 1, "__name__", "last"))
		w := r.send(&prompb.WriteRequest{Timeseries: good})
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%s: %d %q, expected 400 and %q", reason, w.Code, w.Body, text)
		}
		if n := r.refused(reason); n != 1 {
			t.Errorf("%s: %v counted, expected 1", reason, n)
		}
		if n := r.stored(); n != len(good)-1 {
			t.Errorf("%s: %d stored, expected %d", reason, n, len(good)-1)
		}
	}
	hour := time.Hour.Milliseconds()
	f("future", "limits.future", seriesV1(now+hour, 1, "__name__", "a"))
	f("too_old", "metrics.retention", seriesV1(now-100*hour, 1, "__name__", "a"))
	f("too_old", "metrics.out_of_order", seriesV1(now, 1, "__name__", "a"), seriesV1(now-hour, 1, "__name__", "a"))
	f("duplicate", "another value", seriesV1(now, 1, "__name__", "a"), seriesV1(now, 2, "__name__", "a"))
	f("utf8", "UTF-8", seriesV1(now, 1, "__name__", "a", "b", "\xc3\x28"))
	f("malformed", `label "b" twice`, seriesV1(now, 1, "__name__", "a", "b", "1", "b", "2"))
	f("malformed", "no metric name", seriesV1(now, 1, "b", "1"))
	f("malformed", "empty label name", seriesV1(now, 1, "__name__", "a", "", "1"))
	f("limit_value", "limits.label_value_bytes", seriesV1(now, 1, "__name__", "a", "b", strings.Repeat("x", 1001)))
	f("limit_name", "limits.label_name_bytes", seriesV1(now, 1, "__name__", "a", strings.Repeat("x", 101), "b"))
	f("limit_labels", "limits.labels_per_series", seriesV1(now, 1, "__name__", "a", "1", "", "2", "", "3", "", "4", "", "5", "", "6", "", "7", "", "8", "", "9", "", "10", ""))
}

// TestLabelOfMegabytes: labels cannot hold a string of 16 MiB; it must not come so far.
func TestLabelOfMegabytes(t *testing.T) {
	r := start(t)
	l := limits()
	l.BodyBytes = 64 << 20
	r.store.SetLimits(l)
	now := time.Now().UnixMilli()
	huge := strings.Repeat("x", 1<<24+10)
	if w := r.send(&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1(now, 1, "__name__", "a", "b", huge), seriesV1(now, 1, "__name__", "a")}}); w.Code != 400 || r.stored() != 1 {
		t.Errorf("1.0: %d %.100s, %d stored", w.Code, w.Body, r.stored())
	}
	if w := r.send(&writev2.Request{Symbols: []string{"", huge}, Timeseries: []writev2.TimeSeries{{LabelsRefs: []uint32{1, 1}, Samples: []writev2.Sample{{Timestamp: now}}}}}); w.Code != 400 {
		t.Errorf("2.0: %d %.100s", w.Code, w.Body)
	}
	if n := r.refused("limit_value") + r.refused("limit_name"); n != 2 {
		t.Errorf("%v counted, expected 2", n)
	}
}

func TestSeriesLimit(t *testing.T) {
	r := start(t)
	now := time.Now().UnixMilli()
	sent := 0
	for sent < 20_000 {
		req := &prompb.WriteRequest{}
		for range 1000 {
			sent++
			req.Timeseries = append(req.Timeseries, seriesV1(now, 1, "__name__", "a", "id", fmt.Sprint(sent)))
		}
		if w := r.send(req); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "limits.active_series") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if n := r.stored(); n != 500 {
		t.Errorf("%d series, expected 500", n)
	}
	if n := r.refused("limit_series"); n != 19_500 {
		t.Errorf("%v refused, expected 19500", n)
	}
	if w := r.send(&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1(now+1, 2, "__name__", "a", "id", "1")}}); w.Code != http.StatusNoContent {
		t.Errorf("a series that is there: %d %s", w.Code, w.Body)
	}
}

// zeros is a body without an end.
type zeros struct{ read int }

func (z *zeros) Read(p []byte) (int, error) { clear(p); z.read += len(p); return len(p), nil }

func TestRefusedWhole(t *testing.T) {
	r := start(t)
	f := func(status int, reason, text, contentType string, body io.Reader) {
		t.Helper()
		before := r.refused(reason)
		w := r.post(contentType, body)
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%d %q, expected %d and %q", w.Code, w.Body, status, text)
		}
		if r.refused(reason) != before+1 {
			t.Errorf("%s is not counted", reason)
		}
	}
	packed := func(b []byte) io.Reader { return bytes.NewReader(snappy.Encode(nil, b)) }
	f(400, "malformed", "snappy", typeV1, strings.NewReader("not snappy at all"))
	f(400, "malformed", "snappy", typeV1, strings.NewReader(""))
	f(400, "malformed", "remote write message", typeV1, packed([]byte("not a protobuf")))
	f(400, "malformed", "remote write message", typeV2, packed([]byte{0x2a, 0x7f, 0x01}))
	f(400, "malformed", "remote write message", typeV1, packed([]byte{0x0a, 0x02, 0x0a, 0x07}))
	f(415, "malformed", "Content-Type", "text/plain", packed(nil))
	f(415, "malformed", "io.prometheus.write.v2.Request", "application/x-protobuf;proto=io.prometheus.write.v3.Request", packed(nil))

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	endless := &zeros{}
	f(413, "too_large", "limits.body_bytes", typeV1, endless)
	if endless.read > 4<<20 {
		t.Errorf("%d bytes of an endless body were read", endless.read)
	}
	f(413, "too_large", "limits.body_bytes", typeV1, bytes.NewReader(binary.AppendUvarint(nil, math.MaxUint32))) // claims 4 GiB
	f(413, "too_large", "limits.body_bytes", typeV1, packed(make([]byte, 1<<20+1)))
	// Two bytes each, and hundreds of bytes when decoded.
	f(413, "too_large", "when decoded", typeV1, packed(bytes.Repeat([]byte{0x0a, 0x00}, 1<<19)))
	f(413, "too_large", "when decoded", typeV2, packed(bytes.Repeat([]byte{0x2a, 0x00}, 1<<19)))
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 100<<20 {
		t.Errorf("%d MiB were allocated", n>>20)
	}
	req := &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1(1, 1, "__name__", "a")}}
	for range 2000 {
		req.Timeseries[0].Samples = append(req.Timeseries[0].Samples, prompb.Sample{Timestamp: 1, Value: 1})
	}
	raw, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	f(413, "limit_samples", "2001 samples", typeV1, packed(raw))
	if n := r.stored(); n != 0 {
		t.Errorf("%d samples were stored", n)
	}
}

func FuzzHandler(f *testing.F) {
	now := time.Now().UnixMilli()
	native := &histogram.Histogram{Count: 3, Sum: 4, PositiveSpans: []histogram.Span{{Length: 2}}, PositiveBuckets: []int64{1, 1}}
	for _, m := range []proto.Message{
		&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1(now, 1, "__name__", "a", "b", "c"), {Labels: []prompb.Label{{Name: "__name__", Value: "h"}}, Histograms: []prompb.Histogram{prompb.FromIntHistogram(now, native)}}}},
		&writev2.Request{Symbols: []string{"", "__name__", "c"}, Timeseries: []writev2.TimeSeries{{
			LabelsRefs: []uint32{1, 2}, Samples: []writev2.Sample{{Timestamp: now, Value: 1}}, Histograms: []writev2.Histogram{writev2.FromFloatHistogram(0, now+1, native.ToFloat(nil))},
			Exemplars: []writev2.Exemplar{{LabelsRefs: []uint32{1, 2}, Timestamp: now}},
		}}},
	} {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, false)
		f.Add(raw, true)
	}
	r := start(f)
	f.Fuzz(func(t *testing.T, raw []byte, v2 bool) {
		r.t = t
		kind := typeV1
		if v2 {
			kind = typeV2
		}
		w := r.post(kind, bytes.NewReader(snappy.Encode(nil, raw)))
		switch w.Code {
		case 204, 400, 413:
		default:
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// TestKnownSeries: a series that comes again is stored as the same one, whoever writes it
// and however its message names it; and it is checked again when the limits change.
func TestKnownSeries(t *testing.T) {
	r := start(t)
	now := time.Now().UnixMilli()
	two := func(at int64, symbols []string, refs ...uint32) *writev2.Request {
		return &writev2.Request{Symbols: symbols, Timeseries: []writev2.TimeSeries{{LabelsRefs: refs, Samples: []writev2.Sample{{Timestamp: at, Value: 1}}}}}
	}
	for i, m := range []proto.Message{
		&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1(now, 1, "__name__", "a", "job", "b")}},
		&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1(now+1, 1, "__name__", "a", "job", "b")}},
		&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1(now+2, 1, "job", "b", "__name__", "a")}},
		&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1(now+3, 1, "job", "b", "__name__", "a")}},
		two(now+4, []string{"", "__name__", "a", "job", "b"}, 1, 2, 3, 4),
		two(now+5, []string{"", "b", "job", "a", "__name__"}, 4, 3, 2, 1),
		two(now+6, []string{"", "b", "job", "a", "__name__"}, 2, 1, 4, 3),
		// Nearly the same: the strings of its labels, one after the other, are.
		&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1(now, 1, "__name__", "a", "jo", "bb")}},
		two(now+1, []string{"", "__name__", "a", "jo", "bb"}, 1, 2, 3, 4),
	} {
		if w := r.send(m); w.Code != http.StatusNoContent {
			t.Fatalf("message %d: %d %s", i, w.Code, w.Body)
		}
	}
	if n, series := r.stored(), r.store.Head().NumSeries(); n != 9 || series != 2 {
		t.Errorf("%d samples of %d series, expected 9 of 2", n, series)
	}
	l := limits()
	l.LabelNameBytes = 8
	l.LabelValueBytes = 1
	r.store.SetLimits(l)
	if w := r.send(&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1(now+9, 1, "__name__", "a", "jo", "bb")}}); w.Code != http.StatusBadRequest {
		t.Errorf("beyond the new limits: %d %s", w.Code, w.Body)
	}
	// What was known outlives the series: after it was dropped it is made again.
	r.store.SetLimits(limits())
	if err := r.store.Head().Truncate(now + 100); err != nil {
		t.Fatal(err)
	}
	if w := r.send(&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{seriesV1(now+200, 1, "__name__", "a", "job", "b")}}); w.Code != http.StatusNoContent {
		t.Errorf("a series that was dropped: %d %s", w.Code, w.Body)
	}
	if n, series := r.stored(), r.store.Head().NumSeries(); n != 1 || series != 1 {
		t.Errorf("%d samples of %d series, expected 1 of 1", n, series)
	}
}

// TestKnownSeriesInAnyOrder: what came after a series the last time is no more than a guess.
func TestKnownSeriesInAnyOrder(t *testing.T) {
	r := start(t)
	now := time.Now().UnixMilli()
	want := map[string]string{}
	for i, order := range []string{"abcde", "abcde", "edcba", "acbed", "aabbc", "bd", "abcde", "fabcd"} {
		var v1 prompb.WriteRequest
		v2 := writev2.Request{Symbols: []string{"", "__name__"}}
		for k, name := range strings.Split(order, "") {
			at, v := now+int64(10*i+k), float64(100*i+k)
			want[name] += fmt.Sprint(" ", v)
			v1.Timeseries = append(v1.Timeseries, seriesV1(at, v, "__name__", name))
			v2.Symbols = append(v2.Symbols, name)
			v2.Timeseries = append(v2.Timeseries, writev2.TimeSeries{LabelsRefs: []uint32{1, uint32(2 + k)}, Samples: []writev2.Sample{{Timestamp: at, Value: v}}})
		}
		m := proto.Message(&v1)
		if i%4 > 1 {
			m = &v2
		}
		if w := r.send(m); w.Code != http.StatusNoContent {
			t.Fatalf("%s: %d %s", order, w.Code, w.Body)
		}
	}
	q, err := r.store.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	got := map[string]string{}
	for set := q.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+")); set.Next(); {
		for it := set.At().Iterator(nil); it.Next() != 0; {
			_, v := it.At()
			got[set.At().Labels().Get("__name__")] += fmt.Sprint(" ", v)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

// FuzzDecode: what is stored of a message is what the generated decoder reads in it.
func FuzzDecode(f *testing.F) {
	now := time.Now().UnixMilli()
	for _, req := range []*prompb.WriteRequest{
		{Timeseries: []prompb.TimeSeries{seriesV1(now, 1, "__name__", "a", "b", "c"), seriesV1(now+1, 2, "__name__", "a", "b", "d")}},
		{Timeseries: []prompb.TimeSeries{seriesV1(now, 1, "b", "c", "__name__", "a")}, Metadata: []prompb.MetricMetadata{{Help: "x"}}},
	} {
		raw, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := start(t)
		w := r.post(typeV1, bytes.NewReader(snappy.Encode(nil, raw)))
		var req prompb.WriteRequest
		err := req.Unmarshal(raw)
		if (err == nil) != !strings.Contains(w.Body.String(), "a remote write message") {
			if err == nil || w.Code == 204 && r.stored() > 0 {
				t.Fatalf("decoder: %v; answer %d %s", err, w.Code, w.Body)
			}
		}
		if err != nil || w.Code != http.StatusNoContent {
			return
		}
		distinct := map[string]bool{}
		for _, ts := range req.Timeseries {
			lb := labels.NewScratchBuilder(4)
			name := ts.ToLabels(&lb, nil).WithoutEmpty().String()
			for _, p := range ts.Samples {
				distinct[fmt.Sprint(name, p.Timestamp)] = true
			}
			for _, p := range ts.Histograms {
				distinct[fmt.Sprint(name, p.Timestamp)] = true
			}
		}
		if n := r.stored(); n != len(distinct) {
			t.Fatalf("%d stored, the decoder reads %d", n, len(distinct))
		}
	})
}
