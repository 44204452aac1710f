package dashboard

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// The bounds of one dashboard.
const (
	MaxPanels    = 200
	MaxQueries   = 20 // of a panel
	MaxVariables = 50
	maxFixed     = 500 // values that a file names for a variable
	maxLimit     = 1000
)

// Columns is how many a row has.
const Columns = 12

// Types are those of panels, with their usual width.
var widths = map[string]int{
	declare.PanelTimeSeries: 6, declare.PanelStat: 3, declare.PanelTable: 6, declare.PanelBar: 6, declare.PanelHeatmap: 6, declare.PanelLogs: 12, declare.PanelText: 12,
}

var (
	types   = []string{declare.PanelTimeSeries, declare.PanelStat, declare.PanelTable, declare.PanelBar, declare.PanelHeatmap, declare.PanelLogs, declare.PanelText}
	reduces = []string{"last", "mean", "min", "max", "sum"}
	levels  = []string{"ok", "warn", "bad"}

	variableName  = regexp.MustCompile(`^[A-Za-z_]\w{0,63}$`)
	dashboardName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
)

// Read reads one dashboard.
func Read(file string, data []byte, sink *declare.Problems) (*declare.Dashboard, []yamldoc.Reference) {
	doc, ok := yamldoc.One(file, data, sink)
	if !ok {
		return nil, nil
	}
	doc.Only("title", "description", "service", "range", "refresh", "variables", "rows", "panels")
	d := &declare.Dashboard{
		Name: strings.TrimSuffix(path.Base(file), path.Ext(file)), Title: doc.Field("title").Required("what it is called"), Description: doc.Field("description").String(),
		Service: declare.ServiceID(doc.Field("service").String()), Range: declare.Span(time.Hour), Refresh: declare.Span(30 * time.Second), Pos: declare.Position{File: file, Line: 1},
	}
	if !dashboardName.MatchString(d.Name) {
		doc.Problem(d.Name, "a file name of letters, digits, dots, dashes and underscores", "it is the dashboard's address")
	}
	var references []yamldoc.Reference
	if d.Service != "" {
		references = append(references, yamldoc.Reference{Kind: "service", Name: string(d.Service), At: doc.Field("service")})
	}
	within := func(n yamldoc.Node, into *declare.Span, least, most time.Duration, want string) {
		if v, ok := n.Duration(); ok {
			if v < least || v > most {
				n.Problem(n.Text(), want, "")
				return
			}
			*into = declare.Span(v)
		}
	}
	within(doc.Field("range"), &d.Range, time.Minute, 5*365*24*time.Hour, "a duration from 1m to 5y")
	within(doc.Field("refresh"), &d.Refresh, 5*time.Second, 24*time.Hour, "a duration from 5s to 1d")
	r := reader{d: d, sink: sink, names: map[string]bool{}}
	vars := doc.Field("variables").List()
	if len(vars) > MaxVariables {
		doc.Field("variables").Problem("", "at most 50 variables", "")
		vars = vars[:MaxVariables]
	}
	for _, n := range vars {
		r.variable(n)
	}
	r.rows(doc)
	if d.Panels() == 0 && len(*sink) == 0 {
		doc.Problem("", "at least one row with a panel", "")
	}
	return d, references
}

type reader struct {
	d      *declare.Dashboard
	sink   *declare.Problems
	names  map[string]bool
	once   []string // variables that what is being read is repeated by: they have one value there
	panels int
}

