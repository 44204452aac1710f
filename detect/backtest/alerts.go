package backtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"

	"github.com/evenkeel/evenkeel/detect/history"
)

// Firing is an alert from the tick at which it fires to the one at which it does not
// any more.
type Firing struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"` // at the tick it fired
	Pending     time.Time         `json:"pending"`               // since when its expression had held
	Fired       time.Time         `json:"fired"`
	Resolved    time.Time         `json:"resolved,omitzero"` // zero: it fires still
	Value       float64           `json:"-"`
	ValueText   string            `json:"value"` // at the tick it fired

	id string // of its labels
}

// ends is when it ends, as far as this is known.
func (f *Firing) ends(to time.Time) time.Time {
	if f.Resolved.IsZero() {
		return to
	}
	return f.Resolved
}

// machine keeps the states of the alerts of one rule, as rules.AlertingRule does.
type machine struct {
	node   *node
	run    *run
	active map[uint64]*alert
	done   []Firing
	varies bool // labels depend on the value
	held   bool // its expression has had a result
	seen   bool // another rule looks at ALERTS
}

// alert is one that is pending or fires.
type alert struct {
	labels     labels.Labels
	notes      map[string]string
	activeAt   time.Time
	firedAt    time.Time // zero while pending
	keepSince  time.Time
	value      float64
	firedValue float64
}

func newMachine(n *node, x *run) *machine {
	m := &machine{node: n, run: x, active: map[uint64]*alert{}}
	for _, other := range x.job.nodes {
		m.seen = m.seen || slices.Contains(other.needs, n)
	}
	for _, v := range n.labels {
		if strings.Contains(v, "{{") && (strings.Contains(v, "alue") || strings.Contains(v, "query")) {
			m.varies = true
		}
	}
	return m
}

