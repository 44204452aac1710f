package workspace

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/blueprint"
	"github.com/evenkeel/evenkeel/declare/catalog"
	"github.com/evenkeel/evenkeel/declare/dashboard"
	"github.com/evenkeel/evenkeel/declare/gatefile"
	"github.com/evenkeel/evenkeel/declare/oncall"
	"github.com/evenkeel/evenkeel/declare/openslo"
	"github.com/evenkeel/evenkeel/declare/request"
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
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot find workspace %q: %w", dir, err)
	}
	var problems declare.Problems
	files, revision, err := readAll(dir, &problems)
	if err != nil {
		return nil, nil, err
	}
	w := &declare.Workspace{Dir: dir, Revision: revision, LoadedAt: now, Settings: settings.Default(), Gate: gatefile.Default()}
	p := parts{w: w, problems: &problems, calendars: map[string][]byte{}, blueprints: map[string]map[string][]byte{}}
	w.RoutingYML = []byte(routing.Default)
	w.Routing = routing.Read(dir, "routing.yml", w.RoutingYML, &problems)
	for _, f := range files {
		p.read(f)
	}
	p.join()
	c := &checker{w: w, files: files, problems: &problems}
	c.check(p.references, p.tests)
	problems = tidy(problems)
	if len(problems.Errors()) > 0 {
		return nil, problems, nil
	}
	w.Problems = problems
	return w, problems, nil
}

// maxProblems is how many are reported: nobody reads more at once.
const maxProblems = 10_000

// tidy puts problems into the order of file and line, each once.
func tidy(problems declare.Problems) declare.Problems {
	slices.SortStableFunc(problems, func(a, b declare.Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			strings.Compare(a.Field, b.Field), strings.Compare(a.Want, b.Want), strings.Compare(a.Got, b.Got))
	})
	problems = slices.Compact(problems)
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(problems[:maxProblems:maxProblems], declare.Problem{
			Position: problems[maxProblems].Position, Want: "fewer mistakes", Hint: fmt.Sprintf("%d more are not listed", more),
		})
	}
	return problems
}

// parts is what has been read so far.
type parts struct {
	w          *declare.Workspace
	problems   *declare.Problems
	cat        catalog.Catalog
	slos       openslo.Folder
	references []yamldoc.Reference
	tests      []yamldoc.Node
	blueprints map[string]map[string][]byte // by folder, then by file
	places     []oncall.Calendar            // that calendars fill
	freezes    []gatefile.Calendar          // that calendars fill too
	calendars  map[string][]byte            // by name of the file
}

// read takes in one file, by its place in the folder.
func (p *parts) read(f file) {
	w := p.w
	switch top, _, _ := strings.Cut(f.name, "/"); top {
	case "evenkeel.yml":
		w.Settings = settings.Read(f.name, f.data, p.problems)
	case "routing.yml":
		w.Routing, w.RoutingYML = routing.Read(w.Dir, f.name, f.data, p.problems), f.data
	case "scrape.yml":
		w.Scrape = scrapefile.Read(w.Dir, f.name, f.data, p.problems)
	case "catalog":
		p.cat.Read(f.name, f.data, p.problems)
	case "objectives":
		p.slos.Read(f.name, f.data, p.problems)
	case "rules":
		if rulefile.IsTest(f.name) {
			p.tests = append(p.tests, rulefile.ReadTest(f.name, f.data, p.problems)...)
		} else if rf, references := rulefile.Read(f.name, f.data, p.problems); rf != nil {
			w.RuleFiles = append(w.RuleFiles, rf)
			p.references = append(p.references, references...)
		}
	case "oncall":
		if path.Ext(f.name) == ".ics" {
			p.calendars[f.name] = f.data // read where a schedule names it
			return
		}
		got := oncall.Read(f.name, f.data, p.problems)
		w.Schedules, w.Escalations = append(w.Schedules, got.Schedules...), append(w.Escalations, got.Escalations...)
		p.references, p.places = append(p.references, got.References...), append(p.places, got.Calendars...)
	case "policies":
		if f.name == gatefile.Name {
			gate, references, calendars := gatefile.Read(f.name, f.data, p.problems)
			w.Gate, p.references, p.freezes = gate, append(p.references, references...), calendars
		} else if path.Ext(f.name) == ".ics" {
			p.calendars[f.name] = f.data // read where a freeze names it
		}
	case "requests":
		if item, references := request.Read(f.name, f.data, p.problems); item != nil {
			w.Requests, p.references = append(w.Requests, item), append(p.references, references...)
		}
	case "dashboards":
		if d, references := dashboard.Read(f.name, f.data, p.problems); d != nil {
			w.Dashboards, p.references = append(w.Dashboards, d), append(p.references, references...)
		}
	case "blueprints":
		folder, file := path.Split(f.name)
		if folder = strings.TrimSuffix(folder, "/"); strings.Count(folder, "/") == 1 {
			if p.blueprints[folder] == nil {
				p.blueprints[folder] = map[string][]byte{}
			}
			p.blueprints[folder][file] = f.data
		}
	case "runbooks":
		if rb, references := runbook.ReadLinked(f.name, f.data, p.problems); rb != nil {
			w.Runbooks, p.references = append(w.Runbooks, rb), append(p.references, references...)
		}
	}
}

// join puts the files' parts together, makes membership the same from both sides, and
// sorts.
func (p *parts) join() {
	w := p.w
	w.Services, w.Resources, w.Systems, w.Teams, w.People = p.cat.Services, p.cat.Resources, p.cat.Systems, p.cat.Teams, p.cat.People
	w.Objectives = p.slos.Objectives()
	for folder, files := range p.blueprints {
		if b := blueprint.Read(folder, files, p.problems); b != nil {
			w.Blueprints = append(w.Blueprints, b)
		}
	}
	by(w.Requests, func(r *declare.RequestItem) string { return r.Name })
	by(w.Dashboards, func(d *declare.Dashboard) string { return d.Name })
	by(w.Blueprints, func(b *declare.Blueprint) string { return b.Name })
	p.references = slices.Concat(p.cat.References, p.slos.References, p.references)
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
	oncall.Fill(p.places, func(name string) ([]byte, bool) { data, ok := p.calendars[name]; return data, ok }, oncall.Who(w.People))
	p.freeze()
	by(w.Services, func(s *declare.Service) string { return string(s.ID) })
	by(w.Resources, func(r *declare.Resource) string { return string(r.ID) })
	by(w.Systems, func(s *declare.System) string { return s.Name })
	by(w.Teams, func(t *declare.Team) string { return string(t.ID) })
	by(w.People, func(p *declare.Person) string { return string(p.ID) })
	by(w.Objectives, func(o *declare.Objective) string { return string(o.Name) })
	by(w.Runbooks, func(r *declare.Runbook) string { return r.Name })
	by(w.Schedules, func(s *declare.Schedule) string { return s.Name })
	by(w.Escalations, func(e *declare.Escalation) string { return e.Name })
}

func by[T any](list []T, key func(T) string) {
	slices.SortStableFunc(list, func(a, b T) int { return strings.Compare(key(a), key(b)) })
}
