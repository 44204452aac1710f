package trace

import (
	"fmt"
	"regexp"
	"strings"
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
