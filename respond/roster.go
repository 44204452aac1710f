package respond

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// OverrideKind says what a change to a schedule does.
type OverrideKind string

// The kinds: somebody else has the duty, two people exchange shifts, somebody learns.
const (
	OverrideDuty   OverrideKind = "override"
	OverrideSwap   OverrideKind = "swap"
	OverrideShadow OverrideKind = "shadow"
)

// DutyOverride is a change to a schedule that was made by a person, beside the files.
type DutyOverride struct {
	ID       int64            `json:"id"`
	Schedule string           `json:"schedule"`
	Kind     OverrideKind     `json:"kind"`
	Person   declare.PersonID `json:"person"`
	Of       declare.PersonID `json:"of,omitempty"` // whom a shadow follows; "" for whoever it is
	From     time.Time        `json:"from"`
	To       time.Time        `json:"to"`
	Reason   string           `json:"reason,omitempty"`
	Swap     int64            `json:"swap,omitempty"` // ID of the first half; both halves name it
	Source   string           `json:"-"`              // the calendar that brought it; not shown, since such a URL is often a secret
	UID      string           `json:"uid,omitempty"`  // of the calendar's event
	By       journal.Actor    `json:"by"`
	At       time.Time        `json:"at"`
	Fact     journal.ID       `json:"fact"`
}

// TeamLoad says what being on call asked of a team. It names no person: it is for
// taking care, never for comparing people.
type TeamLoad struct {
	Team         declare.TeamID `json:"team"`
	Shifts       int            `json:"shifts"`
	Hours        float64        `json:"hours"`
	NightHours   float64        `json:"night_hours"`   // 22:00 to 07:00 of the schedule
	WeekendHours float64        `json:"weekend_hours"` //
	Pages        int            `json:"pages"`         // incidents that opened or paged again
	NightPages   int            `json:"night_pages"`
	Nights       int            `json:"nights"` // that had a page
	PerShift     float64        `json:"pages_per_shift"`
	Busiest      int            `json:"busiest_shift"` // pages of the shift that had most
	Uncovered    float64        `json:"uncovered_hours"`
	ByShift      []ShiftLoad    `json:"by_shift"`
}

// ShiftLoad is one shift, without its person.
type ShiftLoad struct {
	Schedule   string    `json:"schedule"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Pages      int       `json:"pages"`
	NightPages int       `json:"night_pages"`
}

// FollowedCalendar is a calendar that a schedule follows by its URL, and how it stands.
// The URL itself is not told, since it is often a secret.
type FollowedCalendar struct {
	Schedule string         `json:"schedule"`
	Team     declare.TeamID `json:"team"`
	Layer    string         `json:"layer,omitempty" doc:"The layer that has its events; absent where they are holidays."`
	Host     string         `json:"host"`
	Events   int            `json:"events" doc:"Times to come that count."`
	Read     time.Time      `json:"read,omitzero" doc:"The last good reading; absent before the first."`
	Tried    time.Time      `json:"tried,omitzero" doc:"The last try; absent before the first."`
	Error    string         `json:"error,omitempty" doc:"Why the last try failed. The last good reading counts."`
	OfNobody []string       `json:"of_nobody,omitempty" doc:"Events to come that are left out, since they are of nobody in the catalogue; at most 10."`
}

// Roster is what pages and API do with duties beside reading the workspace. Acts name
// their actor and write their fact; they return an *InvalidError or ErrNoOverride.
type Roster interface {
	// Overrides are those that have not ended before since, in order of From.
	Overrides(ctx context.Context, since time.Time, schedule string) ([]DutyOverride, error)
	AddOverride(ctx context.Context, now time.Time, actor journal.Actor, o DutyOverride) (DutyOverride, error)
	// Swap exchanges the shift that covers give with the one that covers take.
	Swap(ctx context.Context, now time.Time, actor journal.Actor, schedule string, give, take time.Time, reason string) ([]DutyOverride, error)
	// RemoveOverride ends one, and the other half of a swap with it.
	RemoveOverride(ctx context.Context, now time.Time, actor journal.Actor, id int64) error
	// Import makes an override of each event of an iCalendar file that has not ended, and
	// returns those that the calendar has in force now. source names the calendar: a file
	// or a URL. What the same source brought before and has no more is removed; an event
	// that came from any source with the same UID is replaced. Without a source nothing is
	// removed but what is replaced.
	Import(ctx context.Context, now time.Time, actor journal.Actor, schedule, source string, calendar []byte) ([]DutyOverride, error)
	// Followed are the calendars that schedules follow, those of one schedule or of all for "".
	Followed(ctx context.Context, now time.Time, schedule string) ([]FollowedCalendar, error)
	// Load sums up what being on call asked of each team in [from, to).
	Load(ctx context.Context, from, to time.Time) ([]TeamLoad, error)
	// FeedPath is where calendar programs read a schedule's ("schedule") or a person's
	// ("person") shifts: who has the link, may read.
	FeedPath(ctx context.Context, kind, name string) (string, error)
	// RenewFeed ends the old link and returns the new one.
	RenewFeed(ctx context.Context, now time.Time, actor journal.Actor, kind, name string) (string, error)
	// Feed is the calendar behind such a link, or ErrNoFeed.
	Feed(ctx context.Context, now time.Time, kind, name, token string) ([]byte, error)
}

type notFound string

func (e notFound) Error() string   { return string(e) }
func (e notFound) Is(t error) bool { return t == ErrNotFound } //nolint:errorlint // it is this one

// What is not there; each is ErrNotFound too.
const (
	ErrNoOverride = notFound("no such override")
	ErrNoFeed     = notFound("no such calendar")

	// ErrNoReview is returned for an alert that told nobody, or that no rule file declares.
	ErrNoReview = notFound("no such alert is reviewed: it told nobody in this time, or no rule file declares it")

	// ErrNoSilence, ErrNoStatusPage and ErrNoSubscriber are returned for what is not there.
	ErrNoSilence    = notFound("no such silence")
	ErrNoStatusPage = notFound("no such status page: it is named after a system of the catalogue")
	ErrNoSubscriber = notFound("no such subscriber")
)
