package request

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	declared "github.com/evenkeel/evenkeel/declare/request"
	"github.com/evenkeel/evenkeel/declare/runbook"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

const maxValue = 4096

// Check reads a form by the item's types and guardrails; defaults are filled in.
func Check(w *declare.Workspace, item *declare.RequestItem, who declare.PersonID, in map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for name := range in {
		if !slices.ContainsFunc(item.Form, func(p declare.Param) bool { return p.Name == name }) {
			return nil, &act.InvalidError{Field: cut(name), Want: fields(item.Form, name)}
		}
	}
	form := map[string]any{}
	for _, p := range item.Form {
		v := in[p.Name]
		if v == "" {
			v = p.Default
		}
		switch {
		case len(v) > maxValue:
			return nil, &act.InvalidError{Field: p.Name, Got: cut(v), Want: fmt.Sprintf("at most %d bytes", maxValue)}
		case !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl):
			return nil, &act.InvalidError{Field: p.Name, Got: cut(strings.ToValidUTF8(v, "\uFFFD")), Want: "one line of text"}
		case v == "" && p.Required:
			return nil, &act.InvalidError{Field: p.Name, Want: needed(p)}
		case v == "":
			form[p.Name] = ""
			continue
		}
		if want := runbook.Unfit(p, v); want != "" {
			return nil, &act.InvalidError{Field: p.Name, Got: cut(v), Want: want}
		}
		if p.Type == declare.ParamService && w.Service(declare.ServiceID(v)) == nil {
			return nil, &act.InvalidError{Field: p.Name, Got: cut(v), Want: "a service of the catalogue"}
		}
		out[p.Name] = v
		form[p.Name] = typed(p, v)
	}
	teams := []string{}
	if person := w.Person(who); person != nil {
		for _, t := range person.Teams {
			teams = append(teams, string(t))
		}
	}
	for _, rule := range item.Guardrails {
		program, err := declared.Compile(item.Form, rule.Expr)
		if err != nil {
			return nil, fmt.Errorf("cannot read guardrail %q: %w", rule.Expr, err)
		}
		v, _, err := program.Eval(map[string]any{"form": form, "person": map[string]any{"name": string(who), "level": string(w.LevelOf(who).Name), "teams": teams}})
		if err != nil { // what cannot be judged does not pass
			return nil, &act.InvalidError{Field: "form", Want: rule.Message + " (it cannot be judged: " + cut(err.Error()) + ")"}
		}
		if ok, is := v.Value().(bool); !is || !ok {
			return nil, &act.InvalidError{Field: "form", Want: rule.Message}
		}
	}
	return out, nil
}

// fields says which fields a form has, the nearest to what was written first.
func fields(form []declare.Param, got string) string {
	names := make([]string, len(form))
	for i, p := range form {
		names[i] = p.Name
	}
	want := "a field of the form: " + strings.Join(names, ", ")
	if len(names) == 0 {
		want = "no fields: the form is empty"
	}
	if near := yamldoc.Suggest(got, names); near != "" {
		want += " (" + near + ")"
	}
	return want
}

func needed(p declare.Param) string {
	if p.Description != "" {
		return "a value: " + p.Description
	}
	return "a value"
}

// typed is a value as guardrails compare it.
func typed(p declare.Param, v string) any {
	switch p.Type {
	case declare.ParamInt:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n
		}
	case declare.ParamNumber:
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return f
		}
	case declare.ParamBool:
		return v == "true"
	}
	return v
}

func cut(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
