package app

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/observe/usage"
)

// TestMetricsThatNobodyAsksFor: a query of Prometheus' API, a look at a page, a rule, an
// objective and a dashboard name metrics; what none of them names is told.
func TestMetricsThatNobodyAsksFor(t *testing.T) {
	a := newApp(t, map[string]string{
		"catalog/shop.yml": estate, "rules/r.yml": "groups: [{name: g, rules: [{record: x, expr: 'sum(by_rule_total)'}]}]\n",
		"dashboards/d.yml": "title: D\nrows: [{panels: [{title: P, queries: [{promql: 'rate(by_dashboard_total[$__rate_interval])'}]}]}]\n",
	})
	ctx, now := t.Context(), time.Now()
	for name, n := range map[string]int{"by_api_total": 1, "by_page_total": 1, "by_rule_total": 1, "by_dashboard_total": 1, "by_pattern_total": 1, "idle_total": 1100, "idle_too_total": 2} {
		if w := a.from(t, "127.0.0.1", "/api/v1/write", remoteWrite, writing(t, n, name, now, "job", "checkout", "n", "#")); w.Code/100 != 2 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	a.judgeTelemetry(ctx, now.Add(-31*24*time.Hour)) // since then they are known
	for _, q := range []string{"rate(by_api_total[5m])", `{__name__=~"by_pattern.*"}`, `count({__name__=~".+"})`, `{job="checkout"}`} {
		form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
		if w := a.from(t, "127.0.0.1", "/api/v1/query", form, []byte(url.Values{"query": {q}}.Encode())); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", q, w.Code, w.Body)
		}
	}
	if _, err := a.series(ctx, "by_page_total", now.Add(-time.Minute), now, time.Second); err != nil {
		t.Fatal(err)
	}
	a.wideAt = time.Time{}
	a.judgeTelemetry(ctx, now)
	got := map[string]uint64{}
	report, err := a.telemetry(ctx, now.Add(-time.Hour), now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.UnusedBy {
		if !strings.HasPrefix(c.Name, "evenkeel_") && !strings.HasPrefix(c.Name, "prometheus_") && !strings.HasPrefix(c.Name, "go_") && !strings.HasPrefix(c.Name, "process_") {
			got[c.Name] = c.Count
		}
	}
	if len(got) != 2 || got["idle_total"] != 1100 || got["idle_too_total"] != 2 || report.Unused < 1102 {
		t.Errorf("unused %v, in all %d", got, report.Unused)
	}
	for _, f := range a.findings.OpenFindings(detect.DetectorTelemetry) {
		if f.Name == "TelemetryUnused" && f.Service == "checkout" && f.Labels["signal"] == usage.Metrics {
			if !strings.Contains(f.Summary, "named 1102 of the ") || f.Team == "" {
				t.Errorf("%+v", f)
			}
			return
		}
	}
	t.Errorf("no finding: %+v", a.findings.OpenFindings(detect.DetectorTelemetry))
}
