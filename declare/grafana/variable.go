package grafana

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/dashboard"
)

type variable struct {
	Name       string          `json:"name"`
	Label      string          `json:"label"`
	Type       string          `json:"type"`
	Query      json.RawMessage `json:"query"` // text, or an object with a query
	Regex      string          `json:"regex"`
	Multi      bool            `json:"multi"`
	IncludeAll bool            `json:"includeAll"`
	AllValue   any             `json:"allValue"`
	Current    struct {
		Value any `json:"value"`
	} `json:"current"`
	Auto bool `json:"auto"`
}

// text is the query, whatever form it has.
func (v variable) text() string {
	var s string
	if json.Unmarshal(v.Query, &s) == nil {
		return s
	}
	var o struct {
		Query  string `json:"query"`
		Label  string `json:"label"`
		Stream string `json:"stream"`
		Type   any    `json:"type"`
	}
	if json.Unmarshal(v.Query, &o) == nil {
		if o.Query == "" && o.Label != "" {
			return "label_values(" + o.Stream + ", " + o.Label + ")"
		}
		return o.Query
	}
	return ""
}

var (
	labelValues = regexp.MustCompile(`(?s)^\s*label_values\(\s*(?:(.*\S)\s*,\s*)?([A-Za-z_][\w.]*)\s*\)\s*$`)
	jsRegex     = regexp.MustCompile(`(?s)^/(.*)/([a-z]*)$`)
	named       = regexp.MustCompile(`\(\?<(\w+)>`)
)

func (im *importer) variable(v variable) {
	im.at = ""
	what := "variable " + v.Name
	out := declare.DashboardVariable{Name: v.Name, Title: v.Label, Multi: v.Multi, All: v.IncludeAll}
	if im.d.Variable(v.Name) != nil {
		im.lose(what, "there is one of that name already")
		return
	}
	if len(im.d.Variables) == dashboard.MaxVariables {
		im.lose(what, "a dashboard has at most %d", dashboard.MaxVariables)
		return
	}
	switch v.Type {
	case "datasource":
		im.lose(what, "there is one store of metrics and one of lines: nothing to choose")
		im.fixed[v.Name] = ""
		return
	case "constant":
		im.fixed[v.Name] = v.text()
		return
	case "adhoc", "groupby":
		im.lose(what, "filters that are added to every query are not there: use variables")
		return
	case "query", "":
		if !im.query(v, &out, what) {
			return
		}
	case "custom":
		for _, one := range splitCustom(v.text()) {
			text, value, ok := strings.Cut(one, " : ")
			if ok && strings.TrimSpace(text) != strings.TrimSpace(value) {
				im.lose(what+": the text "+strings.TrimSpace(text), "values stand for themselves")
				one = value
			}
			out.Values = append(out.Values, strings.TrimSpace(one))
		}
	case "interval":
		for _, one := range splitCustom(v.text()) {
			if one != "auto" {
				out.Values = append(out.Values, one)
			}
		}
		if v.Auto {
			im.lose(what+": auto", "use $__rate_interval or $__interval in the query")
		}
		out.Multi, out.All = false, false
	case "textbox":
		out.Text, out.Multi, out.All = true, false, false
	default:
		im.lose(what, "variables of type %s are not there", v.Type)
		return
	}
	if out.Label == "" && out.Field == "" && !out.Text && len(out.Values) == 0 {
		im.lose(what, "it has no values")
		return
	}
	out.Default = im.current(v, out)
	if all, ok := v.AllValue.(string); ok && all != "" && all != ".*" && all != ".+" {
		im.lose(what+": what all stands for ("+all+")", "all stands for all of its values")
	}
	name := v.Name
	if !regexp.MustCompile(`^[A-Za-z_]\w{0,63}$`).MatchString(name) || strings.HasPrefix(name, "__") || slices.Contains([]string{"from", "to", "range", "open", "done", "differ", "v"}, name) {
		name = "var_" + regexp.MustCompile(`\W+`).ReplaceAllString(strings.TrimLeft(name, "_"), "_")
		im.lose(what, "it is called %s here", name)
	}
	out.Name = name
	im.vars[v.Name], im.multi[v.Name] = name, out.Multi || out.All
	im.d.Variables = append(im.d.Variables, out)
}

