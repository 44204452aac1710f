package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/dashboard"
	"github.com/evenkeel/evenkeel/observe/logs"
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
      - {title: Heat, type: heatmap, queries: [{promql: 'slo:current_burn_rate:ratio'}]}
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
		`href="/changes/c-142"`, `href="/objectives/checkout-availability"`, " burns<span", `class="drawn heat"`, "4 buckets over time",
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

// TestSavedViews: a view is saved where it is looked at, listed, and removed by those who
// may.
func TestSavedViews(t *testing.T) {
	e := fixtures["busy"](t)
	h := e.handler()
	send := func(who declare.PersonID, path string, form url.Values) *http.Response {
		t.Helper()
		return post(t, h, e, who, path, form)
	}
	page := "/explore?logs=severity%3Aerror&range=1h"
	if text := body(t, get(t, h, e, "alice", page)); !strings.Contains(text, `name="url" value="/explore?logs=severity%3Aerror&amp;range=1h"`) || !strings.Contains(text, "for shop") {
		t.Error("the explorer does not offer to save it")
	}
	res := send("alice", "/views", url.Values{"name": {"<b>errors"}, "url": {page}, "team": {"shop"}})
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || to != page+"&done=view-saved" {
		t.Errorf("saved: %d to %s", res.StatusCode, to)
	}
	if text := body(t, get(t, h, e, "bob", "/views")); !strings.Contains(text, "&lt;b&gt;errors") || !strings.Contains(text, "alice") {
		t.Errorf("bob of the same team does not see it:\n%s", text)
	}
	if res := send("alice", "/views", url.Values{"name": {"<b>errors"}, "url": {page}, "team": {"shop"}}); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body(t, res), "no view has yet") {
		t.Errorf("the same name again: %d", res.StatusCode)
	}
	if res := send("alice", "/views", url.Values{"name": {"x"}, "url": {"https://evil.example/"}}); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("another site: %d", res.StatusCode)
	}
	if res := send("bob", "/views/1/delete", nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("removed: %d", res.StatusCode)
	}
	if text := body(t, get(t, h, e, "alice", "/views")); strings.Contains(text, "errors") {
		t.Error("it is still there")
	}
}

// TestTail: lines come as server-sent events; a query that counts is refused.
func TestTail(t *testing.T) {
	e := fixtures["busy"](t)
	h := e.handler()
	if res := get(t, h, e, "alice", "/explore/tail?logs=*+%7C+stats+count()"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a query that counts: %d", res.StatusCode)
	}
	for query, want := range map[string]string{"*+|+fields+_msg": "add _time to its fields", "*+|+count()": "it counts, sorts or limits lines", "(((": "cannot parse"} {
		if page := body(t, get(t, h, e, "alice", "/explore?tail=1&logs="+query)); !strings.Contains(page, want) || strings.Contains(page, "data-tail=") {
			t.Errorf("%s followed on the page: expected %q and no tail", query, want)
		}
	}
	if res := get(t, h, e, "", "/explore/tail?logs=*"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a guest: %d", res.StatusCode)
	}
	columns := []logs.Column{{Name: "_time", Values: []string{"2026-11-23T03:00:00.5Z"}}, {Name: "_msg", Values: []string{"a \"line\"\nof two </script>"}}, {Name: "level", Values: []string{"ERR"}}, {Name: "service.name", Values: []string{"shop"}}, {Name: "trace_id", Values: []string{"ab"}}, {Name: "_stream_id", Values: []string{"1"}}}
	want := `{"at":"2026-11-23T03:00:00.500Z","severity":"error","service":"shop","message":"a \"line\"\nof two \u003c/script\u003e","trace":"/traces/ab","fields":[{"name":"level","value":"ERR"},{"name":"service.name","value":"shop"}]}`
	if got := string(tailed(columns, 0)); got != want {
		t.Errorf("got %s", got)
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

// TestLinesWithoutTime: what a query leaves out is not made up.
func TestLinesWithoutTime(t *testing.T) {
	e := fixtures["busy"](t)
	page := body(t, get(t, e.handler(), e, "alice", "/explore?logs=*+%7C+fields+_msg&range=1h"))
	if !strings.Contains(page, "The query leaves out _time") || strings.Contains(page, "01-01 00:00") || !strings.Contains(page, `class="loglines"`) {
		t.Error("lines without a time are not shown as such")
	}
}

// TestNumbersOfPeople: a time of many seconds is hours and minutes, and a duration that rounds to
// a second is one.
func TestNumbersOfPeople(t *testing.T) {
	for got, want := range map[string]string{
		unit(15231.2, "seconds"): "4h 13m", unit(12.5, "seconds"): "12.50 s", took(999_700 * time.Microsecond): "1.00 s", took(998_400 * time.Microsecond): "998 ms",
	} {
		if got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
	e := fixtures["busy"](t)
	if page := body(t, get(t, e.handler(), e, "alice", "/explore?logs=*&range=37m")); !strings.Contains(page, "<option selected>37m</option>") {
		t.Error("the range that is shown is not the one that is chosen")
	}
}
