package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/rulefile"
	"github.com/evenkeel/evenkeel/declare/workspace"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
	"github.com/evenkeel/evenkeel/detect/history"
	"github.com/evenkeel/evenkeel/detect/hygiene"
	"github.com/evenkeel/evenkeel/detect/ruletest"
)

func init() { verbs = append(verbs, newCheck) }

func newCheck() *cobra.Command {
	var output format
	var tests, strict bool
	var data string
	var destroys []string
	cmd := &cobra.Command{
		Use: "check [PATH…]", GroupID: "declare", Short: "Check a workspace, manifests, plans: what is wrong, where, and what was expected",
		Long: `Check a workspace folder, or single files of one, without a server; and what a change is
made of: Kubernetes manifests, and Terraform plans as terraform show -json prints them.

Every mistake is reported in one pass, with file, line, field, what was there, what was
expected, and the nearest name for a misspelt one. PATH is a workspace folder (default:
this one) or a file; a file that stands in a workspace is checked together with what it
refers to.

A folder that is no workspace is searched for manifests and plans; those of a workspace
stand in kubernetes/. Manifests are held against the API's own types, and must have
versions, requests, a memory limit, probes, and no more rights than they need. What is
meant to be so is accepted on the object, by the name of the check and a reason:
annotations: {evenkeel.dev/accept: "host: reads the node's own logs"}; the names are
disruption, host, labels, latest, limits, namespace, privileged, probes, replicas, root,
secret and writable. A plan must not destroy or replace what keeps data, but what
--destroys names.

With --test the unit tests of rules are run too, with promtool's verdicts: those of the
workspace (rules/*_test.yml), or the files that are given.

Rules are valid and doubtful when they page without a runbook, or when nobody owns them.
With --data they are held against what is stored, too: metrics, labels and values that
nobody writes, thresholds that were never reached, alerts that always fire, and rules
that read far more than the others. What is stored is a data folder, the address of a
Prometheus-compatible server, or a file of series, of which the last 30 days are read.
All this is told as warnings.

Exit code: 0 fine (warnings do not count, unless --strict), 1 there are errors, 2 it could not be checked.`,
		Example: `  evenkeel check
  evenkeel check my-workspace
  evenkeel check --test
  evenkeel check --test rules/shop_test.yml
  evenkeel check --data http://prometheus:9090 --strict
  evenkeel check my-workspace -o sarif > check.sarif
  evenkeel check k8s/ -o github
  terraform show -json plan > plan.json && evenkeel check plan.json --destroys aws_db_instance.old
  evenkeel check $(git diff --cached --name-only -- my-workspace)`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			found, err := checkPaths(args, destroys, time.Now())
			if err != nil {
				return err
			}
			if err := found.doubt(cmd.Context(), data, time.Now(), ruleBar(cmd.ErrOrStderr(), "replaying")); err != nil {
				return err
			}
			if tests {
				if err := found.test(cmd.Context()); err != nil {
					return err
				}
			}
			if err := found.write(cmd.OutOrStdout(), output.name); err != nil {
				return fmt.Errorf("cannot print what was found: %w", err)
			}
			if len(found.problems.Errors()) > 0 || strict && len(found.problems) > 0 {
				return &foundError{text: found.summary()}
			}
			fmt.Fprintln(cmd.ErrOrStderr(), found.summary())
			return nil
		},
	}
	output.flag(cmd, cmd.Flags(), "sarif", "junit", "github")
	cmd.Flags().BoolVar(&strict, "strict", false, "warnings count as errors")
	cmd.Flags().StringVar(&data, "data", "", "hold rules against these samples: data folder, address or file")
	destroysFlag(cmd, &destroys)
	cmd.Flags().BoolVar(&tests, "test", false, "run the unit tests of rules too")
	return cmd
}

// checked is what a check found. Files in problems are named so that they can be
// opened from here.
type checked struct {
	paths    []string
	problems declare.Problems
	seen     map[declare.Problem]bool
	judged   []judged
	fine     []string // one line for each workspace that can be used, and each file of tests that passed
}

