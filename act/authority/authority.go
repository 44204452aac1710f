// Package authority decides who may do what: alone, with whose approval, or not at all.
// It is pure.
//
// In: a Case, which is all that counts: who, what class of action, how far it reaches,
// certificate, checks, who commands the incident, which approvals are there. Out: a
// Verdict with a sentence that explains it. Promise: nobody approves what they asked
// for themselves; an approval that is not somebody's to give counts for nothing; a doubt
// is never a yes.
//
// testdata/authority.md is the whole table, each row with its sentence; the test holds
// this package to it.
package authority

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// Answer is what a verdict comes to.
type Answer string

// The answers.
const (
	Allow Answer = "allow" // now
	Ask   Answer = "ask"   // with the approvals that Missing names
	Deny  Answer = "deny"  // not this person: somebody else has to do it
)

// Verdict is an answer and the sentence that explains it.
type Verdict struct {
	Answer  Answer        `json:"answer"`
	Why     string        `json:"why"`
	Class   declare.Class `json:"class"`             // after what lifts it
	Missing []Part        `json:"missing,omitempty"` // approvals that it still takes
	Review  bool          `json:"review,omitempty"`  // it is owed a review afterwards (break-glass)
}

// OK says whether it may happen now.
func (v Verdict) OK() bool { return v.Answer == Allow }

// Part is one approval that is needed, and who may give it.
type Part struct {
	What  string         `json:"what"` // in words
	Rank  int            `json:"rank"` // at least
	Team  declare.TeamID `json:"team,omitempty"`
	Class declare.Class  `json:"class"`
}

// Person is somebody, as far as authority is concerned.
type Person struct {
	ID    declare.PersonID
	Level declare.Level
	Teams []declare.TeamID
	// Lent is what others have delegated to this person and that holds now.
	Lent []Loan
}

// Loan is authority to approve, lent by somebody. It is worth what the lender's own is.
type Loan struct {
	From  declare.PersonID
	Level declare.Level
	Teams []declare.TeamID
	Upto  declare.Class // no further than this
}

// Checks are what a tool has looked at before an action.
type Checks string

// How checks can stand.
const (
	Unchecked Checks = ""       // there are none, or not all have been made
	Passed    Checks = "passed" // there are some, and all have passed
	Failed    Checks = "failed"
)

// Blast is how far an action reaches, from the catalogue.
type Blast struct {
	Services   int // that it touches itself
	Dependents int // services and resources that depend on them
	Tier       int // of the most important one among all of these; 0 unknown
}

// BlastOf reads the catalogue.
func BlastOf(w *declare.Workspace, services ...declare.ServiceID) Blast {
	var b Blast
	touched, users := map[declare.ServiceID]bool{}, map[declare.ResourceID]bool{}
	tier := func(t int) {
		if t > 0 && (b.Tier == 0 || t < b.Tier) {
			b.Tier = t
		}
	}
	for _, id := range services {
		s := w.Service(id)
		if s == nil || touched[id] {
			continue
		}
		touched[id] = true
		tier(s.Tier)
		for r := range w.Dependents(id) {
			users[r] = true
		}
	}
	for _, s := range w.Services {
		if touched[s.ID] {
			delete(users, s.Resource())
		} else if users[s.Resource()] {
			tier(s.Tier)
		}
	}
	b.Services, b.Dependents = len(touched), len(users)
	return b
}

// Wide is the number of dependents from which an action reaches far.
const Wide = 10

// Approval is one that was given for exactly what is to be done.
type Approval struct {
	By Person
	// Voice: somebody else wrote down that the commander said yes. It counts only while
	// By commands.
	Voice bool
}

// Case is everything that a decision depends on.
type Case struct {
	Who   Person        // who would do it
	What  string        // for the sentence, as "step restart of checkout-rollback"
	Class declare.Class // as declared
	Blast Blast
	// Destroys says in words which data it destroys: then it is a high-risk change.
	Destroys string

	Service declare.ServiceID
	Owner   declare.TeamID // of the service

	Certified    bool   // Who holds a certificate for exactly this
	Uncertified  string // why not, for the sentence
	Checks       Checks
	CheckFailed  string // which
	Commander    declare.PersonID
	Incident     int64 // that is active and that this is for; 0 for none
	Approvals    []Approval
	AskedBy      []declare.PersonID // beside Who: whoever started it, or asked for it
	BreakGlass   string             // the reason, when the glass is broken
	Frozen       string             // a freeze that holds, in words
	OwnersUnable bool               // the owning team has nobody else who could approve
}

