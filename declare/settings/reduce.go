package settings

import (
	"fmt"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// seriesDrops reads metrics.drop.
func seriesDrops(n yamldoc.Node) []declare.SeriesDrop {
	var out []declare.SeriesDrop
	names := map[string]bool{}
	for _, r := range list(n.Field("drop")) {
		r.Only("name", "match")
		d := declare.SeriesDrop{Name: r.Field("name").Required("a name, which the counter of dropped samples has")}
		if names[d.Name] {
			r.Field("name").Problem(d.Name, "each name once", "")
		}
		names[d.Name] = true
		m := r.Field("match")
		if d.Match = m.Required(`a selector of series, as {__name__=~"go_.*"}`); d.Match != "" {
			if _, err := parser.NewParser(parser.Options{}).ParseMetricSelector(d.Match); err != nil {
				m.Problem(d.Match, `a selector of series, as {__name__=~"go_.*"}`, err.Error())
			}
		}
		out = append(out, d)
	}
	return out
}

// reductions reads drop and aggregate of logs and of traces.
func reductions(n yamldoc.Node) []declare.LogReduction {
	var out []declare.LogReduction
	names := map[string]bool{}
	rule := func(r yamldoc.Node) declare.LogReduction {
		d := declare.LogReduction{Name: r.Field("name").Required("a name, which the counter of dropped rows has")}
		if names[d.Name] {
			r.Field("name").Problem(d.Name, "each name once", "")
		}
		names[d.Name] = true
		m := r.Field("match")
		if d.Match = m.Required("a LogsQL filter"); d.Match != "" {
			if err := filter(d.Match); err != nil {
				m.Problem(d.Match, "a LogsQL filter without pipes", err.Error())
			}
		}
		return d
	}
	for _, r := range list(n.Field("drop")) {
		r.Only("name", "match")
		out = append(out, rule(r))
	}
	for _, r := range list(n.Field("aggregate")) {
		r.Only("name", "match", "by", "record")
		d := rule(r)
		rec := r.Field("record")
		if d.Record = rec.Required("the name of the series that counts the rows"); d.Record != "" && !model.UTF8Validation.IsValidMetricName(d.Record) {
			rec.Problem(d.Record, "a metric's name", "")
		}
		if by := r.Field("by"); !by.Missing() {
			if d.By = by.Strings(); len(d.By) > maxBy {
				by.Problem("", fmt.Sprintf("at most %d fields", maxBy), "")
			}
		}
		out = append(out, d)
	}
	return out
}

const maxBy = 8

func filter(text string) (err error) {
	defer func() { // the parser trusts its own optimiser
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot parse it: %v", p)
		}
	}()
	_, err = logstorage.ParseFilterAtTimestamp(text, time.Now().UnixNano())
	return err
}