// judged are rules that are valid.
type judged struct {
	workspace *declare.Workspace // nil: they stand alone
	files     []*declare.RuleFile
	named     func(file string) string // as it can be opened from here
}

// add adds problems, each once.
func (c *checked) add(problems declare.Problems) {
	for _, p := range problems {
		if !c.seen[p] {
			c.seen[p] = true
			c.problems = append(c.problems, p)
		}
	}
}

func destroysFlag(cmd *cobra.Command, to *[]string) {
	cmd.Flags().StringArrayVar(to, "destroys", nil, "address of a resource that a Terraform plan is meant to destroy or replace (may be repeated)")
}

func checkPaths(paths, destroys []string, now time.Time) (*checked, error) {
	out := &checked{paths: paths, seen: map[declare.Problem]bool{}}
	artefacts := workspace.Artefacts{Destroys: destroys}
	var files workspace.Files
	for _, name := range paths {
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("cannot check %q: %w", name, err)
		}
		if info.IsDir() {
			err = out.folder(&artefacts, name, now)
		} else {
			err = out.file(&files, &artefacts, name, now)
		}
		if err != nil {
			return nil, err
		}
	}
	out.add(artefacts.Check())
	return out, nil
}

// file checks one file.
func (c *checked) file(files *workspace.Files, artefacts *workspace.Artefacts, name string, now time.Time) error {
	if taken, err := artefacts.Add(name); err != nil || taken {
		return err
	}
	problems, err := files.Check(name, now)
	if err != nil {
		return err
	}
	c.add(problems)
	return c.judge(files, name, now)
}

// folder checks a workspace, or what it finds in another folder.
func (c *checked) folder(artefacts *workspace.Artefacts, name string, now time.Time) error {
	if !workspace.IsFolder(name) {
		if n, err := artefacts.AddFolder(name); err != nil || n > 0 {
			c.fine = append(c.fine, fmt.Sprintf("%s: fine: %s", clean(name), plural(n, "artefact")))
			return err
		}
	}
	w, problems, err := workspace.Load(name, now)
	if err != nil {
		return err
	}
	for i := range problems {
		problems[i].File = filepath.Join(name, filepath.FromSlash(problems[i].File))
	}
	c.add(problems)
	n, err := artefacts.AddOf(name)
	if w != nil {
		c.add(nobodyMay(w, name))
		about := contents(name, w)
		if n > 0 {
			about += ", " + plural(n, "file of manifests", "files of manifests")
		}
		c.fine = append(c.fine, about)
		c.judged = append(c.judged, judged{w, w.RuleFiles, func(file string) string { return filepath.Join(name, filepath.FromSlash(file)) }})
	}
	return err
}

// nobodyMay finds steps that nobody of the catalogue could run, with whatever approvals
// of the others.
func nobodyMay(w *declare.Workspace, dir string) (out declare.Problems) {
	people := authority.PeopleOf(w)
	if len(people) == 0 {
		return nil
	}
	for _, book := range w.Runbooks {
		var owner declare.TeamID
		if len(book.Services) > 0 {
			if s := w.Service(book.Services[0]); s != nil {
				owner = s.Owner
			}
		}
		for _, step := range book.Steps {
			c := authority.Case{Class: step.Class, Owner: owner, What: "step " + step.Name}
			if len(book.Services) > 0 {
				c.Service, c.Blast = book.Services[0], authority.BlastOf(w, book.Services[0])
			}
			if authority.Possible(c, people) {
				continue
			}
			pos := step.Pos
			pos.File = filepath.Join(dir, filepath.FromSlash(pos.File))
			out = append(out, declare.Problem{
				Position: pos, Field: step.Name + ": class", Got: string(step.Class), Want: "an action that somebody may do, alone or with the approvals of others",
				Hint: "no person of the catalogue has such a level: evenkeel can-i explains it",
			})
		}
	}
	return out
}

