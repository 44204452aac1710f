package act

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// RequestStatus of a request.
type RequestStatus string

// The states of a request; the comment of package request draws them.
const (
	RequestWaiting   RequestStatus = "waiting" // for an approval
	RequestAsked     RequestStatus = "asked"   // for an answer of the requester: the clock stands
	RequestQueued    RequestStatus = "queued"  // approved, to be fulfilled
	RequestRunning   RequestStatus = "running"
	RequestDone      RequestStatus = "done"
	RequestRefused   RequestStatus = "refused"
	RequestCancelled RequestStatus = "cancelled"
)

// Ended says whether nothing more will happen by itself.
func (s RequestStatus) Ended() bool {
	return s == RequestDone || s == RequestRefused || s == RequestCancelled
}

// Request is something that somebody asked for from the catalogue of requests.
type Request struct {
	ID          int64             `json:"id"`
	Item        string            `json:"item"`
	Title       string            `json:"title"`
	Owner       declare.TeamID    `json:"owner"`
	Form        map[string]string `json:"form"`
	Requester   declare.PersonID  `json:"requester"`
	Status      RequestStatus     `json:"status"`
	Reason      string            `json:"reason,omitempty" doc:"Why it is in this state, or what is asked."`
	DecidedBy   declare.PersonID  `json:"decided_by,omitempty"`
	DecidedAt   time.Time         `json:"decided_at,omitzero"`
	Run         string            `json:"run,omitempty"`
	Change      string            `json:"change,omitempty"`
	Within      time.Duration     `json:"within"`
	SubmittedAt time.Time         `json:"submitted_at"`
	AskedAt     time.Time         `json:"asked_at,omitzero"`
	Paused      time.Duration     `json:"paused" doc:"How long it waited for the requester."`
	DoneAt      time.Time         `json:"done_at,omitzero"`
	Reopened    int               `json:"reopened"`
	Failed      int               `json:"failed" doc:"Fulfilments that failed."`
	SelfService bool              `json:"self_service" doc:"Nobody else had to do anything."`
	Fact        journal.ID        `json:"fact"`
}

// Ref is how facts name it.
func (r *Request) Ref() journal.Ref { return journal.MakeRef("request", fmt.Sprint(r.ID)) }

// Elapsed is the time that counts: since it was submitted, without what it waited for
// the requester.
func (r *Request) Elapsed(now time.Time) time.Duration {
	end, paused := now, r.Paused
	if !r.DoneAt.IsZero() {
		end = r.DoneAt
	}
	if !r.AskedAt.IsZero() && r.Status == RequestAsked && end.After(r.AskedAt) {
		paused += end.Sub(r.AskedAt)
	}
	return max(end.Sub(r.SubmittedAt)-paused, 0)
}

// Late says whether its service level is missed.
func (r *Request) Late(now time.Time) bool {
	return r.Status != RequestRefused && r.Status != RequestCancelled && r.Elapsed(now) > r.Within
}

// RightFirstTime says whether a request that is done was so at once.
func (r *Request) RightFirstTime() bool {
	return r.Status == RequestDone && r.Reopened == 0 && r.Failed == 0
}

// RequestFilter selects requests, newest first. Limit 0 means 100.
type RequestFilter struct {
	Open      bool
	Owner     declare.TeamID
	Requester declare.PersonID
	Item      string
	From, To  time.Time // submitted in [From, To)
	Limit     int
	Offset    int
}

// RequestMeasures is how requests went.
type RequestMeasures struct {
	N              int     `json:"n" doc:"Requests that were done."`
	InTime         float64 `json:"in_time" doc:"Share within their service level."`
	RightFirstTime float64 `json:"right_first_time" doc:"Share neither reopened nor failed."`
	Reopened       int     `json:"reopened"`
	SelfService    float64 `json:"self_service" doc:"Share that needed nobody else."`
	Median         float64 `json:"median_seconds"`
	P90            float64 `json:"p90_seconds"`
}
