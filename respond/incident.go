package respond

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
)

// Number identifies an incident: 1, 2, 3, …
type Number int64

// Ref is how facts name an incident.
func (n Number) Ref() journal.Ref { return journal.MakeRef("incident", fmt.Sprint(int64(n))) }

// Status of an incident; the package comment draws the states.
type Status string

// The states.
const (
	Open         Status = "open"
	Acknowledged Status = "acknowledged"
	Mitigated    Status = "mitigated"
	Resolved     Status = "resolved"
	Merged       Status = "merged" // its findings went to another one
)

// Event moves an incident from state to state.
type Event string

// The events.
const (
	Acknowledge Event = "acknowledge"
	Mitigate    Event = "mitigate" // users are served again, seen by the SLI or said by a person
	Regress     Event = "regress"  // a finding pages again
	Resolve     Event = "resolve"
	Merge       Event = "merge" // a person says that it is the same as another one
)

// Next owns every transition. An acknowledgement ends with what it was given for: what
// pages again after all had cleared is open, and pages anew.
func Next(s Status, e Event) (Status, error) {
	ended := s == Resolved || s == Merged
	switch {
	case e == Acknowledge && s == Open:
		return Acknowledged, nil
	case e == Mitigate && (s == Open || s == Acknowledged):
		return Mitigated, nil
	case e == Regress && s == Mitigated:
		return Open, nil
	case e == Resolve && !ended:
		return Resolved, nil
	case e == Merge && !ended:
		return Merged, nil
	}
	return s, &TransitionError{From: s, Event: e}
}

// TransitionError is an event that the state does not allow.
type TransitionError struct {
	From  Status
	Event Event
	Noun  string // what does not move; "" for an incident
}

func (e *TransitionError) Error() string {
	noun := e.Noun
	if noun == "" {
		noun = "an incident"
	}
	return fmt.Sprintf("cannot %s %s that is %s", e.Event, noun, e.From)
}

// Clocks are the five points from which impact and response times are computed.
type Clocks struct {
	Impact       time.Time `json:"impact,omitzero"` // users began to suffer: back-dated from the SLI
	ImpactSource string    `json:"impact_source"`   // how Impact was found, in words
	Detected     time.Time `json:"detected"`
	Acknowledged time.Time `json:"acknowledged,omitzero"`
	Mitigated    time.Time `json:"mitigated,omitzero"`
	Resolved     time.Time `json:"resolved,omitzero"`
	// Sources say for each point how it was found, or who set it.
	Sources map[Point]string `json:"sources,omitempty"`
}

// Incident is the work on findings that page.
type Incident struct {
	Number   Number              `json:"number"`
	Title    string              `json:"title"`
	Severity detect.Severity     `json:"severity"`
	Status   Status              `json:"status"`
	Service  declare.ServiceID   `json:"service"`  // of the first finding
	Services []declare.ServiceID `json:"services"` // all that have a finding in it
	Team     declare.TeamID      `json:"team"`
	Assignee declare.PersonID    `json:"assignee,omitempty"`
	Sev      Sev                 `json:"sev,omitempty"`
	// Roles are who leads, who speaks to others, who writes down.
	Roles      map[Role]declare.PersonID `json:"roles,omitempty"`
	MergedInto Number                    `json:"merged_into,omitempty"`
	Clocks     Clocks                    `json:"clocks"`
	Suspects   []Suspect                 `json:"suspects"`
	Runbook    string                    `json:"runbook,omitempty"` // of the first finding that names one
	Fact       journal.ID                `json:"fact"`              // incident.opened
}

// Ended says whether nothing moves it any more.
func (i *Incident) Ended() bool { return i.Status == Resolved || i.Status == Merged }

// IncidentFilter selects incidents, newest first. Zero fields do not restrict. Limit 0 means 100.
type IncidentFilter struct {
	Active  bool // open, acknowledged or mitigated
	Service declare.ServiceID
	Team    declare.TeamID
	Limit   int
	Offset  int
}

// Notification is one attempt to reach somebody.
type Notification struct {
	ID          int64     `json:"id"`
	At          time.Time `json:"at"`
	Receiver    string    `json:"receiver"`
	Integration string    `json:"integration"` // webhook, email, slack, …
	Incident    Number    `json:"incident,omitempty"`
	Findings    []int64   `json:"findings,omitempty"`
	Status      string    `json:"status"` // sent, failed
	Detail      string    `json:"detail,omitempty"`
}

// Incidents is the book of incidents, as pages, API and other rooms use it. Acts
// name their actor, write their fact, and return ErrNotFound or a *TransitionError.
type Incidents interface {
	List(ctx context.Context, f IncidentFilter) ([]Incident, error)
	Get(ctx context.Context, n Number) (Incident, error)
	Do(ctx context.Context, now time.Time, actor journal.Actor, n Number, e Event, note string) (Incident, error)
	Assign(ctx context.Context, now time.Time, actor journal.Actor, n Number, to declare.PersonID) (Incident, error)
	Note(ctx context.Context, now time.Time, actor journal.Actor, n Number, text string) error
	Notifications(ctx context.Context, n Number) ([]Notification, error)
	// Judge records what somebody says of the suspect of a rank.
	Judge(ctx context.Context, now time.Time, actor journal.Actor, n Number, rank int, v Verdict, note string) (Incident, error)
}

// ErrNotFound is returned for an incident that is not there.
var ErrNotFound = fmt.Errorf("no such incident")

// InvalidError is input that is refused: which field, what was there, what was expected.
type InvalidError struct{ Field, Got, Want string }

func (e *InvalidError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("%s: expected %s", e.Field, e.Want)
	}
	return fmt.Sprintf("%s: got %q, expected %s", e.Field, e.Got, e.Want)
}
