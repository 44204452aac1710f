package trace

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The language is the part of TraceQL that finds traces by attributes, durations and
// structure:
//
//	{ resource.service.name = "checkout" && span.http.status_code >= 500 }
//	{ name = "POST /orders" } >> { status = error && duration > 100ms }
//	{ .customer = "gold" } | count() > 3
//
// Fields: name, duration, status, statusMessage, kind, rootName, rootServiceName,
// traceDuration, span.K, resource.K, event.K, and .K for either a span's or its
// resource's. Comparisons: = != > >= < <= =~ !~; a regular expression is anchored.
// Between spans: && (both are there), || (either), > (child), >> (descendant), < (parent),
// << (ancestor), ~ (sibling). At the end: | count(), avg, min, max, sum of duration.
// Everything else of TraceQL is refused.

// maxQuery is how long a query may be, maxNest how deep.
const (
	maxQuery = 16 << 10
	maxNest  = 50
)

// ParseQuery makes a search of a query; times and limit are the caller's.
func ParseQuery(text string) (Search, error) {
	if len(text) > maxQuery {
		return Search{}, &QueryError{maxQuery, fmt.Sprintf("at most %d bytes", maxQuery)}
	}
	tokens, err := lex(text)
	if err != nil {
		return Search{}, err
	}
	p := &parser{tokens: tokens}
	set, err := p.spans(0)
	if err != nil {
		return Search{}, err
	}
	var pipes []pipe
	for p.mark("|") {
		one, err := p.pipe()
		if err != nil {
			return Search{}, err
		}
		pipes = append(pipes, one)
	}
	if p.now().kind != tokenEnd {
		return Search{}, p.want("&&, ||, >>, >, ~, | or the end")
	}
	return Search{
		filter: set.filter(),
		pick: func(t *Trace) []*Span {
			found := set.find(newScene(t))
			for _, p := range pipes {
				if len(found) == 0 || !p.holds(found) {
					return nil
				}
			}
			return found
		},
	}, nil
}

type parser struct {
	tokens []token
	at     int
}

func (p *parser) now() token { return p.tokens[p.at] }

func (p *parser) mark(text string) bool {
	if t := p.now(); t.kind == tokenMark && t.text == text {
		p.at++
		return true
	}
	return false
}

func (p *parser) want(what string) error { return &QueryError{p.now().at, what} }

// spans parses what finds spans: || binds least, then &&, then structure.
func (p *parser) spans(depth int) (spanset, error) {
	left, err := p.both(depth)
	for err == nil && p.mark("||") {
		var right spanset
		if right, err = p.both(depth); err == nil {
			left = &either{left, right}
		}
	}
	return left, err
}

func (p *parser) both(depth int) (spanset, error) {
	left, err := p.structure(depth)
	for err == nil && p.mark("&&") {
		var right spanset
		if right, err = p.structure(depth); err == nil {
			left = &both{left, right}
		}
	}
	return left, err
}

func (p *parser) structure(depth int) (spanset, error) {
	left, err := p.one(depth)
	for err == nil {
		op := ""
		for _, m := range []string{">>", ">", "<<", "<", "~"} {
			if p.mark(m) {
				op = m
				break
			}
		}
		if op == "" {
			break
		}
		var right spanset
		if right, err = p.one(depth); err == nil {
			left = &related{left, right, op}
		}
	}
	return left, err
}

func (p *parser) one(depth int) (spanset, error) {
	if depth > maxNest {
		return nil, p.want(fmt.Sprintf("no more than %d levels of brackets", maxNest))
	}
	if p.mark("(") {
		inner, err := p.spans(depth + 1)
		if err == nil && !p.mark(")") {
			err = p.want(")")
		}
		return inner, err
	}
	if !p.mark("{") {
		return nil, p.want("{ as the beginning of what a span must be")
	}
	if p.mark("}") {
		return &matching{all{}}, nil
	}
	c, err := p.any(depth)
	if err == nil && !p.mark("}") {
		err = p.want("} or && or ||")
	}
	return &matching{c}, err
}

func (p *parser) any(depth int) (condition, error) {
	left, err := p.every(depth)
	for err == nil && p.mark("||") {
		var right condition
		if right, err = p.every(depth); err == nil {
			left = &or{left, right}
		}
	}
	return left, err
}

func (p *parser) every(depth int) (condition, error) {
	left, err := p.single(depth)
	for err == nil && p.mark("&&") {
		var right condition
		if right, err = p.single(depth); err == nil {
			left = &and{left, right}
		}
	}
	return left, err
}

