package declare

import (
	"fmt"
	"strings"
)

// Position is a place in a workspace file. File is relative to the workspace,
// with slashes; Line and Column count from 1, 0 means unknown.
type Position struct {
	File   string `json:"file" yaml:"file"`
	Line   int    `json:"line,omitempty" yaml:"line,omitempty"`
	Column int    `json:"column,omitempty" yaml:"column,omitempty"`
}

func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one thing wrong with a workspace.
type Problem struct {
	Position `yaml:",inline"`
	Warning  bool   `json:"warning,omitempty" yaml:"warning,omitempty"` // false: an error, which keeps the workspace from being used
	Field    string `json:"field,omitempty" yaml:"field,omitempty"`     // path in the document, as spec.dependsOn[1]
	Got      string `json:"got,omitempty" yaml:"got,omitempty"`         // what was there, cut to 80 characters
	Want     string `json:"want" yaml:"want"`                           // what was expected, a phrase
	Hint     string `json:"hint,omitempty" yaml:"hint,omitempty"`       // as: did you mean "checkout"?
}

// Error is one line: place, field, what was there, what was expected, hint.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Position.String())
	b.WriteString(": ")
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	if p.Got != "" {
		fmt.Fprintf(&b, "got %q, ", p.Got)
	}
	b.WriteString("expected " + p.Want)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems is what a check found, in order of file and line.
type Problems []Problem

// Errors returns those that are not warnings.
func (ps Problems) Errors() Problems {
	var out Problems
	for _, p := range ps {
		if !p.Warning {
			out = append(out, p)
		}
	}
	return out
}

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}
