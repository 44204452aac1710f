package yamldoc

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/evenkeel/evenkeel/declare"
)

// Node is a value in a document, or the place where one is missing. Accessors
// return the zero value for what is missing, and record a Problem for what is there
// but of the wrong type.
type Node struct {
	file string
	path string
	y    *yaml.Node // nil when missing
	near *yaml.Node // when missing: the mapping that lacks it, for the line
	sink *declare.Problems
}

// Missing says whether there is no value, or null.
func (n Node) Missing() bool {
	return n.y == nil || (n.y.Kind == yaml.ScalarNode && n.y.Tag == "!!null")
}

// Pos is where the value is, or the mapping that lacks it.
func (n Node) Pos() declare.Position {
	y := n.y
	if y == nil {
		y = n.near
	}
	if y == nil {
		return declare.Position{File: n.file}
	}
	return declare.Position{File: n.file, Line: y.Line, Column: y.Column}
}

// Path is the field's path, as spec.dependsOn[1].
func (n Node) Path() string { return n.path }

// Problem records that the value here is not what was expected.
func (n Node) Problem(got, want, hint string) {
	*n.sink = append(*n.sink, declare.Problem{Position: n.Pos(), Field: n.path, Got: Cut(got), Want: want, Hint: hint})
}

// Warn records a problem that does not keep the workspace from being used.
func (n Node) Warn(got, want, hint string) {
	*n.sink = append(*n.sink, declare.Problem{Position: n.Pos(), Field: n.path, Got: Cut(got), Want: want, Hint: hint, Warning: true})
}

// Cut shortens what was there to one line of 80 characters.
func Cut(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 80 {
		return string(r[:79]) + "…"
	}
	return s
}

