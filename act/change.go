package act

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

// ChangeKind says what sort of thing altered production: one of Kinds, or any other
// lower-case word.
type ChangeKind string

// The kinds that the timeline knows.
const (
	Deploy         ChangeKind = "deploy"
	Rollback       ChangeKind = "rollback"
	Config         ChangeKind = "config"
	Infrastructure ChangeKind = "infrastructure"
	Flag           ChangeKind = "flag"
	Scale          ChangeKind = "scale"
	Patch          ChangeKind = "patch"
	Network        ChangeKind = "network"
	RunKind        ChangeKind = "run"
)

// Kinds is what a form offers.
var Kinds = []ChangeKind{Deploy, Rollback, Config, Infrastructure, Flag, Scale, Patch, Network, RunKind}

// Evidence is what is known of how a change was made. Empty fields are not known.
type Evidence struct {
	Author      string    `json:"author,omitempty"`
	Reviewers   []string  `json:"reviewers,omitempty"`
	Rollback    string    `json:"rollback,omitempty" doc:"How it is undone: a runbook, a link, a sentence."`
	Checks      string    `json:"checks,omitempty" doc:"passed or failed."`
	Environment string    `json:"environment,omitempty"`
	Repository  string    `json:"repository,omitempty"`
	Commit      string    `json:"commit,omitempty"`
	CommittedAt time.Time `json:"committed_at,omitzero" doc:"When the oldest commit of it was made: its lead time begins there."`
	Emergency   bool      `json:"emergency,omitempty" doc:"It could not wait for a window."`
}

// Hygiene is how well a change was made: what is met over what can be told.
type Hygiene struct {
	Score float64       `json:"score" doc:"Met over told, 0 to 1; -1 when nothing can be told yet."`
	Items []HygieneItem `json:"items"`
}

// HygieneItem is one thing that a change ought to have.
type HygieneItem struct {
	Name  string `json:"name"`
	State string `json:"state" doc:"met, missing, or due while it cannot be told yet."`
	Why   string `json:"why"`
}

// Merge is what was put together before a deploy: a pull request or a push.
type Merge struct {
	ID          string    `json:"id"`
	Repository  string    `json:"repository"`
	Title       string    `json:"title"`
	Author      string    `json:"author,omitempty"`
	Reviewers   []string  `json:"reviewers,omitempty"`
	URL         string    `json:"url,omitempty"`
	Branch      string    `json:"branch,omitempty"`
	Head        string    `json:"head,omitempty"`
	MergeCommit string    `json:"merge_commit,omitempty"`
	Checks      string    `json:"checks,omitempty"`
	CommittedAt time.Time `json:"committed_at,omitzero"` // its first commit
	CreatedAt   time.Time `json:"created_at,omitzero"`
	ReviewedAt  time.Time `json:"reviewed_at,omitzero"` // its first review
	MergedAt    time.Time `json:"merged_at,omitzero"`
}

// Delivery is one call of a webhook: where any of its IDs of the same source is known,
// it was taken before.
type Delivery struct {
	Source  string
	IDs     []string
	Changes []Change
	Merges  []Merge
	Checks  []Check
}

// Check is the outcome of a commit's pipeline.
type Check struct{ Commit, Outcome string }

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
	Risk      declare.Risk      `json:"risk,omitempty"`    // from what it touches
	RiskWhy   []string          `json:"risk_why,omitempty"`
	Evidence  Evidence          `json:"evidence,omitzero"`
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
