package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/contrast"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/trace"
)

const (
	shownLines  = 200
	shownTraces = 50
	// linesWait bounds one look into the stores of a page.
	linesWait = 20 * time.Second
)

// logsPanel is what the log store says to a query.
type logsPanel struct {
	Query  string
	Chart  *Chart // lines over time, by severity
	Lines  []logLine
	More   bool
	Broken string
	Counts bool // the query yields what may not be lines
}

// logLine is one line.
type logLine struct {
	At       time.Time
	Severity string
	Service  string
	Message  string
	TraceID  string
	SpanID   string
	Fields   []logs.Field // all others
	Links    []Link       // where it leads: its service and owner, what it came from, what else was said then
}

// severities, the worst last, with the words that senders use for them.
var severities = []string{"trace", "debug", "info", "warn", "error", "fatal"}

func severityOf(text string) string {
	text = strings.ToLower(text)
	for _, s := range severities {
		if strings.HasPrefix(text, s) {
			return s
		}
	}
	switch {
	case strings.HasPrefix(text, "err"):
		return "error"
	case strings.HasPrefix(text, "crit"), strings.HasPrefix(text, "emerg"), strings.HasPrefix(text, "alert"), strings.HasPrefix(text, "panic"):
		return "fatal"
	case strings.HasPrefix(text, "notice"):
		return "info"
	}
	return ""
}

// askedLogs tells of a query that somebody asks of the log lines.
func (s *site) askedLogs(query string) {
	if s.AskedLogs != nil {
		s.AskedLogs(query)
	}
}

func (s *site) lines(ctx context.Context, query string, from, to time.Time) *logsPanel {
	p := &logsPanel{Query: query}
	ctx, cancel := context.WithTimeout(ctx, linesWait)
	defer cancel()
	fail := func(err error) *logsPanel {
		p.Broken = err.Error()
		if errors.Is(err, context.DeadlineExceeded) {
			p.Broken = "The query took longer than 20 s: ask for less time, or say more of what is looked for."
		}
		return p
	}
	parse := func(pipes string) (*logs.Query, error) {
		q, err := logs.ParseQuery(query+pipes, s.Now())
		if err == nil {
			q.AddTimeFilter(from.UnixNano(), to.UnixNano())
		}
		return q, err
	}
	q, err := parse("")
	if err != nil {
		return fail(err)
	}
	s.askedLogs(query)
	p.Counts = !q.CanLiveTail()
	if q, err = parse(fmt.Sprintf(" | sort by (_time desc) limit %d", shownLines+1)); err != nil {
		return fail(err)
	}
	err = s.Logs.Each(ctx, q, func(row logs.Row) bool {
		p.Lines = append(p.Lines, lineOf(row))
		return true
	})
	if err != nil {
		return fail(err)
	}
	slices.SortStableFunc(p.Lines, func(a, b logLine) int { return b.At.Compare(a.At) })
	s.lead(p.Lines)
	if p.More = len(p.Lines) > shownLines; p.More {
		p.Lines = p.Lines[:shownLines]
	}
	if p.Counts {
		return p
	}
	step := stepFor(to.Sub(from), max(time.Second, (to.Sub(from)/120).Truncate(time.Second)))
	if q, err = parse(fmt.Sprintf(" | stats by (_time:%ds, severity, level) count() n", int(step.Seconds()))); err != nil {
		return fail(err)
	}
	by := map[string]map[int64]float64{}
	err = s.Logs.Each(ctx, q, func(row logs.Row) bool {
		at, err := time.Parse(time.RFC3339Nano, row.Field("_time"))
		if row.Time != 0 {
			at, err = time.Unix(0, row.Time), nil
		}
		n, _ := strconv.ParseFloat(row.Field("n"), 64)
		if err == nil {
			name := cmp.Or(severityOf(cmp.Or(row.Field("severity"), row.Field("level"))), "other")
			if by[name] == nil {
				by[name] = map[int64]float64{}
			}
			by[name][at.Unix()] += n
		}
		return true
	})
	if err != nil {
		return fail(err)
	}
	p.Chart = counts(by, from, to, step)
	p.Chart.ID, p.Chart.Title = "lines", "Lines, every "+promDuration(step)
	return p
}

