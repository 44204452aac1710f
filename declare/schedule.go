package declare

import (
	"time"
	_ "time/tzdata" // schedules and calendar windows name time zones; not every machine has their database
)

// Schedule says who is on call for a team. Layers later in the list win, then
// overrides, again later ones over earlier ones.
type Schedule struct {
	Name      string
	Team      TeamID
	Location  *time.Location // nil: UTC
	Layers    []Layer
	Overrides []Override
	Shadows   []Shadow
	Holidays  []Holiday
	Feeds     []string // URLs of calendars whose events are holidays too
	AllowGaps bool     // nobody being on call at times is intended, as for office hours
	Pos       Position
}

// Layer rotates people, or takes its turns from a calendar. A turn begins on the
// clock on the wall: 9 o'clock stays 9 o'clock over a change to daylight saving.
type Layer struct {
	Name     string
	Start    time.Time
	End      time.Time      // zero: it has none
	Every    Turn           // how long one person's turn is
	Location *time.Location // nil: the schedule's; follow-the-sun has one a layer
	People   []PersonID
	Only     []Restriction // the layer counts inside of these alone; none: always
	Holidays HolidayUse    // what holidays do to the layer
	Events   []Override    // of a calendar, in order of From; instead of Every and People
	Feed     string        // URL of the calendar whose last good reading gives Events; "" for none
}

// Turn is how long one person has the duty: whole days by the calendar, or hours by
// the clock on the wall. One of the two is set.
type Turn struct{ Days, Hours int }

// The turns that have names of their own.
var (
	Daily  = Turn{Days: 1}
	Weekly = Turn{Days: 7}
)

// Restriction is a part of days, in local time. To at or before From ends on the next
// day: 18:00 to 08:00 of Friday ends on Saturday.
type Restriction struct {
	Days     [7]bool // by time.Weekday
	From, To int     // minutes after midnight; To may be 1,440
}

// HolidayUse says what holidays do to a layer.
type HolidayUse string

// The uses.
const (
	HolidaysCount HolidayUse = ""     // a holiday is a day as any other
	HolidaysSkip  HolidayUse = "skip" // the layer does not count on holidays
	HolidaysOnly  HolidayUse = "only" // the layer counts on holidays alone
)

// Holiday is a day, or some, on which other layers may count.
type Holiday struct {
	Name     string
	From, To time.Time
}

// Override puts one person on call in [From, To).
type Override struct {
	ID       int64 // of one that was made on a page or by a command; 0: a file says so
	Person   PersonID
	From, To time.Time
	Swap     bool   // one half of an exchange of shifts
	Reason   string // for people
}

// Shadow gets copies of what the person on call gets, and is never paged alone.
type Shadow struct {
	ID       int64
	Person   PersonID
	Of       PersonID  // only while this one is on call; "" for everybody
	From, To time.Time // zero: without that end
}

func (o Override) covers(t time.Time) bool { return !t.Before(o.From) && t.Before(o.To) }

func (s *Schedule) location(l *Layer) *time.Location {
	switch {
	case l != nil && l.Location != nil:
		return l.Location
	case s.Location != nil:
		return s.Location
	}
	return time.UTC
}
