package web

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/dashboard"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// all is how an address says that all values of a variable are meant.
const all = "$__all"

// maxOptions is how many values of a variable are offered; with more, all of them are
// whatever is there.
const maxOptions = 500

// variableView is a variable with what can be chosen and what is.
type variableView struct {
	declare.DashboardVariable
	Options []option
	Chosen  []string
	AllOn   bool // all are chosen
	More    bool // there are more than are offered
}

type option struct {
	Value string
	On    bool
}

// Says is the choice in words.
func (v variableView) Says() string {
	if v.AllOn {
		return "all"
	}
	if len(v.Chosen) == 0 {
		return "none"
	}
	return join(v.Chosen[:min(len(v.Chosen), 3)], ", ") + map[bool]string{true: fmt.Sprintf(" and %d more", len(v.Chosen)-3)}[len(v.Chosen) > 3]
}

// choose reads what is chosen of each variable, in their order: the values of one may
// depend on those before it. A variable that cannot be filled has no values; the error
// says why.
func (s *site) choose(ctx context.Context, d *declare.Dashboard, q url.Values, w window, step, spacing time.Duration) ([]variableView, dashboard.Scope, error) {
	scope := dashboard.Times(w.Span(), step, spacing)
	var out []variableView
	var errs []error
	for i := range d.Variables {
		v := variableView{DashboardVariable: d.Variables[i]}
		values, err := s.valuesOf(ctx, &v.DashboardVariable, scope, w)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", v.Name, err))
		}
		if v.More = len(values) > maxOptions; v.More {
			values = values[:maxOptions]
		}
		v.pick(q[v.Name], values)
		for _, one := range values {
			v.Options = append(v.Options, option{one, !v.AllOn && slices.Contains(v.Chosen, one)})
		}
		for _, one := range v.Chosen { // what is chosen and not there any more stays to be seen
			if !v.AllOn && !v.Text && !slices.Contains(values, one) {
				v.Options = append(v.Options, option{one, true})
			}
		}
		choice := dashboard.Choice{Values: v.Chosen, Exact: dashboard.Exact(&v.DashboardVariable)}
		switch {
		case v.AllOn && (v.More || len(values) == 0):
			choice = dashboard.Choice{Any: true, All: true}
		case v.AllOn:
			choice.Values, choice.All = values, true
		case len(choice.Values) == 0:
			choice.Values = []string{""}
		}
		scope[v.Name] = choice
		out = append(out, v)
	}
	return out, scope, errors.Join(errs...)
}

// pick takes what the address says, else the default, else all, else the first value.
func (v *variableView) pick(asked, values []string) {
	if v.Text {
		v.Chosen = v.Default
		if len(asked) > 0 {
			v.Chosen = asked[:1]
		}
		return
	}
	asked = slices.DeleteFunc(slices.Clone(asked), func(s string) bool { return s == "" })
	if len(asked) == 0 {
		asked = v.Default
	}
	switch {
	case v.All && (len(asked) == 0 || slices.Contains(asked, all)):
		v.AllOn, v.Chosen = true, nil
	case len(asked) > 0 && !v.Multi:
		v.Chosen = asked[:1]
	case len(asked) > 0:
		v.Chosen = asked[:min(len(asked), maxOptions)]
	case len(values) > 0:
		v.Chosen = values[:1]
	}
}

// valuesOf are the values of a variable, sorted.
func (s *site) valuesOf(ctx context.Context, v *declare.DashboardVariable, scope dashboard.Scope, w window) ([]string, error) {
	var values []string
	switch {
	case len(v.Values) > 0:
		return v.Values, nil
	case v.Label != "" && s.LabelValues != nil:
		var err error
		if values, err = s.LabelValues(ctx, v.Label, dashboard.Expand(v.Of, false, scope), w.From, w.To); err != nil {
			return nil, err
		}
	case v.Field != "" && s.Logs != nil:
		filter := dashboard.Expand(v.In, true, scope)
		if filter == "" {
			filter = "*"
		}
		parsed, err := logs.ParseQuery(filter, s.Now())
		if err != nil {
			return nil, err
		}
		parsed.AddTimeFilter(w.From.UnixNano(), w.To.UnixNano())
		found, err := s.Logs.FieldValues(ctx, parsed, v.Field, "", maxOptions+1)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if f.Value != "" {
				values = append(values, f.Value)
			}
		}
	}
	if v.Match != "" {
		re, err := regexp.Compile(v.Match)
		if err != nil {
			return nil, err
		}
		matched := values[:0:0]
		for _, one := range values {
			if m := re.FindStringSubmatch(one); len(m) > 1 {
				matched = append(matched, m[1])
			} else if m != nil {
				matched = append(matched, one)
			}
		}
		values = matched
	}
	slices.Sort(values)
	return slices.Compact(values), nil
}
