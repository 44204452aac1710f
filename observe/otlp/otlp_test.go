package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/metrics"
	"github.com/evenkeel/evenkeel/observe/otlp"
)

type rig struct {
	t        testing.TB
	store    *metrics.Store
	reg      *prometheus.Registry
	receiver *otlp.Receiver
}

func start(t testing.TB) *rig {
	t.Helper()
	var s declare.Settings
	s.Metrics.Retention, s.Metrics.OutOfOrder = 24*time.Hour, 5*time.Minute
	s.Limits = declare.Limits{
		BodyBytes: 1 << 20, SamplesPerWrite: 500, LabelsPerSeries: 12, LabelNameBytes: 100, LabelValueBytes: 1000,
		ActiveSeries: 500, Future: 10 * time.Minute,
	}
	reg := prometheus.NewRegistry()
	store, err := metrics.Open(metrics.Options{Dir: t.TempDir(), Settings: s, Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return &rig{t: t, store: store, reg: reg, receiver: otlp.New(store)}
}

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

func (r *rig) post(kind, encoding string, body io.Reader) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/v1/metrics", body)
	req.Header.Set("Content-Type", kind)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	r.receiver.ServeHTTP(w, req)
	return w
}

// names are the stored series, by name.
func (r *rig) names() map[string]int {
	r.t.Helper()
	q, err := r.store.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		r.t.Fatal(err)
	}
	defer q.Close()
	out := map[string]int{}
	for set := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".*")); set.Next(); {
		out[set.At().Labels().Get("__name__")]++
	}
	return out
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

// export is a request as an SDK sends it: each kind of metric once.
func export(at time.Time) pmetricotlp.ExportRequest {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "checkout")
	rm.Resource().Attributes().PutStr("service.version", "1.2.0")
	rm.Resource().Attributes().PutStr("service.instance.id", "i-1")
	rm.Resource().Attributes().PutStr("host.name", "h")
	sm := rm.ScopeMetrics().AppendEmpty()
	now, begun := pcommon.NewTimestampFromTime(at), pcommon.NewTimestampFromTime(at.Add(-time.Minute))
	sum := sm.Metrics().AppendEmpty()
	sum.SetName("http.server.requests")
	sum.SetEmptySum().SetIsMonotonic(true)
	sum.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := sum.Sum().DataPoints().AppendEmpty()
	p.SetTimestamp(now)
	p.SetStartTimestamp(begun)
	p.SetIntValue(7)
	p.Attributes().PutStr("http.route", "/buy")
	gauge := sm.Metrics().AppendEmpty()
	gauge.SetName("queue.length")
	g := gauge.SetEmptyGauge().DataPoints().AppendEmpty()
	g.SetTimestamp(now)
	g.SetDoubleValue(3)
	hist := sm.Metrics().AppendEmpty()
	hist.SetName("http.server.duration")
	hist.SetUnit("s")
	hist.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	h := hist.Histogram().DataPoints().AppendEmpty()
	h.SetTimestamp(now)
	h.SetStartTimestamp(begun)
	h.ExplicitBounds().FromRaw([]float64{0.1, 1})
	h.BucketCounts().FromRaw([]uint64{1, 2, 3})
	h.SetCount(6)
	h.SetSum(4)
	exp := sm.Metrics().AppendEmpty()
	exp.SetName("native")
	exp.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	e := exp.ExponentialHistogram().DataPoints().AppendEmpty()
	e.SetTimestamp(now)
	e.SetCount(3)
	e.SetSum(3)
	e.SetScale(2)
	e.Positive().BucketCounts().FromRaw([]uint64{1, 2})
	summary := sm.Metrics().AppendEmpty()
	summary.SetName("gc")
	s := summary.SetEmptySummary().DataPoints().AppendEmpty()
	s.SetTimestamp(now)
	s.SetCount(1)
	return pmetricotlp.NewExportRequestFromMetrics(md)
}

