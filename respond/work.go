package respond

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// Sev is how bad an incident is for those outside. A person says so; until then it
// follows from the service's tier.
type Sev string

// The severities of an incident.
const (
	Sev1 Sev = "sev1" // most users cannot do what they came for, or data is at risk
	Sev2 Sev = "sev2" // many users are hindered in something important
	Sev3 Sev = "sev3" // some users are hindered, or there is a way round
	Sev4 Sev = "sev4" // no user notices yet
)

// Sevs are all, the worst first.
var Sevs = []Sev{Sev1, Sev2, Sev3, Sev4}

// Role is a duty in an incident.
type Role string

// The roles. Whoever works on the cause is the assignee.
const (
	Commander      Role = "commander"      // decides, and asks for help
	Communications Role = "communications" // tells those outside
	Scribe         Role = "scribe"         // writes down what happens
)

// Roles are all, in the order in which they are filled.
var Roles = []Role{Commander, Communications, Scribe}

// Point is one of the five points of an incident's clock.
type Point string

// The points.
const (
	PointImpact       Point = "impact"
	PointDetected     Point = "detected"
	PointAcknowledged Point = "acknowledged"
	PointMitigated    Point = "mitigated"
	PointResolved     Point = "resolved"
)

// Points are all, in their order.
var Points = []Point{PointImpact, PointDetected, PointAcknowledged, PointMitigated, PointResolved}

// At is the time of a point, nil for a point that there is none of.
func (c *Clocks) At(p Point) *time.Time {
	switch p {
	case PointImpact:
		return &c.Impact
	case PointDetected:
		return &c.Detected
	case PointAcknowledged:
		return &c.Acknowledged
	case PointMitigated:
		return &c.Mitigated
	case PointResolved:
		return &c.Resolved
	}
	return nil
}

// Say notes where a point comes from; "" takes it back.
func (c *Clocks) Say(p Point, source string) {
	if c.Sources == nil {
		c.Sources = map[Point]string{}
	}
	if c.Sources[p] = source; source == "" {
		delete(c.Sources, p)
	}
}

// IncidentTask is something to do while the incident lasts; what is left over is a follow-up
// of its review.
type IncidentTask struct {
	ID        int64            `json:"id"`
	Incident  Number           `json:"incident"`
	Text      string           `json:"text"`
	Owner     declare.PersonID `json:"owner,omitempty"`
	CreatedAt time.Time        `json:"created_at"`
	DoneAt    time.Time        `json:"done_at,omitzero"`
}

// LinkKind is what a link leads to.
type LinkKind string

// The kinds.
const (
	LinkChange LinkKind = "change" // by ID
	LinkURL    LinkKind = "url"    // a ticket elsewhere, a dashboard, a call
)

// IncidentLink connects an incident with something that matters to it.
type IncidentLink struct {
	ID       int64         `json:"id"`
	Incident Number        `json:"incident"`
	Kind     LinkKind      `json:"kind"`
	Ref      string        `json:"ref"` // ID or URL
	Note     string        `json:"note,omitempty"`
	By       journal.Actor `json:"by"`
	At       time.Time     `json:"at"`
}

// Phase is what is told about an incident outside.
type Phase string

// The phases, in their usual order.
const (
	Investigating Phase = "investigating"
	Identified    Phase = "identified"
	Monitoring    Phase = "monitoring"
	Over          Phase = "resolved"
)

// Phases are all.
var Phases = []Phase{Investigating, Identified, Monitoring, Over}

// IncidentUpdate is one status update. Only what is Public stands on status pages.
type IncidentUpdate struct {
	ID       int64         `json:"id"`
	Incident Number        `json:"incident"`
	Phase    Phase         `json:"phase"`
	Text     string        `json:"text"`
	Public   bool          `json:"public"`
	By       journal.Actor `json:"by"`
	At       time.Time     `json:"at"`
}

// Likeness is another incident that may help: what it has in common, in words.
type Likeness struct {
	Number  Number    `json:"number"`
	Title   string    `json:"title"`
	Status  Status    `json:"status"`
	At      time.Time `json:"at"`
	Score   float64   `json:"score"` // in [0,1]
	Reasons []string  `json:"reasons"`
	// Kind is related (at the same time) or similar (before).
	Kind string `json:"kind"`
	// Ended is how it ended, of one that has.
	Ended string `json:"ended,omitempty"`
}

// Desk is what people do with incidents beside moving them on. Acts name their actor,
// write their fact, and return ErrNotFound, *InvalidError or *TransitionError.
type Desk interface {
	SetSev(ctx context.Context, now time.Time, actor journal.Actor, n Number, sev Sev, why string) (Incident, error)
	// SetRole gives a role to a person; nobody ("") takes it back.
	SetRole(ctx context.Context, now time.Time, actor journal.Actor, n Number, role Role, person declare.PersonID) (Incident, error)
	// SetClock corrects a point of the clock, with a reason.
	SetClock(ctx context.Context, now time.Time, actor journal.Actor, n Number, p Point, at time.Time, why string) (Incident, error)
	// Merge ends an incident that is the same as another one, which gets its findings.
	Merge(ctx context.Context, now time.Time, actor journal.Actor, n, into Number, why string) (Incident, error)
	// Split opens another incident with some findings of this one.
	Split(ctx context.Context, now time.Time, actor journal.Actor, n Number, findings []int64, why string) (Incident, error)
	Alike(ctx context.Context, n Number) ([]Likeness, error)

	Tasks(ctx context.Context, n Number) ([]IncidentTask, error)
	AddTask(ctx context.Context, now time.Time, actor journal.Actor, n Number, text string, owner declare.PersonID) (IncidentTask, error)
	FinishTask(ctx context.Context, now time.Time, actor journal.Actor, n Number, id int64) (IncidentTask, error)
	Links(ctx context.Context, n Number) ([]IncidentLink, error)
	AddLink(ctx context.Context, now time.Time, actor journal.Actor, n Number, kind LinkKind, ref, note string) (IncidentLink, error)
	Updates(ctx context.Context, n Number) ([]IncidentUpdate, error)
	AddUpdate(ctx context.Context, now time.Time, actor journal.Actor, n Number, phase Phase, text string, public bool) (IncidentUpdate, error)
	// Template is a first wording of an update.
	Template(ctx context.Context, now time.Time, n Number, phase Phase) (string, error)
}

// ParsePoint reads a point's name.
func ParsePoint(text string) (Point, error) {
	var c Clocks
	if p := Point(text); c.At(p) != nil {
		return p, nil
	}
	return "", &InvalidError{Field: "point", Got: text, Want: fmt.Sprintf("one of %v", Points)}
}