func (r *reader) variable(n yamldoc.Node) {
	n.Only("name", "title", "label", "of", "field", "in", "match", "values", "text", "default", "multi", "all")
	v := declare.DashboardVariable{
		Name: n.Field("name").Required("the variable's name"), Title: n.Field("title").String(), Label: n.Field("label").String(), Of: n.Field("of").String(),
		Field: n.Field("field").String(), In: n.Field("in").String(), Match: n.Field("match").String(), Values: texts(n.Field("values")),
		Text: n.Field("text").Bool(), Default: texts(n.Field("default")), Multi: n.Field("multi").Bool(), All: n.Field("all").Bool(),
	}
	switch {
	case v.Name == "":
	case !variableName.MatchString(v.Name) || strings.HasPrefix(v.Name, "__"):
		n.Field("name").Problem(v.Name, "letters, digits and underscores, not two underscores first", "")
	case slices.Contains(page, v.Name):
		n.Field("name").Problem(v.Name, "another name", "the page's address has "+strings.Join(page, ", ")+" for itself")
	case r.names[v.Name]:
		n.Field("name").Problem(v.Name, "each variable once", "")
	}
	kinds := 0
	for _, has := range []bool{v.Label != "", v.Field != "", len(v.Values) > 0, v.Text} {
		if has {
			kinds++
		}
	}
	if kinds != 1 {
		n.Problem("", "one of label (of metrics), field (of log lines), values or text", "")
	}
	if v.Of != "" && v.Label == "" {
		n.Field("of").Problem(v.Of, "of beside label", "")
	}
	if v.In != "" && v.Field == "" {
		n.Field("in").Problem(v.In, "in beside field", "")
	}
	if v.Text && (v.Multi || v.All) {
		n.Field("text").Problem("true", "one text", "multi and all are for variables with values")
	}
	if len(v.Values) > maxFixed {
		n.Field("values").Problem("", "at most 500 values", "")
	}
	if v.Match != "" {
		if _, err := regexp.Compile(v.Match); err != nil {
			n.Field("match").Problem(v.Match, "a regular expression", err.Error())
		}
	}
	if len(v.Values) > 0 {
		for _, one := range v.Default {
			if !slices.Contains(v.Values, one) {
				n.Field("default").Problem(one, "one of the values", yamldoc.Suggest(one, v.Values))
			}
		}
	}
	if len(v.Default) > 1 && !v.Multi {
		n.Field("default").Problem("a list", "one value", "or multi: true")
	}
	// What a variable's values are asked with may name those before it.
	if v.Of != "" {
		r.query(n.Field("of"), v.Of, selector)
	}
	if v.In != "" {
		r.query(n.Field("in"), v.In, logFilter)
	}
	r.names[v.Name] = true
	r.d.Variables = append(r.d.Variables, v)
}

// page is what the address of a dashboard's page has besides variables.
var page = []string{"from", "to", "range", "open", "done", "differ", "v"}

// texts is a list of texts, or one.
func texts(n yamldoc.Node) []string {
	if n.Missing() {
		return nil
	}
	if n.IsList() {
		return n.Strings()
	}
	if s := n.String(); s != "" {
		return []string{s}
	}
	return nil
}

func (r *reader) rows(doc yamldoc.Node) {
	if !doc.Field("panels").Missing() {
		if !doc.Field("rows").Missing() {
			doc.Field("panels").Problem("", "either rows or panels", "")
		}
		r.d.Rows = append(r.d.Rows, declare.DashboardRow{Panels: r.list(doc.Field("panels"))})
		return
	}
	for _, n := range doc.Field("rows").List() {
		n.Only("title", "repeat", "collapsed", "panels")
		row := declare.DashboardRow{Title: n.Field("title").String(), Repeat: r.repeat(n.Field("repeat")), Collapsed: n.Field("collapsed").Bool()}
		r.once = []string{row.Repeat}
		row.Panels = r.list(n.Field("panels"))
		r.once = nil
		if row.Collapsed && row.Title == "" {
			n.Field("collapsed").Problem("true", "a title, by which a collapsed row is opened", "")
		}
		r.d.Rows = append(r.d.Rows, row)
	}
}

func (r *reader) repeat(n yamldoc.Node) string {
	name := strings.TrimPrefix(n.String(), "$")
	if v := r.d.Variable(name); name != "" && (v == nil || v.Text) {
		n.Problem(name, "a variable with values", yamldoc.Suggest(name, r.known()))
	}
	return name
}

func (r *reader) known() []string {
	var out []string
	for _, v := range r.d.Variables {
		out = append(out, v.Name)
	}
	return out
}

func (r *reader) list(list yamldoc.Node) []declare.Panel {
	var out []declare.Panel
	for _, n := range list.List() {
		if r.panels++; r.panels > MaxPanels {
			n.Problem("", "at most 200 panels on a dashboard", "")
			return out
		}
		out = append(out, r.panel(n))
	}
	return out
}

