package runbook

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// The defaults of attributes that are not written.
const (
	defaultTimeout = time.Minute
	defaultWithin  = 10 * time.Minute // of verify
	maxSteps       = 200
)

// Read reads one runbook; nil only when it cannot be read at all.
func Read(file string, data []byte, sink *declare.Problems) *declare.Runbook {
	rb := &declare.Runbook{
		Name: strings.TrimSuffix(path.Base(file), path.Ext(file)), Source: data,
		Verify: declare.Verify{Within: defaultWithin}, Pos: declare.Position{File: file, Line: 1},
	}
	if len(data) > yamldoc.MaxBytes {
		*sink = append(*sink, declare.Problem{Position: rb.Pos, Want: fmt.Sprintf("a file of at most %d bytes", yamldoc.MaxBytes)})
		return nil
	}
	body, offset := data, 0
	if front, rest, ok := split(data); ok {
		// The front matter keeps its lines: one line of dashes stands before it.
		for i, doc := range yamldoc.Read(file, append([]byte("\n"), front...), sink) {
			if i == 0 {
				frontMatter(doc, rb)
			}
		}
		offset = len(data) - len(rest)
		body = rest
	}
	m := &markdown{file: file, body: body, firstLine: 1 + bytes.Count(data[:offset], []byte("\n")), rb: rb, sink: sink}
	m.walk(goldmark.DefaultParser().Parse(text.NewReader(body)))
	if rb.Title == "" {
		rb.Title = rb.Name
	}
	return rb
}

// split parts the YAML between two lines of three dashes from what follows.
func split(data []byte) (front, rest []byte, ok bool) {
	const fence = "---\n"
	if !bytes.HasPrefix(data, []byte(fence)) {
		return nil, data, false
	}
	end := bytes.Index(data, []byte("\n---\n"))
	if end < 0 {
		return nil, data, false
	}
	return data[len(fence) : end+1], data[end+len("\n---\n"):], true
}

var paramName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// reserved are names that a shell step's environment needs for itself.
var reserved = []string{"path", "home", "lang", "ifs", "env", "shell", "pwd", "user", "tmpdir"}

func frontMatter(d yamldoc.Node, rb *declare.Runbook) {
	d.Only("title", "summary", "services", "params", "verify", "verify_by", "tags", "owner")
	rb.Title = d.Field("title").String()
	rb.Summary = d.Field("summary").String()
	for _, s := range d.Field("services").Strings() {
		rb.Services = append(rb.Services, declare.ServiceID(s))
	}
	v := d.Field("verify")
	v.Only("objective", "within")
	rb.Verify.Objective = declare.ObjectiveName(v.Field("objective").String())
	if within, ok := v.Field("within").Duration(); ok {
		if within <= 0 || within > 24*time.Hour {
			v.Field("within").Problem(v.Field("within").Text(), "a duration up to 1d", "")
		}
		rb.Verify.Within = within
	}
	if by := d.Field("verify_by"); !by.Missing() {
		t, err := time.Parse("2006-01-02", strings.TrimSuffix(by.String(), "T00:00:00Z"))
		if err != nil {
			by.Problem(by.Text(), "a date as 2027-03-01", "")
		}
		rb.VerifyBy = t
	}
	seen := map[string]bool{}
	for _, p := range d.Field("params").List() {
		param := readParam(p)
		if seen[param.Name] {
			p.Field("name").Problem(param.Name, "each parameter once", "")
		}
		seen[param.Name] = true
		rb.Params = append(rb.Params, param)
	}
}

var paramTypes = []string{"string", "int", "number", "bool", "enum", "duration", "service"}

