package dashboard

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// language is what a query has to be.
type language struct {
	want  string
	logs  bool
	parse func(text string) error
}

var (
	promQL = language{"PromQL", false, func(text string) error {
		_, err := parser.NewParser(parser.Options{}).ParseExpr(text)
		return err
	}}
	selector = language{"a selector of series, as up{job=\"node\"}", false, func(text string) error {
		_, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
		return err
	}}
	logFilter = language{"a LogsQL filter without pipes", true, safely(func(text string, now int64) error {
		_, err := logstorage.ParseFilterAtTimestamp(text, now)
		return err
	})}
	logLines = language{"LogsQL that finds lines", true, safely(func(text string, now int64) error {
		q, err := logstorage.ParseQueryAtTimestamp(text, now)
		if err == nil && !q.CanLiveTail() {
			return fmt.Errorf("it counts, sorts or limits lines: that is for tables and charts")
		}
		return err
	})}
	logAny = language{"LogsQL", true, safely(func(text string, now int64) error {
		_, err := logstorage.ParseQueryAtTimestamp(text, now)
		return err
	})}
	logStats = language{"LogsQL that ends in a stats pipe", true, safely(func(text string, now int64) error {
		_, err := logstorage.ParseStatsQuery(text, now)
		return err
	})}
)

func safely(parse func(text string, now int64) error) func(string) error {
	return func(text string) (err error) {
		defer func() { // the parser trusts its own optimiser
			if p := recover(); p != nil {
				err = fmt.Errorf("cannot parse it: %v", p)
			}
		}()
		return parse(text, time.Now().UnixNano())
	}
}

// Sample is a choice of each variable with which queries are tried: its default, its first
// value, or any word.
func Sample(d *declare.Dashboard) Scope {
	s := Times(time.Hour, 15*time.Second, 15*time.Second)
	for _, v := range d.Variables {
		values := v.Default
		if len(values) == 0 && len(v.Values) > 0 {
			values = v.Values[:1]
		}
		if len(values) == 0 {
			values = []string{"x"}
		}
		s[v.Name] = Choice{Values: values, Exact: Exact(&v)}
	}
	return s
}

// Exact says whether the values of a variable stand for themselves behind =~.
func Exact(v *declare.DashboardVariable) bool { return v.Text || len(v.Values) > 0 }

// Parses says what is wrong with a query of a dashboard; nil when nothing is. kind is the
// type of its panel.
func Parses(d *declare.Dashboard, kind string, q declare.PanelQuery) error {
	text, lang := q.PromQL, promQL
	if text == "" {
		text, lang = q.LogsQL, logStats
		switch kind {
		case declare.PanelLogs:
			lang = logLines
		case declare.PanelTable:
			lang = logAny
		}
	}
	return lang.parse(Expand(text, lang.logs, Sample(d)))
}

// query tries a query with sample values.
func (r *reader) query(n yamldoc.Node, text string, lang language) {
	if !r.variables(n, text, true) {
		return
	}
	if err := lang.parse(Expand(text, lang.logs, Sample(r.d))); err != nil {
		n.Problem(text, lang.want, oneLine(err))
	}
}

// variables looks whether each that is used is there.
func (r *reader) variables(n yamldoc.Node, text string, query bool) (fine bool) {
	before := len(*r.sink)
	known := Times(time.Hour, time.Minute, time.Minute)
	names := r.known()
	for k := range known {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, u := range uses(text) {
		v := r.d.Variable(u.name)
		_, given := known[u.name]
		switch {
		case v == nil && !given && strings.Contains(text, "label_replace("):
			// It may be a group of a regular expression by its name.
		case v == nil && !given:
			hint := yamldoc.Suggest(u.name, names)
			if hint == "" {
				hint = "declare it under variables, before what uses it"
			}
			n.Problem("$"+u.name, "a variable of this dashboard", hint)
		case u.format != "" && !slices.Contains(Formats, u.format):
			n.Problem("${"+u.name+":"+u.format+"}", "one of "+strings.Join(Formats, ", ")+" behind the colon", yamldoc.Suggest(u.format, Formats))
		case query && v != nil && (v.Multi || v.All) && u.equal && u.format == "" && !slices.Contains(r.once, u.name):
			n.Problem("$"+u.name+" behind =", "=~ before a variable of which several can be chosen", "")
		}
	}
	return len(*r.sink) == before
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
