// Package rulefile reads Prometheus rule files, also as PrometheusRule objects of
// Kubernetes, and the shape of the promtool unit tests beside them.
//
// In: one file. Out: its groups, the names that its alerts refer to, and Problems at
// the line of the rule.
package rulefile

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// IsTest says whether a file is a unit-test file, by its name.
func IsTest(file string) bool {
	base := strings.TrimSuffix(strings.TrimSuffix(path.Base(file), ".yml"), ".yaml")
	return strings.HasSuffix(base, "_test")
}

// Read reads one rule file; nil when it has errors.
func Read(file string, data []byte, sink *declare.Problems) (*declare.RuleFile, []yamldoc.Reference) {
	before := len(*sink)
	doc, ok := yamldoc.One(file, data, sink) // bounds, duplicate keys, further documents
	text := data
	if ok && doc.Field("kind").Text() == "PrometheusRule" {
		doc.Only("apiVersion", "kind", "metadata", "spec", "status")
		doc, text = doc.Field("spec"), spec(doc, data)
	}
	durations(doc) // the library says that one is wrong, not where
	if len(*sink) > before {
		return nil, nil
	}
	if groups, mine := logGroups(file, doc); mine {
		if len(*sink) > before {
			return nil, nil
		}
		return &declare.RuleFile{Path: file, Groups: &rulefmt.RuleGroups{}, Logs: groups, Source: data}, references(doc)
	}
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		*sink = append(*sink, problem(file, doc, err))
	}
	if len(errs) > 0 {
		return nil, nil
	}
	return &declare.RuleFile{Path: file, Groups: groups, Source: data}, references(doc)
}

func durations(doc yamldoc.Node) {
	for _, g := range doc.Field("groups").List() {
		g.Field("interval").Duration()
		g.Field("query_offset").Duration()
		for _, r := range g.Field("rules").List() {
			r.Field("for").Duration()
			r.Field("keep_firing_for").Duration()
		}
	}
}

// references are the services, teams and runbooks that alerts name. A template is
// known only when the alert fires.
func references(doc yamldoc.Node) []yamldoc.Reference {
	var out []yamldoc.Reference
	add := func(kind string, at yamldoc.Node) {
		if name := at.Text(); name != "" && !at.Missing() && !strings.Contains(name, "{{") {
			out = append(out, yamldoc.Reference{Kind: kind, Name: name, At: at})
		}
	}
	for _, g := range doc.Field("groups").List() {
		add("service", g.At("labels", "service"))
		add("team", g.At("labels", "team"))
		for _, r := range g.Field("rules").List() {
			if r.Field("alert").Missing() {
				continue
			}
			add("service", r.At("labels", "service"))
			add("team", r.At("labels", "team"))
			add("runbook", r.At("annotations", "runbook"))
		}
	}
	return out
}

// spec is the part of a PrometheusRule that is a rule file, in the lines where it
// stands: everything around it is blanked out, and its indent taken away.
func spec(doc yamldoc.Node, data []byte) []byte {
	at := doc.Field("spec")
	if !at.Mapping() {
		if at.Missing() {
			at.Problem("", "spec.groups", "it is missing")
		}
		return nil
	}
	first, indent := at.Pos().Line, at.Pos().Column-1
	lines := strings.Split(string(data), "\n")
	inside := true
	for i, line := range lines {
		blank := strings.TrimSpace(line) == "" || strings.HasPrefix(strings.TrimSpace(line), "#")
		deep := len(line)-len(strings.TrimLeft(line, " ")) >= indent
		switch {
		case i+1 < first || !inside:
			lines[i] = ""
		case blank && !deep:
			lines[i] = ""
		case deep:
			lines[i] = line[indent:]
		default:
			inside = false
			lines[i] = ""
		}
	}
	if indent == 0 || strings.HasPrefix(strings.TrimSpace(lines[first-1]), "{") {
		at.Problem("", "spec as a block of lines of its own, indented", "")
		return nil
	}
	return []byte(strings.Join(lines, "\n"))
}

