// Package request reads requests/*.yml: what people may ask for.
//
// In: one file an item. Out: the item with its form, guardrails in CEL, approval,
// fulfilment and service level; the names that it refers to; Problems.
package request

import (
	"fmt"
	"path"
	"strings"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/runbook"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

const (
	defaultWithin = 24 * time.Hour
	maxCost       = 100_000 // of evaluating one guardrail
)

// Read reads one item.
func Read(file string, data []byte, sink *declare.Problems) (*declare.RequestItem, []yamldoc.Reference) {
	d, ok := yamldoc.One(file, data, sink)
	if !ok {
		return nil, nil
	}
	var references []yamldoc.Reference
	refer := func(kind string, n yamldoc.Node) string {
		name := n.String()
		if name != "" {
			references = append(references, yamldoc.Reference{Kind: kind, Name: name, At: n})
		}
		return name
	}
	d.Only("title", "summary", "owner", "form", "guardrails", "approval", "runbook", "blueprint", "within")
	item := &declare.RequestItem{
		Name: strings.TrimSuffix(path.Base(file), path.Ext(file)), Title: d.Field("title").Required("what it is called"), Summary: d.Field("summary").String(),
		Within: defaultWithin, Pos: declare.Position{File: file, Line: 1},
	}
	if d.Field("owner").Required("the team that answers for it") != "" {
		item.Owner = declare.TeamID(refer("team", d.Field("owner")))
	}
	if within, ok := d.Field("within").Duration(); ok {
		if within < time.Minute || within > 365*24*time.Hour {
			d.Field("within").Problem(d.Field("within").Text(), "a duration from 1m to 1y", "")
		} else {
			item.Within = within
		}
	}
	item.Runbook = refer("runbook", d.Field("runbook"))
	item.Blueprint = refer("blueprint", d.Field("blueprint"))
	if item.Runbook != "" && item.Blueprint != "" {
		d.Field("blueprint").Problem(item.Blueprint, "either a runbook or a blueprint", "")
	}
	if a := d.Field("approval"); !a.Missing() {
		a.Only("level")
		item.Approve = declare.LevelName(refer("level", a.Field("level")))
	}
	seen := map[string]bool{}
	for _, n := range d.Field("form").List() {
		p := runbook.ReadParam(n)
		if seen[p.Name] {
			n.Field("name").Problem(p.Name, "each field once", "")
		}
		seen[p.Name] = true
		item.Form = append(item.Form, p)
	}
	for _, n := range d.Field("guardrails").List() {
		n.Only("expect", "message")
		rule := declare.RequestRule{Expr: n.Field("expect").Required("CEL that has to hold"), Message: n.Field("message").Required("what to tell whom it refuses")}
		if rule.Expr != "" {
			if _, err := Compile(item.Form, rule.Expr); err != nil {
				n.Field("expect").Problem(rule.Expr, "CEL over form and person that yields true or false", yamldoc.Cut(err.Error()))
			}
		}
		item.Guardrails = append(item.Guardrails, rule)
	}
	return item, references
}

// Compile makes a program of a guardrail. form has the fields with their types; person
// has name, level and teams.
func Compile(form []declare.Param, expr string) (cel.Program, error) {
	env, err := cel.NewEnv(
		cel.Variable("form", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("person", cel.MapType(cel.StringType, cel.DynType)),
	)
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(expr)
	if err := issues.Err(); err != nil {
		return nil, err
	}
	if ast.OutputType() != cel.BoolType {
		return nil, fmt.Errorf("it yields %s", ast.OutputType())
	}
	for _, p := range unknown(form, expr) {
		return nil, fmt.Errorf("form has no field %q", p)
	}
	return env.Program(ast, cel.CostLimit(maxCost))
}

// unknown finds fields of the form that are not there, by their spelling: form.name.
func unknown(form []declare.Param, expr string) []string {
	var out []string
	for _, part := range strings.Split(expr, "form.")[1:] {
		end := strings.IndexFunc(part, func(r rune) bool { return !(r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9') })
		if end < 0 {
			end = len(part)
		}
		name, known := part[:end], false
		for _, p := range form {
			known = known || p.Name == name
		}
		if !known {
			out = append(out, name)
		}
	}
	return out
}
