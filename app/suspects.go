package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/trace"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/suspect"
)

const (
	suspectDepth      = 4         // dependency steps that are looked at
	suspectQuiet      = time.Hour // before the onset
	suspectAfter      = 30 * time.Minute
	suspectPatience   = 5 * time.Second // for the stores; a page does not wait longer
	suspectAgain      = 30 * time.Second
	suspectLogsBefore = 30 * time.Minute // of logs before the onset
	suspectRows       = 50_000
	suspectSpansMost  = 20_000
)

// suspects ranks what may have caused an incident, by all that is known of its service
// and of what that depends on. A store that cannot be read leaves its part out: a page
// with half of the evidence is better than none.
func (a *App) suspects(ctx context.Context, i respond.Incident) ([]respond.Suspect, error) {
	now := time.Now()
	c, err := a.suspectCase(ctx, i, now)
	if err != nil {
		return nil, err
	}
	return a.suspectList(c, suspect.Rank(c)), nil
}

// suspectCase collects the case of an incident.
func (a *App) suspectCase(ctx context.Context, i respond.Incident, now time.Time) (suspect.Case, error) {
	onset := i.Clocks.Impact
	if onset.IsZero() {
		onset = i.Clocks.Detected
	}
	until := now
	for _, end := range []time.Time{i.Clocks.Mitigated, i.Clocks.Resolved, onset.Add(suspectAfter)} {
		if !end.IsZero() && end.Before(until) {
			until = end
		}
	}
	w := a.ws()
	c := suspect.Case{Onset: onset, Until: until, Sure: true}
	if svc := w.Service(i.Service); svc != nil {
		c.Target = string(svc.Resource())
	}
	near := map[string]int{}
	for r, d := range w.Distances(i.Service) {
		if d <= suspectDepth {
			near[string(r)] = d
		}
	}
	c.Edges = append(suspectEdges(w, near), a.seenEdges(ctx, w, near, onset)...)
	var err error
	if c.Changes, err = a.suspectChanges(ctx, onset, i.Clocks.Detected, near); err != nil {
		return c, err
	}
	if c.Past, err = a.incidents.Past(ctx, i.Number); err != nil {
		return c, err
	}
	names := map[string]string{}
	for r := range near {
		names[r[strings.LastIndexByte(r, '/')+1:]] = r
	}
	ctx, cancel := context.WithTimeout(ctx, suspectPatience)
	defer cancel()
	from := onset.Add(-suspectQuiet)
	for _, part := range []struct {
		name string
		read func() error
	}{
		{"metrics", func() (err error) {
			var cut bool
			if c.Signals, cut, err = suspect.Gather(ctx, a.metrics, names, from, until); cut {
				a.o.Logger.Warn("more series than a ranking of suspects reads", "incident", i.Number)
			}
			return err
		}},
		{"logs", func() (err error) { c.Logs, err = a.suspectLogs(ctx, names, onset, until); return err }},
		{"spans", func() (err error) { c.Spans, err = a.suspectSpans(ctx, names, onset, until); return err }},
	} {
		if err := part.read(); err != nil {
			a.o.Logger.Error("cannot read a part of the evidence", "incident", i.Number, "part", part.name, "err", err)
		}
	}
	return c, nil
}

// suspectEdges are the declared dependencies between what is near.
func suspectEdges(w *declare.Workspace, near map[string]int) []suspect.Edge {
	var out []suspect.Edge
	add := func(from declare.ResourceID, to []declare.ResourceID) {
		if _, ok := near[string(from)]; ok {
			for _, t := range to {
				out = append(out, suspect.Edge{Caller: string(from), Callee: string(t)})
			}
		}
	}
	for _, s := range w.Services {
		add(s.Resource(), s.DependsOn)
	}
	for _, r := range w.Resources {
		add(r.ID, r.DependsOn)
	}
	return out
}

// suspectChanges are those on what is near, begun before the detection.
func (a *App) suspectChanges(ctx context.Context, onset, detected time.Time, near map[string]int) ([]suspect.Change, error) {
	all, err := a.changes.List(ctx, act.ChangeFilter{From: onset.Add(-suspect.Lookback), To: detected.Add(time.Millisecond), Limit: 10_000})
	if err != nil {
		return nil, err
	}
	var out []suspect.Change
	for _, c := range all {
		touched := map[string]bool{}
		if c.Service != "" {
			touched["component/default/"+string(c.Service)] = true
		}
		for _, r := range c.Resources {
			touched[string(r)] = true
		}
		maps.DeleteFunc(touched, func(r string, _ bool) bool { _, ok := near[r]; return !ok })
		if len(touched) == 0 {
			continue
		}
		out = append(out, suspect.Change{
			ID: c.ID, Kind: string(c.Kind), Summary: c.Summary, Resources: slices.Sorted(maps.Keys(touched)), Actor: c.Actor, From: c.From, To: c.To, At: c.StartedAt, End: c.EndedAt,
		})
	}
	return out, nil
}

