package web

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/dashboard"
	"github.com/evenkeel/evenkeel/observe/overview"
)

const nightBoard = `title: The night
service: checkout
range: 1h
variables:
  - {name: service, label: service, of: up, multi: true, all: true}
  - {name: quantile, values: ["0.5", "0.99"], default: "0.99"}
  - {name: severity, field: severity, in: '*', all: true}
  - {name: words, text: true, default: charge}
rows:
  - title: Numbers
    panels:
      - {title: Budget at $quantile, unit: share, thresholds: [{value: 0.5, level: warn}], queries: [{promql: 'slo:period_error_budget_remaining:ratio', legend: '{{objective}} <b>'}]}
      - {title: Burn, type: stat, reduce: max, unit: burns, thresholds: [{value: 0, level: ok}, {value: 2, level: bad}], queries: [{promql: 'slo:current_burn_rate:ratio', legend: '{{objective}}'}]}
      - {title: Broken, queries: [{promql: explode}]}
      - {type: table, queries: [{promql: 'slo:current_burn_rate:ratio'}]}
      - {title: Services, type: bar, queries: [{logsql: '* | stats by (service.name) count() n', legend: '{{service.name}}'}]}
  - title: Lines
    panels:
      - {title: Lines, queries: [{logsql: '* | stats by (severity) count() n', legend: '{{severity}}'}]}
      - {title: Said, type: logs, limit: 5, queries: [{logsql: '$words severity:in($severity)'}]}
      - {type: table, queries: [{logsql: '* | stats by (severity) count() n'}]}
  - title: More
    collapsed: true
    repeat: service
    panels: [{type: text, text: '# Of $service <script>'}]
`

func (e *estate) dashboards(t testing.TB) {
	t.Helper()
	var problems declare.Problems
	d, _ := dashboard.Read("dashboards/night.yml", []byte(nightBoard), &problems)
	if len(problems) > 0 {
		t.Fatal(problems.Error())
	}
	e.ws.Dashboards = append(e.ws.Dashboards, d)
}

func TestDashboard(t *testing.T) {
	e := fixtures["busy"](t)
	h := e.handler()
	f := func(path string, has []string, hasNot ...string) {
		t.Helper()
		res := get(t, h, e, "alice", path)
		text := body(t, res)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d\n%s", path, res.StatusCode, e.logs.String())
		}
		for _, p := range has {
			if !strings.Contains(text, p) {
				t.Errorf("%s: no %q", path, p)
			}
		}
		for _, p := range hasNot {
			if strings.Contains(text, p) {
				t.Errorf("%s: has %q", path, p)
			}
		}
	}
	f("/dashboards", []string{`href="/dashboards/night"`, "The night", "dashboards/night.yml", `href="/services/checkout/dashboard"`})
	f("/dashboards/night", []string{
		"Budget at 0.99", `checkout-availability \u003cb\u003e`, "warn from 50 %", "the store is closed", "service: all", `class="bad"`, "payments", "charge failed: card declined &lt;script&gt;",
		`value="charge"`, `data-every="30"`, "/explore?expr=slo%3Aperiod_error_budget_remaining%3Aratio&amp;from=2026-11-23T02%3A12%3A00Z",
		`href="/changes/c-142"`, `href="/objectives/checkout-availability"`, " burns<span",
	}, "<script>alert", "Of checkout")
	f("/dashboards/night?open=More&service=checkout&service=payments&quantile=0.5", []string{"Budget at 0.5", "service: checkout, payments", "Of checkout &lt;script&gt;", "Of payments"})
	f("/dashboards/night?words=nowhere&to=2026-11-23T03:00:00Z&range=15m", []string{"No line in this time", "2026-11-23 02:45:00"}, "data-every", "charge failed")
	f("/dashboards/night?from=tomorrow", []string{"expected a time as"})
	f("/dashboards/night?severity=ERROR", []string{"charge failed"})
	f("/dashboards/night?severity=info&words=charged", []string{"charged"}, "charge failed")
	f("/services/checkout/dashboard", []string{"generated", "Error budget left", "checkout-latency"})
	f("/services/payments/dashboard", []string{"Lines by severity", "charge failed"})
	if res := get(t, h, e, "alice", "/dashboards/none"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a dashboard that is not there: %d", res.StatusCode)
	}
}

func (e *estate) labelValues(_ context.Context, label, selector string, _, _ time.Time) ([]string, error) {
	if label == "service" && selector == "up" {
		return []string{"payments", "checkout"}, nil
	}
	return nil, nil
}

func (e *estate) overview(ctx context.Context, svc *declare.Service, _ time.Time) (*declare.Dashboard, error) {
	return overview.Generate(ctx, e.ws, svc, overview.Look{
		Series: func(_ context.Context, selector string) (bool, error) {
			return strings.HasPrefix(selector, "slo:"), nil
		},
		Lines: func(_ context.Context, filter string) (bool, error) { return strings.Contains(filter, "payments"), nil },
	})
}
