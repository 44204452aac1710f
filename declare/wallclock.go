package declare

import "time"

// Wall returns the moment at which the clocks of loc first show a date and time.
// Each has exactly one: a time that comes twice, when clocks go back, is its first
// coming; one that is left out, when they go forward, is the moment of the jump.
// day and minute may lie outside of their usual range, as with time.Date.
func Wall(loc *time.Location, year int, month time.Month, day, minute, second int) time.Time {
	shown := time.Date(year, month, day, 0, minute, second, 0, time.UTC) // as if the clocks were those of UTC
	before := shown.Add(-24 * time.Hour).In(loc)
	_, early := before.Zone()
	_, late := shown.Add(24 * time.Hour).In(loc).Zone()
	first, again := shown.Add(-time.Duration(early)*time.Second), shown.Add(-time.Duration(late)*time.Second)
	if again.Before(first) {
		first, again = again, first
	}
	for _, t := range []time.Time{first, again} {
		if showing(t, loc).Equal(shown) {
			return t.UTC()
		}
	}
	_, jump := before.ZoneBounds()
	return jump.UTC()
}

// showing is what the clocks of loc show at t, written as a time of UTC.
func showing(t time.Time, loc *time.Location) time.Time {
	t = t.In(loc)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// handOver is the moment at which turn n begins; turn 0 begins at Start.
func (l *Layer) handOver(n int, loc *time.Location) time.Time {
	if n <= 0 {
		return l.Start
	}
	s := l.Start.In(loc)
	at := Wall(loc, s.Year(), s.Month(), s.Day()+n*l.Every.Days, s.Hour()*60+s.Minute()+n*l.Every.Hours*60, s.Second())
	if at.Before(l.Start) { // Start was in the second coming of an hour
		return l.Start
	}
	return at
}

// turn counts hand-overs since Start, -1 before it: the last one that is not after t.
func (l *Layer) turn(t time.Time, loc *time.Location) int {
	if t.Before(l.Start) || (l.Every.Days <= 0 && l.Every.Hours <= 0) {
		return -1
	}
	long := time.Duration(l.Every.Days)*24*time.Hour + time.Duration(l.Every.Hours)*time.Hour
	n := int(showing(t, loc).Sub(showing(l.Start, loc)) / long)
	// The clocks' own changes move it by some hours at most.
	for n > 0 && l.handOver(n, loc).After(t) {
		n--
	}
	for !l.handOver(n+1, loc).After(t) {
		n++
	}
	return max(n, 0)
}

// open says whether a restriction covers t. One that begins on a day of Days covers
// the time up to its end, on the next day where it goes over midnight.
func (w *Restriction) open(t time.Time, loc *time.Location) bool {
	for back := 1; back >= 0; back-- {
		from, to, ok := w.on(t.In(loc).AddDate(0, 0, -back), loc)
		if ok && !t.Before(from) && t.Before(to) {
			return true
		}
	}
	return false
}

// on is the time that begins on the day of d.
func (w *Restriction) on(d time.Time, loc *time.Location) (from, to time.Time, ok bool) {
	y, m, day := d.Date()
	if !w.Days[time.Date(y, m, day, 0, 0, 0, 0, time.UTC).Weekday()] {
		return from, to, false
	}
	end := w.To
	if end <= w.From {
		end += 24 * 60
	}
	return Wall(loc, y, m, day, w.From, 0), Wall(loc, y, m, day, end, 0), true
}
