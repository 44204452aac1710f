package hook

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Event is one CDEvent. What it does not look into is kept as it came, so that an event
// written again says the same.
type Event struct {
	Context struct {
		SpecVersion string          `json:"specversion"`
		ID          string          `json:"id"`
		ChainID     string          `json:"chainId,omitempty"`
		Source      string          `json:"source"`
		Type        string          `json:"type"`
		Timestamp   string          `json:"timestamp"`
		SchemaURI   string          `json:"schemaUri,omitempty"`
		Links       json.RawMessage `json:"links,omitempty"`
	} `json:"context"`
	Subject struct {
		ID      string          `json:"id"`
		Source  string          `json:"source,omitempty"`
		Type    string          `json:"type,omitempty"`
		Content json.RawMessage `json:"content"`
	} `json:"subject"`
	CustomData            json.RawMessage `json:"customData,omitempty"`
	CustomDataContentType string          `json:"customDataContentType,omitempty"`
}

// At is when the event happened; ReadEvent has made sure that it can be read.
func (e *Event) At() time.Time {
	t, _ := time.Parse(time.RFC3339Nano, e.Context.Timestamp)
	return t.UTC()
}

var typeForm = regexp.MustCompile(`^dev\.cdevents\.([a-z]+)\.([a-z]+)\.(\d+\.\d+\.\d+(?:-[a-z0-9.]+)?)$`)

// Kind is the type without prefix and version, as service.deployed.
func (e *Event) Kind() string {
	if m := typeForm.FindStringSubmatch(e.Context.Type); m != nil {
		return m[1] + "." + m[2]
	}
	return ""
}

// ReadEvent reads one CDEvent. An event of the version that this program knows is held
// against its whole definition; of another version what both have is.
func ReadEvent(data []byte) (*Event, error) {
	var tree any
	if err := decode(data, &tree); err != nil {
		return nil, err
	}
	root, ok := tree.(map[string]any)
	if !ok {
		return nil, invalid("event", "", "an object")
	}
	context, ok := root["context"].(map[string]any)
	if !ok {
		return nil, invalid("context", "", "an object")
	}
	name, _ := context["type"].(string)
	m := typeForm.FindStringSubmatch(name)
	if m == nil {
		return nil, invalid("context.type", name, "a type as dev.cdevents.service.deployed.0.3.0")
	}
	def, exact := definitions()[m[1]+"."+m[2]]
	switch {
	case !exact:
		return nil, invalid("context.type", name, "a type of CDEvents")
	case def.version == m[3]:
		if err := def.event.check("", root); err != nil {
			return nil, err
		}
	default:
		if err := common.check("", root); err != nil {
			return nil, err
		}
	}
	var e Event
	if err := decode(data, &e); err != nil {
		return nil, err
	}
	return &e, nil
}

