// Package overview makes a dashboard for a service from what is stored of it: rate,
// errors, duration, saturation, objectives, lines.
//
// In: the service and its objectives, and a way to ask what series and lines there are.
// Out: a dashboard with only such panels as have something to draw; it is valid, and can
// be written to a file to begin with.
package overview

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// Look says what is stored.
type Look struct {
	Series func(ctx context.Context, selector string) (bool, error) // any that the selector finds
	Lines  func(ctx context.Context, filter string) (bool, error)   // any that LogsQL finds
}

// Generate makes the dashboard.
func Generate(ctx context.Context, w *declare.Workspace, svc *declare.Service, look Look) (*declare.Dashboard, error) {
	g := generator{ctx: ctx, look: look, name: string(svc.ID)}
	d := &declare.Dashboard{
		Name: g.name, Title: svc.Title, Description: "Rate, errors, duration and saturation of " + svc.Title + ", from what is stored of it.", Service: svc.ID,
		Range: declare.Span(time.Hour), Refresh: declare.Span(30 * time.Second),
	}
	if d.Title == "" {
		d.Title = g.name
	}
	add := func(title string, panels []declare.Panel) {
		if len(panels) > 0 {
			d.Rows = append(d.Rows, declare.DashboardRow{Title: title, Panels: panels})
		}
	}
	add("Requests", g.requests())
	add("Objectives", g.objectives(w.ObjectivesOf(svc.ID)))
	add("Calls", g.calls())
	add("Saturation", g.saturation())
	add("Lines", g.lines())
	if g.err != nil {
		return nil, fmt.Errorf("cannot look what is stored of service %q: %w", g.name, g.err)
	}
	if len(d.Rows) == 0 {
		d.Rows = []declare.DashboardRow{{Panels: []declare.Panel{{Type: declare.PanelText, Width: 12,
			Text: "Nothing is stored that names " + g.name + ". Send spans, metrics with the label `service`, `service_name` or `job`, or lines with `service.name`."}}}}
	}
	return d, nil
}

type generator struct {
	ctx  context.Context
	look Look
	name string
	err  error // the first
}

// has says whether a selector finds series; after an error nothing is found any more.
func (g *generator) has(selector string) bool {
	if g.err != nil {
		return false
	}
	ok, err := g.look.Series(g.ctx, selector)
	g.err = err
	return ok
}

// of finds the matcher by which series of a metric name the service, "" when none do.
func (g *generator) of(metric string) string {
	for _, label := range []string{"service", "service_name", "job"} {
		m := label + "=" + strconv.Quote(g.name)
		if g.has(metric + "{" + m + "}") {
			return m
		}
	}
	return ""
}

func chart(title, unit string, queries ...declare.PanelQuery) declare.Panel {
	return declare.Panel{Title: title, Type: declare.PanelTimeSeries, Width: 4, Unit: unit, Queries: queries}
}

func q(legend, format string, args ...any) declare.PanelQuery {
	return declare.PanelQuery{PromQL: fmt.Sprintf(format, args...), Legend: legend}
}

// served are the conventions by which servers count requests, the richest first: a
// counter, the matcher of what failed, the histogram of durations in seconds, what to
// tell apart.
var served = []struct{ total, failed, bucket, by string }{
	{"traces_spanmetrics_calls_total", `status_code="STATUS_CODE_ERROR"`, "traces_spanmetrics_latency_bucket", "span_name"},
	{"http_server_request_duration_seconds_count", `http_response_status_code=~"5.."`, "http_server_request_duration_seconds_bucket", "http_route"},
	{"http_server_requests_total", `code=~"5.."`, "http_server_request_duration_seconds_bucket", "route"},
	{"http_server_requests_seconds_count", `status=~"5.."`, "http_server_requests_seconds_bucket", "uri"},
	{"http_requests_total", `code=~"5.."`, "http_request_duration_seconds_bucket", "handler"},
	{"rpc_server_duration_seconds_count", `rpc_grpc_status_code!="0"`, "rpc_server_duration_seconds_bucket", "rpc_method"},
	{"grpc_server_handled_total", `grpc_code!="OK"`, "grpc_server_handling_seconds_bucket", "grpc_method"},
}

// requests are rate, errors and duration, by the first convention that the service keeps
// to and that tells failures apart.
func (g *generator) requests() []declare.Panel {
	for _, c := range served {
		m := g.of(c.total)
		if m == "" {
			continue
		}
		if c.total == served[0].total {
			m += `,span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"`
			if !g.has(c.total + "{" + m + "}") {
				continue
			}
		}
		failed := c.failed
		if c.total == served[1].total && !g.has(c.total+"{"+m+`,http_response_status_code!=""}`) {
			continue // durations without a status: another convention counts
		}
		rate := "rate(%s{%s}[$__rate_interval])"
		panels := []declare.Panel{
			chart("Requests", "req/s", q("{{"+c.by+"}}", "sum by ("+c.by+") ("+rate+")", c.total, m)),
			chart("Failed", "share", q("failed", "(sum("+rate+") or vector(0)) / sum("+rate+")", c.total, m+","+failed, c.total, m)),
		}
		if b := g.of(c.bucket); b != "" {
			if c.total == served[0].total {
				b = m
			}
			d := chart("Duration", "seconds")
			for _, p := range []string{"0.5", "0.95", "0.99"} {
				d.Queries = append(d.Queries, q(p, "histogram_quantile("+p+", sum by (le) ("+rate+"))", c.bucket, b))
			}
			panels = append(panels, d)
		}
		return panels
	}
	return nil
}

