// Package oncall reads oncall/*.yml: who has the duty for which team, and when, and
// whom an incident reaches one after the other. Beside them stand calendars (*.ics),
// which a layer or a list of holidays may name.
//
// In: one file at a time, then the calendars. Out: schedules, escalation policies,
// the names that they refer to, and Problems. Times without an offset are the
// schedule's own local times.
package oncall

import (
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// File is what one file declares.
type File struct {
	Schedules   []*declare.Schedule
	Escalations []*declare.Escalation
	References  []yamldoc.Reference
	Calendars   []Calendar
}

// Calendar is a place in a schedule that an .ics file fills, see Fill.
type Calendar struct {
	At       yamldoc.Node // names the file
	Schedule *declare.Schedule
	Layer    int // -1: its events are holidays
}

// Read reads the schedules and policies of one file.
func Read(file string, data []byte, sink *declare.Problems) File {
	var r reader
	for _, doc := range yamldoc.Read(file, data, sink) {
		doc.Only("schedules", "escalations")
		for _, n := range doc.Field("schedules").List() {
			r.Schedules = append(r.Schedules, r.schedule(n))
		}
		for _, n := range doc.Field("escalations").List() {
			r.Escalations = append(r.Escalations, r.escalation(n))
		}
	}
	return r.File
}

type reader struct{ File }

func (r *reader) name(kind string, at yamldoc.Node, what string) string {
	name := at.Required(what)
	if name != "" {
		r.References = append(r.References, yamldoc.Reference{Kind: kind, Name: name, At: at})
	}
	return name
}

func (r *reader) person(at yamldoc.Node) declare.PersonID {
	return declare.PersonID(r.name("person", at, "a person"))
}

func (r *reader) schedule(n yamldoc.Node) *declare.Schedule {
	n.Only("name", "team", "timezone", "layers", "overrides", "swaps", "shadows", "holidays", "allow_gaps")
	s := &declare.Schedule{
		Name: n.Field("name").Required("the schedule's name"), Team: declare.TeamID(r.name("team", n.Field("team"), "a team")),
		Location: location(n.Field("timezone"), time.UTC), Pos: n.Field("name").Pos(),
	}
	if g := n.Field("allow_gaps"); !g.Missing() {
		s.AllowGaps = g.Bool()
	}
	layers := n.Field("layers").List()
	if len(layers) == 0 {
		n.Field("layers").Problem("", "at least one layer", "")
	}
	for _, l := range layers {
		s.Layers = append(s.Layers, r.layer(l, s))
	}
	for _, o := range n.Field("overrides").List() {
		o.Only("person", "from", "to", "reason")
		from, to := span(o, s.Location)
		s.Overrides = append(s.Overrides, declare.Override{Person: r.person(o.Field("person")), From: from, To: to, Reason: o.Field("reason").String()})
	}
	for _, w := range n.Field("swaps").List() {
		s.Overrides = append(s.Overrides, r.swap(w, s.Location)...)
	}
	for _, x := range n.Field("shadows").List() {
		x.Only("person", "of", "from", "to")
		shadow := declare.Shadow{Person: r.person(x.Field("person")), From: optional(x.Field("from"), s.Location), To: optional(x.Field("to"), s.Location)}
		if of := x.Field("of"); !of.Missing() {
			shadow.Of = r.person(of)
		}
		ordered(x, shadow.From, shadow.To)
		s.Shadows = append(s.Shadows, shadow)
	}
	for _, h := range n.Field("holidays").List() {
		r.holiday(h, s)
	}
	return s
}

// swap reads an exchange of two shifts as two overrides: each has the other's time.
func (r *reader) swap(n yamldoc.Node, loc *time.Location) []declare.Override {
	n.Only("between", "first", "second", "reason")
	var people []declare.PersonID
	for _, p := range n.Field("between").List() {
		people = append(people, r.person(p))
	}
	if len(people) != 2 || people[0] == people[1] {
		n.Field("between").Problem(n.Field("between").Text(), "two people: the first one's shift, then the second one's", "")
		return nil
	}
	var out []declare.Override
	for i, key := range []string{"first", "second"} {
		f := n.Field(key)
		f.Only("from", "to")
		from, to := span(f, loc)
		out = append(out, declare.Override{Person: people[1-i], From: from, To: to, Swap: true, Reason: n.Field("reason").String()})
	}
	return out
}

func (r *reader) holiday(n yamldoc.Node, s *declare.Schedule) {
	n.Only("name", "date", "from", "to", "calendar")
	if c := n.Field("calendar"); !c.Missing() {
		r.Calendars = append(r.Calendars, Calendar{At: c, Schedule: s, Layer: -1})
		return
	}
	h := declare.Holiday{Name: n.Field("name").String()}
	if d := n.Field("date"); !d.Missing() {
		day, err := time.Parse(time.DateOnly, d.Text())
		if err != nil {
			d.Problem(d.Text(), "a day as 2026-12-25", "")
			return
		}
		y, m, dd := day.Date()
		h.From, h.To = declare.Wall(s.Location, y, m, dd, 0, 0), declare.Wall(s.Location, y, m, dd+1, 0, 0)
	} else {
		h.From, h.To = span(n, s.Location)
	}
	s.Holidays = append(s.Holidays, h)
}

func location(n yamldoc.Node, fallback *time.Location) *time.Location {
	if n.Missing() {
		return fallback
	}
	loc, err := time.LoadLocation(n.String())
	if err != nil || n.Text() == "Local" || n.Text() == "" { // Local is another zone on each machine
		n.Problem(n.Text(), "a time zone of the IANA database, as Europe/Vienna", "")
		return fallback
	}
	return loc
}

// span reads from and to.
func span(n yamldoc.Node, loc *time.Location) (from, to time.Time) {
	from, to = at(n.Field("from"), loc), at(n.Field("to"), loc)
	ordered(n, from, to)
	return from, to
}

func ordered(n yamldoc.Node, from, to time.Time) {
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		n.Field("to").Problem(n.Field("to").Text(), "a time after from", "")
	}
}

func optional(n yamldoc.Node, loc *time.Location) time.Time {
	if n.Missing() {
		return time.Time{}
	}
	return at(n, loc)
}

func at(n yamldoc.Node, loc *time.Location) time.Time {
	text := n.Required("a time as 2026-01-05T09:00")
	if t, ok := ParseTime(text, loc); ok {
		return t
	}
	if text != "" {
		n.Problem(text, "a time as 2026-01-05T09:00", "")
	}
	return time.Time{}
}

// ParseTime reads a time as files write it; without an offset it is what the clocks
// of loc show.
func ParseTime(text string, loc *time.Location) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, true
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return declare.Wall(loc, t.Year(), t.Month(), t.Day(), t.Hour()*60+t.Minute(), t.Second()), true
		}
	}
	return time.Time{}, false
}
