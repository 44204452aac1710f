package workspace

import (
	"fmt"
	"path"
	"strings"

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
	has  map[string]bool
}

func (n *names) add(name string) {
	n.all = append(n.all, name)
	n.has[name] = true
}

func namesOf[T any](what string, list []T, of func(T) string) names {
	n := names{what: what, has: map[string]bool{}}
	for _, v := range list {
		n.add(of(v))
	}
	return n
}

func unique[T any](c *checker, what string, list []T, of func(T) string, pos func(T) declare.Position) {
	first := map[string]T{}
	for _, v := range list {
		name := of(v)
		if other, dup := first[name]; dup && name != "" {
			c.problem(pos(v), "name", name, "each "+what+" once", "it is also in "+pos(other).String())
			continue
		}
		first[name] = v
	}
}

func (c *checker) check(references []yamldoc.Reference, tests []yamldoc.Node) {
	w := c.w
	unique(c, "service", w.Services, func(s *declare.Service) string { return string(s.ID) }, func(s *declare.Service) declare.Position { return s.Pos })
	unique(c, "resource", w.Resources, func(r *declare.Resource) string { return string(r.ID) }, func(r *declare.Resource) declare.Position { return r.Pos })
	unique(c, "system", w.Systems, func(s *declare.System) string { return s.Name }, func(s *declare.System) declare.Position { return s.Pos })
	unique(c, "team", w.Teams, func(t *declare.Team) string { return string(t.ID) }, func(t *declare.Team) declare.Position { return t.Pos })
	unique(c, "person", w.People, func(p *declare.Person) string { return string(p.ID) }, func(p *declare.Person) declare.Position { return p.Pos })
	unique(c, "objective", w.Objectives, func(o *declare.Objective) string { return string(o.Name) }, func(o *declare.Objective) declare.Position { return o.Pos })
	unique(c, "runbook", w.Runbooks, func(r *declare.Runbook) string { return r.Name }, func(r *declare.Runbook) declare.Position { return r.Pos })
	unique(c, "schedule", w.Schedules, func(s *declare.Schedule) string { return s.Name }, func(s *declare.Schedule) declare.Position { return s.Pos })
	unique(c, "escalation", w.Escalations, func(e *declare.Escalation) string { return e.Name }, func(e *declare.Escalation) declare.Position { return e.Pos })
	unique(c, "dashboard", w.Dashboards, func(d *declare.Dashboard) string { return d.Name }, func(d *declare.Dashboard) declare.Position { return d.Pos })
	c.oneEscalation()

	known := map[string]names{
		"service":   namesOf("a service", w.Services, func(s *declare.Service) string { return string(s.ID) }),
		"team":      namesOf("a team", w.Teams, func(t *declare.Team) string { return string(t.ID) }),
		"person":    namesOf("a person", w.People, func(p *declare.Person) string { return string(p.ID) }),
		"system":    namesOf("a system", w.Systems, func(s *declare.System) string { return s.Name }),
		"runbook":   namesOf("a runbook", w.Runbooks, func(r *declare.Runbook) string { return r.Name }),
		"schedule":  namesOf("a schedule", w.Schedules, func(s *declare.Schedule) string { return s.Name }),
		"blueprint": namesOf("a blueprint", w.Blueprints, func(b *declare.Blueprint) string { return b.Name }),
		"objective": namesOf("an objective", w.Objectives, func(o *declare.Objective) string { return string(o.Name) }),
		"level":     namesOf("a level", w.Settings.Levels, func(l declare.Level) string { return string(l.Name) }),
	}
	resources := namesOf("a component or resource", w.Resources, func(r *declare.Resource) string { return string(r.ID) })
	for _, s := range w.Services {
		resources.add(string(s.Resource()))
	}
	known["resource"] = resources
	broken := c.broken()
	for _, r := range references {
		// Where a whole file could not be read, what it declares is not missing.
		if !broken[home[r.Kind]] || known[r.Kind].has[r.Name] {
			c.reference(r, known[r.Kind])
		}
	}
	for _, rb := range w.Runbooks {
		c.authority(rb)
	}
	c.ruleTests(tests)
}

// home is where each kind of name is declared.
var home = map[string]string{
	"service": "catalog", "team": "catalog", "person": "catalog", "system": "catalog", "resource": "catalog",
	"runbook": "runbooks", "blueprint": "blueprints", "objective": "objectives", "level": "evenkeel.yml", "schedule": "oncall",
}

// oneEscalation finds a second policy for a team: which one would count?
func (c *checker) oneEscalation() {
	first := map[declare.TeamID]*declare.Escalation{}
	for _, e := range c.w.Escalations {
		if other := first[e.Team]; other != nil && other.Name != e.Name {
			c.problem(e.Pos, "team", string(e.Team), "one escalation policy a team, and one without a team for the others", fmt.Sprintf("%q is in %s", other.Name, other.Pos))
			continue
		}
		first[e.Team] = e
	}
}

// broken lists the folders with a file that could not be read as a whole: its problem
// names no field.
func (c *checker) broken() map[string]bool {
	out := map[string]bool{}
	for _, p := range *c.problems {
		if p.Field == "" && !p.Warning {
			top, _, _ := strings.Cut(p.File, "/")
			out[top] = true
		}
	}
	return out
}

// reference looks one name up, and for owners that somebody is there to be paged.
func (c *checker) reference(r yamldoc.Reference, in names) {
	switch {
	case in.has[r.Name]:
		if r.Kind == "team" && r.At.Path() == "spec.owner" && len(c.w.Team(declare.TeamID(r.Name)).Members) == 0 {
			r.At.Problem(r.Name, "a team with somebody in it", "add a User with memberOf: ["+r.Name+"]")
		}
	case r.Kind == "runbook" && strings.Contains(r.Name, "://"):
		// A runbook that is kept elsewhere is a link.
	case (r.Kind == "service" || r.Kind == "team") && len(in.all) == 0 && strings.HasPrefix(r.At.Pos().File, "rules/"):
		// Rules from elsewhere use their own words in these labels: where nothing is
		// declared, nothing can be checked.
	case r.Kind == "resource":
		r.At.Problem(r.At.Text(), in.what+" that is declared", c.resourceHint(r.Name, in))
	default:
		hint := yamldoc.Suggest(r.Name, in.all)
		if hint == "" && len(in.all) == 0 {
			hint = "none is declared"
		}
		r.At.Problem(r.At.Text(), in.what+" that is declared", hint)
	}
}

// resourceHint compares names without kind and namespace, which are mostly left out.
func (c *checker) resourceHint(id string, in names) string {
	short := func(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }
	var all []string
	for _, r := range in.all {
		if short(r) == short(id) {
			kind, rest, _ := strings.Cut(r, "/")
			return fmt.Sprintf("did you mean %q?", kind+":"+rest)
		}
		all = append(all, short(r))
	}
	return yamldoc.Suggest(short(id), all)
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
