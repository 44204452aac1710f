// Package gate answers whether a change may go now.
//
// In: the change, the policy, and what holds at this moment. Out: yes, no, or that it
// cannot be told, with each reason in words. Promise: it is pure; what is not known is
// never a yes; a rollback is never held back by what it would repair.
package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

// Answer is what the gate comes to.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown"
)

// The states of a reason.
const (
	Pass       = "pass"
	Fail       = "fail"
	Doubt      = "unknown"
	Overridden = "overridden"
)

// Reason is one thing that was looked at.
type Reason struct {
	Check string `json:"check" doc:"catalogue, budget, freeze, window, incidents, dependencies, concurrent or artefacts."`
	State string `json:"state" doc:"pass, fail, unknown, or overridden."`
	Why   string `json:"why"`
}

// Verdict is the answer and its reasons, those that decide first.
type Verdict struct {
	Answer  Answer   `json:"answer"`
	Reasons []Reason `json:"reasons"`
}

// Budget is what is left of an objective's error budget.
type Budget struct {
	Objective declare.ObjectiveName
	Left      float64 // share, negative when it is overspent
	Known     bool
}

// Incident is one that is open.
type Incident struct {
	Number  int64
	Title   string
	Service declare.ServiceID
}

// Health is how a dependency does.
type Health struct {
	Service declare.ServiceID
	Failing bool
	Why     string
}

// ArtefactProblem is what `evenkeel check` found in an artefact.
type ArtefactProblem struct {
	File    string `json:"file"`
	Message string `json:"message"`
	Warning bool   `json:"warning,omitempty"`
}

// Override is somebody who answers for letting it through.
type Override struct {
	By     declare.PersonID
	Level  declare.LevelName
	May    bool // whether their level is enough
	Reason string
}

// Input is everything that the answer comes from.
type Input struct {
	Change       act.Change
	Known        bool   // the catalogue has its service
	Near         string // which one may be meant, as a question; "" where none is near
	Policy       declare.GatePolicy
	Budgets      []Budget
	Incidents    []Incident // of the service and of what it depends on
	Dependencies []Health
	Concurrent   []act.Change // that have not ended, of the service and of what it depends on
	Artefacts    []string     // that were checked
	Problems     []ArtefactProblem
	Override     *Override
}

// Decide answers.
func Decide(in Input, now time.Time) Verdict {
	var v Verdict
	add := func(check, state, format string, args ...any) {
		v.Reasons = append(v.Reasons, Reason{check, state, fmt.Sprintf(format, args...)})
	}
	c := in.Change
	back := c.Kind == act.Rollback
	switch {
	case c.Service == "":
		add("catalogue", Doubt, "the change names no service")
	case !in.Known:
		near := ""
		if in.Near != "" {
			near = "; " + in.Near
		}
		add("catalogue", Doubt, "the catalogue has no service %q: nothing is known of its objectives, incidents and dependencies%s", c.Service, near)
	default:
		add("catalogue", Pass, "%s is in the catalogue; the change is a %s of %s risk", c.Service, c.Kind, cmp.Or(c.Risk, "unknown"))
	}
	budget(in, add)
	unread := false
	for _, f := range in.Policy.Freezes {
		if f.Unread && !back && !slices.Contains(f.Kinds, string(c.Kind)) && (len(f.Services) == 0 || slices.Contains(f.Services, c.Service)) {
			unread = true
			add("freeze", Doubt, "the calendar of freeze %s could not be read yet: whether it holds cannot be told (%s)", f.Name, f.Pos)
		}
	}
	if why, held := Blocked(in.Policy, c, now); held {
		add(why.Check, Fail, "%s", why.Why)
	} else if !unread {
		add("freeze", Pass, "%s", why.Why)
	}
	own := 0
	for _, i := range in.Incidents {
		switch {
		case back:
			add("incidents", Pass, "incident #%d is open (%s); a rollback may be what ends it", i.Number, i.Title)
		case i.Service == c.Service:
			add("incidents", Fail, "incident #%d is open on %s: %s", i.Number, i.Service, i.Title)
		default:
			add("incidents", Fail, "incident #%d is open on %s, which %s depends on: %s", i.Number, i.Service, c.Service, i.Title)
		}
		own++
	}
	if own == 0 {
		add("incidents", Pass, "no incident is open on %s or on what it depends on", name(c))
	}
	failing := 0
	for _, h := range in.Dependencies {
		if h.Failing {
			failing++
			if back {
				add("dependencies", Pass, "%s is not healthy (%s); a rollback goes all the same", h.Service, h.Why)
			} else {
				add("dependencies", Fail, "%s, which %s depends on, is not healthy: %s", h.Service, c.Service, h.Why)
			}
		}
	}
	if failing == 0 {
		add("dependencies", Pass, "%s", healthy(len(in.Dependencies)))
	}
	for _, o := range in.Concurrent {
		state := Fail
		if back {
			state = Pass
		}
		add("concurrent", state, "%s (%s) of %s by %s goes on since %s", o.Summary, o.ID, name(o), o.Actor, o.StartedAt.UTC().Format("15:04"))
	}
	if len(in.Concurrent) == 0 {
		add("concurrent", Pass, "no other change goes on")
	}
	artefacts(in, add)
	v.settle(in.Override)
	return v
}

