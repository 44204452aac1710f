package learn

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/journal"
)

// Review is what was learned from one incident.
type Review struct {
	Incident  int64         `json:"incident"`
	Status    string        `json:"status"` // draft, published
	Markdown  string        `json:"markdown"`
	DraftedAt time.Time     `json:"drafted_at"`
	UpdatedAt time.Time     `json:"updated_at"`
	UpdatedBy journal.Actor `json:"updated_by"`
	FollowUps []FollowUp    `json:"follow_ups"`
}

// FollowUp is something to do so that it does not happen again.
type FollowUp struct {
	ID        int64     `json:"id"`
	Incident  int64     `json:"incident"`
	Text      string    `json:"text"`
	Owner     string    `json:"owner"`
	CreatedAt time.Time `json:"created_at"`
	DoneAt    time.Time `json:"done_at,omitzero"`
}

// Reviews is the book of reviews.
type Reviews interface {
	// Draft writes the review of an incident from the journal, or returns the one
	// that is there.
	Draft(ctx context.Context, now time.Time, actor journal.Actor, incident int64) (Review, error)
	// Redraft throws a draft away and writes it anew; a published one is a conflict.
	Redraft(ctx context.Context, now time.Time, actor journal.Actor, incident int64) (Review, error)
	Save(ctx context.Context, now time.Time, actor journal.Actor, incident int64, markdown string, publish bool) (Review, error)
	AddFollowUp(ctx context.Context, now time.Time, actor journal.Actor, incident int64, text, owner string) (FollowUp, error)
	FinishFollowUp(ctx context.Context, now time.Time, actor journal.Actor, id int64) error
	Get(ctx context.Context, incident int64) (Review, error) // ErrNotFound
	List(ctx context.Context) ([]Review, error)              // newest first, without Markdown
}

// ErrNotFound is returned for a review that is not there.
var ErrNotFound = fmt.Errorf("no such review")