// judge takes a file of rules that is valid.
func (c *checked) judge(files *workspace.Files, name string, now time.Time) error {
	if slices.ContainsFunc(c.problems.Errors(), func(p declare.Problem) bool { return p.File == name }) {
		return nil
	}
	here := func(string) string { return name }
	w, inside, err := files.Of(name, now)
	if err != nil {
		return err
	}
	if w != nil {
		for _, f := range w.RuleFiles {
			if f.Path == inside {
				c.judged = append(c.judged, judged{w, []*declare.RuleFile{f}, here})
			}
		}
		return nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("cannot check %q: %w", name, err)
	}
	if doc, ok := yamldoc.One(name, data, &declare.Problems{}); !ok || doc.Field("groups").Missing() && doc.At("spec", "groups").Missing() {
		return nil
	}
	if f, _ := rulefile.Read(name, data, &declare.Problems{}); f != nil {
		c.judged = append(c.judged, judged{nil, []*declare.RuleFile{f}, here})
	}
	return nil
}

// doubt adds what is doubtful about valid rules; data is where samples are, "" for none.
func (c *checked) doubt(ctx context.Context, data string, now time.Time, show func(done, total int)) error {
	var h *history.History
	if data != "" {
		var err error
		if h, err = history.Open(ctx, history.Options{Where: data}); err != nil {
			return err
		}
		defer h.Close()
	}
	for _, j := range c.judged {
		problems := hygiene.Declared(j.workspace, j.files)
		if h != nil {
			to := now
			if !h.Newest.IsZero() && h.Newest.Before(now) {
				to = h.Newest
			}
			from, err := h.First(ctx, to.Add(-30*24*time.Hour), to)
			if err != nil {
				return fmt.Errorf("cannot find where the samples begin: %w", err)
			}
			stored, err := hygiene.Stored(ctx, hygiene.Options{Workspace: j.workspace, Files: j.files, History: h, From: from, To: to, Progress: show})
			if err != nil {
				return fmt.Errorf("cannot hold the rules against %s: %w", h.What, err)
			}
			problems = append(problems, stored...)
		}
		for i := range problems {
			problems[i].File = j.named(problems[i].File)
		}
		c.add(problems)
	}
	return nil
}

// test runs the unit tests of rules: all of a workspace, or the files that are some.
func (c *checked) test(ctx context.Context) error {
	for _, name := range c.paths {
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("cannot check %q: %w", name, err)
		}
		files := []string{name}
		if info.IsDir() {
			files = nil
			err := filepath.WalkDir(filepath.Join(name, "rules"), func(path string, e fs.DirEntry, err error) error {
				if err == nil && e.Type().IsRegular() && isYAML(path) && rulefile.IsTest(filepath.ToSlash(path)) {
					files = append(files, path)
				}
				return err
			})
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("cannot find tests: %w", err)
			}
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("cannot read tests: %w", err)
			}
			if !info.IsDir() && !ruletest.Is(data) {
				continue
			}
			r, err := ruletest.Run(ctx, file, data)
			if err != nil {
				return err
			}
			c.add(r.Problems)
			if len(r.Problems.Errors()) == 0 {
				c.fine = append(c.fine, fmt.Sprintf("%s: %s passed", clean(file), plural(r.Tests, "test")))
			}
		}
	}
	return nil
}

func isYAML(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".yml" || ext == ".yaml"
}

// contents says what a workspace holds: an empty one is fine too, and perhaps not
// what was meant.
func contents(name string, w *declare.Workspace) string {
	rules := 0
	for _, f := range w.RuleFiles {
		for _, g := range f.Groups.Groups {
			rules += len(g.Rules)
		}
		for _, g := range f.Logs {
			rules += len(g.Rules)
		}
	}
	text := fmt.Sprintf("%s: fine: %s, %s, %s, %s, %s", clean(name), plural(len(w.Services), "service"), plural(len(w.Objectives), "objective"),
		plural(rules, "rule"), plural(len(w.Runbooks), "runbook"), plural(len(w.People), "person", "people"))
	if n := len(w.Dashboards); n > 0 {
		text += ", " + plural(n, "dashboard")
	}
	return text
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
		case "catalog", "objectives", "rules", "oncall", "runbooks", "dashboards":
			return base
		case "routing.yml", "scrape.yml":
			return strings.TrimSuffix(base, ".yml")
		case "evenkeel.yml":
			return "settings"
		}
	}
	return "workspace"
}
