package grafana

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/dashboard"
)

type target struct {
	RefID        string          `json:"refId"`
	Expr         string          `json:"expr"`
	Query        any             `json:"query"`
	LegendFormat string          `json:"legendFormat"`
	Hide         bool            `json:"hide"`
	Datasource   json.RawMessage `json:"datasource"`
	Type         string          `json:"type"`
}

// source is the type of a data source, "" when it is not told.
func sourceOf(raw json.RawMessage) string {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return strings.ToLower(name)
	}
	var o struct{ Type, UID string }
	if json.Unmarshal(raw, &o) == nil {
		if o.Type == "" {
			return strings.ToLower(o.UID)
		}
		return strings.ToLower(o.Type)
	}
	return ""
}

func (im *importer) targets(p panel, out *declare.Panel) {
	of := sourceOf(p.Datasource)
	im.refs = nil
	for _, t := range p.Targets {
		what := "query " + t.RefID
		if t.Hide {
			im.lose(what, "it is hidden")
			continue
		}
		from := sourceOf(t.Datasource)
		if from == "" || from == "-- mixed --" || from == "datasource" {
			from = of
		}
		q := declare.PanelQuery{Legend: im.legend(t.LegendFormat)}
		switch {
		case strings.Contains(from, "__expr__") || t.Type == "math" || t.Type == "reduce":
			im.lose(what, "expressions of Grafana's server are not there: write them into the query")
			continue
		case strings.Contains(from, "victoriametrics-logs") || strings.Contains(from, "victorialogs"):
			q.LogsQL = im.expr(t.Expr)
		case strings.Contains(from, "loki") || out.Type == declare.PanelLogs:
			text, why := fromLogQL(t.Expr)
			if why != "" {
				im.lose(what+": "+short(t.Expr), "LogQL %s", why)
				continue
			}
			q.LogsQL = im.expr(text)
			if out.Type != declare.PanelLogs {
				im.lose(what+": "+short(t.Expr), "it finds lines, and the panel draws numbers")
				continue
			}
		case strings.TrimSpace(t.Expr) == "":
			im.lose(what, "it is not PromQL; its source is %s", orElse(from, "not told"))
			continue
		default:
			q.PromQL = im.expr(t.Expr)
		}
		if (out.Type == declare.PanelHeatmap || out.Type == declare.PanelLogs) && len(out.Queries) == 1 {
			im.lose(what, "a panel of %s has one query", out.Type)
			continue
		}
		if len(out.Queries) == dashboard.MaxQueries {
			im.lose(what, "a panel has at most %d queries", dashboard.MaxQueries)
			continue
		}
		if unknown := im.unknown(q.PromQL + q.LogsQL); unknown != "" {
			im.lose(what+": "+short(t.Expr), "the variable %s did not map", unknown)
			continue
		}
		if err := dashboard.Parses(im.d, out.Type, q); err != nil {
			im.lose(what+": "+short(t.Expr), "it does not parse: %s", short(err.Error()))
			continue
		}
		if im.unknown(q.Legend) != "" {
			im.lose(what+": legend "+q.Legend, "its variable did not map")
			q.Legend = ""
		}
		out.Queries = append(out.Queries, q)
		im.refs = append(im.refs, t.RefID)
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (im *importer) legend(l string) string {
	if l == "__auto" {
		return ""
	}
	return im.text(l)
}

var anyReference = regexp.MustCompile(`\$(\w+)|\$\{(\w+)(?:\.[^:}]+)?(?::(\w+))?\}|\[\[(\w+)(?::(\w+))?\]\]`)

// builtins are Grafana's own variables that are ours too.
var builtins = []string{"__interval", "__rate_interval", "__range", "__interval_ms", "__range_s", "__range_ms"}

var formats = map[string]string{"": "", "regex": "regex", "pipe": "pipe", "csv": "csv", "raw": "raw", "doublequote": "quoted", "json": "quoted", "glob": "csv", "text": "raw", "percentencode": "raw"}

// rewrite puts variables into our notation, and constants into their places.
func (im *importer) rewrite(text string) string {
	return anyReference.ReplaceAllStringFunc(text, func(ref string) string {
		m := anyReference.FindStringSubmatch(ref)
		name, format := m[1]+m[2]+m[4], m[3]+m[5]
		if value, ok := im.fixed[name]; ok {
			return value
		}
		if slices.Contains(builtins, name) {
			return "$" + name
		}
		if name == "interval" && im.vars[name] == "" {
			return "$__interval"
		}
		ours, ok := im.vars[name]
		if !ok {
			return ref
		}
		f, known := formats[format]
		if !known {
			return ref
		}
		if f == "" {
			return "${" + ours + "}"
		}
		return "${" + ours + ":" + f + "}"
	})
}

var behindEqual = regexp.MustCompile(`(!?)=\s*(["'])\$\{(\w+)\}(["'])`)

// expr is a query in our notation. Where several values can be chosen and Grafana's query
// has =, it has =~ here.
func (im *importer) expr(text string) string {
	text = im.rewrite(text)
	return behindEqual.ReplaceAllStringFunc(text, func(s string) string {
		m := behindEqual.FindStringSubmatch(s)
		for name, ours := range im.vars {
			if ours == m[3] && im.multi[name] {
				return map[string]string{"": "=~", "!": "!~"}[m[1]] + m[2] + "${" + m[3] + "}" + m[4]
			}
		}
		return s
	})
}

// text is a title, legend or text.
func (im *importer) text(s string) string { return im.rewrite(s) }

// unknown is the first variable of a query that did not map, "" for none.
func (im *importer) unknown(text string) string {
	known := slices.Concat(builtins, slices.Collect(maps.Values(im.vars)))
	for _, m := range anyReference.FindAllStringSubmatch(text, -1) {
		name := m[1] + m[2] + m[4]
		if _, err := strconv.Atoi(name); err == nil || strings.Contains(text, "label_replace(") && !slices.Contains(known, name) {
			continue // a group of a regular expression
		}
		if !slices.Contains(known, name) || m[4] != "" {
			return "$" + name
		}
		if f := m[3]; f != "" && !slices.Contains(dashboard.Formats, f) {
			return "${" + name + ":" + f + "}"
		}
	}
	return ""
}

var (
	logSelector = regexp.MustCompile(`^\s*(\{(?:[^{}"` + "`" + `]|"(?:[^"\\]|\\.)*"|` + "`[^`]*`" + `)*\})\s*`)
	logFilter   = regexp.MustCompile(`^\s*(\|=|\|~|!=|!~)\s*("(?:[^"\\]|\\.)*"|` + "`[^`]*`" + `)`)
)

// fromLogQL makes LogsQL of the simplest LogQL: a selector of streams and filters on lines.
func fromLogQL(text string) (query, why string) {
	m := logSelector.FindStringSubmatch(text)
	if m == nil {
		return "", "that counts or computes has to be written in LogsQL: … | stats by (…) count()"
	}
	out, rest := []string{m[1]}, text[len(m[0]):]
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		f := logFilter.FindStringSubmatch(rest)
		if f == nil {
			return "", "with more than a selector and filters on lines has to be written in LogsQL, from " + short(rest)
		}
		rest = rest[len(f[0]):]
		raw := f[2]
		value, err := strconv.Unquote(raw)
		if err != nil {
			return "", "has a string that cannot be read: " + raw
		}
		if f[1] == "|=" || f[1] == "!=" {
			if value == "" {
				continue
			}
			if strings.ContainsAny(value, "$") {
				raw = strconv.Quote(value) // a variable is escaped by itself
			} else {
				raw = strconv.Quote(regexp.QuoteMeta(value))
			}
		} else {
			raw = strconv.Quote(value)
		}
		out = append(out, map[string]string{"|=": "~", "|~": "~", "!=": "!~", "!~": "!~"}[f[1]]+raw)
	}
	return strings.Join(out, " "), ""
}

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
