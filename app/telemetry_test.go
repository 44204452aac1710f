package app

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
)

// from sends a body as a sender on this machine with an address of its own.
func (a *App) from(t *testing.T, sender, path string, headers map[string]string, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	a.o.OpenOnLoopback = true
	req := httptest.NewRequest(http.MethodPost, "http://localhost"+path, bytes.NewReader(body))
	req.RemoteAddr = sender + ":40000"
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, req)
	return w
}

var otlpProto = map[string]string{"Content-Type": "application/x-protobuf"}

// writing is a remote write request of series with one label that differs.
func writing(t *testing.T, n int, name string, at time.Time, ls ...string) []byte {
	t.Helper()
	var req prompb.WriteRequest
	for i := range n {
		s := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: name}}, Samples: []prompb.Sample{{Timestamp: at.UnixMilli(), Value: float64(i)}}}
		for k := 0; k < len(ls); k += 2 {
			s.Labels = append(s.Labels, prompb.Label{Name: ls[k], Value: strings.ReplaceAll(ls[k+1], "#", fmt.Sprint(i))})
		}
		req.Timeseries = append(req.Timeseries, s)
	}
	raw, err := proto.Marshal(&req)
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, raw)
}

var remoteWrite = map[string]string{"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}

func otlpMetrics(t *testing.T, service string, n int, at time.Time) []byte {
	t.Helper()
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", service)
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("queue.depth")
	g := m.SetEmptyGauge()
	for i := range n {
		p := g.DataPoints().AppendEmpty()
		p.Attributes().PutStr("queue", fmt.Sprint(i))
		p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		p.SetDoubleValue(1)
	}
	body, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func otlpLogs(t *testing.T, service string, n int, at time.Time, text string) []byte {
	t.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", service)
	sl := rl.ScopeLogs().AppendEmpty()
	for i := range n {
		r := sl.LogRecords().AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Duration(i) * time.Microsecond)))
		r.Body().SetStr(fmt.Sprintf("%s %d", text, i))
	}
	body, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func otlpSpans(t *testing.T, service, name string, n int, at time.Time) []byte {
	t.Helper()
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", service)
	ss := rs.ScopeSpans().AppendEmpty()
	for i := range n {
		s := ss.Spans().AppendEmpty()
		s.SetTraceID(pcommon.TraceID{1, byte(i >> 8), byte(i)})
		s.SetSpanID(pcommon.SpanID{1, byte(i >> 8), byte(i)})
		s.SetName(name)
		s.SetKind(ptrace.SpanKindServer)
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(at))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Millisecond)))
	}
	body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestEachSourceHasItsShare: of all three signals, one who floods is told so and what to
// do, and another is not affected.
func TestEachSourceHasItsShare(t *testing.T) {
	a := newApp(t, map[string]string{"evenkeel.yml": "limits: {samples_per_source: 20, log_bytes_per_source: 1KiB}\n"})
	now := time.Now()
	f := func(what, path, setting string, headers map[string]string, flood, little []byte) {
		t.Helper()
		var last *httptest.ResponseRecorder
		for i := range 50 {
			if last = a.from(t, "127.0.0.2", path, headers, flood); last.Code == http.StatusTooManyRequests {
				break
			}
			if last.Code/100 != 2 && last.Code != http.StatusBadRequest {
				t.Fatalf("%s: request %d is answered %d: %s", what, i, last.Code, last.Body)
			}
		}
		text := last.Body.String()
		if last.Code != http.StatusTooManyRequests || !strings.Contains(text, setting) || !strings.Contains(text, "127.0.0.2") || last.Header().Get("Retry-After") == "" {
			t.Errorf("%s: who floods is answered %d %q", what, last.Code, text)
		}
		if w := a.from(t, "127.0.0.3", path, headers, little); w.Code/100 != 2 {
			t.Errorf("%s: another is answered %d: %s", what, w.Code, w.Body)
		}
	}
	f("remote write", "/api/v1/write", "limits.samples_per_source", remoteWrite, writing(t, 100, "flood", now, "i", "#"), writing(t, 5, "little", now, "i", "#"))
	a.metrics.SetLimits(a.metrics.Limits()) // the same limits: shares that were used stay used
	if w := a.from(t, "127.0.0.2", "/v1/metrics", otlpProto, otlpMetrics(t, "checkout", 300, now)); w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "limits.samples_per_source") {
		t.Errorf("OTLP metrics of who has flooded: %d %s", w.Code, w.Body)
	}
	if w := a.from(t, "127.0.0.4", "/v1/metrics", otlpProto, otlpMetrics(t, "checkout", 5, now)); w.Code != http.StatusOK {
		t.Errorf("OTLP metrics of another: %d %s", w.Code, w.Body)
	}
	f("logs", "/v1/logs", "limits.log_bytes_per_source", otlpProto, otlpLogs(t, "checkout", 100, now, "a line of some length"), otlpLogs(t, "checkout", 3, now, "a line"))
	f("spans", "/v1/traces", "limits.log_bytes_per_source", otlpProto, otlpSpans(t, "checkout", "GET /orders", 100, now), otlpSpans(t, "checkout", "GET /orders", 3, now))
}

