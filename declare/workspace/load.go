package workspace

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/catalog"
	"github.com/evenkeel/evenkeel/declare/oncall"
	"github.com/evenkeel/evenkeel/declare/openslo"
	"github.com/evenkeel/evenkeel/declare/routing"
	"github.com/evenkeel/evenkeel/declare/rulefile"
	"github.com/evenkeel/evenkeel/declare/runbook"
	"github.com/evenkeel/evenkeel/declare/scrapefile"
	"github.com/evenkeel/evenkeel/declare/settings"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// Load reads and checks the workspace in dir. The error says that it could not be
// read at all. The Problems, errors and warnings, are sorted by file and line; with
// an error among them the workspace is nil.
func Load(dir string, now time.Time) (*declare.Workspace, declare.Problems, error) {
	var problems declare.Problems
	files, revision, err := readAll(dir, &problems)
	if err != nil {
		return nil, nil, err
	}
	w := &declare.Workspace{Dir: dir, Revision: revision, LoadedAt: now, Settings: settings.Default()}
	var (
		cat   catalog.Catalog
		slos  openslo.Folder
		tests []yamldoc.Node
	)
	w.RoutingYML = []byte(routing.Default)
	w.Routing = routing.Read(dir, "routing.yml", w.RoutingYML, &problems)
	for _, f := range files {
		switch top, _, _ := strings.Cut(f.name, "/"); top {
		case "evenkeel.yml":
			w.Settings = settings.Read(f.name, f.data, &problems)
		case "routing.yml":
			w.Routing, w.RoutingYML = routing.Read(dir, f.name, f.data, &problems), f.data
		case "scrape.yml":
			w.Scrape = scrapefile.Read(dir, f.name, f.data, &problems)
		case "catalog":
			cat.Read(f.name, f.data, &problems)
		case "objectives":
			slos.Read(f.name, f.data, &problems)
		case "rules":
			if rulefile.IsTest(f.name) {
				tests = append(tests, rulefile.ReadTest(f.name, f.data, &problems)...)
			} else if rf := rulefile.Read(f.name, f.data, &problems); rf != nil {
				w.RuleFiles = append(w.RuleFiles, rf)
			}
		case "oncall":
			w.Schedules = append(w.Schedules, oncall.Read(f.name, f.data, &problems)...)
		case "runbooks":
			if rb := runbook.Read(f.name, f.data, &problems); rb != nil {
				w.Runbooks = append(w.Runbooks, rb)
			}
		}
	}
	w.Services, w.Resources, w.Systems, w.Teams, w.People = cat.Services, cat.Resources, cat.Systems, cat.Teams, cat.People
	w.Objectives = slos.Objectives()
	join(w)
	c := &checker{w: w, files: files, problems: &problems}
	c.check(tests)
	slices.SortStableFunc(problems, func(a, b declare.Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	problems = slices.Compact(problems)
	if len(problems.Errors()) > 0 {
		return nil, problems, nil
	}
	w.Problems = problems
	return w, problems, nil
}

// join makes membership the same from both sides, and sorts.
func join(w *declare.Workspace) {
	for _, p := range w.People {
		for _, t := range p.Teams {
			if team := w.Team(t); team != nil && !slices.Contains(team.Members, p.ID) {
				team.Members = append(team.Members, p.ID)
			}
		}
	}
	for _, t := range w.Teams {
		slices.Sort(t.Members)
		t.Members = slices.Compact(t.Members)
		for _, m := range t.Members {
			if p := w.Person(m); p != nil && !slices.Contains(p.Teams, t.ID) {
				p.Teams = append(p.Teams, t.ID)
			}
		}
	}
	by(w.Services, func(s *declare.Service) string { return string(s.ID) })
	by(w.Resources, func(r *declare.Resource) string { return string(r.ID) })
	by(w.Systems, func(s *declare.System) string { return s.Name })
	by(w.Teams, func(t *declare.Team) string { return string(t.ID) })
	by(w.People, func(p *declare.Person) string { return string(p.ID) })
	by(w.Objectives, func(o *declare.Objective) string { return string(o.Name) })
	by(w.Runbooks, func(r *declare.Runbook) string { return r.Name })
	by(w.Schedules, func(s *declare.Schedule) string { return s.Name })
}

func by[T any](list []T, key func(T) string) {
	slices.SortStableFunc(list, func(a, b T) int { return strings.Compare(key(a), key(b)) })
}
