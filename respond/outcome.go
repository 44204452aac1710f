package respond

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
)

// OutcomeLabel is what became of a finding that somebody was told of.
type OutcomeLabel string

// The outcomes.
const (
	ActionTaken    OutcomeLabel = "action"      // somebody had to do something, and did
	NoActionNeeded OutcomeLabel = "no_action"   // true, but nothing was to be done
	Duplicate      OutcomeLabel = "duplicate"   // another one had said it already
	FalseAlarm     OutcomeLabel = "false"       // it was not so
	Maintenance    OutcomeLabel = "maintenance" // work that was planned, and not silenced
)

// OutcomeLabels are all, in the order in which they are offered.
var OutcomeLabels = []OutcomeLabel{ActionTaken, NoActionNeeded, Duplicate, FalseAlarm, Maintenance}

// Words are the label for people.
func (l OutcomeLabel) Words() string {
	return map[OutcomeLabel]string{ActionTaken: "action taken", NoActionNeeded: "no action needed", Duplicate: "duplicate", FalseAlarm: "false", Maintenance: "maintenance"}[l]
}

// Outcome is the label of one finding. One that was inferred gives way to a person's.
type Outcome struct {
	Finding  int64         `json:"finding"`
	Outcome  OutcomeLabel  `json:"outcome"`
	Inferred bool          `json:"inferred"`
	Note     string        `json:"note,omitempty"` // a person's, or what it was inferred from
	By       journal.Actor `json:"by"`
	At       time.Time     `json:"at"`
}

// Episode is one time that a finding held and somebody was told, with what became of it.
type Episode struct {
	Finding     int64                 `json:"finding"`
	Fingerprint detect.Fingerprint    `json:"fingerprint"`
	Detector    string                `json:"detector"`
	Name        string                `json:"name"`
	Objective   declare.ObjectiveName `json:"objective,omitempty"`
	Service     declare.ServiceID     `json:"service,omitempty"`
	Severity    detect.Severity       `json:"severity"`
	Labels      map[string]string     `json:"labels"`
	Value       float64               `json:"value"` // when it opened
	Since       time.Time             `json:"since"` // its condition held
	Opened      time.Time             `json:"opened"`
	Resolved    time.Time             `json:"resolved,omitzero"`
	Incident    Number                `json:"incident,omitempty"`
	Told        time.Time             `json:"told,omitzero"`         // first message that was sent
	Acked       time.Time             `json:"acknowledged,omitzero"` // its incident was, while it held or after
	Outcome     OutcomeLabel          `json:"outcome,omitempty"`
	Inferred    bool                  `json:"inferred,omitempty"`
}

// OutcomeLinks are the links in messages by which a reader says what became of a finding,
// without a sign-in: signed, of one finding, and good for one time.
type OutcomeLinks interface {
	// LinkTo makes the token of a finding's link; the same each time.
	LinkTo(finding int64, opened time.Time) (token string)
	// Link reads a token; ErrNoLink for one that was not made here, ErrLinkEnded for one that
	// is too old.
	Link(ctx context.Context, now time.Time, token string) (finding int64, used bool, err error)
	// UseLink labels the finding. A link that was used, and a finding of which a person has
	// said it, are refused with an InvalidError.
	UseLink(ctx context.Context, now time.Time, token string, l OutcomeLabel, note string) (Outcome, error)
}

// Outcomes is the book of outcomes, as pages, API and backtests use it.
type Outcomes interface {
	// Outcome returns ErrNotFound where there is none yet.
	Outcome(ctx context.Context, finding int64) (Outcome, error)
	// Label is a person's word on a finding; it replaces the one before.
	Label(ctx context.Context, now time.Time, actor journal.Actor, finding int64, l OutcomeLabel, note string) (Outcome, error)
	// LabelIncident labels all findings of an incident that somebody was told of and no
	// person has labelled yet. It returns how many those were.
	LabelIncident(ctx context.Context, now time.Time, actor journal.Actor, n Number, l OutcomeLabel, note string) (int, error)
	// Episodes are those that opened in [from, to), oldest first.
	Episodes(ctx context.Context, from, to time.Time) ([]Episode, error)
}