// counts draws counts over time, the worst severity first.
func counts(by map[string]map[int64]float64, from, to time.Time, step time.Duration) *Chart {
	names := make([]string, 0, len(by))
	for name := range by {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(slices.Index(severities, b)-slices.Index(severities, a), strings.Compare(a, b))
	})
	first := time.Unix(0, from.UnixNano()-from.UnixNano()%int64(step)) // LogsQL's grid begins in 1970, that of Truncate in the year 1
	var series []Series
	for _, name := range names {
		one := Series{Labels: map[string]string{"__name__": name}}
		for at := first; !at.After(to); at = at.Add(step) {
			one.Points = append(one.Points, Point{At: at, Value: by[name][at.Unix()]})
		}
		series = append(series, one)
	}
	return newChart(series, first, to, step)
}

func lineOf(row logs.Row) logLine {
	l := logLine{At: time.Unix(0, row.Time).UTC()}
	for _, f := range row.Fields {
		f.Name, f.Value = strings.Clone(f.Name), legible(f.Value)
		switch f.Name {
		case "":
			l.Message = f.Value
		case "severity", "level":
			if l.Severity == "" {
				l.Severity = severityOf(f.Value)
			}
			l.Fields = append(l.Fields, f)
		case "service.name", "service", "job":
			if l.Service == "" {
				l.Service = f.Value
			}
			l.Fields = append(l.Fields, f)
		case "trace_id":
			l.TraceID = f.Value
		case "span_id":
			l.SpanID = f.Value
		default:
			l.Fields = append(l.Fields, f)
		}
	}
	if l.Message == "" && len(l.Fields) > 0 {
		parts := make([]string, 0, len(l.Fields))
		for _, f := range l.Fields[:min(len(l.Fields), 12)] {
			parts = append(parts, f.Name+"="+f.Value)
		}
		l.Message = legible(strings.Join(parts, " "))
	}
	return l
}

// mostLegible is how much of a value a page shows, in bytes. Values may have 256 KiB, and a
// page hundreds of them.
const mostLegible = 2000

// legible is a copy of a value that is no longer than people read.
func legible(v string) string {
	if len(v) <= mostLegible {
		return strings.Clone(v)
	}
	end := mostLegible
	for end > mostLegible-utf8.UTFMax && !utf8.RuneStart(v[end]) {
		end--
	}
	return fmt.Sprintf("%s… (and %d bytes more; evenkeel query --logs shows all)", v[:end], len(v)-end)
}

// resources are the fields by which a line names what it came from, the narrowest first.
var resources = []struct{ field, word string }{
	{"k8s.pod.name", "pod"}, {"container.name", "container"}, {"k8s.deployment.name", "deployment"}, {"host.name", "host"}, {"hostname", "host"},
}

// lead says of each line where it leads.
func (s *site) lead(lines []logLine) {
	ws := s.Workspace()
	for i := range lines {
		l := &lines[i]
		if svc := ws.Service(declare.ServiceID(l.Service)); svc != nil {
			text := "service " + string(svc.ID)
			if svc.Owner != "" {
				text += ", of " + string(svc.Owner)
			}
			l.Links = append(l.Links, Link{text, "/services/" + url.PathEscape(string(svc.ID))})
		}
		around := []string{"from", stampURL(l.At.Add(-time.Minute)), "to", stampURL(l.At.Add(time.Minute))}
		for _, r := range resources {
			if at := slices.IndexFunc(l.Fields, func(f logs.Field) bool { return f.Name == r.field }); at >= 0 {
				name := l.Fields[at].Value
				l.Links = append(l.Links, Link{r.word + " " + name, withQuery("/explore", append(around, "logs", quoteLogs(r.field)+":="+quoteLogs(name))...)})
				break
			}
		}
		if l.Service != "" {
			l.Links = append(l.Links, Link{"what it said then", withQuery("/explore", append(around, "logs", "service.name:="+quoteLogs(l.Service))...)})
		}
	}
}

// tracesPanel is what the span store says to a query.
type tracesPanel struct {
	Query  string
	Rows   []trace.Summary
	Chart  *Chart // the traces' durations over time
	More   bool
	Broken string
}