// decode reads JSON of a sender: bounded, and nothing after it.
func decode(data []byte, into any) error {
	if !utf8.Valid(data) {
		return invalid("body", "", "text in UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(into); err != nil {
		var other *json.UnmarshalTypeError
		if errors.As(err, &other) {
			return invalid(cmp.Or(other.Field, "body"), other.Value, kinds[other.Type.Kind()])
		}
		return invalid("body", "", "JSON as documented ("+cut(err.Error())+")")
	}
	if dec.More() {
		return invalid("body", "", "one JSON value and nothing after it")
	}
	return nil
}

// kinds are what is expected of a JSON value, by what it is read into.
var kinds = map[reflect.Kind]string{
	reflect.Struct: "an object", reflect.Map: "an object", reflect.Slice: "a list", reflect.String: "a text", reflect.Bool: "true or false",
	reflect.Int: "a whole number", reflect.Int64: "a whole number", reflect.Float64: "a number",
}

// shape is what a JSON value must be.
type shape struct {
	kind   string // s uri ref enum list object custom links time any
	filled bool
	words  []string
	fields map[string]*shape
	needed []string
	either []string // at least one of these, where there are any
	open   bool     // further fields are fine
}

func (s *shape) check(path string, v any) error {
	at := func(key string) string { return strings.TrimPrefix(path+"."+key, ".") }
	text, isText := v.(string)
	switch s.kind {
	case "any":
		return nil
	case "list":
		items, ok := v.([]any)
		if !ok {
			return invalid(path, say(v), "a list of texts")
		}
		for i, item := range items {
			if _, ok := item.(string); !ok {
				return invalid(fmt.Sprintf("%s[%d]", path, i), say(item), "a text")
			}
		}
		return nil
	case "links":
		items, ok := v.([]any)
		if !ok {
			return invalid(path, say(v), "a list of links")
		}
		for i, item := range items {
			if err := checkLink(fmt.Sprintf("%s[%d]", path, i), item); err != nil {
				return err
			}
		}
		return nil
	case "custom":
		if _, ok := v.(map[string]any); ok {
			return nil
		}
		if isText {
			return nil // contentEncoding only says how it is meant
		}
		return invalid(path, say(v), "an object, or text in base64")
	case "object":
		m, ok := v.(map[string]any)
		if !ok {
			return invalid(path, say(v), "an object")
		}
		for _, key := range s.needed {
			if _, ok := m[key]; !ok {
				return invalid(at(key), "", "the field, which is required")
			}
		}
		if len(s.either) > 0 && !slices.ContainsFunc(s.either, func(key string) bool { _, ok := m[key]; return ok }) {
			return invalid(path, "", "one of "+strings.Join(s.either, ", "))
		}
		for key, child := range m {
			field := s.fields[key]
			switch {
			case field != nil:
				if err := field.check(at(key), child); err != nil {
					return err
				}
			case !s.open:
				return invalid(at(key), "", "no such field")
			}
		}
		return nil
	}
	if !isText {
		return invalid(path, say(v), "a text")
	}
	if s.filled && text == "" {
		return invalid(path, "", "a text that is not empty")
	}
	switch s.kind {
	case "enum":
		if !slices.Contains(s.words, text) {
			return invalid(path, text, "one of "+strings.Join(s.words, ", "))
		}
	case "uri":
		if u, err := url.Parse(text); err != nil || u.Scheme == "" || strings.Contains(text, "\\") {
			return invalid(path, text, "an absolute URI")
		}
	case "ref":
		if _, err := url.Parse(text); err != nil || strings.Contains(text, "\\") {
			return invalid(path, text, "a URI")
		}
	case "time":
		if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
			return invalid(path, text, "a time as 2026-03-02T12:00:00Z")
		}
	}
	return nil
}

// checkLink takes an end, a path or a relation.
func checkLink(path string, v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return invalid(path, say(v), "an object")
	}
	switch m["linkType"] {
	case "END":
		return linkEnd.check(path, v)
	case "PATH":
		return linkPath.check(path, v)
	case "RELATION":
		if err := linkRelation.check(path, v); err != nil {
			return err
		}
		target, _ := m["target"].(map[string]any)
		if id, ok := target["domainId"].(string); ok && !domainForm.MatchString(id) {
			return invalid(path+".target.domainId", id, "a domain ID as cdevents:v0:github::acme:shop:pr:42")
		}
		return nil
	}
	return invalid(path+".linkType", say(m["linkType"]), "END, PATH or RELATION")
}

func say(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return cut(string(data))
}

// definition is what one type of event looks like.
type definition struct {
	version string
	event   *shape
}

var (
	linkTags     = &shape{kind: "object", open: true}
	linkContext  = &shape{kind: "object", open: true, either: []string{"contextId", "domainId"}, fields: map[string]*shape{"contextId": {kind: "s", filled: true}, "domainId": {kind: "ref"}}}
	linkEnd      = &shape{kind: "object", fields: map[string]*shape{"linkType": {kind: "s"}, "from": linkContext, "tags": linkTags}}
	linkPath     = &shape{kind: "object", needed: []string{"from"}, fields: linkEnd.fields}
	linkRelation = &shape{kind: "object", needed: []string{"linkKind", "target"}, fields: map[string]*shape{
		"linkType": {kind: "s"}, "linkKind": {kind: "s", filled: true}, "target": linkContext, "tags": linkTags,
	}}
)

// common is what events of every version have.
var common = &shape{kind: "object", open: true, needed: []string{"context", "subject"}, fields: map[string]*shape{
	"context": {kind: "object", open: true, needed: []string{"id", "source", "type", "timestamp"}, fields: map[string]*shape{
		"id": {kind: "s", filled: true}, "source": {kind: "ref", filled: true}, "type": {kind: "s", filled: true}, "timestamp": {kind: "time"},
		"specversion": {kind: "s"}, "version": {kind: "s"}, "chainId": {kind: "s"}, "schemaUri": {kind: "s"},
	}},
	"subject": {kind: "object", open: true, needed: []string{"id"}, fields: map[string]*shape{
		"id": {kind: "s", filled: true}, "source": {kind: "s"}, "type": {kind: "s"}, "content": {kind: "object", open: true},
	}},
	"customDataContentType": {kind: "s"},
}}

