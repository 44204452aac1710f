package act

import (
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// DutyKind says what is owed.
type DutyKind string

// The kinds of duties.
const (
	DutyRecord DutyKind = "voice-record" // the commander writes down what they approved by voice
	DutyReview DutyKind = "glass-review" // somebody else looks at what was done without an approval
)

// Duty is owed after an exception to the usual approval. Overdue, it is a finding.
type Duty struct {
	ID        int64            `json:"id"`
	Kind      DutyKind         `json:"kind"`
	Run       string           `json:"run"`
	Step      int              `json:"step"`
	OwedBy    declare.PersonID `json:"owed_by,omitempty"` // absent: by anybody but NotBy who might have approved
	NotBy     declare.PersonID `json:"not_by,omitempty"`
	Summary   string           `json:"summary"`
	CreatedAt time.Time        `json:"created_at"`
	DueAt     time.Time        `json:"due_at"`
	DoneAt    time.Time        `json:"done_at,omitzero"`
	DoneBy    journal.Actor    `json:"done_by,omitempty"`
	Verdict   string           `json:"verdict,omitempty"` // confirmed or disputed; right or wrong
	Text      string           `json:"text,omitempty"`
}

// Open says whether it is still owed.
func (d *Duty) Open() bool { return d.DoneAt.IsZero() }

// Overdue says whether it should have been done.
func (d *Duty) Overdue(now time.Time) bool { return d.Open() && !now.Before(d.DueAt) }

// Ref is how facts name it.
func (d *Duty) Ref() journal.Ref { return journal.MakeRef("run", d.Run) }
