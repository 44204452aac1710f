package app

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/api/jaeger"
	"github.com/evenkeel/evenkeel/api/logsql"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/dependency"
	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/otlp"
	"github.com/evenkeel/evenkeel/observe/reduce"
	"github.com/evenkeel/evenkeel/observe/trace"
	"github.com/evenkeel/evenkeel/observe/usage"
	"github.com/evenkeel/evenkeel/observe/zipkin"
	"github.com/evenkeel/evenkeel/web"
)

// openTraces opens the store of spans.
func (a *App) openTraces(w *declare.Workspace) error {
	log := a.o.Logger.With("room", "observe")
	rows, err := logs.Open(logs.Options{
		Dir: a.o.Data, Name: "traces", Retention: w.Settings.Traces.Retention, RetentionSize: w.Settings.Traces.RetentionSize,
		Limits: logLimits(w.Settings.Limits), Logger: log, Registerer: a.reg,
	})
	if err != nil {
		return err
	}
	a.onClose("traces", rows.Close)
	a.part("observe: traces", rows.Run)
	a.red = trace.NewRed(a.metrics, log)
	a.part("observe: series of spans", a.red.Run)
	a.traces = trace.New(rows, a.red)
	a.traces.Asked(func(text string) { a.usage.Used(usage.Traces, text, time.Now()) })
	rows.SetTap(func(r logs.Rows) {
		took := a.took(usage.Traces, r)
		r.Each(func(row logs.Row) { took.row(row.Service(), row) })
		took.book()
	})
	a.spanRules = reduce.New(a.metrics, log, prometheus.WrapRegistererWith(prometheus.Labels{"store": "traces"}, a.reg))
	a.part("observe: reduced spans", a.spanRules.Run)
	rows.SetDrop(a.spanRules.Drop)
	a.regularly("detect: dependencies", time.Minute, "compare dependencies", a.compareDependencies)
	return nil
}

func (a *App) otlpTraces() *otlp.TraceReceiver { return otlp.NewTraces(a.traces, a.bodyBytes) }

// traceRoutes are spans in and Jaeger's API out.
func (a *App) traceRoutes(mux *http.ServeMux, open func(http.Handler) http.Handler) {
	mux.Handle("POST /v1/traces", open(a.otlpTraces()))
	mux.Handle("POST /api/v2/spans", open(zipkin.Handler(a.traces, a.bodyBytes)))
	// Spans are rows too: LogsQL over them, as over logs.
	spans := logsql.New(logsql.Options{Store: a.traces.Rows(), Closing: a.closing, Used: func(text string) { a.usage.Used(usage.Traces, text, time.Now()) }})
	mux.Handle("/select/traces/logsql/", open(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.URL.Path = "/select" + strings.TrimPrefix(r.URL.Path, "/select/traces")
		spans.ServeHTTP(w, r)
	})))
	mux.Handle("/jaeger/api/", open(jaeger.New(jaeger.Options{Store: a.traces, Calls: a.calls})))
}

// calls is the graph of services in a time: who called whom, how often.
func (a *App) calls(ctx context.Context, from, to time.Time) ([]jaeger.Call, error) {
	edges, err := a.seenCalls(ctx, from, to)
	out := make([]jaeger.Call, 0, len(edges))
	for _, e := range edges {
		if n := uint64(e.Calls + 0.5); n > 0 {
			out = append(out, jaeger.Call{Parent: e.Client, Child: e.Server, Count: n})
		}
	}
	return out, err
}

// seenCalls are the calls between services that spans tell of in a time.
func (a *App) seenCalls(ctx context.Context, from, to time.Time) ([]observe.Call, error) {
	over := model.Duration(max(time.Second, to.Sub(from).Truncate(time.Second))).String()
	type pair struct{ client, server string }
	by := map[pair]*observe.Call{}
	for name, into := range map[string]func(*observe.Call) *float64{
		trace.GraphTotal: func(c *observe.Call) *float64 { return &c.Calls }, trace.GraphFailed: func(c *observe.Call) *float64 { return &c.Failed },
	} {
		v, err := a.engine.Query(ctx, "sum by (client, server) (increase("+name+"["+over+"]))", to)
		if err != nil {
			return nil, err
		}
		for _, s := range v {
			k := pair{s.Metric.Get("client"), s.Metric.Get("server")}
			if by[k] == nil {
				by[k] = &observe.Call{Client: k.client, Server: k.server}
			}
			*into(by[k]) = s.F
		}
	}
	out := make([]observe.Call, 0, len(by))
	for _, c := range by {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b observe.Call) int {
		return cmp.Or(strings.Compare(a.Client, b.Client), strings.Compare(a.Server, b.Server))
	})
	return out, nil
}

// exemplars are requests behind the samples of an expression, the newest first.
func (a *App) exemplars(ctx context.Context, expr string, from, to time.Time) ([]web.Exemplar, error) {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return nil, err
	}
	q, err := a.metrics.ExemplarQuerier(ctx)
	if err != nil {
		return nil, err
	}
	found, err := q.Select(from.UnixMilli(), to.UnixMilli(), parser.ExtractSelectors(parsed)...)
	if err != nil {
		return nil, err
	}
	var out []web.Exemplar
	for _, series := range found {
		for _, e := range series.Exemplars {
			id := cmp.Or(e.Labels.Get("trace_id"), e.Labels.Get("traceID"))
			if id != "" {
				out = append(out, web.Exemplar{Labels: series.SeriesLabels.Map(), At: time.UnixMilli(e.Ts).UTC(), Value: e.Value, TraceID: id, SpanID: e.Labels.Get("span_id")})
			}
		}
	}
	slices.SortFunc(out, func(a, b web.Exemplar) int { return b.At.Compare(a.At) })
	return out, nil
}

// compareDependencies compares the dependencies that are declared with the calls that are seen.
func (a *App) compareDependencies(ctx context.Context, now time.Time) error {
	recent, err := a.seenCalls(ctx, now.Add(-time.Hour), now)
	if err != nil {
		return err
	}
	long, err := a.seenCalls(ctx, now.Add(-dependency.Patience), now)
	if err != nil {
		return err
	}
	// Who sent spans all that time: who was not there cannot have called.
	v, err := a.engine.Query(ctx, "count by (service) ("+trace.CallsTotal+" offset 1d) and count by (service) ("+trace.CallsTotal+")", now)
	if err != nil {
		return err
	}
	sends := map[declare.ServiceID]bool{}
	for _, s := range v {
		sends[declare.ServiceID(s.Metric.Get("service"))] = true
	}
	found := dependency.Compare(a.ws(), recent, long, sends)
	open := map[detect.Fingerprint]bool{}
	for i := range found {
		found[i].Fingerprint = detect.MakeFingerprint(found[i].Detector, found[i].Labels)
		open[found[i].Fingerprint] = true
	}
	for _, f := range a.findings.OpenFindings(detect.DetectorDependency) {
		if !open[f.Fingerprint] {
			f.ResolvedAt = now
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return a.findings.Observe(ctx, now, found)
}
