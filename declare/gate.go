package declare

import "time"

// GatePolicy says when changes may go: policies/gate.yml. The zero value lets
// everything pass that no incident and no failing dependency stops.
type GatePolicy struct {
	Budget   []BudgetRule // the first that fits decides; the lowest Below first
	Freezes  []Freeze
	Windows  []ChangeWindow
	Override LevelName     // the lowest level that may override at the gate; default lead
	Within   time.Duration // changes that began so long ago and have not ended are concurrent; default 1h
	Verify   struct {
		Window   time.Duration // how long before and after is compared; default 10m
		Rollback string        // offer (default) or start
	}
}

// BudgetRule limits changes while the error budget that is left is below a share.
type BudgetRule struct {
	Below float64  // share of the budget, 0.25 for a quarter
	Kinds []string // kinds that may still go
	Risk  Risk     // the highest risk that may still go; none for no other kind
	Why   string
	Pos   Position
}

// Freeze is a time in which nothing is changed, or all times of a calendar.
type Freeze struct {
	Name      string
	From, To  time.Time
	Events    []Holiday      // of its calendar, in order of From; instead of From and To
	Feed      string         // URL of the calendar whose last good reading gives Events; "" for none
	Location  *time.Location // of times of that calendar that name none
	Unread    bool           // there is no good reading of Feed yet: nobody knows when it holds
	Why       string
	Services  []ServiceID // empty: all
	Kinds     []string    // kinds that may go all the same
	Overrides []FreezeOverride
	Pos       Position
}

// Times are when it holds, in order of From.
func (f Freeze) Times() []Holiday {
	if f.From.IsZero() {
		return f.Events
	}
	return []Holiday{{From: f.From, To: f.To}}
}

// Holds says whether it holds at a time: by the time that ends last.
func (f Freeze) Holds(at time.Time) (now Holiday, ok bool) {
	for _, t := range f.Times() {
		if !at.Before(t.From) && at.Before(t.To) && t.To.After(now.To) {
			now, ok = t, true
		}
	}
	return now, ok
}

// FreezeOverride lets a service through a freeze, by the name of who decided it.
type FreezeOverride struct {
	By       PersonID
	Until    time.Time   // zero: to the freeze's end
	Services []ServiceID // empty: all
	Why      string
}

// ChangeWindow is when changes of some kinds and risks are to be made.
type ChangeWindow struct {
	Name     string
	Days     []time.Weekday
	From, To time.Duration // since midnight
	Location *time.Location
	Services []ServiceID // empty: all
	Kinds    []string    // empty: all
	Risk     Risk        // from this risk on; default low
	Pos      Position
}
