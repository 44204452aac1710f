package grafana

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare/dashboard"
)

// classic has one of everything.
const classic = `{"title": "Shop", "refresh": "10s", "time": {"from": "now-3h", "to": "now"},
"annotations": {"list": [{"name": "Annotations & Alerts", "builtIn": 1}, {"name": "deploys"}]},
"templating": {"list": [
  {"name": "ds", "type": "datasource", "query": "prometheus"},
  {"name": "instance", "type": "query", "query": {"query": "label_values(up{job=\"$job\"}, instance)", "refId": "A"}, "regex": "/(?<host>.*):9100/i", "multi": true, "includeAll": true, "current": {"value": ["$__all"]}},
  {"name": "job", "type": "query", "query": "label_values(job)"},
  {"name": "q", "type": "custom", "query": "0.5, 0.99", "current": {"value": "0.99"}},
  {"name": "env", "type": "constant", "query": "prod"},
  {"name": "text", "type": "textbox", "query": "boom"},
  {"name": "window", "type": "interval", "query": "1m,5m", "auto": true, "current": {"value": "5m"}},
  {"name": "range", "type": "custom", "query": "a,b"},
  {"name": "odd", "type": "query", "query": "query_result(up)"},
  {"name": "filters", "type": "adhoc"}]},
"panels": [
  {"type": "row", "title": "Late", "collapsed": true, "gridPos": {"y": 20}, "panels": [
    {"type": "text", "title": "Read", "options": {"mode": "markdown", "content": "# $job"}, "gridPos": {"w": 24}},
    {"type": "logs", "title": "Lines", "datasource": {"type": "loki"}, "targets": [{"refId": "A", "expr": "{app=\"shop\"} |= \"a.b\" != \"c\" |~ ` + "`x|y`" + `"}]},
    {"type": "logs", "title": "Parsed", "datasource": {"type": "loki"}, "targets": [{"refId": "A", "expr": "{app=\"shop\"} | json | level=\"x\""}]}]},
  {"type": "timeseries", "title": "Rate of $job", "gridPos": {"w": 12, "x": 0, "y": 0}, "datasource": {"type": "prometheus", "uid": "$ds"},
   "fieldConfig": {"defaults": {"unit": "reqps", "min": 0, "custom": {"stacking": {"mode": "normal"}, "thresholdsStyle": {"mode": "line"}}, "thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": null}, {"color": "red", "value": 80}]}},
    "overrides": [{"matcher": {}, "properties": [{"id": "unit", "value": "bytes"}, {"id": "color"}]}]},
   "targets": [{"refId": "A", "expr": "sum by (instance) (rate(http_requests_total{instance=\"$instance\",env=\"[[env]]\"}[$__rate_interval]))", "legendFormat": "{{instance}} $q"},
               {"refId": "B", "expr": "rate(x[$window])", "hide": true}, {"refId": "C", "expr": "sum(rate("}, {"refId": "D", "expr": "up{a=\"$odd\"}"}],
   "links": [{}], "alert": {"name": "x"}},
  {"type": "graph", "title": "Old", "gridPos": {"w": 12, "x": 12, "y": 0}, "yaxes": [{"format": "decbytes", "min": "0"}, {}], "stack": false, "thresholds": [{"value": 5, "colorMode": "critical"}],
   "targets": [{"refId": "A", "expr": "rate(x[$window]) > topk($q, y)"}], "seriesOverrides": [{"alias": "x", "transform": "negative-Y"}]},
  {"type": "gauge", "title": "Full", "gridPos": {"w": 6, "y": 8}, "fieldConfig": {"defaults": {"unit": "percentunit", "min": 0, "max": 1, "thresholds": {"mode": "percentage", "steps": [{"value": null}, {"color": "orange", "value": 80}]},
    "mappings": [{"type": "value", "options": {"1": {"text": "full"}}}, {"type": "range", "options": {}}]}}, "options": {"reduceOptions": {"calcs": ["max"]}}, "targets": [{"refId": "A", "expr": "disk_used"}]},
  {"type": "singlestat", "title": "Single", "gridPos": {"w": 6, "x": 6, "y": 8}, "format": "s", "valueName": "avg", "thresholds": "80,90", "targets": [{"refId": "A", "expr": "uptime"}]},
  {"type": "table", "title": "Table", "gridPos": {"y": 9}, "targets": [{"refId": "A", "expr": "topk(5, x)", "format": "table", "instant": true}], "transformations": [{"id": "sortBy"}, {"id": "merge"}, {"id": "organize", "options": {"excludeByName": {"Time": true}, "renameByName": {"Value": "Most"}}}]},
  {"type": "bargauge", "title": "Bars", "gridPos": {"y": 10}, "targets": [{"refId": "A", "expr": "x"}, {"refId": "B", "datasource": {"type": "__expr__"}, "type": "math"}]},
  {"type": "heatmap", "title": "Heat", "gridPos": {"y": 11}, "targets": [{"refId": "A", "expr": "sum by (le) (increase(d_bucket[$__interval]))", "format": "heatmap"}]},
  {"type": "nodeGraph", "title": "Graph", "gridPos": {"y": 12}, "targets": [{"refId": "A", "expr": "x"}]},
  {"type": "timeseries", "title": "SQL", "gridPos": {"y": 13}, "datasource": {"type": "mysql"}, "targets": [{"refId": "A", "rawSql": "select 1"}]}
]}`

