package rulefile

import (
	"fmt"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// logGroups reads a file whose groups are of type vlogs. mine says whether there are
// any: such a file has no others.
func logGroups(file string, doc yamldoc.Node) (groups []declare.LogGroup, mine bool) {
	list := doc.Field("groups").List()
	for _, g := range list {
		mine = mine || g.Field("type").Text() == "vlogs"
	}
	if !mine {
		return nil, false
	}
	names := map[string]bool{}
	for _, g := range list {
		g.Only("name", "type", "interval", "rules", "labels", "limit", "concurrency", "eval_offset", "eval_delay", "headers", "params", "notifier_headers", "debug")
		if t := g.Field("type"); t.Text() != "vlogs" {
			g.Problem(t.Text(), "type: vlogs, as the file's other groups", "put PromQL groups into a file of their own")
			continue
		}
		out := declare.LogGroup{Name: g.Field("name").Required("the group's name"), File: file, Interval: time.Minute}
		if names[out.Name] {
			g.Field("name").Problem(out.Name, "each group once in a file", "")
		}
		names[out.Name] = true
		if d, ok := g.Field("interval").Duration(); ok {
			if d < time.Second || d > 24*time.Hour {
				g.Field("interval").Problem(g.Field("interval").Text(), "a duration from 1s to 24h", "")
			} else {
				out.Interval = d
			}
		}
		shared := g.Field("labels").StringMap()
		for _, r := range g.Field("rules").List() {
			out.Rules = append(out.Rules, logRule(r, shared))
		}
		groups = append(groups, out)
	}
	return groups, true
}

func logRule(r yamldoc.Node, shared map[string]string) declare.LogRule {
	r.Only("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations", "debug", "update_entries_limit")
	rule := declare.LogRule{Record: r.Field("record").Text(), Alert: r.Field("alert").Text(), Annotations: r.Field("annotations").StringMap(), Labels: map[string]string{}, Pos: r.Pos()}
	for k, v := range shared {
		rule.Labels[k] = v
	}
	for k, v := range r.Field("labels").StringMap() {
		rule.Labels[k] = v
	}
	switch {
	case (rule.Record == "") == (rule.Alert == ""):
		r.Problem("", "exactly one of record and alert", "")
	case rule.Record != "" && !model.UTF8Validation.IsValidMetricName(rule.Record):
		r.Field("record").Problem(rule.Record, "a metric's name", "")
	}
	for k := range rule.Labels {
		if !model.UTF8Validation.IsValidLabelName(k) || k == model.MetricNameLabel {
			r.Field("labels").Problem(k, "a label's name", "")
		}
	}
	if d, ok := r.Field("for").Duration(); ok {
		rule.For = d
	}
	e := r.Field("expr")
	rule.Expr = e.Required("LogsQL that ends in a stats pipe")
	if rule.Expr != "" {
		if err := statsQuery(rule.Expr); err != nil {
			e.Problem(rule.Expr, "LogsQL that ends in a stats pipe", err.Error())
		}
	}
	return rule
}

func statsQuery(text string) (err error) {
	defer func() { // the parser trusts its own optimiser
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot parse it: %v", p)
		}
	}()
	_, err = logstorage.ParseStatsQuery(text, time.Now().UnixNano())
	return err
}