// suspectList puts a ranking in the words of an incident.
func (a *App) suspectList(c suspect.Case, r suspect.Result) []respond.Suspect {
	out := []respond.Suspect{}
	for n, s := range r.Suspects {
		x := respond.Suspect{Rank: n + 1, Resource: declare.ResourceID(s.Resource), Score: s.Score, At: s.At, Evidence: []string{}}
		name := s.Resource[strings.LastIndexByte(s.Resource, '/')+1:]
		if a.ws().Service(declare.ServiceID(name)) != nil && strings.HasPrefix(s.Resource, "component/") {
			x.Service = declare.ServiceID(name)
		}
		x.Summary = name
		if s.Change != nil {
			x.Change, x.Kind, x.At = s.Change.ID, s.Change.Kind, s.Change.At
			x.Summary = strings.TrimSpace(s.Change.Kind + " of " + name + " " + s.Change.To)
		}
		for _, e := range s.Evidence {
			x.Evidence = append(x.Evidence, e.Text)
			if e.Signal != nil && len(x.Pictures) < 3 {
				x.Pictures = append(x.Pictures, picture(e, r.Onset, c.Until))
			}
		}
		x.Reason = s.Reason(c.Target[strings.LastIndexByte(c.Target, '/')+1:])
		out = append(out, x)
	}
	return out
}

// picture is a signal around the onset, thinned to what a small drawing shows.
func picture(e suspect.Evidence, onset, until time.Time) respond.Picture {
	const points = 80
	from := onset.Add(-2 * until.Sub(onset)).Add(-5 * time.Minute)
	lo, hi := e.Signal.Between(from, until.Add(time.Second))
	p := respond.Picture{Metric: e.Signal.Metric, Base: e.Base, Onset: onset}
	step := max(1, (hi-lo+points-1)/points)
	for k := lo; k < hi; k += step {
		p.Points = append(p.Points, respond.Sample{At: time.UnixMilli(e.Signal.Times[k]).UTC(), Value: e.Signal.Values[k]})
	}
	return p
}

// suspectLogs are the records of some services around an onset. The quiet time of logs
// is shorter: they are many.
func (a *App) suspectLogs(ctx context.Context, names map[string]string, onset, until time.Time) ([]suspect.Log, error) {
	var words []string
	for n := range names {
		words = append(words, strconv.Quote(n))
	}
	slices.Sort(words)
	from := onset.Add(-suspectLogsBefore)
	text := fmt.Sprintf("_time:[%s, %s] {service.name in (%s)} | fields _time, _msg, service.name, severity, level, severity_text | limit %d",
		from.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339), strings.Join(words, ","), suspectRows)
	q, err := logs.ParseQuery(text, until)
	if err != nil {
		return nil, err
	}
	var out []suspect.Log
	err = a.logs.Each(ctx, q, func(r logs.Row) bool {
		if to, ok := names[r.Service()]; ok {
			out = append(out, suspect.Log{At: time.Unix(0, r.Time), Resource: to, Severity: r.Severity(), Body: strings.Clone(r.Message())})
		}
		return true
	})
	return out, err
}

// suspectSpans are spans of some services around an onset.
func (a *App) suspectSpans(ctx context.Context, names map[string]string, onset, until time.Time) ([]suspect.Span, error) {
	var out []suspect.Span
	err := a.traces.Of(ctx, slices.Sorted(maps.Keys(names)), onset.Add(-suspectLogsBefore), until, suspectSpansMost, func(s *trace.Span) {
		out = append(out, suspect.Span{
			At: time.Unix(0, s.Start), Duration: s.Took(), Trace: s.TraceID, ID: s.SpanID, Parent: s.ParentID,
			Resource: names[s.Service], Operation: s.Name, Failed: s.Status == trace.Error,
		})
	})
	return out, err
}

// seenEdges are calls that spans told of in the hour before, which the catalogue does not
// declare; what they lead to is near too.
func (a *App) seenEdges(ctx context.Context, w *declare.Workspace, near map[string]int, onset time.Time) []suspect.Edge {
	calls, err := a.seenCalls(ctx, onset.Add(-time.Hour), onset)
	if err != nil {
		a.o.Logger.Error("cannot read the graph of services", "err", err)
	}
	var out []suspect.Edge
	for step := range suspectDepth {
		for _, c := range calls {
			from, to := w.Service(declare.ServiceID(c.Client)), w.Service(declare.ServiceID(c.Server))
			if from == nil || to == nil || slices.Contains(from.DependsOn, to.Resource()) {
				continue
			}
			if d, ok := near[string(from.Resource())]; ok && d == step {
				out = append(out, suspect.Edge{Caller: string(from.Resource()), Callee: string(to.Resource())})
				if _, known := near[string(to.Resource())]; !known {
					near[string(to.Resource())] = step + 1
				}
			}
		}
	}
	return out
}

// suspectActive ranks the active incidents of the last half hour again, as evidence
// comes in.
func (a *App) suspectActive(ctx context.Context, now time.Time) error {
	active, err := a.incidents.List(ctx, respond.IncidentFilter{Active: true})
	for _, i := range active {
		if err == nil && now.Sub(i.Clocks.Detected) < suspectAfter {
			err = a.incidents.RefreshSuspects(ctx, now, i.Number)
		}
	}
	return err
}
