package trace

import (
	"regexp"
	"strconv"
	"strings"
)

// comparison is a field with a value.
type comparison struct {
	field, op string
	value     token
	pattern   *regexp.Regexp
}

func (c *comparison) holds(s *Span, scene *scene) bool {
	switch c.field {
	case "name":
		return c.text(s.Name)
	case "duration":
		return c.took(s.Duration)
	case "status":
		return c.word(string(s.Status), "unset")
	case "statusMessage":
		return c.text(s.StatusMessage)
	case "kind":
		return c.word(string(s.Kind), "unspecified")
	case "rootName":
		return c.text(scene.root.Name)
	case "rootServiceName":
		return c.text(scene.root.Service)
	case "traceDuration":
		return c.took(scene.took)
	}
	found := c.attrs(s)
	if c.value.kind == tokenWord && c.value.text == "nil" {
		return (len(found) == 0) == (c.op == "=")
	}
	for _, a := range found {
		if c.attr(a) {
			return true
		}
	}
	return false
}

func (c *comparison) attrs(s *Span) (out []Attr) {
	add := func(list []Attr, key string) {
		if a, ok := find(list, key); ok {
			out = append(out, a)
		}
	}
	resource := func(key string) {
		if key == serviceName {
			out = append(out, Attr{key, String, s.Service})
			return
		}
		add(s.Resource, key)
	}
	if key, ok := strings.CutPrefix(c.field, "span."); ok {
		add(s.Attrs, key)
	} else if key, ok := strings.CutPrefix(c.field, "resource."); ok {
		resource(key)
	} else if key, ok := strings.CutPrefix(c.field, "event."); ok {
		for i := range s.Events {
			add(s.Events[i].Attrs, key)
			if key == "name" {
				out = append(out, Attr{key, String, s.Events[i].Name})
			}
		}
	} else {
		key := c.field[1:]
		add(s.Attrs, key)
		if len(out) == 0 {
			resource(key)
		}
	}
	return out
}

func (c *comparison) attr(a Attr) bool {
	switch c.value.kind {
	case tokenString:
		return a.Type == String && c.text(a.Value)
	case tokenWord:
		return a.Type == Bool && c.word(a.Value, "")
	}
	if a.Type != Int && a.Type != Double {
		return false
	}
	v, err := strconv.ParseFloat(a.Value, 64)
	return err == nil && compare(v, c.op, c.number())
}

func (c *comparison) number() float64 {
	if c.value.kind == tokenDuration {
		return float64(c.value.dur)
	}
	return c.value.num
}

func (c *comparison) text(v string) bool {
	switch c.op {
	case "=~":
		return c.pattern.MatchString(v)
	case "!~":
		return !c.pattern.MatchString(v)
	}
	if c.value.kind != tokenString {
		return false
	}
	return compare(float64(strings.Compare(v, c.value.text)), c.op, 0)
}

func (c *comparison) word(v, none string) bool {
	if v == "" {
		v = none
	}
	if c.pattern != nil {
		return c.text(v)
	}
	switch c.op {
	case "=":
		return v == c.value.text
	case "!=":
		return v != c.value.text
	}
	return false
}

func (c *comparison) took(ns int64) bool {
	switch c.value.kind {
	case tokenDuration:
		return compare(float64(ns), c.op, float64(c.value.dur))
	case tokenNumber: // seconds have a unit; a bare number is nanoseconds, as in TraceQL
		return compare(float64(ns), c.op, c.value.num)
	}
	return false
}

// filter is a filter in LogsQL that finds at least the spans for which it holds.
func (c *comparison) filter() string {
	fields := []string{}
	switch c.field {
	case "name":
		fields = []string{fieldName}
	case "duration":
		fields = []string{fieldDuration}
	case "status":
		if c.value.text != string(OK) && c.value.text != string(Error) {
			return "*"
		}
		fields = []string{fieldStatus}
	case "kind":
		if c.value.text == "unspecified" {
			return "*"
		}
		fields = []string{fieldKind}
	case "statusMessage", "rootName", "rootServiceName", "traceDuration":
		return "*"
	default:
		if key, ok := strings.CutPrefix(c.field, "span."); ok {
			fields = []string{ofSpan + key}
		} else if key, ok := strings.CutPrefix(c.field, "resource."); ok {
			fields = []string{resourceField(key)}
		} else if key, ok := strings.CutPrefix(c.field, "."); ok {
			fields = []string{ofSpan + key, resourceField(key)}
		} else {
			return "*"
		}
	}
	var parts []string
	for _, f := range fields {
		f = strconv.Quote(f)
		switch {
		case c.value.kind == tokenWord && c.value.text == "nil", c.op == "!=", c.op == "!~":
			return "*"
		case c.op == "=~":
			parts = append(parts, f+":~"+strconv.Quote(c.pattern.String()))
		case c.value.kind == tokenString && c.op == "=" && c.value.text != "":
			parts = append(parts, f+":="+strconv.Quote(c.value.text))
		case c.value.kind == tokenWord && c.op == "=":
			parts = append(parts, f+":="+strconv.Quote(c.value.text))
		case (c.value.kind == tokenNumber || c.value.kind == tokenDuration) && c.op != "=":
			parts = append(parts, f+":"+c.op+strconv.FormatFloat(c.number(), 'f', -1, 64))
		case c.value.kind == tokenNumber || c.value.kind == tokenDuration:
			n := strconv.FormatFloat(c.number(), 'f', -1, 64)
			parts = append(parts, "("+f+":>="+n+" "+f+":<="+n+")")
		default:
			return "*"
		}
	}
	return "(" + strings.Join(parts, " or ") + ")"
}

func resourceField(key string) string {
	if key == serviceName {
		return fieldService
	}
	return ofResource + key
}
