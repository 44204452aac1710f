package journal

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// ID numbers facts in the order in which they were written. Zero means none:
// a fact whose Cause is zero came from outside.
type ID int64

// Kind names what happened as room-noun and past participle: "finding.opened",
// "incident.acknowledged", "run.step.finished".
type Kind string

// Actor says who did it, as "person:alice", "token:ci" or "system:detect".
// It is evidence and is therefore passed explicitly, never through a context.
type Actor string

// System is the actor of what the program does by itself, in one room.
func System(room string) Actor { return Actor("system:" + room) }

// Person is the actor of what a signed-in person does.
func Person(name string) Actor { return Actor("person:" + name) }

// Name returns the part after the colon, which is what pages show.
func (a Actor) Name() string {
	if _, name, ok := strings.Cut(string(a), ":"); ok {
		return name
	}
	return string(a)
}

// Ref points at a noun: "incident/7", "finding/12", "run/r-…", "change/c-…",
// "service/checkout", "objective/checkout-availability", "workspace/".
type Ref string

// MakeRef joins a noun's kind and identity.
func MakeRef(kind, id string) Ref { return Ref(kind + "/" + id) }

// Split returns the noun's kind and identity.
func (r Ref) Split() (kind, id string) {
	kind, id, _ = strings.Cut(string(r), "/")
	return kind, id
}

// Fact is one thing that happened. Text is one plain-text line for people
// (never a secret, never markup); Data is the machine's part, a JSON object.
type Fact struct {
	ID      ID              `json:"id"`
	At      time.Time       `json:"at"`
	Kind    Kind            `json:"kind"`
	Actor   Actor           `json:"actor"`
	Cause   ID              `json:"cause,omitempty"`
	Subject Ref             `json:"subject"`
	Refs    []Ref           `json:"refs,omitempty"` // further nouns on whose timelines it belongs
	Text    string          `json:"text"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Query selects facts. Zero fields do not restrict. Results are newest first
// unless Oldest is set. Limit 0 means 100; at most 10,000 are returned.
type Query struct {
	Ref    Ref    // subject or related noun
	Actor  Actor  //
	Kind   Kind   // exact, or a prefix when it ends in "."
	After  ID     // only facts with a greater ID
	Before ID     // only facts with a smaller ID
	Oldest bool   // oldest first
	Text   string // case-insensitive part of Text
	Limit  int
}

// Reader reads the journal. Writing goes through a state transaction, because a
// fact and the state that it speaks of are written together or not at all.
type Reader interface {
	Facts(ctx context.Context, q Query) ([]Fact, error)
	// Causes returns the chain from the given fact back to its first cause,
	// the given fact first.
	Causes(ctx context.Context, id ID) ([]Fact, error)
	// Follow sends every fact committed after the call until ctx ends, then
	// closes the channel. A reader too slow to keep up loses facts and sees it
	// as a gap in the IDs; it MUST re-read with Facts.
	Follow(ctx context.Context) <-chan Fact
}
