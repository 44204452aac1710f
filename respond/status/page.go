package status

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

// State of a component, in the words that status pages share.
type State string

// The states, the best first.
const (
	Operational State = "operational"
	Degraded    State = "degraded_performance"
	Partial     State = "partial_outage"
	Major       State = "major_outage"
)

var states = []State{Operational, Degraded, Partial, Major}

// Words are the state for people.
func (s State) Words() string {
	return map[State]string{Operational: "works", Degraded: "works badly", Partial: "partly down", Major: "down"}[s]
}

// Component is a service as those outside know it.
type Component struct {
	ID    declare.ServiceID `json:"id"`
	Name  string            `json:"name"`
	State State             `json:"state"`
}

// Trouble is an incident as those outside know it: its name is made of components.
type Trouble struct {
	Number   respond.Number           `json:"number"`
	Name     string                   `json:"name"`
	Phase    respond.Phase            `json:"phase"`
	Sev      respond.Sev              `json:"sev"`
	Started  time.Time                `json:"started"`
	Ended    time.Time                `json:"ended,omitzero"`
	Services []declare.ServiceID      `json:"services"`
	Updates  []respond.IncidentUpdate `json:"updates"` // newest first, without who said it
}

// Over says whether it is, for those outside.
func (t *Trouble) Over() bool { return t.Phase == respond.Over }

// Page is what a status page shows.
type Page struct {
	System     string      `json:"system"`
	Title      string      `json:"title"`
	Public     bool        `json:"public"`
	State      State       `json:"state"` // the worst of its components
	Components []Component `json:"components"`
	Active     []Trouble   `json:"active"`
	History    []Trouble   `json:"history"` // over, newest first
	Updated    time.Time   `json:"updated"`
}

// said is an incident with what was said of it in public, oldest first.
type said struct {
	respond.Incident
	updates []respond.IncidentUpdate
}

// build makes the page. An incident that was resolved is over outside too, whether or
// not somebody has said so.
func build(ws *declare.Workspace, system string, incidents []said) (Page, bool) {
	var s *declare.System
	for _, x := range ws.Systems {
		if x.Name == system {
			s = x
		}
	}
	if s == nil {
		return Page{}, false
	}
	p := Page{System: system, Title: cmp.Or(s.Title, s.Name), State: Operational, Components: []Component{}, Active: []Trouble{}, History: []Trouble{}}
	for _, x := range ws.Settings.StatusPages {
		if x.System == system {
			p.Public, p.Title = x.Public, cmp.Or(x.Title, p.Title)
		}
	}
	names := map[declare.ServiceID]string{}
	at := map[declare.ServiceID]int{}
	for _, svc := range ws.Services {
		if svc.System == system {
			names[svc.ID], at[svc.ID] = cmp.Or(svc.Title, string(svc.ID)), len(p.Components)
			p.Components = append(p.Components, Component{svc.ID, names[svc.ID], Operational})
		}
	}
	for _, i := range incidents {
		t, ok := trouble(i, names)
		if !ok {
			continue
		}
		if last := t.Updates[0].At; last.After(p.Updated) {
			p.Updated = last
		}
		if t.Over() {
			p.History = append(p.History, t)
			continue
		}
		p.Active = append(p.Active, t)
		for _, svc := range t.Services {
			c := &p.Components[at[svc]]
			c.State = worse(c.State, impact(t.Sev))
			p.State = worse(p.State, c.State)
		}
	}
	newest := func(a, b Trouble) int { return cmp.Compare(b.Number, a.Number) }
	slices.SortFunc(p.Active, newest)
	slices.SortFunc(p.History, newest)
	return p, true
}

func trouble(i said, names map[declare.ServiceID]string) (Trouble, bool) {
	t := Trouble{Number: i.Number, Sev: i.Sev, Started: i.Clocks.Impact}
	var known []string
	for _, s := range i.Services {
		if n, ok := names[s]; ok {
			t.Services, known = append(t.Services, s), append(known, n)
		}
	}
	if len(known) == 0 || len(i.updates) == 0 {
		return t, false
	}
	if len(known) > 3 {
		known = append(known[:3], "others")
	}
	t.Name = "Trouble with " + strings.Join(known, ", ")
	if t.Started.IsZero() {
		t.Started = i.Clocks.Detected
	}
	last := i.updates[len(i.updates)-1]
	if t.Phase = last.Phase; t.Phase == respond.Over {
		t.Ended = last.At
	} else if i.Status == respond.Resolved {
		t.Phase, t.Ended = respond.Over, i.Clocks.Resolved
	}
	for k := len(i.updates) - 1; k >= 0; k-- {
		u := i.updates[k]
		u.By = "" // those outside need not know who
		t.Updates = append(t.Updates, u)
	}
	return t, true
}

func impact(s respond.Sev) State {
	switch s {
	case respond.Sev1:
		return Major
	case respond.Sev2:
		return Partial
	case respond.Sev4:
		return Operational
	}
	return Degraded
}

func worse(a, b State) State {
	return states[max(slices.Index(states, a), slices.Index(states, b))]
}