// feed is every tick of a pass. A tick that failed leaves everything as it is.
func (m *machine) feed(ctx context.Context, result promql.Matrix, failed map[int64]bool, from, to time.Time, step, offset time.Duration) error {
	next := make([]int, len(result))
	named := make([]labels.Labels, len(result))
	var v promql.Vector
	var names []labels.Labels
	s, off := step.Milliseconds(), offset.Milliseconds()
	for t := from.UnixMilli(); t <= to.UnixMilli(); {
		v, names = v[:0], names[:0]
		soon := int64(-1) // the next tick that has a result
		for i := range result {
			points := result[i].Floats
			if next[i] < len(points) && points[next[i]].T == t-off {
				p := points[next[i]]
				one := promql.Sample{Metric: result[i].Metric, T: p.T, F: p.F}
				if m.varies || named[i].IsEmpty() {
					named[i] = m.name(ctx, one, time.UnixMilli(t))
				}
				v, names = append(v, one), append(names, named[i])
				next[i]++
			}
			if next[i] < len(points) && (soon < 0 || points[next[i]].T+off < soon) {
				soon = points[next[i]].T + off
			}
		}
		if !failed[t-off] {
			if err := m.step(ctx, time.UnixMilli(t), v, names); err != nil {
				return err
			}
		}
		switch {
		case len(m.active) > 0 || soon == t+s:
			t += s
		case soon < 0:
			return nil
		default:
			t = soon
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// tick is one tick of rules evaluated one after the other.
func (m *machine) tick(ctx context.Context, t time.Time, v promql.Vector) error {
	names := make([]labels.Labels, len(v))
	for i := range v {
		names[i] = m.name(ctx, v[i], t)
	}
	return m.step(ctx, t, v, names)
}

// step is rules.AlertingRule.Eval after its query.
func (m *machine) step(ctx context.Context, t time.Time, v promql.Vector, names []labels.Labels) error {
	seen := make(map[uint64]int, len(v))
	m.held = m.held || len(v) > 0
	for i, ls := range names {
		h := ls.Hash()
		if _, twice := seen[h]; twice {
			m.run.out.fail(m.node, fmt.Errorf("two alerts with the labels %s", ls))
			return nil
		}
		seen[h] = i
	}
	for h, i := range seen {
		if a := m.active[h]; a != nil {
			a.value = v[i].F
		} else {
			m.active[h] = &alert{labels: names[i], activeAt: t, value: v[i].F}
		}
	}
	n := 0
	for h, a := range m.active {
		i, held := seen[h]
		switch {
		case held:
			a.keepSince = time.Time{}
		case a.firedAt.IsZero():
			m.resolve(h, a, t)
			continue
		default:
			if a.keepSince.IsZero() {
				a.keepSince = t
			}
			if t.Sub(a.keepSince) >= time.Duration(m.node.KeepFiringFor) {
				m.resolve(h, a, t)
				continue
			}
		}
		n++
		if a.firedAt.IsZero() && t.Sub(a.activeAt) >= time.Duration(m.node.For) {
			a.firedAt, a.firedValue = t, a.value
			if held {
				a.notes = m.annotate(ctx, v[i], t)
			}
		}
		if err := m.series(a, t); err != nil {
			return err
		}
	}
	if limit := m.node.group.Limit; limit > 0 && n > limit {
		m.run.out.fail(m.node, fmt.Errorf("exceeded limit of %d with %d alerts", limit, n))
		for h, a := range m.active {
			m.resolve(h, a, t)
		}
	}
	return nil
}

func (m *machine) resolve(h uint64, a *alert, t time.Time) {
	delete(m.active, h)
	state := "pending"
	if !a.firedAt.IsZero() {
		state = "firing"
	}
	if m.seen {
		if err := m.alerts(a, t, state, gone); err != nil {
			m.run.out.fail(m.node, err)
		}
	}
	if !a.firedAt.IsZero() && a.firedAt.Before(t) {
		m.done = append(m.done, a.firing(t))
	}
}

func (a *alert) firing(resolved time.Time) Firing {
	return Firing{
		Labels: a.labels.Map(), Annotations: a.notes, Pending: a.activeAt, Fired: a.firedAt, Resolved: resolved,
		Value: a.firedValue, ValueText: model.SampleValue(a.firedValue).String(),
	}
}

// series keeps ALERTS for the rules that look at it.
func (m *machine) series(a *alert, t time.Time) error {
	if !m.seen {
		return nil
	}
	state := "firing"
	if a.firedAt.IsZero() {
		state = "pending"
	} else if a.firedAt.Equal(t) && a.activeAt.Before(t) {
		if err := m.alerts(a, t, "pending", gone); err != nil {
			return err
		}
	}
	b := labels.NewBuilder(a.labels)
	b.Set(labels.MetricName, "ALERTS_FOR_STATE")
	if err := m.run.top.Add(b.Labels(), history.Point{T: t.Add(-m.node.offset()).UnixMilli(), V: float64(a.activeAt.Unix())}); err != nil {
		return err
	}
	return m.alerts(a, t, state, 1)
}

// gone is the marker of staleness.
var gone = math.Float64frombits(value.StaleNaN)

func (m *machine) alerts(a *alert, t time.Time, state string, v float64) error {
	b := labels.NewBuilder(a.labels)
	b.Set(labels.MetricName, "ALERTS")
	b.Set("alertstate", state)
	return m.run.top.Add(b.Labels(), history.Point{T: t.Add(-m.node.offset()).UnixMilli(), V: v})
}

// firings are those that fired at or after a time, or fired still at it.
func (m *machine) firings(from time.Time) []Firing {
	out := slices.DeleteFunc(m.done, func(f Firing) bool { return f.Resolved.Before(from) })
	for _, a := range m.active {
		if !a.firedAt.IsZero() {
			out = append(out, a.firing(time.Time{}))
		}
	}
	slices.SortFunc(out, func(a, b Firing) int {
		if c := a.Fired.Compare(b.Fired); c != 0 {
			return c
		}
		return strings.Compare(fmt.Sprint(a.Labels), fmt.Sprint(b.Labels))
	})
	return out
}

// name makes the labels of an alert.
func (m *machine) name(ctx context.Context, s promql.Sample, t time.Time) labels.Labels {
	b := labels.NewBuilder(s.Metric)
	b.Del(labels.MetricName)
	for name, text := range m.node.labels {
		b.Set(name, m.expand(ctx, text, s, t))
	}
	b.Set(labels.AlertName, m.node.Alert)
	return b.Labels()
}

func (m *machine) annotate(ctx context.Context, s promql.Sample, t time.Time) map[string]string {
	out := maps.Clone(m.node.Annotations)
	for name, text := range out {
		out[name] = m.expand(ctx, text, s, t)
	}
	return out
}

// expand expands a template as Prometheus does.
func (m *machine) expand(ctx context.Context, text string, s promql.Sample, t time.Time) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	const defs = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
	data := template.AlertTemplateData(s.Metric.Map(), map[string]string{}, "", s)
	query := func(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
		if m.run == nil || m.run.engine == nil {
			return nil, errors.New("no query")
		}
		return m.run.engine.Query(ctx, expr, at)
	}
	x := template.NewTemplateExpander(ctx, defs+text, "__alert_"+m.node.Alert, data, model.TimeFromUnixNano(t.UnixNano()), query, &url.URL{}, nil)
	out, err := x.Expand()
	if err != nil {
		return fmt.Sprintf("<error expanding template: %s>", err)
	}
	return out
}
