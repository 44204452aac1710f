package overview

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/dashboard"
)

// stored looks up series that are written as PromQL selectors with = only.
func stored(t *testing.T, series ...string) Look {
	p := parser.NewParser(parser.Options{})
	return Look{
		Series: func(_ context.Context, selector string) (bool, error) {
			ms, err := p.ParseMetricSelector(selector)
			if err != nil {
				return false, err
			}
			return slices.ContainsFunc(series, func(one string) bool {
				l, err := p.ParseMetric(one)
				if err != nil {
					t.Fatal(err)
				}
				return !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(l.Get(m.Name)) })
			}), nil
		},
		Lines: func(_ context.Context, filter string) (bool, error) { return strings.Contains(filter, "talker"), nil },
	}
}

func titles(d *declare.Dashboard) string {
	var out []string
	for _, r := range d.Rows {
		out = append(out, r.Title+":")
		for _, p := range r.Panels {
			out = append(out, p.Title+",")
		}
	}
	return strings.Join(out, " ")
}

func TestGenerate(t *testing.T) {
	w := &declare.Workspace{Objectives: []*declare.Objective{{Name: "x", Service: "shop"}}}
	f := func(service, want string, series ...string) {
		t.Helper()
		d, err := Generate(context.Background(), w, &declare.Service{ID: declare.ServiceID(service), Title: "The shop"}, stored(t, series...))
		if err != nil {
			t.Fatal(err)
		}
		if got := titles(d); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		// What is generated is a valid file.
		text, err := dashboard.Write(d)
		if err != nil {
			t.Fatal(err)
		}
		var problems declare.Problems
		if dashboard.Read("dashboards/x.yml", text, &problems); len(problems) > 0 {
			t.Errorf("%s\n%s", problems.Error(), text)
		}
	}
	f("shop", ": ,")
	f("talker", "Lines: Lines by severity, Errors,")
	f("shop", "Requests: Requests, Failed, Duration, Objectives: Error budget left, Burn rate, Calls: Called by,",
		`traces_spanmetrics_calls_total{service="shop",span_kind="SPAN_KIND_SERVER"}`, `traces_spanmetrics_latency_bucket{service="shop",span_kind="SPAN_KIND_SERVER",le="1"}`,
		`slo:period_error_budget_remaining:ratio{service="shop"}`, `traces_service_graph_request_total{client="web",server="shop"}`)
	f("shop", "Requests: Requests, Failed, Saturation: Processor, Memory,", `http_requests_total{job="shop",code="200"}`, `process_cpu_seconds_total{job="shop"}`, `process_resident_memory_bytes{service_name="shop"}`)
	f("shop", "Saturation: Processor of containers, Restarts,", `container_cpu_usage_seconds_total{pod="shop-7d9-x",container="shop"}`, `container_cpu_usage_seconds_total{pod="shopper-1",container="shop"}`, `kube_pod_container_status_restarts_total{pod="shop-7d9-x",container="shop"}`)
	// Spans of calls to others tell nothing of what it serves.
	f("shop", ": ,", `traces_spanmetrics_calls_total{service="shop",span_kind="SPAN_KIND_CLIENT"}`)
}

func TestGenerateFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	_, err := Generate(context.Background(), &declare.Workspace{}, &declare.Service{ID: "shop"}, Look{Series: func(context.Context, string) (bool, error) { return false, broken }})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