func TestImport(t *testing.T) {
	d, lost, err := Import([]byte(classic))
	if err != nil {
		t.Fatal(err, lost)
	}
	text, err := dashboard.Write(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"range: 3h\n", "refresh: 10s\n", "label: instance\n    of: up{job=\"${job}\"}\n    match: (?i)(?P<host>.*):9100\n", "name: var_range", "default:\n      - \"0.99\"",
		`promql: sum by (instance) (rate(http_requests_total{instance=~"${instance}",env="prod"}[$__rate_interval]))`, "legend: '{{instance}} ${q}'", "unit: req/s", "stack: true", "value: 80\n            level: bad",
		"unit: bytes\n        min: 0", "unit: share", "reduce: max", `"1": full`, "value: 0.8\n            level: warn", "reduce: mean", "value: 90\n            level: bad",
		`{app="shop"} ~"a\\.b" !~"c" ~"x|y"`, "type: heatmap", "legend: Most", "collapsed: true", "text: '# ${job}'",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
	if d.Panels() != 9 || len(d.Rows) != 2 || time.Duration(d.Range) != 3*time.Hour || d.Variables[0].Name != "job" {
		t.Errorf("%d panels in %d rows, variables %v", d.Panels(), len(d.Rows), d.Variables)
	}
	var got []string
	for _, l := range lost {
		got = append(got, l.Panel+"|"+l.What)
	}
	for _, want := range []string{
		"|variable ds", "|variable window: auto", "|variable range", "|variable odd", "|variable filters", "|annotation deploys",
		"Rate of $job|query B", "Rate of $job|query C: sum(rate(", `Rate of $job|query D: up{a="$odd"}`, "Rate of $job|unit of single series (1)", "Rate of $job|1 links", "Rate of $job|its alert",
		"Old|transform of single series (1)", "Full|a mapping of values", "Table|transformation sortBy", "Bars|query B", "Graph|the panel", "SQL|query A", "SQL|the panel", `Parsed|query A: {app="shop"} | json | level="x"`, "Parsed|the panel",
	} {
		if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+want+"\n") {
			t.Errorf("%q is not told", want)
		}
	}
	if len(got) != 21 {
		t.Errorf("%d things did not map:\n%s", len(got), strings.Join(got, "\n"))
	}
}

func TestImportForms(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		d, _, err := Import([]byte(text))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = d.Title
			for _, r := range d.Rows {
				got += "; " + r.Title
				for _, p := range r.Panels {
					got += ", " + p.Title
				}
			}
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	panel := `{"type": "graph", "title": "p", "span": 6, "targets": [{"expr": "up"}]}`
	f(`{"title": "a", "rows": [{"title": "r", "panels": [`+panel+`]}, {"title": "empty"}]}`, "a; r, p")
	f(`{"dashboard": {"title": "b", "panels": [`+panel+`]}, "meta": {}}`, "b; , p")
	f(`{"apiVersion": "dashboard.grafana.app/v1beta1", "kind": "Dashboard", "metadata": {}, "spec": {"title": "c", "panels": [`+panel+`]}}`, "c; , p")
	f(`{"title": "d", "panels": [{"type": "graph", "title": 7, "span": "x", "targets": [{"expr": "up"}]}]}`, "d; , ")
	f(`{"spec": {"elements": {}, "layout": {}}}`, "cannot read the dashboard: got JSON without panels")
	f(`{"a": 1}`, "cannot read the dashboard: got JSON without panels")
	f(`[]`, "cannot read the dashboard")
	f(`title: x`, "cannot read the dashboard: expected a Grafana dashboard as JSON")
	f(`{"title": "e", "panels": [{"type": "news"}]}`, `cannot make a dashboard of "e": none of its panels maps`)
	deep := strings.Repeat(`{"spec":`, 20000) + "1" + strings.Repeat("}", 20000)
	f(deep, "cannot read the dashboard")
}

func TestFromLogQL(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got, why := fromLogQL(text); got != want || (why == "") == (want == "") {
			t.Errorf("%s: got %s (%s), want %s", text, got, why, want)
		}
	}
	f(`{a="b"}`, `{a="b"}`)
	f(`{a="}"} |= "x"`, `{a="}"} ~"x"`)
	f(`{a="b"} |= "$text"`, `{a="b"} ~"$text"`)
	f(`{a="b"} != "c d"`, `{a="b"} !~"c d"`)
	f(`{a="b"} | logfmt`, "")
	f(`sum(rate({a="b"}[5m]))`, "")
}

// TestColourOfNothing: a number that Grafana does not colour has no thresholds.
func TestColourOfNothing(t *testing.T) {
	for mode, want := range map[string]int{"none": 0, "value": 1} {
		d, _, err := Import([]byte(`{"title": "T", "panels": [{"type": "stat", "title": "RAM", "options": {"colorMode": "` + mode + `"}, "targets": [{"refId": "A", "expr": "x"}],
			"fieldConfig": {"defaults": {"unit": "bytes", "thresholds": {"steps": [{"value": null}, {"color": "red", "value": 80}]}}}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(d.Rows[0].Panels[0].Thresholds); got != want {
			t.Errorf("colorMode %s: %d thresholds, expected %d", mode, got, want)
		}
	}
}