func (s *site) tracesOf(ctx context.Context, query string, from, to time.Time) *tracesPanel {
	p := &tracesPanel{Query: query}
	ctx, cancel := context.WithTimeout(ctx, linesWait)
	defer cancel()
	search, err := trace.ParseQuery(query)
	if err != nil {
		p.Broken = err.Error()
		return p
	}
	search.From, search.To, search.Limit = from, to, shownTraces
	found, err := s.Traces.Search(ctx, search)
	if err != nil {
		p.Broken = err.Error()
		return p
	}
	p.More = found.More || len(found.Traces) == shownTraces
	fine, bad := Series{Labels: map[string]string{"__name__": "without errors"}}, Series{Labels: map[string]string{"__name__": "with errors"}}
	for _, t := range found.Traces {
		sum := t.Summary()
		p.Rows = append(p.Rows, sum)
		one := Point{At: sum.Start, Value: sum.Took.Seconds()}
		if sum.Errors > 0 {
			bad.Points = append(bad.Points, one)
		} else {
			fine.Points = append(fine.Points, one)
		}
	}
	if len(p.Rows) > 1 {
		p.Chart = newChart([]Series{fine, bad}, from, to, max(time.Second, to.Sub(from)/(MaxPoints-1)))
		p.Chart.ID, p.Chart.Title, p.Chart.Unit, p.Chart.Dots = "traces", "Duration of each trace", "seconds", true
	}
	return p
}

// differPanel says what is different about the rows that a query finds.
type differPanel struct {
	Of           string // lines or spans
	Selected     int
	Baseline     int
	Differences  []differenceLine
	Broken       string
	BaselineText string
}

type differenceLine struct {
	contrast.Difference
	Text   string // the value, a duration in its unit
	Narrow string // the page with this value added to the query
}

// differ compares the lines that a query finds in a time with those that it does not find.
func (s *site) differ(ctx context.Context, filter string, from, to time.Time) *differPanel {
	return differ(ctx, "lines", func(ctx context.Context) (*contrast.Result, error) {
		return contrast.Rows(ctx, s.Logs, contrast.Selection{Filter: filter}, from, to, s.Now())
	})
}

// differSpans does so with the very spans that a query in TraceQL finds.
func (s *site) differSpans(ctx context.Context, search trace.Search, from, to time.Time) *differPanel {
	return differ(ctx, "spans", func(ctx context.Context) (*contrast.Result, error) {
		search.From, search.To = from, to
		chosen, err := s.Traces.Select(ctx, search)
		if err != nil {
			return nil, err
		}
		return contrast.Rows(ctx, s.Traces.Rows(), contrast.Selection{Filter: chosen.Filter, Others: chosen.Others, Keep: chosen.Has}, from, to, s.Now())
	})
}

func differ(ctx context.Context, of string, compare func(context.Context) (*contrast.Result, error)) *differPanel {
	p := &differPanel{Of: of, BaselineText: "other " + of + " of the same time, and all of the four times as long before"}
	ctx, cancel := context.WithTimeout(ctx, linesWait)
	defer cancel()
	found, err := compare(ctx)
	if err != nil {
		p.Broken = err.Error()
		return p
	}
	p.Selected, p.Baseline = found.Selected, found.Baseline
	for _, d := range found.Differences {
		p.Differences = append(p.Differences, differenceLine{Difference: d, Text: inWords(d)})
	}
	return p
}

// inWords is a difference's value as people read it.
func inWords(d contrast.Difference) string {
	sign, text := "", d.Value
	if cut := strings.IndexByte(text, ' '); cut > 0 && d.Field == "duration" {
		sign, text = text[:cut+1], text[cut+1:]
	}
	if ns, err := strconv.ParseFloat(text, 64); err == nil && d.Field == "duration" {
		return sign + took(time.Duration(ns))
	}
	return d.Value
}

// traceView is one trace.
type traceView struct {
	Page
	Summary  trace.Summary
	Rows     []spanRow
	Hidden   int // spans that are not shown
	More     bool
	Critical []criticalLine // who is on the critical path, and for how long
	Logs     []logLine
	Chosen   string // the span that the URL names
	LogsURL  string
}

// spanRow is one span of the waterfall; places are in thousandths of the trace.
type spanRow struct {
	*trace.Node
	Left, Width float64
	Critical    []place
	Own         bool // the span that the URL names
	LogsURL     string
	Lines       []logLine
	Indent      int
}

type place struct{ Left, Width float64 }

type criticalLine struct {
	Service, Name string
	Took          time.Duration
	Share         float64
}

// maxRows is how many spans a page shows.
const maxRows = 500