func (r *reader) panel(n yamldoc.Node) declare.Panel {
	n.Only("title", "description", "type", "width", "repeat", "unit", "min", "max", "stack", "reduce", "limit", "words", "thresholds", "queries", "text")
	p := declare.Panel{
		Title: n.Field("title").String(), Description: n.Field("description").String(), Type: n.Field("type").String(), Repeat: r.repeat(n.Field("repeat")),
		Unit: n.Field("unit").String(), Stack: n.Field("stack").Bool(), Reduce: n.Field("reduce").String(), Text: n.Field("text").String(), Pos: n.Pos(),
	}
	if p.Type == "" {
		p.Type = declare.PanelTimeSeries
	}
	oneOf := func(n yamldoc.Node, got string, of []string) {
		if got != "" && !slices.Contains(of, got) {
			n.Problem(got, "one of "+strings.Join(of, ", "), yamldoc.Suggest(got, of))
		}
	}
	oneOf(n.Field("type"), p.Type, types)
	oneOf(n.Field("reduce"), p.Reduce, reduces)
	if len(p.Unit) > 20 {
		n.Field("unit").Problem(p.Unit, "a unit of at most 20 characters", "")
	}
	p.Width = widths[p.Type]
	if w, ok := n.Field("width").Int(); ok {
		if w < 1 || w > Columns {
			n.Field("width").Problem(n.Field("width").Text(), "columns from 1 to 12", "")
		} else {
			p.Width = w
		}
	}
	if limit, ok := n.Field("limit").Int(); ok {
		if limit < 1 || limit > maxLimit {
			n.Field("limit").Problem(n.Field("limit").Text(), "a number from 1 to 1000", "")
		} else {
			p.Limit = limit
		}
	}
	if f, ok := n.Field("min").Float(); ok {
		p.Min = &f
	}
	if f, ok := n.Field("max").Float(); ok {
		p.Max = &f
	}
	if p.Min != nil && p.Max != nil && *p.Min >= *p.Max {
		n.Field("min").Problem(n.Field("min").Text(), "less than max", "")
	}
	if !n.Field("words").Missing() {
		p.Words = n.Field("words").StringMap()
	}
	for _, t := range n.Field("thresholds").List() {
		t.Only("value", "level", "label")
		th := declare.PanelThreshold{Level: t.Field("level").Required("ok, warn or bad"), Label: t.Field("label").String()}
		oneOf(t.Field("level"), th.Level, levels)
		var ok bool
		if th.Value, ok = t.Field("value").Float(); !ok && t.Field("value").Missing() {
			t.Field("value").Problem("", "the value from which on it counts", "it is missing")
		}
		p.Thresholds = append(p.Thresholds, th)
	}
	slices.SortStableFunc(p.Thresholds, func(a, b declare.PanelThreshold) int { return int(min(1, max(-1, (a.Value-b.Value)*1e9))) })
	r.once = append(r.once, p.Repeat)
	r.queries(n, &p)
	r.once = r.once[:len(r.once)-1]
	return p
}

func (r *reader) queries(n yamldoc.Node, p *declare.Panel) {
	list := n.Field("queries").List()
	switch {
	case p.Type == declare.PanelText:
		if p.Text == "" {
			n.Field("text").Problem("", "Markdown", "it is missing")
		}
		if len(list) > 0 {
			n.Field("queries").Problem("", "no queries in a panel of text", "")
		}
		return
	case p.Text != "":
		n.Field("text").Problem(p.Text, "text in a panel of type text", "")
	case len(list) == 0:
		n.Field("queries").Problem("", "at least one query", "as queries: [{promql: up}]")
	case len(list) > MaxQueries:
		n.Field("queries").Problem("", "at most 20 queries", "")
		return
	}
	if (p.Type == declare.PanelLogs || p.Type == declare.PanelHeatmap) && len(list) > 1 {
		n.Field("queries").Problem("", "one query in a panel of "+p.Type, "")
	}
	for _, q := range list {
		q.Only("promql", "logsql", "legend")
		one := declare.PanelQuery{PromQL: q.Field("promql").String(), LogsQL: q.Field("logsql").String(), Legend: q.Field("legend").String()}
		switch {
		case (one.PromQL == "") == (one.LogsQL == ""):
			q.Problem("", "either promql or logsql", "")
		case one.PromQL != "" && p.Type == declare.PanelLogs:
			q.Field("promql").Problem(one.PromQL, "LogsQL in a panel of logs", "")
		case one.PromQL != "":
			r.query(q.Field("promql"), one.PromQL, promQL)
		case p.Type == declare.PanelLogs:
			r.query(q.Field("logsql"), one.LogsQL, logLines)
		case p.Type == declare.PanelTable:
			r.query(q.Field("logsql"), one.LogsQL, logAny)
		default:
			r.query(q.Field("logsql"), one.LogsQL, logStats)
		}
		if one.Legend != "" {
			r.variables(q.Field("legend"), one.Legend, false)
		}
		p.Queries = append(p.Queries, one)
	}
}