// class is the effective one, and what has lifted it.
func (c *Case) class() (declare.Class, string) {
	if c.Class != declare.Bounded && c.Class != declare.Normal {
		return c.Class, ""
	}
	up := declare.Classes()[c.Class.Rank()+1]
	switch {
	case c.Destroys != "":
		return declare.Heavy, c.Destroys
	case c.Blast.Services > 1:
		return up, fmt.Sprintf("it touches %d services", c.Blast.Services)
	case c.Blast.Dependents >= Wide:
		return up, fmt.Sprintf("%d others depend on %s", c.Blast.Dependents, c.Service)
	}
	return c.Class, ""
}

// Decide says whether somebody may do something now.
func Decide(c Case) Verdict {
	class, lifted := c.class()
	v := Verdict{Class: class}
	is := fmt.Sprintf("%s is %s", c.Who.ID, article(c.Who.Level.Name))
	what := c.What
	if what == "" {
		what = "this"
	}
	of := fmt.Sprintf("%s is %s (%s)", what, class, class.Says())
	if lifted != "" {
		of += ", not " + string(c.Class) + ", because " + lifted
	}
	say := func(a Answer, format string, args ...any) Verdict {
		v.Answer, v.Why = a, of+"; "+is+", who "+fmt.Sprintf(format, args...)
		return v
	}
	if class.Rank() < 0 || c.Who.ID == "" {
		v.Answer, v.Why = Deny, fmt.Sprintf("%s is of no class that anybody may do: got %q", what, string(class))
		return v
	}
	if c.Frozen != "" && class.Rank() >= declare.Bounded.Rank() && class.Rank() <= declare.Heavy.Rank() && c.Incident == 0 {
		// A freeze holds for what is no answer to an incident. Overriding it is policy.
		r := row(c.Who, declare.Policy, &c)
		if !c.Who.Level.Leader {
			r.parts = []Part{{What: "a leader, who may override the freeze", Rank: declare.Lead, Class: declare.Policy}}
			r.answer = Ask
		}
		if r.answer != Allow {
			v.Missing = missing(r.parts, &c)
			if len(v.Missing) > 0 {
				return say(Ask, "needs %s: a freeze holds (%s)", list(v.Missing), c.Frozen)
			}
		}
	}
	r := row(c.Who, class, &c)
	switch r.answer {
	case Allow:
		return say(Allow, "%s", r.why)
	case Deny:
		return say(Deny, "%s", r.why)
	}
	if c.BreakGlass != "" && class.Rank() <= declare.Heavy.Rank() {
		if c.Who.Level.BreakGlass {
			v.Review = true
			return say(Allow, "breaks the glass (%s): it happens now, and somebody else reviews it afterwards", c.BreakGlass)
		}
		r.why += ", and may not break the glass"
	}
	if by := c.commanded(class); by != "" {
		return say(Allow, "%s: %s, who commands incident %d, has approved it", r.why, by, c.Incident)
	}
	v.Missing = missing(r.parts, &c)
	if len(v.Missing) == 0 {
		return say(Allow, "%s: approved by %s", r.why, approvers(&c))
	}
	return say(Ask, "%s; it takes the approval of %s", r.why, list(v.Missing))
}

// commanded is who commands the incident, if that person has approved: by hand, or by
// voice. It counts for what an incident may need, A3 to A5.
func (c *Case) commanded(class declare.Class) declare.PersonID {
	for _, a := range c.Approvals {
		if c.commands(a.By, class) {
			return c.Commander
		}
	}
	return ""
}

// asker says whether it is somebody's own wish.
func (c *Case) asker(p declare.PersonID) bool {
	return p == c.Who.ID || slices.Contains(c.AskedBy, p)
}

// commands says whether somebody's yes is that of an incident's commander. A commander
// below L3 leads people and does not approve.
func (c *Case) commands(p Person, class declare.Class) bool {
	return c.Incident != 0 && c.Commander != "" && p.ID == c.Commander && !c.asker(p.ID) &&
		class.Rank() <= declare.Heavy.Rank() && (p.Level.Rank >= declare.Senior || p.Level.Leader)
}

