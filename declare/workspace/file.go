package workspace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/settings"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// Files checks single files, for editors and commit hooks. A file that stands in a
// workspace is checked with all that it refers to; any other one by itself, as what
// its content says it is. The zero value is ready.
type Files struct {
	loaded map[string]loaded // by workspace
}

type loaded struct {
	workspace *declare.Workspace // nil when it has errors
	problems  declare.Problems
}

// Of returns the workspace in which a file stands, and the file's name there; nil when
// it stands in none, or in one that has errors.
func (f *Files) Of(name string, now time.Time) (*declare.Workspace, string, error) {
	full, err := filepath.Abs(name)
	if err != nil {
		return nil, "", fmt.Errorf("cannot find file %q: %w", name, err)
	}
	root, inside := rootOf(full)
	if root == "" {
		return nil, "", nil
	}
	all, err := f.load(root, now)
	return all.workspace, inside, err
}

func (f *Files) load(root string, now time.Time) (loaded, error) {
	all, ok := f.loaded[root]
	if !ok {
		var err error
		if all.workspace, all.problems, err = Load(root, now); err != nil {
			return all, err
		}
		if f.loaded == nil {
			f.loaded = map[string]loaded{}
		}
		f.loaded[root] = all
	}
	return all, nil
}

// Check returns the problems of one file, under the name that was given.
func (f *Files) Check(name string, now time.Time) (declare.Problems, error) {
	data, err := readOne(name)
	if err != nil {
		return nil, err
	}
	full, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("cannot find file %q: %w", name, err)
	}
	if root, inside := rootOf(full); root != "" {
		all, err := f.load(root, now)
		if err != nil {
			return nil, err
		}
		var out declare.Problems
		for _, p := range all.problems {
			if p.File == inside {
				p.File = name
				out = append(out, p)
			}
		}
		return out, nil
	}
	return alone(name, data)
}

func readOne(name string) ([]byte, error) {
	file, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, yamldoc.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read file %q: %w", name, err)
	}
	return data, nil
}

func openRegular(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // not to wait for a pipe's writer
	if err != nil {
		return nil, fmt.Errorf("cannot read file %q: %w", name, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is " + kindOf(info.Mode()))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot read file %q: %w", name, err), file.Close())
	}
	return file, nil
}

// rootOf finds the workspace that a file belongs to: the nearest folder above it that
// has evenkeel.yml, routing.yml or a catalogue, and reads such a file in such a place.
func rootOf(full string) (root, inside string) {
	for dir := filepath.Dir(full); ; dir = filepath.Dir(dir) {
		rel, err := filepath.Rel(dir, full)
		if err != nil {
			return "", ""
		}
		rel = filepath.ToSlash(rel)
		top, _, deep := strings.Cut(rel, "/")
		if (deep && slices.Contains(read, top) && wanted(rel)) || (!deep && slices.Contains(singles, rel)) {
			for _, mark := range []string{"evenkeel.yml", "routing.yml", "catalog"} {
				if _, err := os.Lstat(filepath.Join(dir, mark)); err == nil {
					return dir, rel
				}
			}
		}
		if dir == filepath.Dir(dir) {
			return "", ""
		}
	}
}

// alone checks a file by itself: what it refers to cannot be looked up.
func alone(name string, data []byte) (declare.Problems, error) {
	place := placeOf(name, data)
	if place == "" {
		return nil, fmt.Errorf("cannot tell what file %q is: expected a catalogue, OpenSLO, rule, routing, scrape, on-call, dashboard or settings file, a runbook, a Kubernetes manifest or a Terraform plan as JSON", name)
	}
	var problems declare.Problems
	w := &declare.Workspace{Dir: filepath.Dir(name), Settings: settings.Default()}
	p := parts{w: w, problems: &problems, calendars: map[string][]byte{}}
	p.read(file{place, data})
	p.places, p.freezes = nil, nil // calendars beside it cannot be looked up
	p.join()
	for i := range problems {
		problems[i].File = name
	}
	return tidy(problems), nil
}

// placeOf is where in a workspace a file would stand, "" when nobody can tell.
func placeOf(name string, data []byte) string {
	base := filepath.Base(name)
	switch {
	case slices.Contains(singles, base):
		return base
	case filepath.Ext(base) == ".md":
		return "runbooks/" + base
	}
	var ignored declare.Problems
	docs := yamldoc.Read(name, data, &ignored)
	if len(docs) == 0 {
		return ""
	}
	d := docs[0]
	if d.IsList() && len(d.List()) > 0 {
		d = d.List()[0]
	}
	has := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return !d.Field(k).Missing() })
	}
	switch version := d.Field("apiVersion").Text(); {
	case strings.HasPrefix(version, "backstage.io/"):
		return "catalog/" + base
	case strings.HasPrefix(version, "openslo/"):
		return "objectives/" + base
	case has("groups") || d.Field("kind").Text() == "PrometheusRule":
		return "rules/rules.yml"
	case has("tests", "rule_files") && !has("scrape_configs"):
		return "rules/rules_test.yml"
	case has("route", "receivers"):
		return "routing.yml"
	case has("scrape_configs"):
		return "scrape.yml"
	case has("schedules", "escalations"):
		return "oncall/" + base
	case has("title") && has("rows", "panels"):
		return "dashboards/" + base
	case has("external_url", "evaluation", "metrics", "limits", "host", "otlp", "levels"):
		return "evenkeel.yml"
	}
	return ""
}
