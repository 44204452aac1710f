package respond

import (
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// Suspect is what may have caused an incident, best first. Score is in [0,1].
type Suspect struct {
	Rank     int                `json:"rank"`
	Resource declare.ResourceID `json:"resource,omitempty"`
	Change   string             `json:"change,omitempty"` // ID
	Kind     string             `json:"kind,omitempty"`   // of the change
	Service  declare.ServiceID  `json:"service,omitempty"`
	Summary  string             `json:"summary"`
	Score    float64            `json:"score"`
	Reason   string             `json:"reason"`   // one sentence
	Evidence []string           `json:"evidence"` // each a phrase
	At       time.Time          `json:"at"`
	Pictures []Picture          `json:"pictures,omitempty"`
	Decision *SuspectDecision   `json:"decision,omitempty"` // what somebody said of it
}

// Key tells the suspects of one incident apart.
func (s Suspect) Key() string { return string(s.Resource) + "|" + s.Change }

// Picture is a signal that shifted, around the onset, thinned to what a small drawing
// shows.
type Picture struct {
	Metric string    `json:"metric"`
	Base   float64   `json:"base"` // its quiet level
	Onset  time.Time `json:"onset"`
	Points []Sample  `json:"points"`
}

// Sample is one point of a picture.
type Sample struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

// Verdict is what a person says of a suspect.
type Verdict string

// The verdicts.
const (
	Confirmed Verdict = "confirmed"
	Rejected  Verdict = "rejected"
)

// SuspectDecision is a verdict with who gave it. A later one replaces it.
type SuspectDecision struct {
	Verdict Verdict       `json:"verdict"`
	Actor   journal.Actor `json:"actor"`
	At      time.Time     `json:"at"`
	Note    string        `json:"note,omitempty"`
}

// Past is what confirming and rejecting suspects has taught: how often a suspect of a
// kind of change, or of a resource, was the cause.
type Past struct {
	Kinds     map[string]Record
	Resources map[string]Record
}

// Record counts decisions about suspects.
type Record struct{ Confirmed, Rejected int }

// Factor turns a record into a weight around 1: one decision moves little, many move
// it towards a half or one and a half.
func (r Record) Factor() float64 {
	const even = 2 // imagined decisions of each sort
	return 0.5 + float64(r.Confirmed+even)/float64(r.Confirmed+r.Rejected+2*even)
}