func encode(t testing.TB, req pmetricotlp.ExportRequest, kind string) []byte {
	t.Helper()
	marshal := req.MarshalProto
	if kind == jsonType {
		marshal = req.MarshalJSON
	}
	b, err := marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEachEncoding(t *testing.T) {
	want := map[string]int{
		"http_server_requests_total": 1, "queue_length": 1, "http_server_duration_seconds_bucket": 3, "http_server_duration_seconds_sum": 1,
		"http_server_duration_seconds_count": 1, "native": 1, "gc_sum": 1, "gc_count": 1, "target_info": 1,
	}
	f := func(kind, encoding string) {
		t.Helper()
		r := start(t)
		body := encode(t, export(time.Now()), kind)
		if encoding == "gzip" {
			var b bytes.Buffer
			zw := gzip.NewWriter(&b)
			_, _ = zw.Write(body)
			_ = zw.Close()
			body = b.Bytes()
		}
		w := r.post(kind, encoding, bytes.NewReader(body))
		resp := pmetricotlp.NewExportResponse()
		unmarshal := resp.UnmarshalProto
		if kind == jsonType {
			unmarshal = resp.UnmarshalJSON
		}
		if err := unmarshal(w.Body.Bytes()); err != nil || w.Code != 200 || w.Header().Get("Content-Type") != kind {
			t.Errorf("%s: %d %v %v", kind, w.Code, err, w.Header())
		}
		if ps := resp.PartialSuccess(); ps.RejectedDataPoints() != 0 || ps.ErrorMessage() != "" {
			t.Errorf("%s: %d rejected: %s", kind, ps.RejectedDataPoints(), ps.ErrorMessage())
		}
		if got := r.names(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: stored %v, expected %v", kind, got, want)
		}
	}
	f(protobufType, "")
	f(protobufType, "gzip")
	f(jsonType, "")
	f(jsonType, "gzip")
}

// TestLabelsAndStart: job, version and a zero at the counter's start.
func TestLabelsAndStart(t *testing.T) {
	r := start(t)
	if w := r.post(protobufType, "", bytes.NewReader(encode(t, export(time.Now()), protobufType))); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	q, err := r.store.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "http_server_requests_total"))
	if !set.Next() {
		t.Fatal("not stored")
	}
	want := `{__name__="http_server_requests_total", http_route="/buy", instance="i-1", job="checkout", service_name="checkout", service_version="1.2.0"}`
	if got := set.At().Labels().String(); got != want {
		t.Errorf("labels %s\nexpected %s", got, want)
	}
	var values []float64
	for it := set.At().Iterator(nil); it.Next() != 0; {
		_, v := it.At()
		values = append(values, v)
	}
	if fmt.Sprint(values) != "[0 7]" {
		t.Errorf("values %v, expected [0 7]", values)
	}
}

func TestPartialSuccess(t *testing.T) {
	f := func(reason, text string, rejected int64, break_ func(pmetric.Metrics)) {
		t.Helper()
		r := start(t)
		if w := r.post(protobufType, "", bytes.NewReader(encode(t, export(time.Now().Add(-time.Second)), protobufType))); w.Code != 200 {
			t.Fatal(w.Code)
		}
		req := export(time.Now())
		break_(req.Metrics())
		w := r.post(protobufType, "", bytes.NewReader(encode(t, req, protobufType)))
		resp := pmetricotlp.NewExportResponse()
		if err := resp.UnmarshalProto(w.Body.Bytes()); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %v", reason, w.Code, err)
		}
		if ps := resp.PartialSuccess(); ps.RejectedDataPoints() != rejected || !strings.Contains(ps.ErrorMessage(), text) {
			t.Errorf("%s: %d rejected: %q; expected %d and %q", reason, ps.RejectedDataPoints(), ps.ErrorMessage(), rejected, text)
		}
		if r.refused(reason) < 1 {
			t.Errorf("%s is not counted", reason)
		}
		if r.names()["queue_length"] != 1 && reason != "limit_samples" {
			t.Errorf("%s: what is valid is not stored: %v", reason, r.names())
		}
	}
	metric := func(md pmetric.Metrics, i int) pmetric.Metric {
		return md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(i)
	}
	f("delta", "cumulative", 1, func(md pmetric.Metrics) {
		metric(md, 0).Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	})
	f("future", "limits.future", 1, func(md pmetric.Metrics) {
		metric(md, 0).Sum().DataPoints().At(0).SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(time.Hour)))
	})
	f("too_old", "metrics.out_of_order", 1, func(md pmetric.Metrics) {
		metric(md, 0).Sum().DataPoints().At(0).SetTimestamp(1)
	})
	f("utf8", "valid UTF-8", 1, func(md pmetric.Metrics) {
		metric(md, 0).Sum().DataPoints().At(0).Attributes().PutStr("x", "\xff")
	})
	f("limit_value", "limits.label_value_bytes", 1, func(md pmetric.Metrics) {
		metric(md, 0).Sum().DataPoints().At(0).Attributes().PutStr("x", strings.Repeat("x", 1001))
	})
	f("malformed", "temporality", 1, func(md pmetric.Metrics) {
		metric(md, 0).Sum().SetAggregationTemporality(pmetric.AggregationTemporalityUnspecified)
	})
	f("limit_samples", "limits.samples_per_write", 505, func(md pmetric.Metrics) {
		for range 500 {
			metric(md, 1).Gauge().DataPoints().AppendEmpty()
		}
	})
}