// missing are the parts that no approval fills. Each approver fills one part; of all
// ways to place them it takes the one that leaves least open.
func missing(parts []Part, c *Case) []Part {
	used := map[declare.PersonID]bool{}
	var place func(i int) []Part
	place = func(i int) []Part {
		if i == len(parts) {
			return nil
		}
		best := append([]Part{parts[i]}, place(i+1)...)
		for _, a := range c.Approvals {
			if a.Voice || used[a.By.ID] || c.asker(a.By.ID) {
				continue
			}
			if ok, _ := fills(a.By, parts[i], c); !ok {
				continue
			}
			used[a.By.ID] = true
			if rest := place(i + 1); len(rest) < len(best) {
				best = rest
			}
			delete(used, a.By.ID)
		}
		return best
	}
	return place(0)
}

// fills says whether a person may give a part of an approval, by their own authority or
// by one that was lent to them.
func fills(by Person, p Part, c *Case) (bool, declare.PersonID) {
	if enough(by.Level, by.Teams, p) {
		return true, ""
	}
	for _, l := range by.Lent {
		// What somebody asked for is not approved with that somebody's authority.
		if !c.asker(l.From) && p.Class.Rank() <= l.Upto.Rank() && enough(l.Level, l.Teams, p) {
			return true, l.From
		}
	}
	return false, ""
}

func enough(l declare.Level, teams []declare.TeamID, p Part) bool {
	// Where nobody of the owners can be asked, or for a higher rank or a leader, the
	// team does not count.
	if p.Team != "" && !slices.Contains(teams, p.Team) && !l.Leader && l.Rank < declare.Lead {
		return false
	}
	switch {
	case p.Class.Rank() >= declare.Money.Rank():
		return l.Leader
	case p.Class.Rank() >= declare.Policy.Rank():
		return l.Leader || l.Rank >= max(p.Rank, declare.Lead)
	case p.Class.Rank() >= declare.Bounded.Rank() && p.Class.Risk().Rank() > l.Approve.Rank():
		return false
	}
	return l.Leader || l.Rank >= p.Rank
}

// Approve says whether a person may answer for what somebody else asked for: whether
// one of the parts that are missing is theirs to give.
func Approve(by Person, c Case) Verdict {
	class, _ := c.class()
	v := Verdict{Answer: Deny, Class: class}
	is := fmt.Sprintf("%s is %s", by.ID, article(by.Level.Name))
	if c.asker(by.ID) {
		v.Why = fmt.Sprintf("%s asked for it: an approval is somebody else's", by.ID)
		return v
	}
	d := Decide(c)
	if d.Answer != Ask {
		v.Why = fmt.Sprintf("it takes no approval (any more): %s", d.Why)
		return v
	}
	if c.commands(by, class) {
		v.Answer, v.Why = Allow, fmt.Sprintf("%s commands incident %d and may approve %s", by.ID, c.Incident, class)
		return v
	}
	for _, a := range c.Approvals {
		if a.By.ID == by.ID {
			v.Why = fmt.Sprintf("%s has approved it already; it still takes the approval of %s", by.ID, list(d.Missing))
			return v
		}
	}
	for _, p := range d.Missing {
		if ok, lent := fills(by, p, &c); ok {
			v.Answer, v.Why = Allow, fmt.Sprintf("%s and may approve it as %s", is, p.What)
			if lent != "" {
				v.Why = fmt.Sprintf("%s and may approve it as %s with the authority that %s has lent", is, p.What, lent)
			}
			v.Missing = []Part{p}
			return v
		}
	}
	v.Why = fmt.Sprintf("%s; it takes the approval of %s", is, list(d.Missing))
	return v
}

func list(parts []Part) string {
	words := make([]string, len(parts))
	for i, p := range parts {
		words[i] = p.What
	}
	return strings.Join(words, " and ")
}

func approvers(c *Case) string {
	var names []string
	for _, a := range c.Approvals {
		if !c.asker(a.By.ID) && !slices.Contains(names, string(a.By.ID)) {
			names = append(names, string(a.By.ID))
		}
	}
	return strings.Join(names, " and ")
}

func article(l declare.LevelName) string {
	if l == "" {
		return "of no level"
	}
	switch l[0] {
	case 'a', 'e', 'i', 'o', 'u':
		return "an " + string(l)
	}
	return "a " + string(l)
}

// How long an approval holds: an open question, and a yes that is not used yet.
const (
	OpenFor  = 24 * time.Hour
	HoldsFor = time.Hour
)

// Holds says whether a yes of a time still counts. A clock that went back does not make
// a yes older; one that went far ahead makes it too old, which is the safe side.
func Holds(decided, now time.Time) bool { return now.Sub(decided) < HoldsFor }

// Expired says whether a question has waited too long to be answered blindly.
func Expired(asked, now time.Time) bool { return now.Sub(asked) >= OpenFor }
