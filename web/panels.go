package web

import (
	"cmp"
	"context"
	"errors"
	"html/template"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/dashboard"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// panelView is a panel with what it shows.
type panelView struct {
	declare.Panel
	ID      string
	Heading string // the title, with what is chosen
	Chart   *Chart
	Heat    template.HTML
	Values  []panelValue // of a stat and of bars
	Columns []string     // of a table
	Table   [][]string
	More    int // rows that are not shown
	Lines   *logsPanel
	HTML    template.HTML
	Error   string
	Links   []Link // its queries, in the explorer
}

// panelValue is one value of a stat, or one bar.
type panelValue struct {
	Label, Text string
	Level       string  // ok, warn, bad; "" without thresholds
	Share       float64 // of the longest bar, or between min and max, in [0,1]
	Bar         bool
}

const (
	panelsAtOnce  = 4
	maxRepeats    = 12
	usualRows     = 50
	usualBars     = 20
	usualLines    = 50
	openedColumns = 30 // of a table
)

// painter fills panels.
type painter struct {
	*site
	window
	scope   dashboard.Scope
	step    time.Duration
	spacing time.Duration
	marks   []ChartMark
	shades  []ChartShade
	here    string
}

// paint fills all rows that are open, a few panels at a time.
func (p painter) paint(ctx context.Context, d *declare.Dashboard, open []string) []rowView {
	var rows []rowView
	var wait sync.WaitGroup
	slots := make(chan struct{}, panelsAtOnce)
	n := 0
	add := func(row declare.DashboardRow, scope dashboard.Scope, suffix string) {
		v := rowView{ID: "row-" + strconv.Itoa(len(rows)), Title: dashboard.Title(row.Title, scope)}
		if row.Collapsed {
			v.Closed = !slices.Contains(open, row.Title)
			v.Toggle = toggled(p.here, row.Title, v.Closed)
		}
		for _, panel := range row.Panels {
			if v.Closed {
				break
			}
			for _, inner := range repeated(panel.Repeat, scope) {
				n++
				one := &panelView{Panel: panel, ID: "p" + strconv.Itoa(n) + suffix, Heading: dashboard.Title(panel.Title, inner)}
				v.Panels = append(v.Panels, one)
				mine := p
				mine.scope = inner
				wait.Add(1)
				go func() {
					defer wait.Done()
					select {
					case slots <- struct{}{}:
						defer func() { <-slots }()
						mine.fill(ctx, one)
					case <-ctx.Done():
						one.Error = "There was no time left for it: a dashboard has 25 s. Choose less time, or collapse rows."
					}
				}()
			}
		}
		rows = append(rows, v)
	}
	for _, row := range d.Rows {
		for i, scope := range repeated(row.Repeat, p.scope) {
			add(row, scope, map[bool]string{true: "r" + strconv.Itoa(i)}[i > 0])
		}
	}
	wait.Wait()
	return rows
}

// toggled is the page with a row opened or closed.
func toggled(here, title string, closed bool) string {
	q := queryOf(here)
	open := slices.DeleteFunc(q["open"], func(s string) bool { return s == title })
	if closed {
		open = append(open, title)
	}
	q["open"] = open
	path, _, _ := strings.Cut(here, "?")
	if len(open) == 0 {
		delete(q, "open")
	}
	if text := q.Encode(); text != "" {
		path += "?" + text
	}
	return path
}

// repeated is the scope once for each value that is chosen of a variable.
func repeated(name string, scope dashboard.Scope) []dashboard.Scope {
	c, ok := scope[name]
	if name == "" || !ok || len(c.Values) == 0 {
		return []dashboard.Scope{scope}
	}
	var out []dashboard.Scope
	for _, v := range c.Values[:min(len(c.Values), maxRepeats)] {
		out = append(out, scope.With(name, v))
	}
	return out
}

func (p painter) fill(ctx context.Context, v *panelView) {
	for i, q := range v.Queries {
		text := "query"
		if len(v.Queries) > 1 {
			text += " " + strconv.Itoa(i+1)
		}
		key, expr := "expr", dashboard.Expand(q.PromQL, false, p.scope)
		if q.PromQL == "" {
			key, expr = "logs", dashboard.Expand(q.LogsQL, true, p.scope)
		}
		v.Links = append(v.Links, Link{Text: text, URL: withQuery("/explore", key, expr, "from", stampURL(p.From), "to", stampURL(p.To))})
	}
	var err error
	switch v.Type {
	case declare.PanelText:
		v.HTML = markdown([]byte(dashboard.Title(v.Text, p.scope)))
	case declare.PanelLogs:
		err = p.lines(ctx, v)
	case declare.PanelStat, declare.PanelBar:
		err = p.values(ctx, v)
	case declare.PanelTable:
		err = p.table(ctx, v)
	case declare.PanelHeatmap:
		err = p.heat(ctx, v)
	default:
		err = p.chart(ctx, v)
	}
	if err != nil {
		v.Error = err.Error()
		if errors.Is(err, context.DeadlineExceeded) {
			v.Error = "It took too long: choose less time, or make the query cheaper."
		}
	}
}

// found is what one query of a panel answers.
type found struct {
	Series
	label string
}

// over asks the panel's queries over the time.
func (p painter) over(ctx context.Context, v *panelView) ([]found, error) {
	var out []found
	for _, q := range v.Queries {
		series, err := p.overOne(ctx, q)
		if err != nil {
			return nil, err
		}
		out = append(out, p.named(q, series)...)
	}
	return out, nil
}

func (p painter) overOne(ctx context.Context, q declare.PanelQuery) ([]Series, error) {
	if q.PromQL != "" {
		return p.QueryRange(ctx, dashboard.Expand(q.PromQL, false, p.scope), p.To.Add(-p.Span().Truncate(p.step)), p.To, p.step)
	}
	if p.Logs == nil {
		return nil, errors.New("there is no store of logs")
	}
	text := dashboard.Expand(q.LogsQL, true, p.scope)
	parsed, err := p.logQuery(text)
	if err != nil {
		return nil, err
	}
	points, err := p.Logs.StatsRange(ctx, parsed, p.step)
	if err != nil {
		return nil, err
	}
	series := seriesOf(points)
	if !averages.MatchString(text[strings.LastIndex(text, "|")+1:]) {
		for i := range series { // where nothing was counted, nothing was there
			series[i].Points = zeroes(series[i].Points, p.From, p.To, p.step)
		}
	}
	return series, nil
}

// averages are functions that have no value without rows, unlike counts.
var averages = regexp.MustCompile(`\b(avg|min|max|median|quantile|stddev|row_min|row_max)\s*\(`)

func (p painter) logQuery(text string) (*logs.Query, error) {
	q, err := logs.ParseQuery(text, p.To)
	if err == nil {
		p.askedLogs(text)
		q.AddTimeFilter(p.From.UnixNano(), p.To.UnixNano())
	}
	return q, err
}

// seriesOf puts the results of a stats query together by their labels.
func seriesOf(points []logs.Point) []Series {
	by := map[string]*Series{}
	var order []string
	for _, x := range points {
		value, err := strconv.ParseFloat(x.Value, 64)
		if err != nil {
			continue
		}
		key := seriesLabel(x.Metric, nil)
		if by[key] == nil {
			by[key] = &Series{Labels: x.Metric}
			order = append(order, key)
		}
		by[key].Points = append(by[key].Points, Point{At: time.Unix(0, x.Time), Value: value})
	}
	slices.Sort(order)
	out := make([]Series, len(order))
	for i, k := range order {
		out[i] = *by[k]
	}
	return out
}

// zeroes fills the steps in which nothing was counted.
func zeroes(points []Point, from, to time.Time, step time.Duration) []Point {
	at := map[int64]float64{}
	for _, x := range points {
		at[x.At.UnixNano()] = x.Value
	}
	first := from.Truncate(step)
	if len(points) > 0 { // the engine's own grid
		first = points[0].At.Add(-points[0].At.Sub(from).Truncate(step))
	}
	var out []Point
	for t := first; !t.After(to) && len(out) < 2*MaxPoints; t = t.Add(step) {
		out = append(out, Point{At: t, Value: at[t.UnixNano()]})
	}
	return out
}

// named gives each series its legend.
func (p painter) named(q declare.PanelQuery, series []Series) []found {
	shared := commonLabels(series)
	out := make([]found, len(series))
	for i, one := range series {
		out[i] = found{one, seriesLabel(one.Labels, shared)}
		if q.Legend != "" {
			out[i].label = cmp.Or(dashboard.Legend(q.Legend, one.Labels, p.scope), out[i].label)
		}
	}
	return out
}

func (p painter) chart(ctx context.Context, v *panelView) error {
	if !slices.ContainsFunc(v.Queries, func(q declare.PanelQuery) bool { return q.PromQL != "" }) {
		p.step = max(p.step, (p.Span() / 120).Truncate(time.Second)) // lines are counted, and few a second
	}
	all, err := p.over(ctx, v)
	if err != nil {
		return err
	}
	series := make([]Series, len(all))
	for i, f := range all {
		series[i] = f.Series
	}
	c := newChart(series, p.To.Add(-p.Span().Truncate(p.step)), p.To, p.step)
	for i := range c.Series {
		c.Series[i].Label, c.Series[i].Look = all[i].label, p.behind(v, all[i].Labels)
	}
	c.ID, c.Title, c.Unit, c.Marks, c.Shades, c.Stack = v.ID, v.Heading, chartUnit(v.Unit), p.marks, p.shades, v.Stack
	c.Min, c.Max = v.Min, v.Max
	for _, t := range v.Thresholds {
		c.Limits = append(c.Limits, ChartLimit{t.Value, cmp.Or(t.Label, t.Level+" from "+unit(t.Value, c.Unit))})
	}
	v.Chart = c
	return nil
}

// behind is the explorer with what lies behind a series: the panel's first query, and the
// lines and traces of the series' service.
func (p painter) behind(v *panelView, labels map[string]string) string {
	var kv []string
	for _, q := range v.Queries[:min(1, len(v.Queries))] {
		if q.PromQL != "" {
			kv = append(kv, "expr", dashboard.Expand(q.PromQL, false, p.scope))
		} else {
			text := dashboard.Expand(q.LogsQL, true, p.scope)
			if at := strings.Index(text, "|"); at > 0 && strings.Count(text[:at], `"`)%2 == 0 {
				text = strings.TrimSpace(text[:at]) // the lines that were counted
			}
			kv = append(kv, "logs", text)
		}
	}
	return withQuery("/explore", append(behindService(labels), kv...)...)
}

// behindService are the queries for the lines and traces of the service that labels name.
func behindService(labels map[string]string) []string {
	for _, l := range []string{"service", "service_name", "service.name", "job"} {
		name := labels[l]
		if l == "job" {
			name = name[strings.LastIndexByte(name, '/')+1:] // service.namespace/service.name
		}
		if name != "" {
			return []string{"logs", "service.name:=" + strconv.Quote(name), "traces", "{ resource.service.name = " + strconv.Quote(name) + " }"}
		}
	}
	return nil
}

// reduced is one value of each series.
func (p painter) reduced(ctx context.Context, v *panelView) ([]found, error) {
	if v.Reduce != "" && v.Reduce != "last" {
		all, err := p.over(ctx, v)
		for i := range all {
			all[i].Points = []Point{{At: p.To, Value: reduce(v.Reduce, all[i].Points)}}
		}
		return all, err
	}
	var out []found
	for _, q := range v.Queries {
		var series []Series
		var err error
		if q.PromQL != "" {
			series, err = p.Query(ctx, dashboard.Expand(q.PromQL, false, p.scope), p.To)
		} else {
			series, err = p.counted(ctx, q)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, p.named(q, series)...)
	}
	return out, nil
}

// counted asks a stats query once over all of the time.
func (p painter) counted(ctx context.Context, q declare.PanelQuery) ([]Series, error) {
	if p.Logs == nil {
		return nil, errors.New("there is no store of logs")
	}
	parsed, err := p.logQuery(dashboard.Expand(q.LogsQL, true, p.scope))
	if err != nil {
		return nil, err
	}
	points, err := p.Logs.StatsAt(ctx, parsed)
	return seriesOf(points), err
}

func reduce(how string, points []Point) float64 {
	out, n := math.NaN(), 0.0
	for _, x := range points {
		if math.IsNaN(x.Value) {
			continue
		}
		n++
		switch {
		case n == 1:
			out = x.Value
		case how == "min":
			out = math.Min(out, x.Value)
		case how == "max":
			out = math.Max(out, x.Value)
		default:
			out += x.Value
		}
	}
	if how == "mean" && n > 0 {
		out /= n
	}
	return out
}

func value(f found) float64 {
	if len(f.Points) == 0 {
		return math.NaN()
	}
	return f.Points[len(f.Points)-1].Value
}

// values fills a stat, or bars.
func (p painter) values(ctx context.Context, v *panelView) error {
	all, err := p.reduced(ctx, v)
	if err != nil {
		return err
	}
	limit := cmp.Or(v.Limit, usualBars)
	if v.Type == declare.PanelBar {
		slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(value(b), value(a)) })
	}
	lo, hi := 0.0, 0.0
	for _, f := range all {
		if x := value(f); !math.IsNaN(x) && !math.IsInf(x, 0) {
			hi = math.Max(hi, x)
		}
	}
	if v.Min != nil {
		lo = *v.Min
	}
	if v.Max != nil {
		hi = *v.Max
	}
	for i, f := range all {
		if i == limit {
			v.More = len(all) - limit
			break
		}
		x := value(f)
		one := panelValue{Label: f.label, Text: shown(x, v.Panel), Level: levelOf(x, v.Thresholds), Bar: v.Type == declare.PanelBar || v.Max != nil}
		if hi > lo && !math.IsNaN(x) {
			one.Share = math.Max(0, math.Min(1, (x-lo)/(hi-lo)))
		}
		if len(all) == 1 && v.Type == declare.PanelStat && v.Queries[0].Legend == "" {
			one.Label = "" // the title says it
		}
		v.Values = append(v.Values, one)
	}
	return nil
}

// shown is a value as the panel writes it.
func shown(x float64, p declare.Panel) string {
	if word, ok := p.Words[strconv.FormatFloat(x, 'f', -1, 64)]; ok {
		return word
	}
	return unit(x, chartUnit(p.Unit))
}

// levelOf is the level of the highest threshold that a value reaches.
func levelOf(x float64, thresholds []declare.PanelThreshold) string {
	level := ""
	for _, t := range thresholds {
		if x >= t.Value {
			level = t.Level
		}
	}
	return level
}