func name(c act.Change) string {
	if c.Service != "" {
		return string(c.Service)
	}
	return strings.Join(c.Resources, ", ")
}

func healthy(n int) string {
	switch n {
	case 0:
		return "it depends on no other service"
	case 1:
		return "the service that it depends on is healthy"
	}
	return fmt.Sprintf("the %d services that it depends on are healthy", n)
}

// budget applies the first rule of the policy that fits.
func budget(in Input, add func(check, state, format string, args ...any)) {
	c := in.Change
	if len(in.Budgets) == 0 {
		if in.Known {
			add("budget", Pass, "%s has no objective: there is no budget to guard", c.Service)
		}
		return
	}
	for _, b := range in.Budgets {
		if !b.Known {
			if len(in.Policy.Budget) == 0 {
				add("budget", Pass, "nothing is measured of %s, and no policy depends on it", b.Objective)
			} else if c.Kind == act.Rollback {
				add("budget", Pass, "nothing is measured of %s; a rollback goes all the same", b.Objective)
			} else {
				add("budget", Doubt, "nothing is measured of %s: whether there is budget left cannot be told", b.Objective)
			}
			continue
		}
		left := fmt.Sprintf("%s has %s of its error budget left", b.Objective, percent(b.Left))
		i := slices.IndexFunc(in.Policy.Budget, func(r declare.BudgetRule) bool { return b.Left < r.Below || b.Left <= 0 && r.Below == 0 })
		if i < 0 {
			add("budget", Pass, "%s", left)
			continue
		}
		r := in.Policy.Budget[i]
		rule := fmt.Sprintf("below %s the policy lets only %s go (%s)", percent(r.Below), allowed(r), r.Pos)
		if r.Why != "" {
			rule += ": " + r.Why
		}
		switch {
		case c.Kind == act.Rollback || slices.Contains(r.Kinds, string(c.Kind)):
			add("budget", Pass, "%s; a %s may go", left, c.Kind)
		case c.Risk.Rank() > 0 && c.Risk.Rank() <= r.Risk.Rank():
			add("budget", Pass, "%s; a change of %s risk may go", left, c.Risk)
		default:
			add("budget", Fail, "%s; %s", left, rule)
		}
	}
}

func allowed(r declare.BudgetRule) string {
	parts := []string{"rollbacks"}
	for _, k := range r.Kinds {
		if k != "rollback" {
			parts = append(parts, k)
		}
	}
	if r.Risk.Rank() > 0 {
		parts = append(parts, "changes up to "+string(r.Risk)+" risk")
	}
	return strings.Join(parts, ", ")
}

func percent(v float64) string {
	if v = 100 * v; v <= -100 || v >= 100 {
		return fmt.Sprintf("%.0f %%", v)
	}
	return fmt.Sprintf("%.3g %%", v)
}

