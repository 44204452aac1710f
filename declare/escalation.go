package declare

import (
	"fmt"
	"strings"
	"time"
)

// Escalation is a policy: whom an incident that pages reaches, step by step, until
// somebody acknowledges.
type Escalation struct {
	Name   string
	Team   TeamID // whose incidents; "" for those of teams without an own one
	Steps  []EscalationStep
	Repeat int // how often all steps come again
	// AckTimeout is how long an acknowledgement holds while users still suffer; after
	// it the steps begin anew. 0: without end.
	AckTimeout time.Duration
	Pos        Position
}

// EscalationStep notifies its targets at once, then waits before the next step.
type EscalationStep struct {
	Notify []Target      `json:"notify"`
	Wait   time.Duration `json:"wait"`
}

// Target is whom a step notifies.
type Target struct {
	Kind TargetKind `json:"kind"`
	Name string     `json:"name"`
}

// TargetKind is a kind of target.
type TargetKind string

// The kinds: who has the duty of a schedule, one person, everybody of a team.
const (
	TargetSchedule TargetKind = "schedule"
	TargetPerson   TargetKind = "person"
	TargetTeam     TargetKind = "team"
)

func (t Target) String() string { return string(t.Kind) + ":" + t.Name }

// ParseTarget reads a target as schedule:shop, person:alice or team:shop.
func ParseTarget(text string) (Target, error) {
	kind, name, _ := strings.Cut(strings.TrimSpace(text), ":")
	t := Target{TargetKind(kind), strings.TrimSpace(name)}
	if (t.Kind != TargetSchedule && t.Kind != TargetPerson && t.Kind != TargetTeam) || t.Name == "" {
		return Target{}, fmt.Errorf("cannot read target %q: expected schedule:NAME, person:NAME or team:NAME", text)
	}
	return t, nil
}

// Schedule returns the schedule of that name, or nil.
func (w *Workspace) Schedule(name string) *Schedule {
	return find(w.Schedules, name, func(s *Schedule) string { return s.Name })
}

// Escalation returns the policy of that name, or nil.
func (w *Workspace) Escalation(name string) *Escalation {
	return find(w.Escalations, name, func(e *Escalation) string { return e.Name })
}

// EscalationOf is the policy for a team's incidents: its own, else the one of no
// team, else nil.
func (w *Workspace) EscalationOf(team TeamID) *Escalation {
	var general *Escalation
	for _, e := range w.Escalations {
		if e.Team == team && team != "" {
			return e
		}
		if e.Team == "" && general == nil {
			general = e
		}
	}
	return general
}

// Recipient is somebody whom a target reaches. A Shadow gets a copy.
type Recipient struct {
	Person PersonID
	Shadow bool
	Why    string
}

// Recipients are the people whom targets reach at t, each once, in order. A person
// who is reached by one target and shadows in another is no shadow.
func (w *Workspace) Recipients(targets []Target, t time.Time) []Recipient {
	var out []Recipient
	add := func(r Recipient) {
		for i := range out {
			if out[i].Person == r.Person {
				if out[i].Shadow && !r.Shadow {
					out[i] = r
				}
				return
			}
		}
		out = append(out, r)
	}
	for _, target := range targets {
		switch target.Kind {
		case TargetPerson:
			add(Recipient{Person: PersonID(target.Name), Why: target.String()})
		case TargetTeam:
			if team := w.Team(TeamID(target.Name)); team != nil {
				for _, p := range team.Members {
					add(Recipient{Person: p, Why: target.String()})
				}
			}
		case TargetSchedule:
			s := w.Schedule(target.Name)
			if s == nil {
				continue
			}
			d := s.Duty(t)
			if d.Person == "" {
				continue
			}
			add(Recipient{Person: d.Person, Why: target.String() + ", " + d.Why})
			for _, p := range d.Shadows {
				add(Recipient{Person: p, Shadow: true, Why: "shadows " + string(d.Person) + " in " + target.String()})
			}
		}
	}
	return out
}
