package runbook

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// maxParam bounds one value.
const maxParam = 4 << 10

// params checks what was given against what the runbook asks for.
func (r *Runner) params(book *declare.Runbook, given map[string]string) (map[string]string, error) {
	var names []string
	out := map[string]string{}
	for _, p := range book.Params {
		names = append(names, p.Name)
		v, ok := given[p.Name]
		if !ok || v == "" {
			if p.Required && p.Default == "" {
				return nil, &act.InvalidError{Field: "params." + p.Name, Want: describe(p)}
			}
			v = p.Default
			if v == "" {
				out[p.Name] = "" // a variable that is there and empty: sh -u would stop on a missing one
				continue
			}
		}
		if err := r.param(p, v); err != nil {
			return nil, err
		}
		out[p.Name] = v
	}
	for name := range given {
		if !slices.Contains(names, name) {
			want := "no parameters"
			if len(names) > 0 {
				want = "one of " + strings.Join(names, ", ")
			}
			if hint := yamldoc.Suggest(name, names); hint != "" {
				want += " (" + hint + ")"
			}
			return nil, &act.InvalidError{Field: "params", Got: yamldoc.Cut(name), Want: want}
		}
	}
	return out, nil
}

func describe(p declare.Param) string {
	s := "a value of type " + string(p.Type)
	if p.Description != "" {
		s += ": " + p.Description
	}
	return s
}

func (r *Runner) param(p declare.Param, v string) error {
	bad := func(want string) error {
		return &act.InvalidError{Field: "params." + p.Name, Got: yamldoc.Cut(strings.ToValidUTF8(v[:min(len(v), 200)], "\uFFFD")), Want: want}
	}
	if len(v) > maxParam {
		return bad(fmt.Sprintf("at most %d bytes", maxParam))
	}
	if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
		return bad("valid UTF-8 without NUL")
	}
	inRange := func(f float64) error {
		if (p.Min != nil && f < *p.Min) || (p.Max != nil && f > *p.Max) {
			return bad(fmt.Sprintf("a number from %s to %s", limit(p.Min), limit(p.Max)))
		}
		return nil
	}
	switch p.Type {
	case declare.ParamInt:
		i, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return bad("a whole number")
		}
		return inRange(float64(i))
	case declare.ParamNumber:
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || f != f {
			return bad("a number")
		}
		return inRange(f)
	case declare.ParamBool:
		if v != "true" && v != "false" {
			return bad("true or false")
		}
	case declare.ParamEnum:
		if !slices.Contains(p.Values, v) {
			return bad("one of " + strings.Join(p.Values, ", "))
		}
	case declare.ParamDuration:
		if _, err := model.ParseDuration(v); err != nil {
			return bad("a duration as 30s or 5m")
		}
	case declare.ParamService:
		if !r.o.KnownService(declare.ServiceID(v)) {
			return bad("a service of the catalogue")
		}
	default:
		if p.Pattern != "" {
			// The whole value must match, whatever anchors the pattern has.
			re, err := regexp.Compile(`\A(?:` + p.Pattern + `)\z`)
			if err != nil || !re.MatchString(v) {
				return bad("a text that matches " + p.Pattern)
			}
		}
	}
	return nil
}

func limit(f *float64) string {
	if f == nil {
		return "any"
	}
	return strconv.FormatFloat(*f, 'g', -1, 64)
}
