package act

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

// ChangeKind says what sort of thing altered production: deploy, rollback, config,
// infrastructure, flag, scale, patch, network, run, or any other lower-case word.
type ChangeKind string

// Change is something that altered production.
type Change struct {
	ID        string            `json:"id"` // the sender's own, or made here; unique
	Kind      ChangeKind        `json:"kind"`
	Summary   string            `json:"summary"`
	Service   declare.ServiceID `json:"service,omitempty"`
	Resources []string          `json:"resources,omitempty"`
	Actor     string            `json:"actor"`            // who changed it, as told
	Source    string            `json:"source,omitempty"` // where it was learned: cli, api, run, …
	From      string            `json:"from,omitempty"`   // version before
	To        string            `json:"to,omitempty"`     // version after
	URL       string            `json:"url,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Run       string            `json:"run,omitempty"`
	Verdict   string            `json:"verdict,omitempty"` // "", verified, failed, rolled-back
	StartedAt time.Time         `json:"started_at"`
	EndedAt   time.Time         `json:"ended_at,omitzero"`
	Fact      journal.ID        `json:"fact"` // change.recorded
}

// ChangeFilter selects changes, newest start first. Zero fields do not restrict. Limit 0 means 100.
type ChangeFilter struct {
	Service  declare.ServiceID
	Services []declare.ServiceID // any of
	Kind     ChangeKind
	From, To time.Time // started in [From, To)
	Text     string
	Limit    int
	Offset   int
}

// Changes is the book of changes.
type Changes interface {
	// Record stores a change. The same ID again with the same content changes
	// nothing; with other content it updates ended_at and verdict only, or is a
	// *ConflictError.
	Record(ctx context.Context, now time.Time, actor journal.Actor, c Change) (Change, error)
	List(ctx context.Context, f ChangeFilter) ([]Change, error)
	Get(ctx context.Context, id string) (Change, error) // ErrNotFound
}

// ErrNotFound is returned for a change, run or runbook that is not there.
var ErrNotFound = fmt.Errorf("not found")

// InvalidError is input that is refused; the room before has the same.
type InvalidError = respond.InvalidError

// ConflictError is an act that the present state does not allow.
type ConflictError struct{ Why string }

func (e *ConflictError) Error() string { return e.Why }

// DeniedError is an act that this person may not do, and why.
type DeniedError struct{ Why string }

func (e *DeniedError) Error() string { return e.Why }
