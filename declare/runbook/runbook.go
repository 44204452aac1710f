package runbook

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// The defaults of attributes that are not written.
const (
	defaultTimeout = time.Minute
	longTimeout    = 30 * time.Minute // of terraform, which waits for what others build
	defaultWithin  = 10 * time.Minute // of verify
	maxSteps       = 200
)

// Read reads one runbook; nil only when it cannot be read at all.
func Read(file string, data []byte, sink *declare.Problems) *declare.Runbook {
	rb, _ := ReadLinked(file, data, sink)
	return rb
}

// ReadLinked is Read, and the names of services and objectives that the runbook
// refers to.
func ReadLinked(file string, data []byte, sink *declare.Problems) (*declare.Runbook, []yamldoc.Reference) {
	rb := &declare.Runbook{
		Name: strings.TrimSuffix(path.Base(file), path.Ext(file)), Source: data,
		Verify: declare.Verify{Within: defaultWithin}, Pos: declare.Position{File: file, Line: 1},
	}
	problem := func(line int, want, hint string) {
		*sink = append(*sink, declare.Problem{Position: declare.Position{File: file, Line: line}, Want: want, Hint: hint})
	}
	switch {
	case len(data) > yamldoc.MaxBytes:
		problem(1, fmt.Sprintf("a file of at most %d bytes", yamldoc.MaxBytes), fmt.Sprintf("it has %d", len(data)))
		return nil, nil
	case !utf8.Valid(data):
		line := 1
		for _, l := range bytes.Split(data, []byte("\n")) {
			if !utf8.Valid(l) {
				break
			}
			line++
		}
		problem(line, "valid UTF-8", "")
		return nil, nil
	}
	// Editors of Windows write a byte order mark and \r\n; lines stay the same.
	body := bytes.ReplaceAll(bytes.TrimPrefix(data, []byte("\uFEFF")), []byte("\r\n"), []byte("\n"))
	firstLine := 1
	var references []yamldoc.Reference
	if bytes.HasPrefix(body, []byte("---\n")) {
		front, rest, ok := split(body)
		if !ok {
			problem(1, "front matter that ends with a line of ---", "")
			return nil, nil
		}
		firstLine += bytes.Count(body[:len(body)-len(rest)], []byte("\n"))
		body = rest
		// The line of dashes before it counts: one empty line stands for it.
		if doc, ok := yamldoc.One(file, append([]byte("\n"), front...), sink); ok {
			references = frontMatter(doc, rb)
		}
	}
	m := &markdown{file: file, body: body, firstLine: firstLine, rb: rb, sink: sink}
	m.walk(goldmark.DefaultParser().Parse(text.NewReader(body)))
	m.parameters()
	if rb.Title == "" {
		rb.Title = rb.Name
	}
	return rb, references
}

// split parts the YAML between two lines of three dashes from what follows.
func split(data []byte) (front, rest []byte, ok bool) {
	const first, last = "---\n", "\n---"
	for from := len(first) - 1; ; {
		i := bytes.Index(data[from:], []byte(last))
		if i < 0 {
			return nil, data, false
		}
		end := from + i + len(last)
		line, after, _ := bytes.Cut(data[end:], []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			return data[len(first):max(from+i+1, len(first))], after, true
		}
		from = end
	}
}

func frontMatter(d yamldoc.Node, rb *declare.Runbook) []yamldoc.Reference {
	var references []yamldoc.Reference
	d.Only("title", "summary", "services", "params", "verify", "verify_by", "tags", "owner", "locks", "secrets", "rehearse")
	rb.Title = d.Field("title").String()
	rb.Summary = d.Field("summary").String()
	for _, s := range d.Field("services").List() {
		if name := s.Required("a service"); name != "" {
			rb.Services = append(rb.Services, declare.ServiceID(name))
			references = append(references, yamldoc.Reference{Kind: "service", Name: name, At: s})
		}
	}
	rb.Locks, rb.Secrets, rb.Tags = d.Field("locks").Strings(), d.Field("secrets").Strings(), d.Field("tags").Strings()
	if owner := d.Field("owner").String(); owner != "" {
		rb.Owner = declare.TeamID(strings.TrimPrefix(owner, "group:"))
		references = append(references, yamldoc.Reference{Kind: "team", Name: string(rb.Owner), At: d.Field("owner")})
	}
	for _, s := range rb.Secrets {
		if !paramName.MatchString(s) {
			d.Field("secrets").Problem(s, "names as db_password", "")
		}
	}
	v := d.Field("verify")
	v.Only("objective", "within")
	rb.Verify.Objective = declare.ObjectiveName(v.Field("objective").String())
	if rb.Verify.Objective != "" {
		references = append(references, yamldoc.Reference{Kind: "objective", Name: string(rb.Verify.Objective), At: v.Field("objective")})
	}
	if within, ok := v.Field("within").Duration(); ok {
		if within <= 0 || within > 24*time.Hour {
			v.Field("within").Problem(v.Field("within").Text(), "a duration up to 1d", "")
		} else {
			rb.Verify.Within = within
		}
	}
	if f := d.Field("rehearse"); !f.Missing() {
		switch rb.Fault = f.String(); {
		case !faultName.MatchString(rb.Fault):
			f.Problem(rb.Fault, "the name of a fault, as bad-release", "")
		case rb.Verify.Objective == "":
			f.Problem(rb.Fault, "verify.objective beside it: it shows the fault, and that it is over", "")
		}
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
	return references
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

// walk goes into lists and quotes too: a fence under a numbered step is a step.
func (m *markdown) walk(block ast.Node) {
	for n := block.FirstChild(); n != nil; n = n.NextSibling() {
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
		case *ast.List, *ast.ListItem, *ast.Blockquote:
			m.walk(n)
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

// fenceEnd is where the prose goes on after a fence: after the line that closes it,
// if one does.
func fenceEnd(src []byte, n *ast.FencedCodeBlock) int {
	end := nextLine(src, n.Info.Segment.Stop)
	if l := n.Lines().Len(); l > 0 {
		last := n.Lines().At(l - 1)
		end = nextLine(src, max(last.Start, last.Stop-1))
	}
	line := bytes.TrimLeft(src[end:nextLine(src, end)], " \t>")
	if bytes.HasPrefix(line, []byte("```")) || bytes.HasPrefix(line, []byte("~~~")) {
		end = nextLine(src, end)
	}
	return end
}

// nextLine is where the line after the one that holds at begins.
func nextLine(src []byte, at int) int {
	if i := bytes.IndexByte(src[min(at, len(src)):], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(src)
}
