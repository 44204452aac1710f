package declare

import (
	"time"
	_ "time/tzdata" // schedules and calendar windows name time zones; not every machine has their database
)

// OnCall returns who has the duty at t, "" for nobody. It is pure: overrides win
// over layers, later ones over earlier ones.
func (s *Schedule) OnCall(t time.Time) PersonID {
	for i := len(s.Overrides) - 1; i >= 0; i-- {
		if o := s.Overrides[i]; !t.Before(o.From) && t.Before(o.To) {
			return o.Person
		}
	}
	for i := len(s.Layers) - 1; i >= 0; i-- {
		l := s.Layers[i]
		if n := l.turn(t, s.Location); n >= 0 && len(l.People) > 0 {
			return l.People[n%len(l.People)]
		}
	}
	return ""
}

// turn counts hand-overs since Start, -1 before it. It counts in local days, so
// that a day of 23 or 25 hours is still one day.
func (l Layer) turn(t time.Time, loc *time.Location) int {
	if loc == nil {
		loc = time.UTC
	}
	start, now := l.Start.In(loc), t.In(loc)
	if now.Before(start) {
		return -1
	}
	days := int(civil(now).Sub(civil(start)).Hours() / 24)
	if now.Hour()*3600+now.Minute()*60+now.Second() < start.Hour()*3600+start.Minute()*60+start.Second() {
		days-- // today's hand-over has not come yet
	}
	// The hour that comes twice when the clocks go back: Start was in its first half,
	// t is in its second one.
	days = max(days, 0)
	if l.Every == Weekly {
		return days / 7
	}
	return days
}

func civil(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}