// inOrder puts variables behind those that their queries name: Grafana does not ask for an
// order.
func inOrder(list []variable) []variable {
	waiting := map[string]bool{}
	for _, v := range list {
		waiting[v.Name] = true
	}
	var out []variable
	left := slices.Clone(list)
	for len(left) > 0 {
		at := slices.IndexFunc(left, func(v variable) bool {
			return !slices.ContainsFunc(anyReference.FindAllStringSubmatch(v.text(), -1), func(m []string) bool {
				name := m[1] + m[2] + m[4]
				return name != v.Name && waiting[name]
			})
		})
		at = max(at, 0) // a circle begins somewhere
		out = append(out, left[at])
		delete(waiting, left[at].Name)
		left = slices.Delete(left, at, at+1)
	}
	return out
}

func (im *importer) query(v variable, out *declare.DashboardVariable, what string) bool {
	m := labelValues.FindStringSubmatch(v.text())
	if m == nil {
		im.lose(what, "only label_values(…) is read; got %s", short(v.text()))
		return false
	}
	out.Label = m[2]
	if m[1] != "" {
		out.Of = im.expr(m[1])
		// A selector is parsed with samples of the variables before this one.
		probe := *im.d
		probe.Variables = append(slices.Clone(im.d.Variables), *out)
		text, err := dashboard.Write(&declare.Dashboard{Title: "x", Variables: probe.Variables, Rows: []declare.DashboardRow{{Panels: []declare.Panel{{Type: "text", Text: "x"}}}}})
		if err != nil {
			return false
		}
		var problems declare.Problems
		if dashboard.Read("dashboards/x.yml", text, &problems); len(problems.Errors()) > 0 {
			im.lose(what, "its selector cannot be used: %s", problems.Errors()[0].Hint)
			return false
		}
	}
	if v.Regex != "" {
		re := v.Regex
		if js := jsRegex.FindStringSubmatch(re); js != nil {
			re = js[1]
			if strings.Contains(js[2], "i") {
				re = "(?i)" + re
			}
		}
		re = named.ReplaceAllString(re, "(?P<$1>")
		if _, err := regexp.Compile(re); err != nil {
			im.lose(what+": the filter "+v.Regex, "it is not a regular expression of RE2: all values are offered")
		} else {
			out.Match = re
		}
	}
	return true
}

// splitCustom splits at commas, but those behind a backslash.
func splitCustom(text string) []string {
	var out []string
	for _, part := range strings.Split(strings.ReplaceAll(text, `\,`, "\x00"), ",") {
		if part = strings.TrimSpace(strings.ReplaceAll(part, "\x00", ",")); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// current is what was chosen when the dashboard was saved, where a file may say so.
func (im *importer) current(v variable, out declare.DashboardVariable) []string {
	var chosen []string
	switch c := v.Current.Value.(type) {
	case string:
		chosen = []string{c}
	case []any:
		for _, one := range c {
			chosen = append(chosen, fmt.Sprint(one))
		}
	}
	chosen = slices.DeleteFunc(chosen, func(s string) bool {
		return s == "" || s == "$__all" || s == "None" || strings.HasPrefix(s, "$__auto") || len(out.Values) > 0 && !slices.Contains(out.Values, s)
	})
	switch {
	case out.Text && len(chosen) == 0 && v.text() != "":
		return []string{v.text()}
	case out.Label != "": // what was there then need not be here
		return nil
	case len(chosen) > 1 && !out.Multi:
		return chosen[:1]
	}
	return chosen
}

func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 80 {
		return string(r[:79]) + "…"
	}
	if s == "" {
		return "nothing"
	}
	return s
}
