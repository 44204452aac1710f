package objective

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/evenkeel/evenkeel/declare"
)

var start = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// history is a real TSDB with Prometheus' engine and rule groups over it. Time in it
// is whatever a test says.
type history struct {
	t      testing.TB
	db     *tsdb.DB
	engine *promql.Engine
	opts   *rules.ManagerOptions
	groups []*rules.Group
	next   map[*rules.Group]time.Time
	series map[string]labels.Labels // parsed
}

func newHistory(t testing.TB) *history {
	t.Helper()
	o := tsdb.DefaultOptions()
	o.RetentionDuration = 0
	o.MinBlockDuration = (10_000 * time.Hour).Milliseconds() // all in the head: nothing is compacted under the test
	o.MaxBlockDuration = o.MinBlockDuration
	o.WALSegmentSize, o.StripeSize = -1, 64 // a few series that nobody reads again: a test opens hundreds of these
	db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &history{t: t, db: db, next: map[*rules.Group]time.Time{}, series: map[string]labels.Labels{}, engine: promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, LookbackDelta: 5 * time.Minute,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
	})}
	h.opts = &rules.ManagerOptions{
		Context: t.Context(), AppendableV2: db, Queryable: db, Logger: slog.New(slog.DiscardHandler),
		QueryFunc:  func(ctx context.Context, q string, at time.Time) (promql.Vector, error) { return h.query(ctx, q, at) },
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Parser: promQL,
		DefaultRuleQueryOffset: func() time.Duration { return 0 },
	}
	return h
}

func (h *history) query(ctx context.Context, q string, at time.Time) (promql.Vector, error) {
	query, err := h.engine.NewInstantQuery(ctx, h.db, nil, q, at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q, err)
	}
	defer query.Close()
	v, err := query.Exec(ctx).Vector()
	return append(promql.Vector(nil), v...), err
}

// queryRange is a QueryRange.
func (h *history) queryRange(ctx context.Context, q string, from, to time.Time, step time.Duration) (promql.Matrix, error) {
	query, err := h.engine.NewRangeQuery(ctx, h.db, nil, q, from, to, step)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q, err)
	}
	defer query.Close()
	m, err := query.Exec(ctx).Matrix()
	var out promql.Matrix
	for _, s := range m {
		out = append(out, promql.Series{Metric: s.Metric, Floats: append([]promql.FPoint(nil), s.Floats...)})
	}
	return out, err
}

// put appends samples of one time, as "name{labels}": value.
func (h *history) put(at time.Time, samples map[string]float64) {
	h.t.Helper()
	app := h.db.AppenderV2(context.Background())
	for series, v := range samples {
		ls, known := h.series[series]
		if !known {
			var err error
			if ls, err = promQL.ParseMetric(series); err != nil {
				h.t.Fatal(err)
			}
			h.series[series] = ls
		}
		if _, err := app.Append(0, ls, 0, at.UnixMilli(), v, nil, nil, storage.AppendV2Options{}); err != nil {
			h.t.Fatalf("%s at %s: %v", series, at, err)
		}
	}
	if err := app.Commit(); err != nil {
		h.t.Fatal(err)
	}
}

type loader struct{ groups rulefmt.RuleGroups }

func (l loader) Load(string, bool, model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	return &l.groups, nil
}
func (l loader) Parse(query string) (parser.Expr, error) { return promQL.ParseExpr(query) }

// load replaces the rules by those of an objective.
func (h *history) load(o *declare.Objective, target Target) {
	h.t.Helper()
	h.opts.GroupLoader = loader{rulefmt.RuleGroups{Groups: Compile(o, target)}}
	groups, errs := rules.NewManager(h.opts).LoadGroups(target.Interval, labels.EmptyLabels(), "", nil, false, "objectives")
	if len(errs) > 0 {
		h.t.Fatal(errs)
	}
	h.groups = nil
	for _, c := range Compile(o, target) {
		h.groups = append(h.groups, groups["objectives;"+c.Name])
	}
}

// evaluate runs each group that is due. A rule that fails fails the test.
func (h *history) evaluate(at time.Time) {
	h.t.Helper()
	for _, g := range h.groups {
		if at.Before(h.next[g]) {
			continue
		}
		h.next[g] = at.Add(g.Interval())
		g.Eval(context.Background(), at)
		for _, r := range g.Rules() {
			if err := r.LastError(); err != nil {
				h.t.Fatalf("%s at %s: %v", r.Name(), at, err)
			}
		}
	}
}

// firing lists the severities that fire, and fails where an alert has no sensible text.
func (h *history) firing() string {
	h.t.Helper()
	var out []string
	for _, g := range h.groups {
		for _, r := range g.AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				out = append(out, a.Labels.Get("severity"))
				if s := a.Annotations.Get("summary"); s == "" || strings.Contains(s, "<error") {
					h.t.Errorf("summary is %q", s)
				}
			}
		}
	}
	return strings.Join(out, " ")
}

// value is the one element that an expression yields; NaN for none.
func (h *history) value(q string, at time.Time) float64 {
	h.t.Helper()
	v, err := h.query(context.Background(), q, at)
	if err != nil {
		h.t.Fatal(err)
	}
	switch len(v) {
	case 0:
		return math.NaN()
	case 1:
		return v[0].F
	}
	h.t.Fatalf("%s yields %d elements: %v", q, len(v), v)
	return 0
}

// near compares with a tolerance for the order of additions; NaN stands for no value.
func near(a, b float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.IsNaN(a) && math.IsNaN(b)
	}
	return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b))
}
