// Package rulefile reads Prometheus rule files, and the shape of the promtool unit
// tests beside them.
package rulefile

import (
	"errors"
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
func Read(file string, data []byte, sink *declare.Problems) *declare.RuleFile {
	before := len(*sink)
	docs := yamldoc.Read(file, data, sink) // bounds, duplicate keys
	if len(sink.Errors()) > 0 && len(*sink) > before {
		return nil
	}
	groups, errs := rulefmt.Parse(data, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		*sink = append(*sink, problem(file, docs, err))
	}
	if len(errs) > 0 {
		return nil
	}
	return &declare.RuleFile{Path: file, Groups: groups, Source: data}
}

var place = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?(?:line )?(\d+):(?:(\d+):)? (.*)$`)

// problem finds the line in the library's error, or the rule that it names.
func problem(file string, docs []yamldoc.Node, err error) declare.Problem {
	text := strings.Join(strings.Fields(err.Error()), " ")
	p := declare.Problem{Position: declare.Position{File: file}, Want: "a valid Prometheus rule", Hint: text}
	var fmtErr *rulefmt.Error
	if errors.As(err, &fmtErr) {
		p.Field = "groups." + fmtErr.Group
		for _, name := range []string{fmtErr.RuleName, fmtErr.Group} {
			for _, d := range docs {
				if pos, ok := d.FindValue(name); ok && p.Line == 0 && name != "" {
					p.Position = pos
				}
			}
		}
	}
	if m := place.FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Column, _ = strconv.Atoi(m[2])
		p.Hint = m[3]
	} else if m := regexp.MustCompile(`line (\d+): (.*)`).FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Hint = m[2]
	}
	return p
}

// ReadTest checks the shape of a unit-test file and returns the rule files that it
// names, relative to the workspace.
func ReadTest(file string, data []byte, sink *declare.Problems) []yamldoc.Node {
	var out []yamldoc.Node
	for _, d := range yamldoc.Read(file, data, sink) {
		d.Only("rule_files", "evaluation_interval", "group_eval_order", "tests", "fuzzy_compare", "start_timestamp")
		out = append(out, d.Field("rule_files").List()...)
		for _, t := range d.Field("tests").List() {
			t.Only("name", "interval", "input_series", "alert_rule_test", "promql_expr_test", "external_labels", "external_url", "start_timestamp")
		}
	}
	return out
}
