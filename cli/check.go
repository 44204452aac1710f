package cli

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/workspace"
)

func init() { verbs = append(verbs, newCheck) }

func newCheck() *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use: "check [PATH…]", GroupID: "declare", Short: "Check a workspace: what is wrong, where, and what was expected",
		Long: `Check a workspace folder, or single files of one, without a server.

Every mistake is reported in one pass, with file, line, field, what was there, what was
expected, and the nearest name for a misspelt one. PATH is a workspace folder (default:
this one) or a file; a file that stands in a workspace is checked together with what it
refers to.

Exit code: 0 fine (warnings do not count), 1 there are errors, 2 it could not be checked.`,
		Example: `  evenkeel check
  evenkeel check my-workspace
  evenkeel check my-workspace -o sarif > check.sarif
  evenkeel check $(git diff --cached --name-only -- my-workspace)`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			found, err := checkPaths(args, time.Now())
			if err != nil {
				return err
			}
			if err := found.write(cmd.OutOrStdout(), output.name); err != nil {
				return fmt.Errorf("cannot print what was found: %w", err)
			}
			if len(found.problems.Errors()) > 0 {
				return &foundError{text: found.summary()}
			}
			fmt.Fprintln(cmd.ErrOrStderr(), found.summary())
			return nil
		},
	}
	output.flag(cmd, cmd.Flags(), "sarif", "junit", "github")
	return cmd
}

// checked is what a check found. Files in problems are named so that they can be
// opened from here.
type checked struct {
	paths    []string
	problems declare.Problems
	fine     []string // one line for each workspace that can be used
}

func checkPaths(paths []string, now time.Time) (*checked, error) {
	out := &checked{paths: paths}
	var files workspace.Files
	seen := map[declare.Problem]bool{}
	add := func(problems declare.Problems) {
		for _, p := range problems {
			if !seen[p] {
				seen[p] = true
				out.problems = append(out.problems, p)
			}
		}
	}
	for _, name := range paths {
		info, err := os.Stat(name)
		switch {
		case err != nil:
			return nil, fmt.Errorf("cannot check %q: %w", name, err)
		case !info.IsDir():
			problems, err := files.Check(name, now)
			if err != nil {
				return nil, err
			}
			add(problems)
			continue
		}
		w, problems, err := workspace.Load(name, now)
		if err != nil {
			return nil, err
		}
		for i := range problems {
			problems[i].File = filepath.Join(name, filepath.FromSlash(problems[i].File))
		}
		add(problems)
		if w != nil {
			out.fine = append(out.fine, contents(name, w))
		}
	}
	return out, nil
}

// contents says what a workspace holds: an empty one is fine too, and perhaps not
// what was meant.
func contents(name string, w *declare.Workspace) string {
	rules := 0
	for _, f := range w.RuleFiles {
		for _, g := range f.Groups.Groups {
			rules += len(g.Rules)
		}
	}
	return fmt.Sprintf("%s: fine: %s, %s, %s, %s, %s", clean(name), plural(len(w.Services), "service"), plural(len(w.Objectives), "objective"),
		plural(rules, "rule"), plural(len(w.Runbooks), "runbook"), plural(len(w.People), "person", "people"))
}

func plural(n int, one string, many ...string) string {
	switch {
	case n == 1:
		return "1 " + one
	case len(many) > 0:
		return fmt.Sprintf("%d %s", n, many[0])
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func (c *checked) summary() string {
	if len(c.problems) == 0 {
		if len(c.fine) == 0 {
			return fmt.Sprintf("%s: fine", plural(len(c.paths), "file"))
		}
		return strings.Join(c.fine, "\n")
	}
	in := map[string]bool{}
	for _, p := range c.problems {
		in[p.File] = true
	}
	errors := len(c.problems.Errors())
	return fmt.Sprintf("%s, %s in %s", plural(errors, "error"), plural(len(c.problems)-errors, "warning"), plural(len(in), "file"))
}

func (c *checked) write(w io.Writer, how string) error {
	switch how {
	case formatJSON, formatYAML:
		raw, err := asJSON(c.items())
		if err != nil {
			return err
		}
		if how == formatYAML {
			return printYAML(w, raw)
		}
		return printJSON(w, raw)
	case "sarif":
		return c.sarif(w)
	case "junit":
		return c.junit(w)
	case "github":
		return c.github(w)
	}
	return c.table(w)
}

// table is a line a problem, in the form that editors and terminals make links of.
func (c *checked) table(w io.Writer) error {
	bold, red, yellow, plain := "", "", "", ""
	if colour(w) {
		bold, red, yellow, plain = "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
	}
	for _, p := range c.problems {
		shade := red
		if p.Warning {
			shade = yellow
		}
		if _, err := fmt.Fprintf(w, "%s%s:%s %s%s:%s %s\n", bold, clean(p.Position.String()), plain, shade, severity(p), plain, clean(message(p))); err != nil {
			return err
		}
	}
	return nil
}

func severity(p declare.Problem) string {
	if p.Warning {
		return "warning"
	}
	return "error"
}

// message is the problem without its place.
func message(p declare.Problem) string {
	p.Position = declare.Position{}
	return strings.TrimPrefix(p.Error(), ": ")
}

// clean keeps what stands in a file from steering the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// kindOf is the part of the workspace that a file belongs to, for tools that group.
func kindOf(file string) string {
	for dir := filepath.ToSlash(file); dir != "." && dir != "/" && dir != ""; dir = path.Dir(dir) {
		switch base := path.Base(dir); base {
		case "catalog", "objectives", "rules", "oncall", "runbooks":
			return base
		case "routing.yml", "scrape.yml":
			return strings.TrimSuffix(base, ".yml")
		case "evenkeel.yml":
			return "settings"
		}
	}
	return "workspace"
}
