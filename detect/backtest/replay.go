package backtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/detect/history"
)

const (
	slowTicks = 200_000 // evaluated one by one, at most
	hopeless  = 100     // ticks that all failed, after which the rest is not tried
)

// replayed is what became of the alert rules of a job.
type replayed struct {
	nodes    []*node
	alerts   map[*node][]Firing
	errors   map[*node]failed
	drawings map[*node]*Drawing
	reached  map[*node][]Reached
	held     map[*node]bool
}

// failed counts evaluations that failed, with the first reason.
type failed struct {
	n   int
	why string
}

func (r *replayed) fail(n *node, err error) {
	f := r.errors[n]
	if f.n++; f.n == 1 {
		f.why = err.Error()
	}
	r.errors[n] = f
}

// replay evaluates a job from one time to another.
func (j *job) replay(ctx context.Context, base storage.Queryable, oldest, from, to time.Time, o *Options) (*replayed, error) {
	begin := from.Add(-j.warm())
	if !oldest.IsZero() && begin.Before(oldest) {
		begin = oldest
		if begin.After(from) {
			begin = from
		}
	}
	made := map[string]bool{}
	for _, n := range j.nodes {
		if n.Record != "" {
			made[n.Record] = true
		}
	}
	x := &run{job: j, top: history.NewMemory(), begin: begin, to: to, out: &replayed{alerts: map[*node][]Firing{}, errors: map[*node]failed{}, drawings: map[*node]*Drawing{}, reached: map[*node][]Reached{}, held: map[*node]bool{}}, alerts: map[*node]*machine{}}
	x.seen = history.Over(base, x.top, func(name string) bool {
		return made[name] || name == "ALERTS" || name == "ALERTS_FOR_STATE"
	})
	for _, n := range j.nodes {
		if n.Alert != "" {
			x.alerts[n] = newMachine(n, x)
		}
	}
	x.engine = evaluate.New(evaluate.Options{Queryable: x.seen})
	var err error
	if j.slow {
		err = x.tickByTick(ctx)
	} else {
		err = x.passes(ctx)
	}
	if err != nil {
		return nil, err
	}
	for n, m := range x.alerts {
		x.out.alerts[n] = m.firings(from)
		x.out.held[n] = m.held
	}
	if o.Draw {
		x.draw(ctx, from)
	}
	if o.Reach {
		if err := x.reach(ctx, from); err != nil {
			return nil, err
		}
	}
	return x.out, nil
}

// run is one replay.
type run struct {
	job       *job
	top       *history.Memory
	seen      storage.Queryable
	engine    *evaluate.Incremental
	begin, to time.Time
	out       *replayed
	alerts    map[*node]*machine
}

// passes evaluates what depends on nothing unmade together, then what is above it.
func (x *run) passes(ctx context.Context) error {
	left := x.job.nodes
	made := map[*node]bool{}
	for len(left) > 0 {
		var rest []*node
		type at struct{ step, offset time.Duration }
		now := map[at][]*node{}
		var order []at
		for _, n := range left {
			ready := true
			for _, d := range n.needs {
				ready = ready && made[d]
			}
			if !ready {
				rest = append(rest, n)
				continue
			}
			k := at{n.step, n.offset()}
			if now[k] == nil {
				order = append(order, k)
			}
			now[k] = append(now[k], n)
		}
		for _, k := range order {
			if err := x.pass(ctx, now[k], k.step, k.offset); err != nil {
				return err
			}
		}
		for _, k := range order {
			for _, n := range now[k] {
				made[n] = true
			}
		}
		left = rest
	}
	return nil
}

func (n *node) offset() time.Duration {
	if n.group.QueryOffset == nil {
		return 0
	}
	return time.Duration(*n.group.QueryOffset)
}

// first is the first tick of a step not before the beginning.
func (x *run) first(step time.Duration) time.Time {
	ms, s := x.begin.UnixMilli(), step.Milliseconds()
	k := ms / s
	if k*s < ms {
		k++
	}
	return time.UnixMilli(k * s)
}

// pass evaluates rules over all ticks at once.
func (x *run) pass(ctx context.Context, nodes []*node, step, offset time.Duration) error {
	from := x.first(step)
	if from.After(x.to) {
		return nil
	}
	var exprs []string
	var asked []*node
	for _, n := range nodes {
		if n.broken != "" {
			x.out.fail(n, errors.New(n.broken))
			continue
		}
		asked, exprs = append(asked, n), append(exprs, n.Expr)
	}
	failed := make([]map[int64]bool, len(exprs)) // ticks without a result
	results, err := x.engine.Ranges(ctx, exprs, from.Add(-offset), x.to.Add(-offset), step)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil { // one of them: which?
		results = make([]promql.Matrix, len(exprs))
		for i, e := range exprs {
			if results[i], err = x.engine.Range(ctx, e, from.Add(-offset), x.to.Add(-offset), step); err == nil {
				continue
			}
			// Not at every tick, perhaps: two results with the same labels are an error
			// of a range even when they never meet.
			if results[i], failed[i], err = x.each(ctx, asked[i], err, from.Add(-offset), x.to.Add(-offset), step); err != nil {
				return err
			}
		}
	}
	for i, n := range asked {
		var err error
		if n.Record != "" {
			err = x.record(n, results[i], from, step, offset)
		} else {
			err = x.alerts[n].feed(ctx, results[i], failed[i], from, x.to, step, offset)
		}
		if err != nil {
			return err
		}
		results[i] = nil
	}
	return nil
}