// definitions reads eventTypes, once.
var definitions = sync.OnceValue(func() map[string]definition {
	out := map[string]definition{}
	for line := range strings.Lines(strings.TrimSpace(eventTypes)) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		m := typeForm.FindStringSubmatch("dev.cdevents." + name)
		source := &shape{kind: "ref", filled: true}
		context := &shape{kind: "object", needed: []string{"specversion", "id", "source", "type", "timestamp"}, fields: map[string]*shape{
			"specversion": {kind: "s", filled: true}, "id": {kind: "s", filled: true}, "chainId": {kind: "s", filled: true}, "source": source,
			"type": {kind: "s"}, "timestamp": {kind: "time"}, "schemaUri": {kind: "uri", filled: true}, "links": {kind: "links"},
		}}
		subject := &shape{kind: "object", needed: []string{"id", "content"}, fields: map[string]*shape{"id": {kind: "s", filled: true}, "source": source}}
		for {
			flag, more, _ := strings.Cut(rest, " ")
			switch {
			case flag == "~":
				context.fields["source"] = &shape{kind: "s", filled: true}
			case flag == "&":
				subject.fields["source"] = &shape{kind: "s"}
			case strings.HasPrefix(flag, "+"):
				subject.fields["type"] = &shape{kind: "enum", words: []string{flag[1:]}}
			default:
				more = ""
				flag = ""
			}
			if flag == "" {
				break
			}
			rest = more
		}
		p := &notation{text: rest}
		subject.fields["content"] = p.object()
		out[m[1]+"."+m[2]] = definition{m[3], &shape{kind: "object", needed: []string{"context", "subject"}, fields: map[string]*shape{
			"context": context, "subject": subject, "customData": {kind: "custom"}, "customDataContentType": {kind: "s"},
		}}}
	}
	return out
})

// notation reads the fields of eventTypes. The text is ours: what cannot be read is a
// mistake in this file and panics in the first test.
type notation struct{ text string }

func (p *notation) object() *shape {
	s := &shape{kind: "object", fields: map[string]*shape{}}
	for {
		p.text = strings.TrimLeft(p.text, " ")
		switch {
		case p.text == "":
			return s
		case p.text[0] == '}':
			p.text = p.text[1:]
			return s
		case p.text[0] == '*':
			p.text, s.open = p.text[1:], true
			continue
		}
		name, rest, ok := strings.Cut(p.text, ":")
		if !ok {
			panic("hook: cannot read " + p.text)
		}
		p.text = rest
		name, needed := strings.CutSuffix(name, "!")
		if needed {
			s.needed = append(s.needed, name)
		}
		s.fields[name] = p.value()
	}
}

func (p *notation) value() *shape {
	switch p.text[0] {
	case '{':
		p.text = p.text[1:]
		return p.object()
	case '(':
		words, rest, _ := strings.Cut(p.text[1:], ")")
		p.text = rest
		return &shape{kind: "enum", words: strings.Split(words, "|")}
	}
	end := strings.IndexAny(p.text, " }")
	if end < 0 {
		end = len(p.text)
	}
	word := p.text[:end]
	p.text = p.text[end:]
	switch word {
	case "[s]":
		return &shape{kind: "list"}
	case "@":
		return (&notation{text: "id!:s1 source:ref1"}).object()
	case "&":
		return (&notation{text: "id!:s1 source:s"}).object()
	}
	kind, filled := strings.CutSuffix(word, "1")
	return &shape{kind: kind, filled: filled}
}

// DomainID names a thing of a system that sends no CDEvents itself:
// cdevents:v0:provider:provider-id:namespace:groups:type:resource-id.
type DomainID struct{ Provider, ProviderID, Namespace, Groups, Type, ResourceID string }

var domainForm = regexp.MustCompile(`^cdevents:v0:[^:]*:[^:]*:[^:]*:([^:/]([^:]*[^:/])?)?:[^:]+:.+$`)

func (d DomainID) String() string {
	return strings.Join([]string{"cdevents:v0", d.Provider, d.ProviderID, d.Namespace, d.Groups, d.Type, d.ResourceID}, ":")
}

// ReadDomainID is the inverse of String.
func ReadDomainID(text string) (DomainID, error) {
	parts := strings.SplitN(text, ":", 8)
	if !domainForm.MatchString(text) || len(parts) != 8 {
		return DomainID{}, invalid("domainId", text, "a domain ID as cdevents:v0:github::acme:shop:pr:42")
	}
	return DomainID{parts[2], parts[3], parts[4], parts[5], parts[6], parts[7]}, nil
}

// custom returns customData, decoded where it came in base64.
func (e *Event) custom() map[string]any {
	var out map[string]any
	data := []byte(e.CustomData)
	var text string
	if json.Unmarshal(data, &text) == nil {
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			data = raw
		}
	}
	if json.Unmarshal(data, &out) != nil {
		return nil
	}
	return out
}
