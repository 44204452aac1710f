package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
)

const (
	shownLines  = 200
	shownTraces = 50
	// linesWait bounds one look into the stores of a page.
	linesWait = 20 * time.Second
)

// logsPanel is what the log store says to a query.
type logsPanel struct {
	Query   string
	Chart   *Chart // lines over time, by severity
	Lines   []logLine
	More    bool
	Broken  string
	Counts  bool // the query yields what may not be lines
	Undated bool // the query leaves out when the lines were
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
	p.Undated = !p.Counts && !q.CanReturnLastNResults()
	most := fmt.Sprintf(" | sort by (_time desc) limit %d", shownLines+1)
	if p.Undated {
		most = fmt.Sprintf(" | limit %d", shownLines+1)
	}
	if q, err = parse(most); err != nil {
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
	if p.Counts || p.Undated {
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
	l := logLine{}
	if row.Time != 0 {
		l.At = time.Unix(0, row.Time).UTC()
	}
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
		if l.At.IsZero() {
			continue
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

// quoteLogs is a string of LogsQL.
func quoteLogs(s string) string { return strconv.Quote(s) }

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