func (p *parser) single(depth int) (condition, error) {
	if depth > maxNest {
		return nil, p.want(fmt.Sprintf("no more than %d levels of brackets", maxNest))
	}
	if p.mark("!") {
		c, err := p.single(depth + 1)
		return &not{c}, err
	}
	if p.mark("(") {
		c, err := p.any(depth + 1)
		if err == nil && !p.mark(")") {
			err = p.want(")")
		}
		return c, err
	}
	t := p.now()
	if t.kind != tokenWord {
		return nil, p.want("a field as name, duration, span.http.route or resource.service.name")
	}
	if t.text == "true" || t.text == "false" {
		p.at++
		if t.text == "true" {
			return all{}, nil
		}
		return &not{all{}}, nil
	}
	c := &comparison{field: t.text}
	if !known(t.text) {
		return nil, p.want("a field: name, duration, status, statusMessage, kind, rootName, rootServiceName, traceDuration, span.K, resource.K, event.K or .K")
	}
	p.at++
	op := p.now()
	if op.kind != tokenMark || !strings.Contains(" = != > >= < <= =~ !~ ", " "+op.text+" ") {
		return nil, p.want("=, !=, >, >=, <, <=, =~ or !~")
	}
	c.op = op.text
	p.at++
	v := p.now()
	c.value = v
	switch {
	case v.kind == tokenEnd || v.kind == tokenMark:
		return nil, p.want("a value: a string in quotes, a number, a duration, true, false, or nil")
	case v.kind == tokenWord && !strings.Contains(" true false nil ok error unset server client producer consumer internal unspecified ", " "+v.text+" "):
		return nil, p.want(fmt.Sprintf("a value; a string stands in quotes: %q", v.text))
	}
	if c.op == "=~" || c.op == "!~" {
		if v.kind != tokenString {
			return nil, p.want("a regular expression in quotes")
		}
		re, err := regexp.Compile("^(?:" + v.text + ")$")
		if err != nil {
			return nil, p.want("a regular expression: " + err.Error())
		}
		c.pattern = re
	}
	p.at++
	return c, nil
}

func known(field string) bool {
	switch field {
	case "name", "duration", "status", "statusMessage", "kind", "rootName", "rootServiceName", "traceDuration":
		return true
	}
	for _, prefix := range []string{"span.", "resource.", "event.", "."} {
		if rest, ok := strings.CutPrefix(field, prefix); ok && rest != "" {
			return true
		}
	}
	return false
}

// pipe is what must hold of all the spans that were found in a trace.
type pipe struct {
	of, op string
	value  float64 // nanoseconds of a duration
}

func (p *parser) pipe() (pipe, error) {
	out := pipe{of: p.now().text}
	if p.now().kind != tokenWord || !strings.Contains(" count avg min max sum ", " "+out.of+" ") {
		return out, p.want("count(), avg(duration), min(duration), max(duration) or sum(duration)")
	}
	p.at++
	if !p.mark("(") {
		return out, p.want("(")
	}
	if out.of != "count" {
		if p.now().text != "duration" {
			return out, p.want("duration")
		}
		p.at++
	}
	if !p.mark(")") {
		return out, p.want(")")
	}
	out.op = p.now().text
	if p.now().kind != tokenMark || !strings.Contains(" = != > >= < <= ", " "+out.op+" ") {
		return out, p.want("a comparison as > 3")
	}
	p.at++
	switch v := p.now(); v.kind {
	case tokenNumber:
		out.value = v.num
	case tokenDuration:
		out.value = float64(v.dur)
	default:
		return out, p.want("a number or a duration")
	}
	p.at++
	return out, nil
}

func (p pipe) holds(spans []*Span) bool {
	v := float64(len(spans))
	if p.of != "count" {
		v = float64(spans[0].Duration)
		for _, s := range spans[1:] {
			d := float64(s.Duration)
			switch p.of {
			case "min":
				v = min(v, d)
			case "max":
				v = max(v, d)
			default:
				v += d
			}
		}
		if p.of == "avg" {
			v /= float64(len(spans))
		}
	}
	return compare(v, p.op, p.value)
}

func compare(a float64, op string, b float64) bool {
	switch op {
	case "=":
		return a == b
	case "!=":
		return a != b
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	}
	return a <= b
}

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

// scene is a trace that is looked at, with what conditions on the whole of it need.
type scene struct {
	*Trace
	root   *Span
	took   int64
	parent map[*Span]*Span
}

func newScene(t *Trace) *scene {
	s := &scene{Trace: t, root: t.Root(), took: int64(t.Summary().Took / time.Nanosecond), parent: map[*Span]*Span{}}
	var walk func(n *Node)
	walk = func(n *Node) {
		for _, c := range n.Children {
			s.parent[c.Span] = n.Span
			walk(c)
		}
	}
	for _, r := range t.Tree() {
		walk(r)
	}
	return s
}
