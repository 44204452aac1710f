package app

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/dashboard"
	"github.com/evenkeel/evenkeel/observe/usage"
)

// askedLogs books that somebody asked for lines.
func (a *App) askedLogs(text string) { a.usage.Used(usage.Logs, text, time.Now()) }

// askedMetrics books which metrics an expression names, and whether they are made of spans.
func (a *App) askedMetrics(expr string, now time.Time) {
	if strings.Contains(expr, "traces_spanmetrics_") || strings.Contains(expr, "traces_service_graph_") {
		a.usage.Used(usage.Traces, expr, now)
	}
	e, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return
	}
	var names []string
	var patterns []*regexp.Regexp
	for _, ms := range parser.ExtractSelectors(e) {
		for _, m := range ms {
			switch {
			case m.Name != labels.MetricName:
			case m.Type == labels.MatchEqual && m.Value != "":
				names = append(names, m.Value)
			case m.Type == labels.MatchRegexp:
				if p, err := regexp.Compile("^(?s:" + m.Value + ")$"); err == nil {
					patterns = append(patterns, p)
				}
			}
		}
	}
	a.usage.Named(names, patterns, now)
}

// declaredUses books what the rules, objectives and dashboards of the workspace name: it is
// used, whether or not somebody looks.
func (a *App) declaredUses(w *declare.Workspace, now time.Time) {
	for _, f := range w.RuleFiles {
		for _, g := range f.Logs {
			for _, r := range g.Rules {
				a.usage.Used(usage.Logs, r.Expr, now)
			}
		}
		if f.Groups == nil {
			continue
		}
		for _, g := range f.Groups.Groups {
			for _, r := range g.Rules {
				a.askedMetrics(r.Expr, now)
			}
		}
	}
	for _, o := range w.Objectives {
		if o.Threshold != nil {
			a.askedMetrics(o.Threshold.Query, now)
		}
		if o.Ratio == nil {
			continue
		}
		for _, q := range []string{o.Ratio.Good, o.Ratio.Bad, o.Ratio.Total, o.Ratio.Raw} {
			a.askedMetrics(q, now)
		}
		for _, l := range o.Ratio.Logs {
			a.usage.Used(usage.Logs, l.Filter, now)
		}
	}
	for _, d := range w.Dashboards {
		sample := dashboard.Sample(d)
		for _, row := range d.Rows {
			for _, p := range row.Panels {
				for _, q := range p.Queries {
					switch {
					case q.PromQL != "":
						a.askedMetrics(dashboard.Expand(q.PromQL, false, sample), now)
					case q.LogsQL != "":
						a.usage.Used(usage.Logs, dashboard.Expand(q.LogsQL, true, sample), now)
					}
				}
			}
		}
	}
}

// asking is an engine that books what it is asked.
type asking struct {
	promql.QueryEngine
	asked func(expr string, now time.Time)
}

func (e asking) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, ts time.Time) (promql.Query, error) {
	e.asked(qs, time.Now())
	return e.QueryEngine.NewInstantQuery(ctx, q, opts, qs, ts)
}

func (e asking) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, start, end time.Time, interval time.Duration) (promql.Query, error) {
	e.asked(qs, time.Now())
	return e.QueryEngine.NewRangeQuery(ctx, q, opts, qs, start, end, interval)
}

// ask answers an instant query that somebody asks.
func (a *App) ask(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	a.askedMetrics(expr, time.Now())
	return a.engine.Query(ctx, expr, at)
}