func (g *generator) objectives(list []*declare.Objective) []declare.Panel {
	if len(list) == 0 || !g.has(`slo:period_error_budget_remaining:ratio{service=`+strconv.Quote(g.name)+`}`) {
		return nil
	}
	m := "service=" + strconv.Quote(g.name)
	left := chart("Error budget left", "share", q("{{objective}}", "slo:period_error_budget_remaining:ratio{%s}", m))
	burn := chart("Burn rate", "times", q("{{objective}}", "slo:current_burn_rate:ratio{%s}", m))
	burn.Thresholds = []declare.PanelThreshold{{Value: 1, Level: "warn", Label: "the budget ends with the window"}}
	left.Width, burn.Width = 6, 6
	return []declare.Panel{left, burn}
}

func (g *generator) calls() []declare.Panel {
	var out []declare.Panel
	for _, side := range []struct{ title, own, other string }{{"Called by", "server", "client"}, {"Calls to others", "client", "server"}} {
		m := side.own + "=" + strconv.Quote(g.name)
		if !g.has("traces_service_graph_request_total{" + m + "}") {
			continue
		}
		p := chart(side.title, "req/s", q("{{"+side.other+"}}", "sum by (%s) (rate(traces_service_graph_request_total{%s}[$__rate_interval]))", side.other, m))
		p.Width = 6
		out = append(out, p)
	}
	return out
}

// saturation is what the service uses of its process, its containers or its machines.
func (g *generator) saturation() []declare.Panel {
	var out []declare.Panel
	add := func(metric, title, unit, format string) {
		if m := g.of(metric); m != "" {
			out = append(out, chart(title, unit, q("{{instance}}", format, metric, m)))
		}
	}
	add("process_cpu_seconds_total", "Processor", "cores", "rate(%s{%s}[$__rate_interval])")
	add("process_resident_memory_bytes", "Memory", "bytes", "%s{%s}")
	add("process_open_fds", "Open files", "", "%s{%s}")
	add("go_goroutines", "Goroutines", "", "%s{%s}")
	add("jvm_memory_used_bytes", "JVM memory", "bytes", "sum by (instance) (%s{%s})")
	pods := `pod=~` + strconv.Quote(regexp.QuoteMeta(g.name)+`-.*`) + `,container!=""`
	if g.has("container_cpu_usage_seconds_total{" + pods + "}") {
		out = append(out, chart("Processor of containers", "cores", q("{{pod}}", "sum by (pod) (rate(container_cpu_usage_seconds_total{%s}[$__rate_interval]))", pods)))
	}
	if g.has("container_memory_working_set_bytes{" + pods + "}") {
		out = append(out, chart("Memory of containers", "bytes", q("{{pod}}", "sum by (pod) (container_memory_working_set_bytes{%s})", pods)))
	}
	if g.has("kube_pod_container_status_restarts_total{" + pods + "}") {
		out = append(out, chart("Restarts", "", q("{{pod}}", "sum by (pod) (increase(kube_pod_container_status_restarts_total{%s}[$__rate_interval]))", pods)))
	}
	for _, n := range []struct{ metric, title, unit, format string }{
		{"node_cpu_seconds_total", "Processor of its machines", "share", `1 - avg by (instance) (rate(%s{%s,mode="idle"}[$__rate_interval]))`},
		{"node_memory_MemAvailable_bytes", "Memory left on its machines", "bytes", "%s{%s}"},
	} {
		add(n.metric, n.title, n.unit, n.format)
	}
	return out
}

func (g *generator) lines() []declare.Panel {
	filter := "service.name:=" + strconv.Quote(g.name)
	if g.err != nil || g.look.Lines == nil {
		return nil
	}
	ok, err := g.look.Lines(g.ctx, filter)
	if g.err = err; !ok || err != nil {
		return nil
	}
	return []declare.Panel{
		{Title: "Lines by severity", Type: declare.PanelTimeSeries, Width: 6, Queries: []declare.PanelQuery{{LogsQL: filter + " | stats by (severity) count() lines", Legend: "{{severity}}"}}},
		{Title: "Errors", Type: declare.PanelLogs, Width: 6, Limit: 50, Queries: []declare.PanelQuery{{LogsQL: filter + ` severity:~"(?i)^(err|fatal|crit)"`}}},
	}
}