// TestDropsOfAllSignals: what a rule names is acknowledged, counted and not stored; the
// counters of requests that are made of spans go on counting.
func TestDropsOfAllSignals(t *testing.T) {
	a := newApp(t, map[string]string{"evenkeel.yml": `
metrics: {drop: [{name: runtime, match: '{__name__=~"go_.*"}'}]}
logs: {drop: [{name: health, match: '"healthz"'}]}
traces:
  drop: [{name: probes, match: 'name:="GET /healthz"'}]
  aggregate: [{name: static, match: 'name:="GET /static"', by: [service.name], record: static_requests}]
`})
	w := a.ws()
	if err := a.applyLogs(t.Context(), w, time.Now()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	ok := func(w *httptest.ResponseRecorder) {
		t.Helper()
		if w.Code/100 != 2 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	ok(a.from(t, "127.0.0.1", "/api/v1/write", remoteWrite, writing(t, 4, "go_goroutines", now, "i", "#")))
	ok(a.from(t, "127.0.0.1", "/api/v1/write", remoteWrite, writing(t, 4, "requests_total", now, "i", "#")))
	ok(a.from(t, "127.0.0.1", "/v1/logs", otlpProto, otlpLogs(t, "checkout", 5, now, "GET healthz")))
	ok(a.from(t, "127.0.0.1", "/v1/logs", otlpProto, otlpLogs(t, "checkout", 5, now, "order paid")))
	for _, name := range []string{"GET /healthz", "GET /static", "GET /orders"} {
		ok(a.from(t, "127.0.0.1", "/v1/traces", otlpProto, otlpSpans(t, "checkout", name, 5, now)))
	}
	a.logs.Flush()
	a.traces.Rows().Flush()
	if got := a.logs.Stats().Rows; got != 5 {
		t.Errorf("%d lines are stored, 5 are not dropped", got)
	}
	if got := a.traces.Rows().Stats().Rows; got != 5 {
		t.Errorf("%d spans are stored, 5 are not dropped", got)
	}
	count := func(expr string) float64 {
		t.Helper()
		v, err := a.engine.Query(t.Context(), expr, now.Add(time.Second))
		if err != nil || len(v) != 1 {
			return -1
		}
		return v[0].F
	}
	if got := count("count(go_goroutines)"); got != -1 {
		t.Errorf("%v series are stored that are dropped", got)
	}
	if got := count("count(requests_total)"); got != 4 {
		t.Errorf("%v series are stored, expected 4", got)
	}
	families, err := a.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]float64{}
	for _, f := range families {
		if name := f.GetName(); name == "evenkeel_observe_rows_dropped_total" || name == "evenkeel_observe_samples_dropped_total" {
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "rule" {
						counted[l.GetValue()] += m.GetCounter().GetValue()
					}
				}
			}
		}
	}
	if want := map[string]float64{"runtime": 4, "health": 5, "probes": 5, "static": 5}; fmt.Sprint(counted) != fmt.Sprint(want) {
		t.Errorf("counted %v, expected %v", counted, want)
	}
}

// TestTelemetryFindings: what is declared and comes, of any signal, is not missing; what
// does not come is, with the owner; a label of too many values is told.
func TestTelemetryFindings(t *testing.T) {
	service := func(name string) string {
		return "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: " + name + ", annotations: {evenkeel.dev/telemetry: 'logs, metrics, traces'}}\nspec: {type: service, lifecycle: production, owner: shop}\n"
	}
	a := newApp(t, map[string]string{"evenkeel.yml": "limits: {active_series: 20000}\n", "catalog/shop.yml": strings.Replace(estate, `annotations: {github.com`, `annotations: {evenkeel.dev/telemetry: "logs, metrics, traces", github.com`, 1) + service("cart")})
	ctx, now := t.Context(), time.Now()
	for _, w := range []*httptest.ResponseRecorder{
		a.from(t, "127.0.0.1", "/v1/metrics", otlpProto, otlpMetrics(t, "checkout", 3, now)),
		a.from(t, "127.0.0.1", "/v1/logs", otlpProto, otlpLogs(t, "checkout", 3, now, "order paid")),
		a.from(t, "127.0.0.1", "/v1/traces", otlpProto, otlpSpans(t, "checkout", "GET /orders", 3, now)),
		a.from(t, "127.0.0.1", "/api/v1/write", remoteWrite, writing(t, 2_500, "logins_total", now, "job", "checkout-web", "user", "user-#")),
		a.from(t, "127.0.0.1", "/api/v1/write", remoteWrite, writing(t, 2_500, "sessions_total", now, "job", "cart", "session", "s-#")),
	} {
		if w.Code/100 != 2 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	a.judgeTelemetry(ctx, now)
	a.judgeTelemetry(ctx, now.Add(2*time.Hour))
	found := map[string]detect.Finding{}
	for _, f := range a.findings.OpenFindings(detect.DetectorTelemetry) {
		found[fmt.Sprintf("%s %s %s", f.Name, f.Service, f.Labels["signal"])] = f
	}
	for _, want := range []string{"TelemetryMissing cart logs", "TelemetryMissing cart traces"} {
		if f, ok := found[want]; !ok || f.Team != declare.TeamID("shop") {
			t.Errorf("%s: %+v", want, f)
		}
		delete(found, want)
	}
	wide, ok := found["TelemetryCardinality cart metrics"]
	if !ok || !strings.Contains(wide.Summary, `"session" has 2500 values`) || wide.Team != "shop" {
		t.Errorf("a label of 2,500 values: %+v", wide)
	}
	delete(found, "TelemetryCardinality cart metrics")
	if len(found) != 0 {
		t.Errorf("also found: %v", found)
	}
	report, err := a.telemetry(ctx, now.Add(-time.Hour), now.Add(3*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	signals := map[string]bool{}
	for _, it := range report.Items {
		if it.Service == "checkout" {
			signals[it.Signal] = it.Rows > 0
		}
	}
	if !signals["logs"] || !signals["metrics"] || !signals["traces"] {
		t.Errorf("of checkout are counted: %v", signals)
	}
}
