package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/trace"
)

// exemplarLine is one request that a chart's values stand for.
type exemplarLine struct {
	Series  string
	At      time.Time
	Value   float64
	TraceID string
	SpanID  string
}

// Exemplar is a request behind a sample.
type Exemplar struct {
	Labels          map[string]string // of the series
	At              time.Time
	Value           float64
	TraceID, SpanID string
}

// telemetry fills in the panels of logs and traces, on the same times as the chart.
func (s *site) telemetry(r *http.Request, v *exploreView, from, to time.Time) {
	q := r.URL.Query()
	v.Logs, v.Traces = strings.TrimSpace(q.Get("logs")), strings.TrimSpace(q.Get("traces"))
	v.HasLogs, v.HasTraces = s.Options.Logs != nil, s.Options.Traces != nil
	differ := q.Get("differ") != ""
	v.DifferURL = withQuery(v.Here, "differ", "1", "from", stampURL(from), "to", stampURL(to))
	v.LiveURL, v.StillURL = withQuery(v.Here, "tail", "1", "from", "", "to", "", "differ", ""), withQuery(v.Here, "tail", "")
	var marks []ChartMark
	if v.Logs != "" || v.Traces != "" || v.Expr != "" {
		marks = s.allChangeMarks(r.Context(), from, to)
	}
	v.marks = marks
	if v.Logs != "" && v.HasLogs && q.Get("tail") != "" {
		if v.TailBroken = cannotFollow(v.Logs, s.Now()); v.TailBroken == "" {
			v.TailURL = withQuery("/explore/tail", "logs", v.Logs)
		}
	} else if v.Logs != "" && v.HasLogs {
		v.LogsPanel = s.lines(r.Context(), v.Logs, from, to)
		if c := v.LogsPanel.Chart; c != nil {
			c.Marks = marks
		}
		if differ && v.LogsPanel.Broken == "" {
			p := s.differ(r.Context(), v.Logs, from, to)
			for i, d := range p.Differences {
				if narrow := filterOf(d.Field, d.Value); narrow != "" {
					p.Differences[i].Narrow = withQuery(v.Here, "logs", "("+v.Logs+") "+narrow, "differ", "")
				}
			}
			v.Differ = append(v.Differ, p)
		}
	}
	if v.Traces != "" && v.HasTraces {
		v.TracesPanel = s.tracesOf(r.Context(), v.Traces, from, to)
		if c := v.TracesPanel.Chart; c != nil {
			c.Marks = marks
		}
		if search, err := trace.ParseQuery(v.Traces); err == nil && differ {
			v.Differ = append(v.Differ, s.differSpans(r.Context(), search, from, to))
		}
	}
	if v.Expr != "" && s.Exemplars != nil {
		found, err := s.Exemplars(r.Context(), v.Expr, from, to)
		if err != nil {
			return // the query itself is told about
		}
		for _, e := range found[:min(len(found), 20)] {
			v.Exemplars = append(v.Exemplars, exemplarLine{seriesLabel(e.Labels, nil), e.At, e.Value, e.TraceID, e.SpanID})
		}
	}
}

// cannotFollow says why a query cannot be followed; "" when it can be.
func cannotFollow(query string, now time.Time) string {
	q, err := logs.ParseQuery(query, now)
	if err != nil {
		return err.Error()
	}
	if why := logs.CanFollow(q); why != nil {
		return "This query cannot be followed: " + why.Error() + "."
	}
	return ""
}

// filterOf is a value as a filter in LogsQL; "" for a range of numbers in words.
func filterOf(field, value string) string {
	name := quoteLogs(field)
	if n, ok := strings.CutPrefix(value, "≥ "); ok {
		return name + ":>=" + n
	}
	if n, ok := strings.CutPrefix(value, "< "); ok {
		return name + ":<" + n
	}
	return name + ":=" + quoteLogs(value)
}

// allChangeMarks are the changes of a time, for charts.
func (s *site) allChangeMarks(ctx context.Context, from, to time.Time) []ChartMark {
	changes, err := s.Changes.List(ctx, act.ChangeFilter{From: from, To: to, Limit: 50})
	if err != nil {
		return nil
	}
	out := make([]ChartMark, 0, len(changes))
	for _, c := range changes {
		out = append(out, ChartMark{At: float64(c.StartedAt.UnixMilli()) / 1000, Label: c.Summary, URL: changeURL(c.ID)})
	}
	return out
}

// lookInto are the ways from a service to its traces and logs: those of the last hour, or of
// a time of trouble, from when to when, and what led to it.
func lookInto(service declare.ServiceID, trouble ...time.Time) []Link {
	var from, to time.Time
	if len(trouble) == 2 {
		from, to = trouble[0], trouble[1]
	}
	times := []string{"range", "1h"}
	if !from.IsZero() {
		times = []string{"from", stampURL(from.Add(-10 * time.Minute))}
		if !to.IsZero() {
			times = append(times, "to", stampURL(to.Add(10*time.Minute)))
		}
	}
	at := func(kv ...string) string { return withQuery("/explore", append(kv, times...)...) }
	name := strconv.Quote(string(service))
	traces := "{ resource.service.name = " + name
	return []Link{
		{Text: "failed traces of " + string(service), URL: at("traces", traces+" && status = error }")},
		{Text: "slow traces", URL: at("traces", traces+" && duration > 500ms }")},
		{Text: "its errors in the logs", URL: at("logs", "service.name:="+name+" severity:i(error)")},
		{Text: "all together", URL: at("expr", "sum by (span_name) (rate(traces_spanmetrics_calls_total{service="+name+"}[1m]))", "logs", "service.name:="+name, "traces", traces+" }")},
	}
}
