package yamldoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	yaml4 "go.yaml.in/yaml/v4"

	"github.com/evenkeel/evenkeel/declare"
)

// The bounds of one file.
const (
	MaxBytes     = 4 << 20
	MaxDocuments = 2_000
	maxNodes     = 500_000 // after aliases are expanded
	maxDepth     = 100

	maxDuplicates = 100 // Problems about them in one document
)

// Read parses a file of one or more documents. Empty documents are left out.
// Problems found later through the nodes are collected in sink.
func Read(file string, data []byte, sink *declare.Problems) []Node {
	root := Node{file: file, sink: sink}
	switch {
	case len(data) > MaxBytes:
		root.Problem("", fmt.Sprintf("a file of at most %d bytes", MaxBytes), fmt.Sprintf("it has %d", len(data)))
		return nil
	case !utf8.Valid(data):
		line := 1 + bytes.Count(data[:invalidUTF8(data)], []byte("\n"))
		*sink = append(*sink, declare.Problem{Position: declare.Position{File: file, Line: line}, Want: "valid UTF-8"})
		return nil
	}
	var out []Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for n := 0; ; n++ {
		var y yaml.Node
		err := dec.Decode(&y)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			*sink = append(*sink, syntaxProblem(file, data, err))
			return out
		}
		if n >= MaxDocuments {
			root.Problem("", fmt.Sprintf("at most %d documents in a file", MaxDocuments), "")
			return out
		}
		if len(y.Content) == 0 || (y.Content[0].Kind == yaml.ScalarNode && y.Content[0].Tag == "!!null") {
			continue
		}
		left := maxNodes
		doc, why := expand(y.Content[0], &left, 0)
		if doc == nil {
			*sink = append(*sink, declare.Problem{Position: declare.Position{File: file, Line: y.Line}, Want: why})
			continue
		}
		node := Node{file: file, y: doc, sink: sink}
		left = maxDuplicates
		node.duplicates(doc, nil, &left)
		out = append(out, node)
	}
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return len(data)
}

var yamlLine = regexp.MustCompile(`^line (\d+): (.*)$`)

// syntaxProblem says what is wrong and where. The older library reads the file, as
// Prometheus and Alertmanager do; the newer one knows better in which line it failed.
func syntaxProblem(file string, data []byte, err error) declare.Problem {
	for dec := yaml4.NewDecoder(bytes.NewReader(data)); ; {
		var y yaml4.Node
		newer := dec.Decode(&y)
		if newer == nil {
			continue
		}
		if !errors.Is(newer, io.EOF) {
			err = newer
		}
		break
	}
	p := declare.Problem{Position: declare.Position{File: file}, Want: "valid YAML", Hint: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlLine.FindStringSubmatch(p.Hint); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Hint = m[2]
	} else if i := bytes.IndexFunc(data, control); i >= 0 && strings.Contains(p.Hint, "control characters") {
		p.Line = 1 + bytes.Count(data[:i], []byte("\n"))
	}
	p.Hint = Cut(p.Hint)
	return p
}

func control(r rune) bool {
	return r != '\n' && r != '\r' && r != '\t' && r != 0x85 && unicode.IsControl(r)
}

// expand replaces aliases by what they stand for and merges "<<" keys, within a
// budget of nodes: the "billion laughs" of YAML end here.
func expand(y *yaml.Node, left *int, depth int) (*yaml.Node, string) {
	if *left--; *left < 0 {
		return nil, fmt.Sprintf("at most %d values after aliases are expanded", maxNodes)
	}
	if depth > maxDepth {
		return nil, fmt.Sprintf("nesting of at most %d levels", maxDepth)
	}
	if y.Kind == yaml.AliasNode {
		return expand(y.Alias, left, depth+1)
	}
	c := *y
	c.Content = nil
	c.Anchor = ""
	for i := 0; i < len(y.Content); i++ {
		child, why := expand(y.Content[i], left, depth+1)
		if child == nil {
			return nil, why
		}
		c.Content = append(c.Content, child)
	}
	if c.Kind == yaml.MappingNode {
		c.Content = merge(c.Content)
	}
	return &c, ""
}

func merge(content []*yaml.Node) []*yaml.Node {
	var own, merged []*yaml.Node
	for i := 0; i+1 < len(content); i += 2 {
		if content[i].Tag != "!!merge" {
			own = append(own, content[i], content[i+1])
			continue
		}
		from := []*yaml.Node{content[i+1]}
		if content[i+1].Kind == yaml.SequenceNode {
			from = content[i+1].Content
		}
		for _, m := range from {
			if m.Kind == yaml.MappingNode {
				merged = append(merged, m.Content...)
			}
		}
	}
	if merged == nil {
		return content
	}
	has := map[string]bool{}
	for i := 0; i < len(own); i += 2 {
		has[own[i].Value] = true
	}
	for i := 0; i+1 < len(merged); i += 2 {
		if !has[merged[i].Value] { // own keys win, earlier merges win over later ones
			has[merged[i].Value] = true
			own = append(own, merged[i], merged[i+1])
		}
	}
	return own
}

// duplicates finds keys that are there twice. The path is put together only for
// those: keys may be long, and mappings below them many.
func (n Node) duplicates(y *yaml.Node, path []string, left *int) {
	switch y.Kind {
	case yaml.MappingNode:
		seen := map[string]int{}
		for i := 0; i+1 < len(y.Content); i += 2 {
			key := y.Content[i]
			if first, dup := seen[key.Value]; dup && *left > 0 {
				*left--
				at := ""
				for _, p := range append(path, key.Value) {
					at = join(at, p)
				}
				Node{file: n.file, path: strings.ReplaceAll(at, ".[", "["), y: key, sink: n.sink}.
					Problem(key.Value, "each key once", fmt.Sprintf("it is also on line %d", first))
			}
			seen[key.Value] = key.Line
			n.duplicates(y.Content[i+1], append(path, key.Value), left)
		}
	case yaml.SequenceNode:
		for i, c := range y.Content {
			if c.Kind != yaml.ScalarNode {
				n.duplicates(c, append(path, fmt.Sprintf("[%d]", i)), left)
			}
		}
	}
}

// One is Read for formats that are one document: further ones are Problems, and not
// passed over in silence. A file without any is the zero Node and false.
func One(file string, data []byte, sink *declare.Problems) (Node, bool) {
	docs := Read(file, data, sink)
	if len(docs) == 0 {
		return Node{file: file, sink: sink}, false
	}
	for _, d := range docs[1:] {
		d.Problem("another document", "one document in this file", "what stands after --- would not be read")
	}
	return docs[0], true
}
