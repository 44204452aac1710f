package declare

// Class says what sort of action something is, from looking to spending money. Who may
// do an action of a class is package act/authority's to say.
type Class string

// The classes, in rising order.
const (
	Look    Class = "A0" // read telemetry, catalogue, runbooks, plans
	Note    Class = "A1" // acknowledge, declare, comment, draft; tick a manual step
	Test    Class = "A2" // read-only diagnostics in production; anything elsewhere
	Bounded Class = "A3" // pre-approved, reversible, of limited reach, checked
	Normal  Class = "A4" // a reviewed change of production
	Heavy   Class = "A5" // several services, irreversible, data, network core, identity
	Policy  Class = "A6" // objectives, freezes and overrides, guardrails, exceptions
	Money   Class = "A7" // contracts, commitments, staffing
)

// Classes are all, in rising order.
func Classes() []Class { return []Class{Look, Note, Test, Bounded, Normal, Heavy, Policy, Money} }

// Rank orders classes from 0 to 7; -1 for an unknown word.
func (c Class) Rank() int {
	if len(c) == 2 && c[0] == 'A' && c[1] >= '0' && c[1] <= '7' {
		return int(c[1] - '0')
	}
	return -1
}

// Says is the class in a word or two.
func (c Class) Says() string {
	switch c {
	case Look:
		return "looking"
	case Note:
		return "a record"
	case Test:
		return "a safe test"
	case Bounded:
		return "a bounded action"
	case Normal:
		return "a normal change"
	case Heavy:
		return "a high-risk change"
	case Policy:
		return "policy"
	case Money:
		return "money or people"
	}
	return "of an unknown class"
}

// Risk is how much an action of the class can harm: A3 low, A4 medium, A5 high.
func (c Class) Risk() Risk {
	switch r := c.Rank(); {
	case r < 0 || r >= Heavy.Rank():
		return RiskHigh
	case r == Normal.Rank():
		return RiskMedium
	case r == Bounded.Rank():
		return RiskLow
	}
	return RiskNone
}

// ClassOf is the class of an action that says only how risky it is.
func ClassOf(r Risk) Class {
	switch r {
	case RiskNone:
		return Test
	case RiskLow:
		return Bounded
	case RiskMedium:
		return Normal
	}
	return Heavy
}

// Dependents returns how many dependsOn steps lie between a service and everything that
// depends on it, itself left out. Cycles are harmless.
func (w *Workspace) Dependents(of ServiceID) map[ResourceID]int {
	users := map[ResourceID][]ResourceID{}
	for _, s := range w.Services {
		for _, d := range s.DependsOn {
			users[d] = append(users[d], s.Resource())
		}
	}
	for _, r := range w.Resources {
		for _, d := range r.DependsOn {
			users[d] = append(users[d], r.ID)
		}
	}
	start := ResourceID("component/default/" + string(of))
	dist := map[ResourceID]int{start: 0}
	for queue := []ResourceID{start}; len(queue) > 0; queue = queue[1:] {
		for _, r := range users[queue[0]] {
			if _, seen := dist[r]; !seen {
				dist[r] = dist[queue[0]] + 1
				queue = append(queue, r)
			}
		}
	}
	delete(dist, start)
	return dist
}