var (
	place  = regexp.MustCompile(`^(\d+):(\d+): (?:\d+:\d+: )?(.*)$`)
	lined  = regexp.MustCompile(`line (\d+): (.*)`)
	inside = regexp.MustCompile(`^group "[^"]*", rule \d+, "[^"]*": (.*)$`)
)

// problem finds the line in the library's error, or the rule that it names.
func problem(file string, doc yamldoc.Node, err error) declare.Problem {
	text := strings.Join(strings.Fields(err.Error()), " ")
	p := declare.Problem{Position: declare.Position{File: file}, Want: "a valid Prometheus rule", Hint: text}
	if m := place.FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Column, _ = strconv.Atoi(m[2])
		p.Hint = m[3]
	} else if m := lined.FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Hint = m[2]
	}
	var named *rulefmt.Error
	if !errors.As(err, &named) {
		return p
	}
	p.Field, p.Got = named.Group, named.RuleName
	if m := inside.FindStringSubmatch(p.Hint); m != nil {
		p.Hint = m[1]
	}
	if p.Line > 0 {
		return p
	}
	for _, g := range doc.Field("groups").List() {
		if g.Field("name").Text() != named.Group {
			continue
		}
		p.Position = g.Pos()
		if rules := g.Field("rules").List(); named.Rule > 0 && named.Rule <= len(rules) {
			p.Position = rules[named.Rule-1].Pos()
		}
	}
	return p
}

// maxPoints bounds a series of a test: the library writes all of "0+1x1000000000" out.
const maxPoints = 100_000

var repeated = regexp.MustCompile(`x\s*(\d+)`)

// points is how many values a series in promtool's notation has, or more.
func points(values string) int {
	n := len(strings.Fields(values))
	for _, m := range repeated.FindAllStringSubmatch(values, -1) {
		times, err := strconv.Atoi(m[1])
		if n += times; err != nil || times > maxPoints || n > maxPoints {
			return maxPoints + 1
		}
	}
	return n
}

// ReadTest checks the shape of a unit-test file and returns the rule files that it
// names, relative to its own folder.
func ReadTest(file string, data []byte, sink *declare.Problems) []yamldoc.Node {
	d, ok := yamldoc.One(file, data, sink)
	if !ok {
		return nil
	}
	d.Only("rule_files", "evaluation_interval", "group_eval_order", "tests", "fuzzy_compare", "start_timestamp")
	d.Field("evaluation_interval").Duration()
	for _, t := range d.Field("tests").List() {
		t.Only("name", "interval", "input_series", "alert_rule_test", "promql_expr_test", "external_labels", "external_url", "start_timestamp")
		t.Field("interval").Duration()
		for _, s := range t.Field("input_series").List() {
			s.Only("series", "values")
			if n := points(s.Field("values").Text()); n > maxPoints {
				s.Field("values").Problem(s.Field("values").Text(), fmt.Sprintf("at most %d values in a series", maxPoints), "")
				continue
			}
			if text := s.Field("series").Required("a series as up{job=\"shop\"}") + " " + s.Field("values").Required("values as 0+1x10"); text != " " {
				if _, _, err := promql.ParseSeriesDesc(text); err != nil {
					s.Problem(text, "a series and its values, in promtool's notation", err.Error())
				}
			}
		}
		for _, a := range t.Field("alert_rule_test").List() {
			a.Only("eval_time", "alertname", "exp_alerts")
			a.Field("eval_time").Duration()
			for _, e := range a.Field("exp_alerts").List() {
				e.Only("exp_labels", "exp_annotations")
			}
		}
		for _, e := range t.Field("promql_expr_test").List() {
			e.Only("expr", "eval_time", "exp_samples", "start_timestamp")
			e.Field("eval_time").Duration()
			if q := e.Field("expr").Required("PromQL"); q != "" {
				if _, err := promql.ParseExpr(q); err != nil {
					e.Field("expr").Problem(q, "PromQL", err.Error())
				}
			}
		}
	}
	return d.Field("rule_files").List()
}

var promql = parser.NewParser(parser.Options{})