// TestHugeAttribute: labels cannot hold a string of 16 MiB.
func TestHugeAttribute(t *testing.T) {
	r := start(t)
	l := r.store.Limits()
	l.BodyBytes = 64 << 20
	r.store.SetLimits(l)
	req := export(time.Now())
	req.Metrics().ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).Attributes().PutStr("x", strings.Repeat("x", 1<<24+10))
	w := r.post(protobufType, "", bytes.NewReader(encode(t, req, protobufType)))
	resp := pmetricotlp.NewExportResponse()
	if err := resp.UnmarshalProto(w.Body.Bytes()); err != nil || w.Code != 200 || resp.PartialSuccess().RejectedDataPoints() == 0 {
		t.Errorf("%d %v %.200s", w.Code, err, resp.PartialSuccess().ErrorMessage())
	}
	if w := r.post(protobufType, "", bytes.NewReader(encode(t, export(time.Now()), protobufType))); w.Code != 200 || w.Body.Len() > 10 {
		t.Errorf("the next request: %d %q", w.Code, w.Body)
	}
}

type zeros struct{ read int }

func (z *zeros) Read(p []byte) (int, error) { clear(p); z.read += len(p); return len(p), nil }

// bomb is a small gzip body of 100 MB.
func bomb(t testing.TB) io.Reader {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := io.CopyN(zw, &zeros{}, 100<<20); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestRefusedWhole(t *testing.T) {
	r := start(t)
	f := func(code int, reason, text, kind, encoding string, body io.Reader) {
		t.Helper()
		before := r.refused(reason)
		w := r.post(kind, encoding, body)
		var st spb.Status
		var err error
		if w.Header().Get("Content-Type") == jsonType {
			err = protojson.Unmarshal(w.Body.Bytes(), &st)
		} else {
			err = proto.Unmarshal(w.Body.Bytes(), &st)
		}
		if err != nil || w.Code != code || !strings.Contains(st.GetMessage(), text) {
			t.Errorf("%d %q %v, expected %d and %q", w.Code, st.GetMessage(), err, code, text)
		}
		if r.refused(reason) != before+1 {
			t.Errorf("%s is not counted", reason)
		}
	}
	f(400, "malformed", "ExportMetricsServiceRequest", protobufType, "", strings.NewReader("rubbish"))
	f(400, "malformed", "ExportMetricsServiceRequest", jsonType, "", strings.NewReader("rubbish"))
	f(400, "malformed", "ExportMetricsServiceRequest", jsonType, "", strings.NewReader(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"sum":{"dataPoints":[{"asInt":{}}]}}]}]}]}`))
	f(400, "malformed", "gzip", protobufType, "gzip", strings.NewReader("rubbish"))
	f(415, "malformed", "gzip", protobufType, "br", strings.NewReader(""))
	f(415, "malformed", "application/json", "text/plain", "", strings.NewReader(""))
	f(413, "too_large", "limits.body_bytes", jsonType, "gzip", bomb(t))
	endless := &zeros{}
	f(413, "too_large", "limits.body_bytes", protobufType, "", endless)
	if endless.read > 4<<20 {
		t.Errorf("%d bytes of an endless body were read", endless.read)
	}
	if n := len(r.names()); n != 0 {
		t.Errorf("%d metrics are stored", n)
	}
}

func TestGRPC(t *testing.T) {
	r := start(t)
	srv, err := otlp.Listen(r.receiver, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	conn, err := grpc.NewClient(srv.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.UseCompressor("gzip")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := pmetricotlp.NewGRPCClient(conn)
	resp, err := client.Export(ctx, export(time.Now()))
	if err != nil || resp.PartialSuccess().RejectedDataPoints() != 0 {
		t.Fatal(err, resp.PartialSuccess().ErrorMessage())
	}
	if r.names()["http_server_requests_total"] != 1 {
		t.Errorf("stored %v", r.names())
	}
	large := export(time.Now())
	large.Metrics().ResourceMetrics().At(0).Resource().Attributes().PutStr("x", strings.Repeat("x", 2<<20))
	if _, err := client.Export(ctx, large); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message of 2 MiB: %v", err)
	}
	if _, err := otlp.Listen(r.receiver, srv.Addr().String()); err == nil || !strings.Contains(err.Error(), "otlp.grpc") {
		t.Errorf("a port that is taken: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func FuzzHTTP(f *testing.F) {
	req := export(time.Now())
	f.Add(encode(f, req, protobufType), false)
	f.Add(encode(f, req, jsonType), true)
	f.Add([]byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":["1"],"explicitBounds":[]}]}}]}]}]}`), true)
	r := start(f)
	f.Fuzz(func(t *testing.T, body []byte, json bool) {
		kind := protobufType
		if json {
			kind = jsonType
		}
		switch w := r.post(kind, "", bytes.NewReader(body)); w.Code {
		case 200, 400, 413:
		default:
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