func (s *site) trace(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if s.Traces == nil {
		return act.ErrNotFound
	}
	id := strings.ToLower(r.PathValue("id"))
	t, err := s.Traces.Trace(r.Context(), id, time.Time{}, time.Time{})
	if err != nil {
		return &act.InvalidError{Field: "trace", Got: id, Want: "up to 32 hexadecimal digits"}
	}
	if t == nil {
		return act.ErrNotFound
	}
	v := traceView{Page: s.page(r, me, "Trace "+id[:min(8, len(id))], "explore"), Summary: t.Summary(), More: t.More, Chosen: r.URL.Query().Get("span")}
	start, whole := v.Summary.Start.UnixNano(), max(1, float64(v.Summary.Took))
	at := func(from, to int64) place {
		return place{float64(from-start) / whole * 1000, math.Max(1.5, float64(to-from)/whole*1000)}
	}
	around := time.Minute + v.Summary.Took
	v.LogsURL = withQuery("/explore", "logs", "trace_id:="+strconv.Quote(t.ID), "from", stampURL(v.Summary.Start.Add(-around)), "to", stampURL(v.Summary.Start.Add(around)))
	if s.Logs != nil {
		panel := s.lines(r.Context(), "trace_id:="+strconv.Quote(t.ID), v.Summary.Start.Add(-around), v.Summary.Start.Add(around))
		v.Logs = panel.Lines
		slices.Reverse(v.Logs) // as it happened
	}
	bySpan := map[string][]logLine{}
	for _, l := range v.Logs {
		bySpan[l.SpanID] = append(bySpan[l.SpanID], l)
	}
	type who struct{ service, name string }
	waited := map[who]int64{}
	trace.Walk(t.Tree(), func(n *trace.Node) {
		for _, c := range n.Critical {
			waited[who{n.Service, n.Name}] += c.To - c.From
		}
		if len(v.Rows) >= maxRows {
			v.Hidden++
			return
		}
		row := spanRow{Node: n, Own: n.SpanID == v.Chosen, Lines: bySpan[n.SpanID], Indent: min(n.Depth, 12)}
		p := at(n.Start, n.End())
		row.Left, row.Width = p.Left, p.Width
		for _, c := range n.Critical {
			row.Critical = append(row.Critical, at(c.From, c.To))
		}
		row.LogsURL = withQuery("/explore", "logs", "trace_id:="+strconv.Quote(t.ID)+" span_id:="+strconv.Quote(n.SpanID), "from", stampURL(v.Summary.Start.Add(-around)), "to", stampURL(v.Summary.Start.Add(around)))
		v.Rows = append(v.Rows, row)
	})
	for k, n := range waited {
		v.Critical = append(v.Critical, criticalLine{k.service, k.name, time.Duration(n), float64(n) / whole})
	}
	slices.SortFunc(v.Critical, func(a, b criticalLine) int {
		return cmp.Or(cmp.Compare(b.Took, a.Took), strings.Compare(a.Name, b.Name))
	})
	v.Critical = v.Critical[:min(len(v.Critical), 8)]
	return s.show(w, "trace", v)
}

// took is a duration as people read it: 1.23 s, 45 ms, 310 µs.
func took(v any) string {
	var d time.Duration
	switch v := v.(type) {
	case time.Duration:
		d = v
	case int64:
		d = time.Duration(v)
	}
	switch {
	case d >= time.Minute:
		return duration(d)
	case d >= time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	case d >= time.Millisecond:
		return strconv.FormatFloat(float64(d)/1e6, 'g', 3, 64) + " ms"
	}
	return strconv.FormatInt(d.Microseconds(), 10) + " µs"
}

// severityMark is a log line's severity with a shape, not with a colour alone.
func severityMark(text string) template.HTML {
	class, sign := "off", "·"
	switch text {
	case "":
		return ""
	case "fatal", "error":
		class, sign = "bad", "▲"
	case "warn":
		class, sign = "warn", "◆"
	case "info":
		class, sign = "info", "●"
	}
	//nolint:gosec // our own words only
	return template.HTML(`<span class="mark ` + class + `"><span aria-hidden="true">` + sign + `</span>` + text + `</span>`)
}

// traceURL is the page of a trace, at one of its spans.
func traceURL(trace, span string) string {
	u := "/traces/" + url.PathEscape(trace)
	if span != "" {
		u += "?span=" + url.QueryEscape(span) + "#s" + span
	}
	return u
}

// quoteLogs is a string of LogsQL.
func quoteLogs(s string) string { return strconv.Quote(s) }

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
