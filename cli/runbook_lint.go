package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/declare"
)

// link is one of Markdown's, inline.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// lint looks at what one runbook says of others and of the world: shell text that a
// shell can read and whose commands are here, files that links lead to, runbooks that are steps, dates that are over.
func lint(ctx context.Context, file string, rb *declare.Runbook, all map[string]*declare.Runbook, now time.Time) (out declare.Problems) {
	problem := func(pos declare.Position, warning bool, field, got, want, hint string) {
		out = append(out, declare.Problem{Position: pos, Field: field, Got: got, Want: want, Hint: hint, Warning: warning})
	}
	if !rb.VerifyBy.IsZero() && now.After(rb.VerifyBy) {
		problem(rb.Pos, true, "verify_by", rb.VerifyBy.Format("2006-01-02"), "a date to come", "read it again, then move the date")
	}
	for _, st := range rb.Steps {
		switch st.Language {
		case "sh", "ssh":
			if said := unreadable(ctx, st.Body); said != "" {
				problem(st.Pos, false, st.Name, "", "a text that sh can read", said)
			} else if st.Language == "sh" { // ssh steps run elsewhere
				out = append(out, runbook.Missing(st.Body, st.Pos)...)
			}
		case "runbook":
			to := st.Attrs["run"]
			switch {
			case all[to] == nil && len(all) > 1:
				problem(st.Pos, false, st.Name+": run", to, "the name of a runbook", "")
			case reaches(all, to, rb.Name, nil):
				problem(st.Pos, false, st.Name+": run", to, "no runbook that comes back to this one", "they would start each other")
			}
		case "terraform":
			plan := st.Attrs["plan"]
			if st.Attrs["action"] == "apply" && !slices.ContainsFunc(rb.Steps, func(o declare.Step) bool {
				return o.Name == plan && o.Language == "terraform" && o.Attrs["action"] == "plan" && o.Index < st.Index
			}) {
				problem(st.Pos, false, st.Name+": plan", plan, "the name of a terraform plan step before it", "")
			}
		}
	}
	for i, line := range bytes.Split(rb.Source, []byte("\n")) {
		for _, m := range link.FindAllSubmatch(line, -1) {
			at := declare.Position{File: file, Line: i + 1}
			u, err := url.Parse(string(m[1]))
			switch {
			case err != nil:
				problem(at, false, "link", string(m[1]), "a URL or a file", "")
			case u.Scheme == "" && u.Host == "" && u.Path != "" && !strings.HasPrefix(u.Path, "/"): // a page's path is the server's
				if _, err := os.Stat(filepath.Join(filepath.Dir(file), filepath.FromSlash(u.Path))); err != nil {
					problem(at, true, "link", string(m[1]), "a file that is there", "")
				}
			}
		}
	}
	return out
}

// unreadable is what sh says of a text that it cannot read; nothing of it runs.
func unreadable(ctx context.Context, text string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-n", "-c", text)
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err == nil || !asExit(err, &exit) {
		return "" // no shell here is no fault of the runbook
	}
	return strings.TrimSpace(strings.TrimPrefix(fmt.Sprintf("%.200s", said), "/bin/sh: "))
}

func asExit(err error, into **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError) //nolint:errorlint // CombinedOutput returns it as it is
	*into = e
	return ok
}

// reaches says whether one runbook comes to another by its steps.
func reaches(all map[string]*declare.Runbook, from, to string, seen []string) bool {
	if from == to {
		return true
	}
	rb := all[from]
	if rb == nil || slices.Contains(seen, from) {
		return false
	}
	for _, st := range rb.Steps {
		if st.Language == "runbook" && reaches(all, st.Attrs["run"], to, append(seen, from)) {
			return true
		}
	}
	return false
}
