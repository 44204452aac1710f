// Package evaluate answers the questions of rules, objectives and pages. It stands
// behind one small interface, so that the engine can be replaced whole.
//
// In: a PromQL expression and a time. Out: PromQL's own answer. Promise: the same
// expression, time and samples give the same answer, whichever engine is behind it.
package evaluate

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// Engine evaluates expressions.
type Engine interface {
	// Query evaluates at one time. A scalar is a vector of one element without
	// labels. It MUST be safe for concurrent use.
	Query(ctx context.Context, expr string, at time.Time) (promql.Vector, error)
	// Range evaluates from one time to another, both included.
	Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, error)
	// Ranges evaluates many expressions over the same times, in one pass over the data
	// where it can. The results are in the order of the expressions.
	Ranges(ctx context.Context, exprs []string, from, to time.Time, step time.Duration) ([]promql.Matrix, error)
}

// Options of New.
type Options struct {
	Queryable  storage.Queryable
	Timeout    time.Duration // of one query; default 2 minutes
	MaxSamples int           // in memory for one query; default 50 million, as in Prometheus
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Prometheus is Prometheus' own engine as an Engine.
type Prometheus struct {
	engine    *promql.Engine
	queryable storage.Queryable
}

var _ Engine = (*Prometheus)(nil)

// New returns Prometheus' engine over a store.
func New(o Options) *Prometheus {
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	if o.MaxSamples == 0 {
		o.MaxSamples = 50_000_000
	}
	return &Prometheus{queryable: o.Queryable, engine: promql.NewEngine(promql.EngineOpts{
		Logger: o.Logger, Reg: o.Registerer, MaxSamples: o.MaxSamples, Timeout: o.Timeout,
		EnableAtModifier: true, EnableNegativeOffset: true, LookbackDelta: 5 * time.Minute,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		Parser:                   parser.NewParser(parser.Options{}),
	})}
}

// QueryEngine is for the HTTP API.
func (p *Prometheus) QueryEngine() promql.QueryEngine { return p.engine }

// Query implements Engine.
func (p *Prometheus) Query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	q, err := p.engine.NewInstantQuery(ctx, p.queryable, nil, expr, at)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, res.Err
	}
	switch v := res.Value.(type) {
	case promql.Vector:
		return append(promql.Vector(nil), v...), nil // Close takes back the engine's own slice
	case promql.Scalar:
		return promql.Vector{promql.Sample{T: v.T, F: v.V}}, nil
	}
	return nil, fmt.Errorf("cannot evaluate %q: the result is a %s, expected a vector or scalar", expr, res.Value.Type())
}

// Range implements Engine.
func (p *Prometheus) Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, error) {
	q, err := p.engine.NewRangeQuery(ctx, p.queryable, nil, expr, from, to, step)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	m, err := q.Exec(ctx).Matrix()
	if err != nil {
		return nil, err
	}
	out := make(promql.Matrix, len(m))
	for i, s := range m {
		out[i] = promql.Series{Metric: s.Metric, Floats: append([]promql.FPoint(nil), s.Floats...)}
	}
	return out, nil
}

// Ranges implements Engine.
func (p *Prometheus) Ranges(ctx context.Context, exprs []string, from, to time.Time, step time.Duration) ([]promql.Matrix, error) {
	out := make([]promql.Matrix, len(exprs))
	for i, expr := range exprs {
		m, err := p.Range(ctx, expr, from, to, step)
		if err != nil {
			return nil, fmt.Errorf("cannot evaluate %q: %w", expr, err)
		}
		out[i] = m
	}
	return out, nil
}
