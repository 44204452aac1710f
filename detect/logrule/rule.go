package logrule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/template"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// lag is how far behind the clock a group evaluates: rows are readable a second after
// they came, and come a little after their time.
const lag = 3 * time.Second

// LabelGroup says which group an alert is of, as vmalert does.
const LabelGroup = "alertgroup"

// Options of a Runner.
type Options struct {
	Store      *logs.Store
	Appendable storage.AppendableV2 // where results are recorded
	Findings   interface {
		Observe(ctx context.Context, now time.Time, seen []detect.Finding) error
		OpenFindings(detector string) []detect.Finding
	}
	ExternalURL *url.URL
	Logger      *slog.Logger
}

// Runner runs groups.
type Runner struct {
	o  Options
	mu sync.Mutex // guards groups
	gs map[string]*group
}

// group is one that runs.
type group struct {
	declare.LogGroup
	next   time.Time
	last   time.Time                        // the end of what was evaluated
	active map[detect.Fingerprint]*instance // pending and firing
	health map[int]error                    // of each rule, of its last evaluation
}

type instance struct {
	since  time.Time
	firing bool
	seen   time.Time
	f      detect.Finding
}

// New makes a runner; Apply gives it groups, Run runs them.
func New(o Options) *Runner { return &Runner{o: o, gs: map[string]*group{}} }

// Apply takes over a workspace's groups. Those that are the same keep their state;
// findings of those that are gone are resolved.
func (r *Runner) Apply(ctx context.Context, w *declare.Workspace, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := map[string]*group{}
	for _, f := range w.RuleFiles {
		for _, g := range f.Logs {
			key := g.File + "\x00" + g.Name
			if old := r.gs[key]; old != nil && fmt.Sprint(old.LogGroup) == fmt.Sprint(g) {
				next[key] = old
				continue
			}
			next[key] = &group{LogGroup: g, next: now, active: map[detect.Fingerprint]*instance{}, health: map[int]error{}}
		}
	}
	r.gs = next
	names := map[string]bool{}
	for _, g := range next {
		names[g.Name] = true
	}
	var gone []detect.Finding
	for _, f := range r.o.Findings.OpenFindings(detect.DetectorLogs) {
		if f.Labels[LabelGroup] != "" && !names[f.Labels[LabelGroup]] {
			f.ResolvedAt = now
			gone = append(gone, f)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return r.o.Findings.Observe(ctx, now, gone)
}

// Run evaluates groups when they are due until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			r.turn(ctx, time.Now())
		}
	}
}

func (r *Runner) turn(ctx context.Context, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.gs {
		if now.Before(g.next) {
			continue
		}
		g.next = now.Add(g.Interval)
		if err := r.evaluate(ctx, g, now); err != nil && ctx.Err() == nil {
			r.o.Logger.Error("cannot evaluate a group of log rules", "group", g.Name, "file", g.File, "err", err)
		}
	}
}

// evaluate evaluates a group at a time. Rows from the last evaluation's end to lag
// before now are looked at, unless a rule names its own time.
func (r *Runner) evaluate(ctx context.Context, g *group, now time.Time) error {
	end := now.Add(-lag)
	begin := g.last
	if begin.IsZero() || end.Sub(begin) > 10*g.Interval {
		begin = end.Add(-g.Interval)
	}
	g.last = end
	var errs []error
	var seen []detect.Finding
	for i, rule := range g.Rules {
		points, err := r.points(ctx, rule.Expr, begin, end)
		g.health[i] = err
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %d: %w", i+1, err))
			continue // what fires goes on
		}
		if rule.Record != "" {
			if err := r.record(ctx, rule, points, end); err != nil {
				errs = append(errs, err)
			}
			continue
		}
		seen = append(seen, r.alert(ctx, g, rule, points, now)...)
	}
	if len(errs) == 0 {
		seen = append(seen, r.resolved(g, now)...)
	}
	if len(seen) > 0 {
		if err := r.o.Findings.Observe(ctx, now, seen); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (r *Runner) points(ctx context.Context, expr string, begin, end time.Time) ([]logs.Point, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	q, err := logs.ParseQuery(expr, end)
	if err != nil {
		return nil, err
	}
	if !q.HasGlobalTimeFilter() {
		q.AddTimeFilter(begin.UnixNano(), end.UnixNano()-1)
	}
	return r.o.Store.StatsAt(ctx, q)
}

// series are a point's labels: those grouped by, the rule's, and which result it is.
func series(rule declare.LogRule, p logs.Point, value float64) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	for k, v := range p.Metric {
		if k != "__name__" && v != "" {
			b.Set(k, v)
		}
	}
	if name := p.Metric["__name__"]; name != "" {
		b.Set("stats_result", name)
	}
	for k, v := range rule.Labels {
		b.Set(k, v)
	}
	_ = value
	return b.Labels()
}

