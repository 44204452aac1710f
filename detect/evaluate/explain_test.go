package evaluate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

func TestExplain(t *testing.T) {
	w := newWorld(t, 5, false)
	w.run(3*time.Hour, false)
	at := func() time.Time { return time.UnixMilli(w.now) }
	f := func(expr, incremental string, series bool) *evaluate.Explanation {
		t.Helper()
		x, err := w.engine.Explain(t.Context(), expr, at(), true)
		if err != nil {
			t.Fatal(err)
		}
		if x.Incremental != incremental || x.Left != "" || x.Difference > 1e-9 || x.Seconds <= 0 || x.EngineSeconds <= 0 || series != (x.Series > 0) {
			t.Errorf("%s: %+v, expected %s of it incremental", expr, x, incremental)
		}
		return x
	}
	const ratio = `sum by (service) (rate(requests_total{code=~"5.."}[1h])) / sum by (service) (rate(requests_total[1h])) > 0`
	x := f(ratio, "all", true)
	if x.Group != "" || x.Built == nil || x.Built.Samples == 0 || x.Bytes == 0 {
		t.Errorf("windows that nobody keeps: %+v", x)
	}
	var how []string
	var visit func(p evaluate.Part)
	visit = func(p evaluate.Part) {
		how = append(how, p.How)
		if p.How == "window" && (p.Bytes == 0 || p.Series == 0) {
			t.Errorf("%+v", p)
		}
		for _, c := range p.Parts {
			visit(c)
		}
	}
	visit(x.Part)
	if got := strings.Join(how, " "); got != "operation operation aggregation window aggregation window constant" {
		t.Errorf("parts: %s", got)
	}
	x = f(`topk(2, rate(requests_total[5m])) * 2`, "all", true)
	if p := x.Part.Parts[0]; p.How != "aggregation" || !p.Incremental || p.Series != 2 || len(p.Parts) != 2 || p.Parts[0].How != "window" {
		t.Errorf("%+v", p)
	}
	for expr, how := range map[string]string{
		`quantile(0.9, temperature)`: "aggregation", `count_values("v", requests_total)`: "aggregation", `bottomk(1, temperature)`: "aggregation",
		`histogram_quantile(0.9, sum by (le) (rate(latency_bucket[5m])))`: "function", `histogram_fraction(0, 1, latency_bucket)`: "function",
		`label_replace(temperature, "a", "b", "", "")`: "function", `label_join(temperature, "a", "b", "pod")`: "function", `sort(temperature)`: "function",
		`timestamp(temperature)`: "current value", `hour(temperature)`: "function",
	} {
		if x := f(expr, "all", true); x.Part.How != how {
			t.Errorf("%s: %+v, expected it to be a %s", expr, x.Part, how)
		}
	}
	x = f(`max_over_time(temperature[10m:1m]) + topk(2, rate(requests_total[5m])) * 0`, "some", false)
	if p := x.Part.Parts[0]; p.How != "engine" || p.Incremental || !strings.Contains(p.Why, "subquery") {
		t.Errorf("%+v", p)
	}
	f(`max_over_time(temperature[10m:1m])`, "none", true)
	// The reason is the part of it that is one.
	for expr, why := range map[string]string{
		`max_over_time(temperature[10m:1m])`:                       "max_over_time of a subquery",
		`predict_linear(temperature[1d], 3600)`:                    "predict_linear over more than 6h: it looks at each sample",
		`quantile_over_time(0.5, temperature[7h])`:                 "quantile_over_time over more than 6h: it looks at each sample",
		`quantile_over_time(scalar(vector(0.5)), temperature[1h])`: "quantile_over_time whose parameter is not a constant",
		`rate({__name__=~"requests_.*"}[5m])`:                      "rate of selectors that name no metric",
		`count_over_time(temperature[5m] @ end())`:                 "count_over_time of selectors with @",
		`temperature @ end()`:                                      "selectors with @",
		`{service="a"}`:                                            "selectors that name no metric",
	} {
		x, err := w.engine.Explain(t.Context(), expr, at(), false)
		if err != nil {
			t.Fatal(err)
		}
		if x.Part.How != "engine" || x.Part.Why != "the inner engine evaluates "+why {
			t.Errorf("%s is a %s because of %q, expected %q", expr, x.Part.How, x.Part.Why, why)
		}
	}
	f(`rate(nothing[5m])`, "all", false)
	f(`vector(1)`, "all", true)

	// What is left to the engine as a whole takes what the engine takes, and no window has a
	// part in it.
	app := w.to.AppenderV2(t.Context())
	for i, h := range tsdbutil.GenerateTestHistograms(5) {
		if _, err := app.Append(0, labels.FromStrings("__name__", "native"), 0, w.now-int64(5-i)*15_000, 0, h, nil, storage.AppendV2Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	const native = `histogram_quantile(0.9, rate(native[2m]))`
	left := func(kept bool) {
		t.Helper()
		x, err := w.engine.Explain(t.Context(), native, at(), false)
		if err != nil {
			t.Fatal(err)
		}
		if x.Left != "native histograms" || x.Incremental != "none" || x.Series != 1 || x.Seconds <= 0 || kept != (x.Group != "") {
			t.Errorf("%+v", x)
		}
		if p := x.Part.Parts[0]; p.Incremental || p.Seconds != 0 || !strings.Contains(p.Why, "native histograms") {
			t.Errorf("%+v", p)
		}
	}
	left(false)
	natives, err := w.engine.Live("natives", native)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := natives.Query(t.Context(), native, at()); err != nil {
		t.Fatal(err)
	}
	left(true)
	natives.Close()

	// A group that evaluates it already has the windows.
	live, err := w.engine.Live("mine", "  "+ratio)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if x, err := live.Explain(t.Context(), "  "+ratio); x != nil || err != nil {
		t.Errorf("before it was evaluated: %+v, %v", x, err)
	}
	if _, err := live.Query(t.Context(), ratio, at()); err != nil {
		t.Fatal(err)
	}
	if x = f(ratio, "all", true); x.Group != "mine" || x.Built != nil {
		t.Errorf("windows that a group keeps: %+v", x)
	}
	w.run(time.Hour, false)
	if x = f(ratio, "all", true); x.Group != "" || !x.At.Equal(at()) {
		t.Errorf("a group that has not got there yet: %+v", x)
	}
	if ready, all, samples := w.engine.Progress(); ready != 1 || all != 1 || samples == 0 {
		t.Errorf("progress: %d of %d, %d samples", ready, all, samples)
	}
	for name, least := range map[string]float64{"evenkeel_evaluate_bytes_per_series": 100, "evenkeel_evaluate_window_bytes": 100, "evenkeel_evaluate_series": 1, "evenkeel_evaluate_windows": 1} {
		if v := w.metric(name); v < least {
			t.Errorf("%s is %g, expected at least %g", name, v, least)
		}
	}
	for _, bad := range []string{"", "sum(", "rate(requests_total)", "requests_total[5m]"} {
		if x, err := w.engine.Explain(t.Context(), bad, at(), false); err == nil {
			t.Errorf("%q is explained: %+v", bad, x)
		}
	}
}
