package respond

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
)

// EscalationStatus is where an escalation stands; the package escalation draws it.
type EscalationStatus string

// The states.
const (
	EscalationRunning      EscalationStatus = "running"
	EscalationAcknowledged EscalationStatus = "acknowledged"
	EscalationExhausted    EscalationStatus = "exhausted" // nobody is left to notify
	EscalationEnded        EscalationStatus = "ended"
)

// Escalation is how far an incident has gone through its policy.
type Escalation struct {
	Incident   Number                   `json:"incident"`
	Policy     string                   `json:"policy"`
	Steps      []declare.EscalationStep `json:"steps"` // as they were when it was armed
	Repeat     int                      `json:"repeat"`
	AckTimeout time.Duration            `json:"ack_timeout,omitempty"`
	Status     EscalationStatus         `json:"status"`
	Arm        int                      `json:"arm"`   // how often it began: 2 after it paged again
	Round      int                      `json:"round"` // 0 is the first time through all steps
	Step       int                      `json:"step"`  // the next one; as many as there are steps when none is left in this round
	Due        time.Time                `json:"due,omitzero"`
	Set        time.Time                `json:"set"`           // when Due was set
	Over       time.Time                `json:"over,omitzero"` // the acknowledgement whose time ran out
	Started    time.Time                `json:"started"`
	Fact       journal.ID               `json:"fact"`
}

// HandupStatus is where an escalation packet stands.
type HandupStatus string

// The states: it waits for the next level; they took the incident; they sent it back.
const (
	HandupOpen     HandupStatus = "open"
	HandupAccepted HandupStatus = "accepted"
	HandupReturned HandupStatus = "returned"
)

// Handup is an escalation packet: what the next level has to know to help at once.
type Handup struct {
	ID        int64              `json:"id"`
	Incident  Number             `json:"incident"`
	From      declare.PersonID   `json:"from"`
	Target    string             `json:"target"`
	People    []declare.PersonID `json:"people"`
	Impact    string             `json:"impact"`
	Tried     string             `json:"tried"`
	Evidence  string             `json:"evidence"`
	Question  string             `json:"question"`
	Status    HandupStatus       `json:"status"`
	Missing   string             `json:"missing,omitempty"` // what the receiver still needs
	DecidedBy declare.PersonID   `json:"decided_by,omitempty"`
	Sent      int                `json:"sent"` // how often it was sent: 2 after it came back once
	AskedAt   time.Time          `json:"asked_at"`
	DecidedAt time.Time          `json:"decided_at,omitzero"`
	Fact      journal.ID         `json:"fact"`
}

// Escalations is what pages and API do with escalations. Acts name their actor, write
// their fact, and return ErrNotFound, an *InvalidError or a *TransitionError.
type Escalations interface {
	// Get returns ErrNoEscalation for an incident that has none.
	Get(ctx context.Context, n Number) (Escalation, error)
	// Acknowledge acknowledges the incident; where somebody had and their time ran out,
	// it says that they are still at it.
	Acknowledge(ctx context.Context, now time.Time, who declare.PersonID, n Number) (Incident, error)
	// Handups are the packets of an incident; for 0 those of all active incidents that wait
	// for an answer or came back.
	Handups(ctx context.Context, n Number) ([]Handup, error)
	// HandUp sends a packet to the next level. A target "" is the next step of the
	// policy; an ID that is not 0 sends a packet again that came back.
	HandUp(ctx context.Context, now time.Time, who declare.PersonID, h Handup) (Handup, error)
	// Accept takes the incident over.
	Accept(ctx context.Context, now time.Time, who declare.PersonID, n Number, id int64) (Handup, error)
	// SendBack returns a packet with what is missing.
	SendBack(ctx context.Context, now time.Time, who declare.PersonID, n Number, id int64, missing string) (Handup, error)
}

// ErrNoEscalation is returned for an incident without one.
const ErrNoEscalation = notFound("no escalation: the incident's team has no policy")

// ErrNoHandup is returned for a packet that is not there.
const ErrNoHandup = notFound("no such packet")

// Purpose says why somebody is told.
type Purpose string

// The purposes.
const (
	PurposePage     Purpose = "page"     // it is yours to acknowledge
	PurposeCopy     Purpose = "copy"     // you shadow somebody who was paged
	PurposeHandup   Purpose = "handup"   // a packet came up to you
	PurposeReturned Purpose = "returned" // your packet came back
	PurposeVerify   Purpose = "verify"   // is this address yours?
)

// Notice asks to reach one person.
type Notice struct {
	Key      string // a second notice of the same key is none
	Person   declare.PersonID
	Purpose  Purpose
	Incident Number
	Severity detect.Severity
	Title    string
	Text     string
	Why      string     // the setting that chose this person
	Cause    journal.ID // the fact that asks for it
}