const maxResults = 10_000

func (r *Runner) record(ctx context.Context, rule declare.LogRule, points []logs.Point, at time.Time) error {
	if len(points) > maxResults {
		return fmt.Errorf("%s: got %d results, expected at most %d", rule.Record, len(points), maxResults)
	}
	app := r.o.Appendable.AppenderV2(ctx)
	for _, p := range points {
		v, err := strconv.ParseFloat(p.Value, 64)
		if err != nil {
			continue // a result that is no number, as values()
		}
		ls := labels.NewBuilder(series(rule, p, v)).Set("__name__", rule.Record).Labels()
		if _, err := app.Append(0, ls, 0, at.UnixMilli(), v, nil, nil, storage.AOptions{}); err != nil {
			_ = app.Rollback()
			return fmt.Errorf("%s: %w", rule.Record, err)
		}
	}
	return app.Commit()
}

// alert brings the rule's instances forward and returns the findings that fire.
func (r *Runner) alert(ctx context.Context, g *group, rule declare.LogRule, points []logs.Point, now time.Time) []detect.Finding {
	var out []detect.Finding
	for _, p := range points[:min(len(points), maxResults)] {
		v, err := strconv.ParseFloat(p.Value, 64)
		if err != nil {
			v = math.NaN()
		}
		ls := series(rule, p, v).Map()
		ls["alertname"], ls[LabelGroup] = rule.Alert, g.Name
		for k, text := range rule.Labels {
			ls[k] = r.expand(ctx, rule, text, ls, v, now)
		}
		f := detect.Finding{
			Detector: detect.DetectorLogs, Name: rule.Alert, Service: declare.ServiceID(ls["service"]), Team: declare.TeamID(ls["team"]),
			Severity: detect.SeverityOf(ls["severity"]), Expr: rule.Expr, Value: v, Labels: ls, Annotations: map[string]string{},
		}
		if f.Service == "" {
			f.Service = declare.ServiceID(ls[logs.ServiceField])
		}
		for k, text := range rule.Annotations {
			f.Annotations[k] = r.expand(ctx, rule, text, ls, v, now)
		}
		f.Summary, f.Description, f.Runbook = f.Annotations["summary"], f.Annotations["description"], f.Annotations["runbook"]
		f.Fingerprint = detect.MakeFingerprint(f.Detector, ls)
		in := g.active[f.Fingerprint]
		if in == nil {
			in = &instance{since: now}
			g.active[f.Fingerprint] = in
		}
		in.seen = now
		f.Since = in.since
		in.f = f
		if now.Sub(in.since) >= rule.For {
			in.firing = true
		}
		if in.firing {
			out = append(out, f)
		}
	}
	return out
}

// resolved are the findings of a group that have no result any more, those of before a
// restart among them.
func (r *Runner) resolved(g *group, now time.Time) []detect.Finding {
	var out []detect.Finding
	for fp, in := range g.active {
		if in.seen.Equal(now) {
			continue
		}
		delete(g.active, fp)
		if in.firing {
			in.f.ResolvedAt = now
			out = append(out, in.f)
		}
	}
	for _, f := range r.o.Findings.OpenFindings(detect.DetectorLogs) {
		if f.Labels[LabelGroup] == g.Name && g.active[f.Fingerprint] == nil && !has(out, f.Fingerprint) {
			f.ResolvedAt = now
			out = append(out, f)
		}
	}
	return out
}

func has(list []detect.Finding, fp detect.Fingerprint) bool {
	for i := range list {
		if list[i].Fingerprint == fp {
			return true
		}
	}
	return false
}

// expand fills in {{ $labels.x }} and {{ $value }}.
func (r *Runner) expand(ctx context.Context, rule declare.LogRule, text string, ls map[string]string, v float64, now time.Time) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	data := template.AlertTemplateData(ls, nil, "", promql.Sample{F: v})
	defs := "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
	none := func(context.Context, string, time.Time) (promql.Vector, error) { return nil, nil }
	out, err := template.NewTemplateExpander(ctx, defs+text, "__alert_"+rule.Alert, data, model.TimeFromUnixNano(now.UnixNano()), none, r.o.ExternalURL, nil).Expand()
	if err != nil {
		return fmt.Sprintf("<error expanding template: %s>", err)
	}
	return out
}
