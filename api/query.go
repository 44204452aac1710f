package api

import (
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// page is the part of a list that is asked for.
type page struct {
	Limit  int `query:"limit" max:"1000" doc:"At most so many items; default 100."`
	Offset int `query:"offset" max:"1000000" doc:"Leave out so many at the beginning."`
}

// param is one parameter of a query, read from a struct's tags.
type param struct {
	name, doc string
	max       int64
	typ       reflect.Type
	index     []int
}

// params lists the parameters of a query struct, embedded ones among them.
func params(t reflect.Type) []param {
	var out []param
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("query"); name != "" {
			most, _ := strconv.ParseInt(f.Tag.Get("max"), 10, 64)
			out = append(out, param{name: name, doc: f.Tag.Get("doc"), max: most, typ: f.Type, index: f.Index})
		}
	}
	return out
}

// decodeQuery fills a query struct. A parameter that is unknown, given twice or of
// the wrong form is refused: a filter that is silently ignored shows too much.
func decodeQuery(values url.Values, into reflect.Value) error {
	known := params(into.Type())
	names := make([]string, len(known))
	for i, p := range known {
		names[i] = p.name
	}
	for _, name := range sorted(values) {
		i := slices.Index(names, name)
		switch {
		case i < 0 && len(names) == 0:
			return invalid("query", name, "no parameters")
		case i < 0:
			want := "one of " + strings.Join(names, ", ")
			if s := yamldoc.Suggest(name, names); s != "" {
				want += " (" + s + ")"
			}
			return invalid("query", name, want)
		case len(values[name]) > 1:
			return invalid(name, strings.Join(values[name], "&"), "the parameter once")
		}
		if err := known[i].set(into.FieldByIndex(known[i].index), values[name][0]); err != nil {
			return err
		}
	}
	return nil
}

func sorted(values url.Values) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var timeType = reflect.TypeFor[time.Time]()

func (p param) set(field reflect.Value, text string) error {
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	switch {
	case field.Type() == timeType:
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return invalid(p.name, text, "a time as 2026-01-02T15:04:05Z")
		}
		field.Set(reflect.ValueOf(t.UTC()))
	case field.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return invalid(p.name, text, "true or false")
		}
		field.SetBool(b)
	case field.CanInt():
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || (p.max > 0 && n > p.max) {
			want := "a number from 0"
			if p.max > 0 {
				want += " to " + strconv.FormatInt(p.max, 10)
			}
			return invalid(p.name, text, want)
		}
		field.SetInt(n)
	default:
		if words := enums[field.Type()]; words != nil && text != "" && !slices.Contains(words, text) {
			return invalid(p.name, text, "one of "+strings.Join(words, ", "))
		}
		field.SetString(text)
	}
	return nil
}
