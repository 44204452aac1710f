package respond

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
)

// ContactMethod is one way to reach a person, in the order in which they are tried.
type ContactMethod struct {
	ID         int64               `json:"id,omitempty"` // 0: the catalogue says so
	Person     declare.PersonID    `json:"person"`
	Kind       declare.ContactKind `json:"kind"`
	Address    string              `json:"address"`              // as shown: of a secret, not all
	Severities []detect.Severity   `json:"severities,omitempty"` // it is used for these; none: for all
	Verified   time.Time           `json:"verified,omitzero"`    // an unverified one is not used
	Source     string              `json:"source"`               // catalogue, or the person
	URL        string              `json:"-"`                    // the whole address
}

// QuietRule keeps messages of some severities back at some hours of the day.
type QuietRule struct {
	From       int               `json:"from"` // minutes after midnight
	To         int               `json:"to"`
	Zone       string            `json:"zone"` // of the IANA database
	Severities []detect.Severity `json:"severities"`
}

// DeliveryState is where a notice to a person is.
type DeliveryState string

// The states; the package reach draws them.
const (
	DeliveryQueued    DeliveryState = "queued"
	DeliverySending   DeliveryState = "sending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryFailed    DeliveryState = "failed"
	DeliveryCancelled DeliveryState = "cancelled"
)

// Delivery is a notice to a person with each attempt to bring it.
type Delivery struct {
	ID       int64            `json:"id"`
	Person   declare.PersonID `json:"person"`
	Purpose  Purpose          `json:"purpose"`
	Incident Number           `json:"incident,omitempty"`
	Severity detect.Severity  `json:"severity"`
	Title    string           `json:"title"`
	Why      string           `json:"why"` // what chose this person
	State    DeliveryState    `json:"state"`
	Next     time.Time        `json:"next,omitzero"` // the next attempt
	QueuedAt time.Time        `json:"queued_at"`
	DoneAt   time.Time        `json:"done_at,omitzero"`
	UsedAt   time.Time        `json:"used_at,omitzero"` // its link acknowledged the incident
	Attempts []Attempt        `json:"attempts"`
	Fact     journal.ID       `json:"fact"`
}

// Attempt is one try to bring a notice.
type Attempt struct {
	N       int                 `json:"n"`
	At      time.Time           `json:"at"`
	TookMS  int64               `json:"took_ms"`
	Kind    declare.ContactKind `json:"kind"`
	Address string              `json:"address"`
	OK      bool                `json:"ok"`
	Detail  string              `json:"detail,omitempty"`
}

// Reach is what pages and API do with contact methods and deliveries.
type Reach interface {
	// Methods are a person's, in order: verified ones of their own, then the catalogue's.
	Methods(ctx context.Context, who declare.PersonID) ([]ContactMethod, error)
	// AddMethod stores one and sends a code to it.
	AddMethod(ctx context.Context, now time.Time, actor journal.Actor, m ContactMethod) (ContactMethod, error)
	// VerifyMethod compares the code.
	VerifyMethod(ctx context.Context, now time.Time, actor journal.Actor, who declare.PersonID, id int64, code string) error
	RemoveMethod(ctx context.Context, now time.Time, actor journal.Actor, who declare.PersonID, id int64) error
	Quiet(ctx context.Context, who declare.PersonID) (QuietRule, error)
	SetQuiet(ctx context.Context, now time.Time, actor journal.Actor, who declare.PersonID, r QuietRule) error
	// Deliveries are of an incident or of a person, newest first.
	Deliveries(ctx context.Context, n Number, who declare.PersonID) ([]Delivery, error)
	// Link reads an acknowledge link's path; ErrNoLink for one that is none, ErrLinkEnded for
	// one that is over.
	Link(ctx context.Context, now time.Time, token string) (Delivery, error)
	// UseLink marks it used, once; an *InvalidError the second time.
	UseLink(ctx context.Context, now time.Time, token string) (Delivery, error)
}

// What is not there; each is ErrNotFound too.
const (
	ErrNoMethod  = notFound("no such contact method")
	ErrNoLink    = notFound("this link was not made here, or not all of it has come")
	ErrLinkEnded = notFound("this link has ended")
)
