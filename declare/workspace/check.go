package workspace

import (
	"bytes"

	"path"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/rulefmt"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// checker looks for references to what is not there.
type checker struct {
	w        *declare.Workspace
	files    []file
	problems *declare.Problems
}

func (c *checker) problem(pos declare.Position, field, got, want, hint string) {
	*c.problems = append(*c.problems, declare.Problem{Position: pos, Field: field, Got: yamldoc.Cut(got), Want: want, Hint: hint})
}

// names is a set of what exists of one kind.
type names struct {
	what string
	all  []string
}

func namesOf[T any](what string, list []T, of func(T) string) names {
	n := names{what: what}
	for _, v := range list {
		n.all = append(n.all, of(v))
	}
	return n
}

func (c *checker) exists(n names, name string, pos declare.Position, field string) bool {
	if name == "" || slices.Contains(n.all, name) {
		return true
	}
	hint := yamldoc.Suggest(name, n.all)
	if hint == "" && len(n.all) == 0 {
		hint = "none is declared"
	}
	c.problem(pos, field, name, n.what+" that is declared", hint)
	return false
}

func unique[T any](c *checker, what string, list []T, of func(T) string, pos func(T) declare.Position) {
	first := map[string]T{}
	for _, v := range list {
		name := of(v)
		if other, dup := first[name]; dup && name != "" {
			c.problem(pos(v), "metadata.name", name, "each "+what+" once", "it is also in "+pos(other).String())
			continue
		}
		first[name] = v
	}
}

func (c *checker) check(tests []yamldoc.Node) {
	w := c.w
	services := namesOf("a service", w.Services, func(s *declare.Service) string { return string(s.ID) })
	teams := namesOf("a team", w.Teams, func(t *declare.Team) string { return string(t.ID) })
	people := namesOf("a person", w.People, func(p *declare.Person) string { return string(p.ID) })
	systems := namesOf("a system", w.Systems, func(s *declare.System) string { return s.Name })
	runbooks := namesOf("a runbook", w.Runbooks, func(r *declare.Runbook) string { return r.Name })
	objectives := namesOf("an objective", w.Objectives, func(o *declare.Objective) string { return string(o.Name) })
	levels := namesOf("a level", w.Settings.Levels, func(l declare.Level) string { return string(l.Name) })
	resources := namesOf("a component or resource", w.Resources, func(r *declare.Resource) string { return string(r.ID) })
	for _, s := range w.Services {
		resources.all = append(resources.all, string(s.Resource()))
	}

	unique(c, "service", w.Services, func(s *declare.Service) string { return string(s.ID) }, func(s *declare.Service) declare.Position { return s.Pos })
	unique(c, "resource", w.Resources, func(r *declare.Resource) string { return string(r.ID) }, func(r *declare.Resource) declare.Position { return r.Pos })
	unique(c, "team", w.Teams, func(t *declare.Team) string { return string(t.ID) }, func(t *declare.Team) declare.Position { return t.Pos })
	unique(c, "person", w.People, func(p *declare.Person) string { return string(p.ID) }, func(p *declare.Person) declare.Position { return p.Pos })
	unique(c, "objective", w.Objectives, func(o *declare.Objective) string { return string(o.Name) }, func(o *declare.Objective) declare.Position { return o.Pos })
	unique(c, "runbook", w.Runbooks, func(r *declare.Runbook) string { return r.Name }, func(r *declare.Runbook) declare.Position { return r.Pos })
	unique(c, "schedule", w.Schedules, func(s *declare.Schedule) string { return s.Name }, func(s *declare.Schedule) declare.Position { return s.Pos })

	owner := func(team declare.TeamID, pos declare.Position) {
		if c.exists(teams, string(team), c.find(pos, string(team)), "spec.owner") && team != "" {
			if t := w.Team(team); len(t.Members) == 0 {
				c.problem(c.find(pos, string(team)), "spec.owner", string(team), "a team with somebody in it", "add a User with memberOf: ["+string(team)+"]")
			}
		}
	}
	for _, s := range w.Services {
		owner(s.Owner, s.Pos)
		c.exists(systems, s.System, c.find(s.Pos, s.System), "spec.system")
		c.depends(resources, s.DependsOn, s.Pos)
	}
	for _, r := range w.Resources {
		owner(r.Owner, r.Pos)
		c.depends(resources, r.DependsOn, r.Pos)
	}
	for _, s := range w.Systems {
		owner(s.Owner, s.Pos)
	}
	for _, t := range w.Teams {
		c.exists(teams, string(t.Parent), c.find(t.Pos, string(t.Parent)), "spec.parent")
		for _, m := range t.Members {
			c.exists(people, string(m), c.find(t.Pos, string(m)), "spec.members")
		}
	}
	for _, p := range w.People {
		for _, t := range p.Teams {
			c.exists(teams, string(t), c.find(p.Pos, string(t)), "spec.memberOf")
		}
		c.exists(levels, string(p.Level), c.find(p.Pos, string(p.Level)), "metadata.labels.evenkeel.dev/level")
	}
	for _, o := range w.Objectives {
		c.exists(services, string(o.Service), c.find(o.Pos, string(o.Service)), "spec.service")
		c.runbook(runbooks, o.Runbook, c.find(o.Pos, o.Runbook), "metadata.annotations.evenkeel.dev/runbook")
	}
	for _, s := range w.Schedules {
		c.exists(teams, string(s.Team), c.find(s.Pos, string(s.Team)), "team")
		for _, l := range s.Layers {
			for _, p := range l.People {
				c.exists(people, string(p), c.find(s.Pos, string(p)), "layers.people")
			}
		}
		for _, o := range s.Overrides {
			c.exists(people, string(o.Person), c.find(s.Pos, string(o.Person)), "overrides.person")
		}
	}
	for _, rf := range w.RuleFiles {
		for _, g := range rf.Groups.Groups {
			for _, r := range g.Rules {
				c.rule(rf, r, services, teams, runbooks)
			}
		}
	}
	for _, rb := range w.Runbooks {
		for _, s := range rb.Services {
			c.exists(services, string(s), c.find(rb.Pos, string(s)), "services")
		}
		c.exists(objectives, string(rb.Verify.Objective), c.find(rb.Pos, string(rb.Verify.Objective)), "verify.objective")
		c.authority(rb)
	}
	c.ruleTests(tests)
}

func (c *checker) depends(all names, deps []declare.ResourceID, pos declare.Position) {
	for _, d := range deps {
		_, rest, _ := strings.Cut(string(d), "/")
		_, name, _ := strings.Cut(rest, "/")
		if slices.Contains(all.all, string(d)) {
			continue
		}
		short := make([]string, len(all.all))
		for i, r := range all.all {
			short[i] = r[strings.LastIndexByte(r, '/')+1:]
		}
		c.problem(c.find(pos, name), "spec.dependsOn", string(d), "a component or resource that is declared", yamldoc.Suggest(name, short))
	}
}

func (c *checker) runbook(runbooks names, name string, pos declare.Position, field string) {
	if strings.Contains(name, "://") || strings.Contains(name, "{{") {
		return // a runbook kept elsewhere, or a name made by a template
	}
	c.exists(runbooks, name, pos, field)
}

func (c *checker) rule(rf *declare.RuleFile, r rulefmt.Rule, services, teams, runbooks names) {
	if r.Alert == "" {
		return
	}
	pos := func(name string) declare.Position {
		return c.find(c.find(declare.Position{File: rf.Path, Line: 1}, r.Alert), name)
	}
	literal := func(n names, field, v string) {
		if v != "" && !strings.Contains(v, "{{") {
			c.exists(n, v, pos(v), field)
		}
	}
	// A rule file from elsewhere uses its own words in these labels where this
	// workspace declares no service or team at all.
	if len(services.all) > 0 {
		literal(services, r.Alert+": labels.service", r.Labels["service"])
	}
	if len(teams.all) > 0 {
		literal(teams, r.Alert+": labels.team", r.Labels["team"])
	}
	c.runbook(runbooks, r.Annotations["runbook"], pos(r.Annotations["runbook"]), r.Alert+": annotations.runbook")
}

// authority finds steps that nobody may run: neither alone nor with an approval.
func (c *checker) authority(rb *declare.Runbook) {
	var alone, approve int
	for _, p := range c.w.People {
		l := c.w.LevelOf(p.ID)
		alone, approve = max(alone, l.Alone.Rank()), max(approve, l.Approve.Rank())
	}
	for _, s := range rb.Steps {
		if len(c.w.People) > 0 && s.Risk.Rank() > alone && s.Risk.Rank() > approve {
			c.problem(s.Pos, s.Name+": risk", string(s.Risk), "a risk that somebody's level may run or approve", "no person of the catalogue has such a level")
		}
	}
}

func (c *checker) ruleTests(tests []yamldoc.Node) {
	for _, n := range tests {
		name := path.Join(path.Dir(n.Pos().File), n.String())
		found := false
		for _, rf := range c.w.RuleFiles {
			if ok, _ := path.Match(name, rf.Path); ok {
				found = true
			}
		}
		for _, f := range c.files { // a rule file with errors of its own is there all the same
			if ok, _ := path.Match(name, f.name); ok {
				found = true
			}
		}
		if !found {
			var all []string
			for _, f := range c.files {
				if path.Dir(f.name) == path.Dir(n.Pos().File) {
					all = append(all, path.Base(f.name))
				}
			}
			n.Problem(n.Text(), "a rule file beside this one", yamldoc.Suggest(n.Text(), all))
		}
	}
}

// find narrows a position to the first line at or after it that holds the word.
func (c *checker) find(from declare.Position, word string) declare.Position {
	if word == "" {
		return from
	}
	for _, f := range c.files {
		if f.name != from.File {
			continue
		}
		for i, line := range bytes.Split(f.data, []byte("\n")) {
			if i+1 >= from.Line {
				if col := wordAt(string(line), word); col > 0 {
					return declare.Position{File: f.name, Line: i + 1, Column: col}
				}
			}
		}
	}
	return from
}

// wordAt is the column of a whole word in a line, from 1; 0 when it is not there.
func wordAt(line, word string) int {
	for from := 0; ; {
		i := strings.Index(line[from:], word)
		if i < 0 {
			return 0
		}
		start, end := from+i, from+i+len(word)
		if (start == 0 || !wordByte(line[start-1])) && (end == len(line) || !wordByte(line[end])) {
			return start + 1
		}
		from = end
	}
}

func wordByte(b byte) bool {
	return b == '_' || b == '-' || (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z')
}