// each evaluates a rule at each tick by itself.
func (x *run) each(ctx context.Context, n *node, why error, from, to time.Time, step time.Duration) (promql.Matrix, map[int64]bool, error) {
	failed := map[int64]bool{}
	rows := map[uint64]int{}
	var out promql.Matrix
	for k, at := 0, from; !at.After(to); k, at = k+1, at.Add(step) {
		if k == hopeless && x.out.errors[n].n == k || k == slowTicks {
			x.out.fail(n, why)
			return nil, nil, nil
		}
		v, err := x.engine.Query(ctx, n.Expr, at)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			x.out.fail(n, err)
			failed[at.UnixMilli()] = true
			continue
		}
		for _, s := range v {
			h := s.Metric.Hash()
			i, known := rows[h]
			if !known {
				i = len(out)
				rows[h], out = i, append(out, promql.Series{Metric: s.Metric})
			}
			out[i].Floats = append(out[i].Floats, promql.FPoint{T: at.UnixMilli(), F: s.F})
		}
	}
	return out, failed, nil
}

// named is a series of a result as the rule records it.
func (n *node) named(ls labels.Labels) labels.Labels {
	b := labels.NewBuilder(ls)
	b.Set(labels.MetricName, n.Record)
	for name, v := range n.labels {
		b.Set(name, v)
	}
	return b.Labels()
}

// record keeps what a recording rule makes, with a marker where a series ends.
func (x *run) record(n *node, m promql.Matrix, from time.Time, step, offset time.Duration) error {
	s := step.Milliseconds()
	last := timestamp.FromTime(x.to.Add(-offset))
	if n.group.Limit > 0 {
		m = x.limited(n, m)
	}
	for _, series := range m {
		var points []history.Point
		for i, p := range series.Floats {
			points = append(points, history.Point{T: p.T, V: p.F})
			if next := p.T + s; next <= last && (i+1 == len(series.Floats) || series.Floats[i+1].T > next) && !histogramAt(series, next) {
				points = append(points, history.Point{T: next, V: gone})
			}
		}
		for _, p := range series.Histograms {
			points = append(points, history.Point{T: p.T, Histogram: p.H})
		}
		if err := x.top.Add(n.named(series.Metric), points...); err != nil {
			x.out.fail(n, fmt.Errorf("two results have the same labels: %w", err))
		}
	}
	return nil
}

func histogramAt(s promql.Series, t int64) bool {
	for _, h := range s.Histograms {
		if h.T == t {
			return true
		}
	}
	return false
}

// limited leaves out the ticks at which a group's limit is passed.
func (x *run) limited(n *node, m promql.Matrix) promql.Matrix {
	count := map[int64]int{}
	for _, s := range m {
		for _, p := range s.Floats {
			count[p.T]++
		}
	}
	for t, k := range count {
		if k > n.group.Limit {
			x.out.fail(n, fmt.Errorf("exceeded limit of %d with %d series at %s", n.group.Limit, k, time.UnixMilli(t).UTC().Format(time.RFC3339)))
		}
	}
	out := make(promql.Matrix, len(m))
	for i, s := range m {
		out[i] = promql.Series{Metric: s.Metric}
		for _, p := range s.Floats {
			if count[p.T] <= n.group.Limit {
				out[i].Floats = append(out[i].Floats, p)
			}
		}
	}
	return out
}

// tickByTick evaluates rules in the order of their groups, each tick after the other.
func (x *run) tickByTick(ctx context.Context) error {
	step := x.job.nodes[0].step
	for _, n := range x.job.nodes {
		step = min(step, n.step)
	}
	from := x.first(step)
	if ticks := int64(x.to.Sub(from) / step); ticks > slowTicks {
		return fmt.Errorf("%s sees what is made after it and must be evaluated tick by tick: %d ticks, expected at most %d; a longer --step takes fewer", x.job.nodes[0].name(), ticks, slowTicks)
	}
	before := map[*node]promql.Vector{}
	for t := from; !t.After(x.to); t = t.Add(step) {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, n := range x.job.nodes {
			if t.UnixMilli()%n.step.Milliseconds() != 0 || n.broken != "" {
				continue
			}
			at := t.Add(-n.offset())
			v, err := x.engine.Query(ctx, n.Expr, at)
			if err != nil {
				x.out.fail(n, err)
				continue
			}
			if n.Alert != "" {
				if err := x.alerts[n].tick(ctx, t, v); err != nil {
					return err
				}
				continue
			}
			now := map[uint64]bool{}
			for i := range v {
				v[i].Metric = n.named(v[i].Metric)
				now[v[i].Metric.Hash()] = true
				if err := x.top.Add(v[i].Metric, history.Point{T: at.UnixMilli(), V: v[i].F, Histogram: v[i].H}); err != nil {
					x.out.fail(n, err)
				}
			}
			for _, s := range before[n] {
				if !now[s.Metric.Hash()] {
					if err := x.top.Add(s.Metric, history.Point{T: at.UnixMilli(), V: gone}); err != nil {
						x.out.fail(n, err)
					}
				}
			}
			before[n] = v
		}
	}
	for _, n := range x.job.nodes {
		if n.broken != "" {
			x.out.fail(n, errors.New(n.broken))
		}
	}
	return nil
}

func (n *node) name() string {
	if n.Alert != "" {
		return "alert " + n.Alert
	}
	return "record " + n.Record
}
