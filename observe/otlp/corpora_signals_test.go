//go:build corpora

package otlp_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/metrics"
	"github.com/evenkeel/evenkeel/observe/otlp"
)

// example reads one of OTLP's canonical examples.
func example(t *testing.T, name string) []byte {
	t.Helper()
	root := os.Getenv("EVENKEEL_CORPORA")
	if root == "" {
		t.Skip("EVENKEEL_CORPORA is not set: it names the folder with the public data")
	}
	raw, err := os.ReadFile(filepath.Join(root, "otlp-examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestCorporaLogs: everything that OTLP's canonical log record and event say can be read
// again.
func TestCorporaLogs(t *testing.T) {
	f := func(file string, want map[string]string) {
		t.Helper()
		store, err := logs.Open(logs.Options{Dir: t.TempDir(), Retention: 20 * 365 * 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		req := httptest.NewRequest(http.MethodPost, "/v1/logs", bytes.NewReader(example(t, file)))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		otlp.NewLogs(store, func() int64 { return 1 << 24 }).ServeHTTP(w, req)
		if w.Code != 200 || w.Body.String() != `{"partialSuccess":{}}` {
			t.Fatal(w.Code, w.Body)
		}
		store.Flush()
		q, err := logs.ParseQuery("*", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		if err := store.Each(t.Context(), q, func(r logs.Row) bool {
			got["_time"] = fmt.Sprint(r.Time)
			for _, f := range r.Fields {
				got[strings.Clone(f.Name)] = strings.Clone(f.Value)
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: %s: got %q, expected %q", file, name, got[name], value)
			}
		}
	}
	common := map[string]string{
		"_time": "1544712660300000000", "service.name": "my.service", "scope.name": "my." + "library", "scope.version": "1.0.0", "scope.attributes.my.scope.attribute": "some scope attribute",
	}
	with := func(more map[string]string) map[string]string {
		for k, v := range common {
			more[k] = v
		}
		return more
	}
	f("logs.json", with(map[string]string{
		"": "Example log record", "severity": "Information", "severity_number": "10", "trace_id": "5b8efff798038103d269b633813fc60c", "span_id": "eee19b7ec3c1b174",
		"string.attribute": "some string", "boolean.attribute": "true", "int.attribute": "10", "double.attribute": "637.704", "array.attribute": `["many","values"]`, "map.attribute.some.map.key": "some value",
	}))
	f("events.json", with(map[string]string{
		"event_name": "browser.page_view", "severity": "test severity text", "severity_number": "9", "event.attribute": "some event attribute",
		"body.type": "0", "body.url": "https://www.guidgenerator.com/online-guid-generator.aspx", "body.referrer": "https://wwww.google.com", "body.title": "Free Online GUID Generator",
	}))
}

// TestCorporaMetrics: OTLP's canonical metrics are of delta temporality, which the sender
// is told. Sent as cumulative ones, with times of today, each value comes back.
func TestCorporaMetrics(t *testing.T) {
	raw := example(t, "metrics.json")
	var s declare.Settings
	s.Metrics.Retention = 20 * 365 * 24 * time.Hour
	s.Limits = declare.Limits{BodyBytes: 1 << 24, SamplesPerWrite: 10_000, LabelsPerSeries: 64, LabelNameBytes: 256, LabelValueBytes: 4096, ActiveSeries: 10_000, Future: 10 * time.Minute}
	store, err := metrics.Open(metrics.Options{Dir: t.TempDir(), Settings: s, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r := otlp.New(store)
	post := func(kind string, body []byte) string {
		t.Helper()
		req := httptest.NewRequest(http.MethodPost, "/v1/metrics", bytes.NewReader(body))
		req.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
		return w.Body.String()
	}
	if text := post("application/json", raw); !strings.Contains(text, `"rejectedDataPoints":"3"`) || !strings.Contains(text, "delta") {
		t.Errorf("of delta temporality: %s", text)
	}
	md, err := (&pmetric.JSONUnmarshaler{}).UnmarshalMetrics(raw)
	if err != nil {
		t.Fatal(err)
	}
	now, begin := pcommon.NewTimestampFromTime(time.Now()), pcommon.NewTimestampFromTime(time.Now().Add(-time.Minute))
	all := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
	all.At(0).Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	all.At(0).Sum().DataPoints().At(0).SetTimestamp(now)
	all.At(0).Sum().DataPoints().At(0).SetStartTimestamp(begin)
	all.At(1).Gauge().DataPoints().At(0).SetTimestamp(now)
	all.At(2).Histogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	all.At(2).Histogram().DataPoints().At(0).SetTimestamp(now)
	all.At(2).Histogram().DataPoints().At(0).SetStartTimestamp(begin)
	all.At(3).ExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	all.At(3).ExponentialHistogram().DataPoints().At(0).SetTimestamp(now)
	all.At(3).ExponentialHistogram().DataPoints().At(0).SetStartTimestamp(begin)
	body, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	if err != nil {
		t.Fatal(err)
	}
	if text := post("application/x-protobuf", body); text != "\n\x00" { // an empty partial success
		t.Errorf("partial success: %q", text)
	}
	q, err := store.Querier(time.Now().Add(-time.Second*30).UnixMilli(), math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	got := map[string]string{}
	for set := q.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+")); set.Next(); {
		ls := set.At().Labels()
		key := ls.Get("__name__") + ls.Get("le")
		for _, name := range []string{"my_counter_attr", "my_gauge_attr", "my_histogram_attr", "my_exponential_histogram_attr"} {
			if v := ls.Get(name); v != "" {
				key += " " + v
			}
		}
		for it := set.At().Iterator(nil); ; {
			switch kind := it.Next(); kind {
			case chunkenc.ValFloat:
				_, v := it.At()
				got[key] = fmt.Sprint(v)
				continue
			case chunkenc.ValHistogram:
				_, h := it.AtHistogram(nil)
				got[key] = describe(h.ToFloat(nil))
				continue
			case chunkenc.ValFloatHistogram:
				_, h := it.AtFloatHistogram(nil)
				got[key] = describe(h)
				continue
			}
			break
		}
		if ls.Get("service_name") != "my.service" && ls.Get("__name__") != "target_info" {
			t.Errorf("%s does not say whose it is", ls)
		}
	}
	for key, want := range map[string]string{
		"my_counter_total some value": "5", "my_gauge_ratio some value": "10",
		"my_histogram_count some value": "2", "my_histogram_sum some value": "2", "my_histogram_bucket1 some value": "1", "my_histogram_bucket+Inf some value": "2",
		"my_exponential_histogram some value": "count 3 sum 10 zero 1 above 2",
	} {
		if got[key] != want {
			t.Errorf("%s: got %q, expected %q, of %v", key, got[key], want, got)
		}
	}
}

func describe(h *histogram.FloatHistogram) string {
	above := 0.0
	for it := h.PositiveBucketIterator(); it.Next(); {
		above += it.At().Count
	}
	return fmt.Sprintf("count %g sum %g zero %g above %g", h.Count, h.Sum, h.ZeroCount, above)
}
