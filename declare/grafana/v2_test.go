package grafana

import (
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/declare/dashboard"
)

// second is a dashboard in the second version of the schema, with tabs and rows, as v2beta1
// and v2alpha1 write queries and pictures.
const second = `{"apiVersion": "dashboard.grafana.app/v2beta1", "kind": "Dashboard", "metadata": {"name": "x"}, "spec": {
"title": "Shop", "description": "All of it", "timeSettings": {"from": "now-3h", "to": "now", "autoRefresh": "30s"}, "links": [{}],
"annotations": [{"kind": "AnnotationQuery", "spec": {"name": "Annotations & Alerts", "builtIn": true}}, {"kind": "AnnotationQuery", "spec": {"name": "deploys"}}],
"variables": [
  {"kind": "DatasourceVariable", "spec": {"name": "ds", "pluginId": "prometheus"}},
  {"kind": "QueryVariable", "spec": {"name": "instance", "label": "Instance", "multi": true, "includeAll": true, "query": {"kind": "DataQuery", "group": "prometheus", "spec": {"query": "label_values(up{job=\"$job\"}, instance)"}}}},
  {"kind": "QueryVariable", "spec": {"name": "job", "query": {"kind": "prometheus", "spec": {"__legacyStringValue": "label_values(job)"}}}},
  {"kind": "CustomVariable", "spec": {"name": "q", "query": "0.5, 0.99", "current": {"value": "0.99"}}},
  {"kind": "TextVariable", "spec": {"name": "words", "query": "boom"}},
  {"kind": "AdhocVariable", "spec": {"name": "filters"}}],
"elements": {
  "panel-1": {"kind": "Panel", "spec": {"id": 1, "title": "Right", "data": {"kind": "QueryGroup", "spec": {"queries": [
      {"kind": "PanelQuery", "spec": {"refId": "A", "hidden": false, "query": {"kind": "DataQuery", "group": "prometheus", "datasource": {"name": "$ds"}, "spec": {"expr": "rate(x_total{instance=~\"$instance\"}[$__rate_interval])", "legendFormat": "{{instance}}"}}}},
      {"kind": "PanelQuery", "spec": {"refId": "B", "hidden": true, "query": {"kind": "DataQuery", "group": "prometheus", "spec": {"expr": "up"}}}}],
      "transformations": [], "queryOptions": {"timeShift": "1h"}}},
    "vizConfig": {"kind": "VizConfig", "group": "timeseries", "spec": {"options": {}, "fieldConfig": {"defaults": {"unit": "reqps"}, "overrides": []}}}}},
  "panel-2": {"kind": "Panel", "spec": {"id": 2, "title": "Left", "data": {"kind": "QueryGroup", "spec": {"queries": [
      {"kind": "PanelQuery", "spec": {"refId": "A", "query": {"kind": "prometheus", "spec": {"expr": "up"}}}}],
      "transformations": [{"kind": "Transformation", "group": "sortBy", "spec": {"options": {}}}]}},
    "vizConfig": {"kind": "stat", "spec": {"options": {"reduceOptions": {"calcs": ["max"]}}, "fieldConfig": {"defaults": {"unit": "bytes"}}}}}},
  "panel-3": {"kind": "Panel", "spec": {"id": 3, "title": "Words", "data": {"kind": "QueryGroup", "spec": {"queries": []}}, "vizConfig": {"kind": "VizConfig", "group": "text", "spec": {"options": {"mode": "markdown", "content": "Read **on**."}}}}},
  "panel-4": {"kind": "LibraryPanel", "spec": {"id": 4, "title": "Shared"}},
  "panel-5": {"kind": "Panel", "spec": {"id": 5, "title": "Lost"}},
  "panel-6": {"kind": "Panel", "spec": {"id": 6, "title": "Lines", "data": {"kind": "QueryGroup", "spec": {"queries": [{"kind": "PanelQuery", "spec": {"refId": "A", "query": {"kind": "DataQuery", "group": "loki", "spec": {"expr": "{app=\"a\"} |= \"b\""}}}}]}}, "vizConfig": {"kind": "VizConfig", "group": "logs", "spec": {}}}}},
"layout": {"kind": "TabsLayout", "spec": {"tabs": [
  {"kind": "TabsLayoutTab", "spec": {"title": "First", "layout": {"kind": "RowsLayout", "spec": {"rows": [
    {"kind": "RowsLayoutRow", "spec": {"title": "Requests", "collapse": true, "repeat": {"mode": "variable", "value": "q"}, "conditionalRendering": {"kind": "ConditionalRenderingGroup"}, "layout": {"kind": "GridLayout", "spec": {"items": [
      {"kind": "GridLayoutItem", "spec": {"x": 12, "y": 0, "width": 12, "height": 8, "element": {"kind": "ElementReference", "name": "panel-1"}, "repeat": {"mode": "variable", "value": "job"}}},
      {"kind": "GridLayoutItem", "spec": {"x": 0, "y": 0, "width": 12, "height": 8, "element": {"kind": "ElementReference", "name": "panel-2"}}},
      {"kind": "GridLayoutItem", "spec": {"x": 0, "y": 8, "width": 12, "height": 8, "element": {"kind": "ElementReference", "name": "panel-4"}}}]}}}}]}}}},
  {"kind": "TabsLayoutTab", "spec": {"title": "Second", "layout": {"kind": "AutoGridLayout", "spec": {"items": [
      {"kind": "AutoGridLayoutItem", "spec": {"element": {"kind": "ElementReference", "name": "panel-3"}}},
      {"kind": "AutoGridLayoutItem", "spec": {"element": {"kind": "ElementReference", "name": "panel-6"}}}]}}}}]}}}}`