func readParam(n yamldoc.Node) declare.Param {
	n.Only("name", "type", "description", "required", "default", "pattern", "values", "min", "max")
	p := declare.Param{
		Name: n.Field("name").Required("a name as version"), Type: declare.ParamType(n.Field("type").String()),
		Description: n.Field("description").String(), Required: n.Field("required").Bool(),
		Default: n.Field("default").String(), Pattern: n.Field("pattern").String(), Values: n.Field("values").Strings(), Pos: n.Pos(),
	}
	if p.Name != "" && (!paramName.MatchString(p.Name) || slices.Contains(reserved, p.Name)) {
		n.Field("name").Problem(p.Name, "lower-case letters, digits and _, beginning with a letter, and no name that the shell uses itself", "")
	}
	if p.Type == "" {
		p.Type = declare.ParamString
	}
	if !slices.Contains(paramTypes, string(p.Type)) {
		n.Field("type").Problem(string(p.Type), "one of "+strings.Join(paramTypes, ", "), yamldoc.Suggest(string(p.Type), paramTypes))
	}
	if p.Pattern != "" {
		if _, err := regexp.Compile(p.Pattern); err != nil {
			n.Field("pattern").Problem(p.Pattern, "a regular expression (RE2)", err.Error())
		}
		if p.Type != declare.ParamString {
			n.Field("pattern").Problem(p.Pattern, "a pattern only where type is string", "")
		}
	}
	if p.Type == declare.ParamEnum && len(p.Values) == 0 {
		n.Field("values").Problem("", "the values of the enum", "it is missing")
	}
	for _, b := range []struct {
		key  string
		into **float64
	}{{"min", &p.Min}, {"max", &p.Max}} {
		if f, ok := n.Field(b.key).Float(); ok {
			*b.into = &f
		}
	}
	return p
}

// markdown walks the document and collects what is wanted of it.
type markdown struct {
	file      string
	body      []byte
	firstLine int
	rb        *declare.Runbook
	sink      *declare.Problems
	proseFrom int
}

func (m *markdown) walk(doc ast.Node) {
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Heading:
			if m.rb.Title == "" {
				m.rb.Title = plain(n, m.body)
			}
		case *ast.Paragraph:
			if m.rb.Summary == "" {
				m.rb.Summary = plain(n, m.body)
			}
		case *ast.FencedCodeBlock:
			m.fence(n)
		}
	}
}

// plain is the text of a block without its markup.
func plain(n ast.Node, src []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(c ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := c.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(src))
			if t.SoftLineBreak() || t.HardLineBreak() {
				b.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(b.String())
}

func (m *markdown) fence(n *ast.FencedCodeBlock) {
	if n.Info == nil {
		return
	}
	info := string(n.Info.Segment.Value(m.body))
	open := strings.IndexByte(info, '{')
	if open < 0 {
		return // prose
	}
	pos := declare.Position{File: m.file, Line: m.firstLine + bytes.Count(m.body[:n.Info.Segment.Start], []byte("\n"))}
	var body strings.Builder
	for i := range n.Lines().Len() {
		seg := n.Lines().At(i)
		body.Write(seg.Value(m.body))
	}
	start := lineStart(m.body, n.Info.Segment.Start)
	step := declare.Step{
		Index: len(m.rb.Steps), Language: strings.TrimSpace(info[:open]), Body: body.String(), Pos: pos,
		Prose: strings.TrimSpace(string(m.body[min(m.proseFrom, start):start])),
	}
	m.proseFrom = fenceEnd(m.body, n)
	if len(m.rb.Steps) >= maxSteps {
		*m.sink = append(*m.sink, declare.Problem{Position: pos, Want: fmt.Sprintf("at most %d steps", maxSteps)})
		return
	}
	attrs, err := attributes(info[open:])
	if err != nil {
		*m.sink = append(*m.sink, declare.Problem{Position: pos, Field: "fence", Got: yamldoc.Cut(info), Want: "attributes as {name=restart risk=medium}", Hint: err.Error()})
		return
	}
	step.Attrs = attrs
	fill(&step, m.sink)
	for _, other := range m.rb.Steps {
		if other.Name == step.Name {
			*m.sink = append(*m.sink, declare.Problem{Position: pos, Field: "name", Got: step.Name, Want: "each step's name once", Hint: fmt.Sprintf("it is also on line %d", other.Pos.Line)})
		}
	}
	m.rb.Steps = append(m.rb.Steps, step)
}

func lineStart(src []byte, at int) int { return 1 + bytes.LastIndexByte(src[:at], '\n') }

// fenceEnd is where the prose goes on after a fence.
func fenceEnd(src []byte, n *ast.FencedCodeBlock) int {
	end := n.Info.Segment.Stop
	if l := n.Lines().Len(); l > 0 {
		seg := n.Lines().At(l - 1)
		end = seg.Stop - 1
	}
	for range 2 { // the rest of this line, and the closing fence
		i := bytes.IndexByte(src[min(end+1, len(src)):], '\n')
		if i < 0 {
			return len(src)
		}
		end += 1 + i
	}
	return min(end+1, len(src))
}
