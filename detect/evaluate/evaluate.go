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
	// StateLimit is how many bytes the windows of all Lives may take; default 2 GiB.
	StateLimit int64
	// Oldest is the time in Unix milliseconds of the oldest sample in the store, when the
	// store deletes what is old; may be nil.
	Oldest func() int64
	// OutOfOrder is how much older than the newest sample one may be for the store to take
	// it.
	OutOfOrder time.Duration
	// CheckEvery compares one evaluation in so many with the inner engine's; 0 never does.
	CheckEvery int
}

// Prometheus is Prometheus' own engine as an Engine. It reads every sample of every window.
type Prometheus struct {
	engine    *promql.Engine
	parser    parser.Parser
	queryable storage.Queryable
}

var _ Engine = (*Prometheus)(nil)

// NewPrometheus returns Prometheus' engine over a store.
func NewPrometheus(o Options) *Prometheus {
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	if o.MaxSamples == 0 {
		o.MaxSamples = 50_000_000
	}
	p := parser.NewParser(parser.Options{})
	return &Prometheus{queryable: o.Queryable, parser: p, engine: promql.NewEngine(promql.EngineOpts{
		Logger: o.Logger, Reg: o.Registerer, MaxSamples: o.MaxSamples, Timeout: o.Timeout,
		EnableAtModifier: true, EnableNegativeOffset: true, LookbackDelta: lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		Parser:                   p,
	})}
}

// lookback is how long a sample stays the current one.
const lookback = 5 * time.Minute

// QueryEngine is for the HTTP API.
func (p *Prometheus) QueryEngine() promql.QueryEngine { return p.engine }

// Query implements Engine.
func (p *Prometheus) Query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	return p.over(p.queryable, ctx, expr, at.UnixMilli())
}

// Range implements Engine.
func (p *Prometheus) Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, error) {
	s, err := between(from, to, step)
	if err != nil {
		return nil, err
	}
	return p.matrix(p.queryable, ctx, expr, s)
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

// between are the steps from one time to another, both included.
func between(from, to time.Time, step time.Duration) (steps, error) {
	s := steps{from: from.UnixMilli(), step: step.Milliseconds()}
	if s.step <= 0 || to.Before(from) {
		return s, fmt.Errorf("cannot evaluate from %s to %s in steps of %s: expected a later end and a step of at least 1ms", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), step)
	}
	s.n = int((to.UnixMilli()-s.from)/s.step) + 1
	return s, nil
}
