package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/act"
)

// exploreView is the PromQL explorer.
type exploreView struct {
	Page
	Expr           string
	Logs, Traces   string // the other two queries, as asked
	LogsPanel      *logsPanel
	TracesPanel    *tracesPanel
	Differ         []*differPanel
	DifferURL      string // this page with what is different
	TailBroken     string // why the query cannot be followed
	TailURL        string // the stream of lines as they come; "" unless asked for
	LiveURL        string // this page with lines as they come
	StillURL       string // this page with the lines of a time
	Exemplars      []exemplarLine
	HasLogs        bool
	HasTraces      bool
	Range, Step    string // as asked
	From, To       string // as asked, RFC 3339
	Ranges         []string
	Chart          *Chart
	Used           time.Duration // the step that was used
	Widened        bool          // it is wider than asked, to keep to MaxPoints
	Table          []valueLine
	More           int // rows that are not shown
	At             time.Time
	Before, Spot   string // the expression up to an error's place, and from there on
	Rest           string
	Broken         string // what is wrong with the expression
	Earlier, Later string
	Took           time.Duration
	marks          []ChartMark
}

// valueLine is one series of the table, with its last value.
type valueLine struct {
	Labels string
	Value  float64
	At     time.Time
}

// maxTable bounds the rows of the table.
const maxTable = 200

func (s *site) explore(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	q := r.URL.Query()
	v := exploreView{
		Page: s.page(r, me, "Explore", "explore"), Ranges: ranges,
		Expr: strings.TrimSpace(q.Get("expr")), Range: q.Get("range"), Step: q.Get("step"), From: q.Get("from"), To: q.Get("to"),
	}
	span, chosen := rangeOf(v.Range, time.Hour)
	if !chosen {
		v.Range = "1h"
	}
	if !slices.Contains(v.Ranges, v.Range) {
		v.Ranges = append([]string{v.Range}, ranges...)
	}
	to := s.Now().Truncate(time.Second)
	if t, ok := v.time("to", v.To); ok {
		to = t
	}
	from := to.Add(-span)
	if t, ok := v.time("from", v.From); ok {
		from = t
	}
	if !from.Before(to) {
		v.Problem, from = "The time range is empty: from has to be before to.", to.Add(-span)
	}
	span = to.Sub(from)
	v.Earlier = withQuery(v.Here, "from", stampURL(from.Add(-span/2)), "to", stampURL(to.Add(-span/2)))
	v.Later = withQuery(v.Here, "from", stampURL(from.Add(span/2)), "to", stampURL(to.Add(span/2)))
	v.At = to
	s.telemetry(r, &v, from, to)
	if v.Expr == "" {
		return s.show(w, "explore", v)
	}
	if _, err := parser.NewParser(parser.Options{}).ParseExpr(v.Expr); err != nil {
		v.pointAt(err)
		return s.show(w, "explore", v)
	}

	wish := time.Second
	if v.Step != "" {
		d, err := model.ParseDuration(v.Step)
		if err != nil || d <= 0 {
			v.Problem = "step: got " + v.Step + ", expected a duration as 15s or 5m"
		} else {
			wish = time.Duration(d)
		}
	}
	v.Used = stepFor(span, wish)
	v.Widened = v.Step != "" && v.Used > wish

	began := time.Now()
	series, err := s.QueryRange(r.Context(), v.Expr, from, to, v.Used)
	var last []Series
	if err == nil {
		last, err = s.Query(r.Context(), v.Expr, to)
	}
	v.Took = time.Since(began).Round(time.Millisecond)
	if err != nil {
		v.Broken = "The query failed: " + err.Error()
		return s.show(w, "explore", v)
	}
	v.Chart = newChart(series, from, to, v.Used)
	v.Chart.ID, v.Chart.Title = "explore", v.Expr
	for i := range v.Chart.Series {
		if behind := behindService(series[i].Labels); behind != nil {
			v.Chart.Series[i].Look = withQuery("/explore", append(behind, "expr", v.Expr)...)
		}
	}
	v.Chart.Marks = v.marks
	for _, one := range last {
		if len(v.Table) == maxTable {
			v.More = len(last) - maxTable
			break
		}
		if n := len(one.Points); n > 0 {
			v.Table = append(v.Table, valueLine{seriesLabel(one.Labels, nil), one.Points[n-1].Value, one.Points[n-1].At})
		}
	}
	return s.show(w, "explore", v)
}

func stampURL(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// time reads one end of the range; a problem is shown and the default used.
func (v *exploreView) time(name, text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() > 1970 && t.Year() < 9999 {
			return t, true
		}
	}
	v.Problem = name + ": got " + text + ", expected a time as 2006-01-02T15:04:05Z"
	return time.Time{}, false
}

// pointAt shows where the parser stumbled.
func (v *exploreView) pointAt(err error) {
	v.Broken = err.Error()
	var list parser.ParseErrors
	if !errors.As(err, &list) || len(list) == 0 {
		return
	}
	first := list[0]
	v.Broken = first.Err.Error()
	start, end := int(first.PositionRange.Start), int(first.PositionRange.End)
	if start < 0 || start > len(v.Expr) {
		return
	}
	if end <= start || end > len(v.Expr) {
		end = min(start+1, len(v.Expr))
	}
	v.Before, v.Spot, v.Rest = v.Expr[:start], v.Expr[start:end], v.Expr[end:]
	if v.Spot == "" {
		v.Spot = " "
	}
}

// rangeOf reads a time range of the URL, between a second and five years.
func rangeOf(text string, fallback time.Duration) (time.Duration, bool) {
	d, err := model.ParseDuration(text)
	if err != nil || time.Duration(d) < time.Second || time.Duration(d) > 5*365*24*time.Hour {
		return fallback, false
	}
	return time.Duration(d), true
}