// Blocked says whether a freeze or a window holds a change back at a time, and why; or
// why neither does.
func Blocked(p declare.GatePolicy, c act.Change, at time.Time) (Reason, bool) {
	fits := func(services []declare.ServiceID) bool {
		return len(services) == 0 || slices.Contains(services, c.Service)
	}
	passed := ""
	for _, f := range p.Freezes {
		now, holds := f.Holds(at)
		if !holds || !fits(f.Services) {
			continue
		}
		if c.Kind == act.Rollback || slices.Contains(f.Kinds, string(c.Kind)) {
			passed = fmt.Sprintf("freeze %s lets a %s go", f.Name, c.Kind)
			continue
		}
		why := ""
		if f.Why != "" {
			why = ": " + f.Why
		}
		i := slices.IndexFunc(f.Overrides, func(o declare.FreezeOverride) bool {
			return fits(o.Services) && (o.Until.IsZero() || at.Before(o.Until))
		})
		if i < 0 {
			name := f.Name
			if now.Name != "" {
				name += " (" + now.Name + ")"
			}
			return Reason{"freeze", Fail, fmt.Sprintf("freeze %s holds until %s%s (%s)", name, now.To.Format("2006-01-02 15:04 MST"), why, f.Pos)}, true
		}
		passed = fmt.Sprintf("freeze %s is overridden by %s: %s", f.Name, f.Overrides[i].By, f.Overrides[i].Why)
	}
	var closed []string
	for _, w := range p.Windows {
		if !fits(w.Services) || c.Kind == act.Rollback || c.Risk.Rank() < w.Risk.Rank() || len(w.Kinds) > 0 && !slices.Contains(w.Kinds, string(c.Kind)) {
			continue
		}
		local := at.In(w.Location)
		// The clock on the wall decides: a day of 23 or 25 hours has its window too.
		since := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second
		if slices.Contains(w.Days, local.Weekday()) && since >= w.From && since < w.To {
			return Reason{"window", Pass, fmt.Sprintf("it is inside of window %s", w.Name)}, false
		}
		closed = append(closed, fmt.Sprintf("%s (%s)", w.Name, w.Pos))
	}
	if len(closed) > 0 {
		return Reason{"window", Fail, fmt.Sprintf("it is outside of window %s", strings.Join(closed, ", "))}, true
	}
	return Reason{"freeze", Pass, cmp.Or(passed, "no freeze and no window forbids it now")}, false
}

func artefacts(in Input, add func(check, state, format string, args ...any)) {
	if len(in.Artefacts) == 0 {
		return
	}
	errors := 0
	for _, p := range in.Problems {
		if !p.Warning {
			errors++
			if errors <= 20 {
				add("artefacts", Fail, "%s: %s", p.File, p.Message)
			}
		}
	}
	switch {
	case errors > 20:
		add("artefacts", Fail, "%d more errors in the artefacts", errors-20)
	case errors == 0:
		add("artefacts", Pass, "evenkeel check finds no error in %s", strings.Join(in.Artefacts, ", "))
	}
}

// settle applies an override and draws the sum. An override answers for policy, not
// for artefacts that are wrong.
func (v *Verdict) settle(o *Override) {
	if o != nil {
		if !o.May {
			v.Reasons = append(v.Reasons, Reason{"override", Fail, fmt.Sprintf("%s may not override: their level is %s", o.By, cmp.Or(o.Level, "none"))})
		} else {
			for i, r := range v.Reasons {
				if r.State == Fail && r.Check != "artefacts" {
					v.Reasons[i].State = Overridden
					v.Reasons[i].Why += fmt.Sprintf("; overridden by %s: %s", o.By, o.Reason)
				}
			}
		}
	}
	rank := map[string]int{Fail: 0, Doubt: 1, Overridden: 2, Pass: 3}
	slices.SortStableFunc(v.Reasons, func(a, b Reason) int { return cmp.Compare(rank[a.State], rank[b.State]) })
	switch v.Reasons[0].State {
	case Fail:
		v.Answer = No
	case Doubt:
		v.Answer = Unknown
	default:
		v.Answer = Yes
	}
}
