package runbook

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

var faultName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

var paramName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// reserved are names that a shell step's environment needs for itself.
var reserved = []string{"path", "home", "lang", "ifs", "env", "shell", "pwd", "user", "tmpdir"}

var paramTypes = []string{"string", "int", "number", "bool", "enum", "duration", "service"}

func readParam(n yamldoc.Node) declare.Param {
	n.Only("name", "type", "description", "required", "default", "pattern", "values", "min", "max")
	p := declare.Param{
		Name: n.Field("name").Required("a name as version"), Type: declare.ParamType(n.Field("type").String()),
		Description: n.Field("description").String(), Required: n.Field("required").Bool(),
		Default: n.Field("default").String(), Pattern: n.Field("pattern").String(), Values: n.Field("values").Strings(), Pos: n.Pos(),
	}
	if p.Name != "" && (!paramName.MatchString(p.Name) || slices.Contains(reserved, p.Name)) {
		n.Field("name").Problem(p.Name, "lower-case letters, digits and _, beginning with a letter, and no name that the shell uses itself", "")
	}
	if p.Type == "" {
		p.Type = declare.ParamString
	}
	if !slices.Contains(paramTypes, string(p.Type)) {
		n.Field("type").Problem(string(p.Type), "one of "+strings.Join(paramTypes, ", "), yamldoc.Suggest(string(p.Type), paramTypes))
	}
	if p.Pattern != "" {
		if _, err := regexp.Compile(p.Pattern); err != nil {
			n.Field("pattern").Problem(p.Pattern, "a regular expression (RE2)", err.Error())
		}
		if p.Type != declare.ParamString {
			n.Field("pattern").Problem(p.Pattern, "a pattern only where type is string", "")
		}
	}
	if p.Type == declare.ParamEnum && len(p.Values) == 0 {
		n.Field("values").Problem("", "the values of the enum", "it is missing")
	}
	for _, b := range []struct {
		key  string
		into **float64
	}{{"min", &p.Min}, {"max", &p.Max}} {
		if f, ok := n.Field(b.key).Float(); ok {
			*b.into = &f
			if p.Type != declare.ParamInt && p.Type != declare.ParamNumber {
				n.Field(b.key).Problem(n.Field(b.key).Text(), b.key+" only where type is int or number", "")
			}
		}
	}
	if p.Min != nil && p.Max != nil && *p.Min > *p.Max {
		n.Field("max").Problem(n.Field("max").Text(), "a number of at least min", "")
	}
	if want := unfit(p, p.Default); p.Default != "" && want != "" {
		n.Field("default").Problem(p.Default, want, "the default would be refused")
	}
	return p
}

// unfit says what is expected of a value where it is not that, and "" where it is.
// Services are the workspace's to know.
func unfit(p declare.Param, v string) string {
	number := func(f float64, err error) string {
		switch {
		case err != nil || f != f:
			return "a value of type " + string(p.Type)
		case p.Min != nil && f < *p.Min:
			return fmt.Sprintf("a number of at least %g", *p.Min)
		case p.Max != nil && f > *p.Max:
			return fmt.Sprintf("a number of at most %g", *p.Max)
		}
		return ""
	}
	switch p.Type {
	case declare.ParamString:
		// The whole value has to match, as when the runbook is run.
		if re, err := regexp.Compile(`\A(?:` + p.Pattern + `)\z`); err == nil && p.Pattern != "" && !re.MatchString(v) {
			return "a value that matches " + p.Pattern
		}
	case declare.ParamInt:
		i, err := strconv.ParseInt(v, 10, 64)
		return number(float64(i), err)
	case declare.ParamNumber:
		return number(strconv.ParseFloat(v, 64))
	case declare.ParamBool:
		if v != "true" && v != "false" {
			return "true or false"
		}
	case declare.ParamEnum:
		if !slices.Contains(p.Values, v) {
			return "one of " + strings.Join(p.Values, ", ")
		}
	case declare.ParamDuration:
		if _, err := model.ParseDuration(v); err != nil {
			return "a duration as 30s or 5m"
		}
	}
	return ""
}

var (
	anyReference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	hostVariable = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?`)
)

// parameters finds references to parameters that are not declared: they would be
// noticed first in the middle of a run. What a shell makes of $name is its own matter.
func (m *markdown) parameters() {
	var names []string
	for _, p := range m.rb.Params {
		names = append(names, p.Name)
	}
	names = append(names, m.rb.Secrets...)
	for _, s := range m.rb.Steps {
		check := func(field, text string, reference *regexp.Regexp) {
			for _, ref := range reference.FindAllStringSubmatch(text, -1) {
				if !slices.Contains(names, ref[1]) {
					*m.sink = append(*m.sink, declare.Problem{
						Position: s.Pos, Field: s.Name + ": " + field, Got: yamldoc.Cut(ref[0]),
						Want: "a parameter that is declared in the front matter", Hint: yamldoc.Suggest(ref[1], names),
					})
				}
			}
		}
		for _, attr := range []string{"host", "dir"} {
			check(attr, s.Attrs[attr], anyReference)
		}
		switch s.Language {
		case "http", "promql", "logsql", "kube", "runbook":
			check(s.Language, s.Body, anyReference)
		}
		check("on", s.On, hostVariable)
	}
}