func TestSecondVersion(t *testing.T) {
	d, lost, err := Import([]byte(second))
	if err != nil {
		t.Fatal(err, lost)
	}
	text, err := dashboard.Write(d)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, want := range []string{ // in this order
		"title: Shop", "description: All of it", "range: 3h", "refresh: 30s", "name: job", "name: instance", `of: up{job="${job}"}`, "name: q", "name: words",
		"- title: First / Requests", "repeat: q", "collapsed: true", "- title: Left", "unit: bytes", "reduce: max", "- title: Right", "repeat: job", "unit: req/s", "legend: '{{instance}}'",
		"- title: Second", "text: Read **on**.", `logsql: '{app="a"} ~"b"'`,
	} {
		n := strings.Index(string(text[at:]), want)
		if n < 0 {
			t.Fatalf("no %q behind %d in\n%s", want, at, text)
		}
		at += n
	}
	var got []string
	for _, l := range lost {
		got = append(got, l.Panel+"|"+l.What)
	}
	want := []string{
		"First / Requests|when it is shown", "panel-4|the panel", "panel-5|the panel", "|variable ds", "|variable filters",
		"Left|transformation sortBy", "Right|query B", "Right|a time of its own", "|annotation deploys", "|1 links of the dashboard",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSecondVersionIsBounded(t *testing.T) {
	deep := strings.Repeat(`{"kind":"TabsLayout","spec":{"tabs":[{"spec":{"layout":`, 50) + "{}" + strings.Repeat("}}]}}", 50)
	if _, _, err := Import([]byte(`{"elements":{"a":{}},"layout":` + deep + `}`)); err == nil || !strings.Contains(err.Error(), "within each other") {
		t.Errorf("fifty layouts in each other: %v", err)
	}
	for _, text := range []string{`{"elements":{"a":7},"layout":{}}`, `{"elements":{},"layout":{"spec":{"items":7}}}`, `{"elements":{"a":{"kind":"Panel","spec":[]}},"layout":{"spec":{"items":[{"spec":{"element":{"name":"a"}}}]}}}`} {
		if _, _, err := Import([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestOverrides: what is said of the series of a query is mapped, and what is said of
// single series is told.
func TestOverrides(t *testing.T) {
	f := func(kind, queries, overrides, transformations string, wantText, wantLost []string) {
		t.Helper()
		d, lost, err := Import([]byte(`{"title": "x", "panels": [{"title": "p", "type": "` + kind + `", "targets": [` + queries + `], "fieldConfig": {"defaults": {}, "overrides": [` + overrides + `]}, "transformations": [` + transformations + `]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		text, err := dashboard.Write(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wantText {
			if !strings.Contains(string(text), want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		var got []string
		for _, l := range lost {
			got = append(got, l.What)
		}
		if strings.Join(got, "; ") != strings.Join(wantLost, "; ") {
			t.Errorf("lost %q, expected %q", got, wantLost)
		}
	}
	a, b := `{"refId": "A", "expr": "a", "legendFormat": "one"}`, `{"refId": "B", "expr": "b", "legendFormat": "two {{x}}"}`
	name := func(matcher, options, id, value string) string {
		return `{"matcher": {"id": "` + matcher + `", "options": "` + options + `"}, "properties": [{"id": "` + id + `", "value": "` + value + `"}]}`
	}
	f("timeseries", a+","+b, name("byFrameRefID", "B", "displayName", "Two")+","+name("byName", "one", "displayName", "First"), "", []string{"legend: First", "legend: Two"}, nil)
	f("timeseries", a+","+b, name("byName", "one", "unit", "bytes"), "", nil, []string{"unit of single series (1)"})
	f("timeseries", a+","+b, name("byName", "one", "unit", "bytes")+","+name("byFrameRefID", "B", "unit", "bytes"), "", []string{"unit: bytes"}, nil)
	f("timeseries", a+","+b, name("byName", "one", "unit", "bytes")+","+name("byFrameRefID", "B", "unit", "s"), "", nil, []string{"unit of single series (2)"})
	f("timeseries", a, name("byRegexp", "/o.*/", "displayName", "x")+","+name("byName", "one", "displayName", "${__field.name}"), "", []string{"legend: one"}, []string{"displayName of single series (2)"})
	f("table", a+","+b, name("byName", "Value #A", "displayName", "First"), `{"id": "merge"}, {"id": "organize", "options": {"renameByName": {"Value #B": "Second", "x": "X"}, "excludeByName": {"Time": true, "y": true, "z": false}}}`,
		[]string{"legend: First", "legend: Second"}, []string{"transformation organize (x as X, without y)"})
	f("timeseries", a, "", `{"id": "merge"}, {"id": "organize", "disabled": true, "options": {"renameByName": {"x": "X"}}}`, nil, []string{"transformation merge"})
}
