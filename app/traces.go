package app

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/api/jaeger"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/otlp"
	"github.com/evenkeel/evenkeel/observe/trace"
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
	return nil
}

func (a *App) otlpTraces() *otlp.TraceReceiver { return otlp.NewTraces(a.traces, a.bodyBytes) }

// traceRoutes are spans in and Jaeger's API out.
func (a *App) traceRoutes(mux *http.ServeMux, open func(http.Handler) http.Handler) {
	mux.Handle("POST /v1/traces", open(a.otlpTraces()))
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

// seenCall is how often one service called another in a time, and how often in vain.
type seenCall struct {
	Client, Server string
	Calls, Failed  float64
}

func (a *App) seenCalls(ctx context.Context, from, to time.Time) ([]seenCall, error) {
	over := model.Duration(max(time.Second, to.Sub(from).Truncate(time.Second))).String()
	type pair struct{ client, server string }
	by := map[pair]*seenCall{}
	for name, into := range map[string]func(*seenCall) *float64{
		trace.GraphTotal: func(c *seenCall) *float64 { return &c.Calls }, trace.GraphFailed: func(c *seenCall) *float64 { return &c.Failed },
	} {
		v, err := a.engine.Query(ctx, "sum by (client, server) (increase("+name+"["+over+"]))", to)
		if err != nil {
			return nil, err
		}
		for _, s := range v {
			k := pair{s.Metric.Get("client"), s.Metric.Get("server")}
			if by[k] == nil {
				by[k] = &seenCall{Client: k.client, Server: k.server}
			}
			*into(by[k]) = s.F
		}
	}
	out := make([]seenCall, 0, len(by))
	for _, c := range by {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b seenCall) int {
		return cmp.Or(strings.Compare(a.Client, b.Client), strings.Compare(a.Server, b.Server))
	})
	return out, nil
}