// join makes a field path. A key may be as long as the file: in a path, and so in
// every path below it, it is not.
func join(path, key string) string {
	if len(key) > 80 {
		key = Cut(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// Field returns the value of a key of a mapping.
func (n Node) Field(key string) Node {
	out := Node{file: n.file, path: join(n.path, key), near: n.y, sink: n.sink}
	if n.y == nil {
		out.near = n.near
		return out
	}
	if n.y.Kind != yaml.MappingNode {
		return out
	}
	for i := 0; i+1 < len(n.y.Content); i += 2 {
		if n.y.Content[i].Value == key {
			out.y = n.y.Content[i+1]
			return out
		}
	}
	return out
}

// At follows a path of keys.
func (n Node) At(keys ...string) Node {
	for _, k := range keys {
		n = n.Field(k)
	}
	return n
}

// Mapping says whether the value is a mapping, and records a Problem when it is
// there and is something else.
func (n Node) Mapping() bool {
	if n.Missing() {
		return false
	}
	if n.y.Kind != yaml.MappingNode {
		n.Problem(n.text(), "a mapping", "")
		return false
	}
	return true
}

// Keys lists a mapping's keys, each with its place.
func (n Node) Keys() []Node {
	if n.y == nil || n.y.Kind != yaml.MappingNode {
		return nil
	}
	var out []Node
	for i := 0; i+1 < len(n.y.Content); i += 2 {
		out = append(out, Node{file: n.file, path: join(n.path, n.y.Content[i].Value), y: n.y.Content[i], sink: n.sink})
	}
	return out
}

// Pair is one entry of a mapping.
type Pair struct{ Key, Value Node }

// Pairs lists a mapping's entries in the order of the file. Use it, and not Field for
// each key, where a mapping may have many.
func (n Node) Pairs() []Pair {
	keys := n.Keys()
	out := make([]Pair, len(keys))
	for i, k := range keys {
		out[i] = Pair{k, Node{file: n.file, path: k.path, y: n.y.Content[2*i+1], sink: n.sink}}
	}
	return out
}

// Text is a scalar's text, whatever its type.
func (n Node) Text() string { return n.text() }

func (n Node) text() string {
	switch {
	case n.y == nil:
		return ""
	case n.y.Kind == yaml.ScalarNode:
		return n.y.Value
	case n.y.Kind == yaml.SequenceNode:
		return "a list"
	}
	return "a mapping"
}

// Only records a Problem for each key that is not among the known ones.
func (n Node) Only(known ...string) {
	if !n.Mapping() {
		return
	}
	for _, k := range n.Keys() {
		if !slices.Contains(known, k.y.Value) {
			k.Problem(k.y.Value, "one of "+strings.Join(known, ", "), Suggest(k.y.Value, known))
		}
	}
}

// Misspelt records a Problem for a key that is not known but very nearly is: for
// formats that are open to further keys. A known key that is there itself cannot have
// been meant by another.
func (n Node) Misspelt(known ...string) {
	var here []string
	for _, k := range n.Keys() {
		here = append(here, k.y.Value)
	}
	missing := slices.DeleteFunc(slices.Clone(known), func(k string) bool { return slices.Contains(here, k) })
	for _, k := range n.Keys() {
		if slices.Contains(known, k.y.Value) {
			continue
		}
		if near := nearest(k.y.Value, missing, (len([]rune(k.y.Value))-1)/3); near != "" {
			k.Problem(k.y.Value, "a known key", fmt.Sprintf("did you mean %q?", near))
		}
	}
}

// List returns the items of a sequence.
func (n Node) List() []Node {
	if n.Missing() {
		return nil
	}
	if n.y.Kind != yaml.SequenceNode {
		n.Problem(n.text(), "a list", "")
		return nil
	}
	out := make([]Node, len(n.y.Content))
	for i, c := range n.y.Content {
		out[i] = Node{file: n.file, path: fmt.Sprintf("%s[%d]", n.path, i), y: c, sink: n.sink}
	}
	return out
}

// String returns a scalar as text; numbers and booleans count as their text.
func (n Node) String() string {
	if n.Missing() {
		return ""
	}
	if n.y.Kind != yaml.ScalarNode {
		n.Problem(n.text(), "a text", "")
		return ""
	}
	return n.y.Value
}

// Required is String, with a Problem when it is missing or empty.
func (n Node) Required(what string) string {
	if n.Missing() || (n.y.Kind == yaml.ScalarNode && n.y.Value == "") {
		n.Problem("", what, "it is missing")
		return ""
	}
	return n.String()
}

// Strings returns a list of texts.
func (n Node) Strings() []string {
	var out []string
	for _, item := range n.List() {
		out = append(out, item.String())
	}
	return out
}

// StringMap returns a mapping of texts, never nil.
func (n Node) StringMap() map[string]string {
	out := map[string]string{}
	if n.Mapping() {
		for _, p := range n.Pairs() {
			out[p.Key.y.Value] = p.Value.String()
		}
	}
	return out
}

// Float returns a finite number.
func (n Node) Float() (float64, bool) {
	if n.Missing() {
		return 0, false
	}
	if n.y.Kind != yaml.ScalarNode {
		n.Problem(n.text(), "a number", "")
		return 0, false
	}
	f, err := strconv.ParseFloat(n.y.Value, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		n.Problem(n.text(), "a number", "")
		return 0, false
	}
	return f, true
}

// Int returns a whole number.
func (n Node) Int() (int, bool) {
	if n.Missing() {
		return 0, false
	}
	i, err := strconv.Atoi(n.text())
	if err != nil || n.y.Kind != yaml.ScalarNode {
		n.Problem(n.text(), "a whole number", "")
		return 0, false
	}
	return i, true
}

// Bool returns true or false.
func (n Node) Bool() bool {
	switch n.text() {
	case "true":
		return true
	case "false", "":
		return false
	}
	if !n.Missing() {
		n.Problem(n.text(), "true or false", "")
	}
	return false
}

// Duration returns a duration in Prometheus' notation: 15s, 5m, 30d, 1h30m.
func (n Node) Duration() (time.Duration, bool) {
	if n.Missing() {
		return 0, false
	}
	d, err := model.ParseDuration(n.text())
	if err != nil || n.y.Kind != yaml.ScalarNode {
		n.Problem(n.text(), "a duration as 15s, 5m or 30d", "")
		return 0, false
	}
	return time.Duration(d), true
}

// Raw returns the value as YAML text of its own, for libraries that parse a part.
func (n Node) Raw() []byte {
	if n.y == nil {
		return nil
	}
	out, err := yaml.Marshal(n.y)
	if err != nil {
		return nil
	}
	return out
}

// IsList says whether the value is a sequence.
func (n Node) IsList() bool { return n.y != nil && n.y.Kind == yaml.SequenceNode }

// Scalar says whether the value is a single one: no list and no mapping.
func (n Node) Scalar() bool { return n.y != nil && n.y.Kind == yaml.ScalarNode }

// IsText says whether the value is a text to every reader of YAML: those of version 1.1
// take a bare yes or off for a boolean.
func (n Node) IsText() bool {
	if !n.Scalar() || n.y.Tag != "!!str" {
		return false
	}
	if n.y.Style != 0 {
		return true
	}
	switch strings.ToLower(n.y.Value) {
	case "y", "n", "yes", "no", "on", "off":
		return false
	}
	return true
}
