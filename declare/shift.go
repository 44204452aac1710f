package declare

import (
	"slices"
	"time"
)

// Shift is a time in which one person, or nobody, has the duty without a break.
type Shift struct {
	Person   PersonID `json:"person"` // "" for nobody
	From, To time.Time
	Why      string
}

// maxEdges bounds the moments that one answer looks at: a year of hourly turns.
const maxEdges = 20_000

// Shifts returns who has the duty in [from, to), in order and without holes: where
// nobody has it, a shift has no Person. The first and the last one are cut at the
// ends. A range of more than maxEdges changes ends early, at the last one's To.
func (s *Schedule) Shifts(from, to time.Time) []Shift {
	var out []Shift
	edges := s.edges(from, to)
	for i, at := range edges[:len(edges)-1] {
		d := s.decide(at)
		if n := len(out); n > 0 && out[n-1].Person == d.Person {
			out[n-1].To = edges[i+1]
			continue
		}
		out = append(out, Shift{Person: d.Person, From: at, To: edges[i+1], Why: d.Why})
	}
	return out
}

// ShiftAt is the whole shift that covers t, looked for up to a horizon on both sides.
func (s *Schedule) ShiftAt(t time.Time, horizon time.Duration) Shift {
	for _, x := range s.Shifts(t.Add(-horizon), t.Add(horizon)) {
		if !t.Before(x.From) && t.Before(x.To) {
			return x
		}
	}
	return Shift{From: t, To: t}
}

// HandOver is the next time after t at which the duty changes hands, and who has it
// then; a zero time where that is not before the horizon's end.
func (s *Schedule) HandOver(t time.Time, horizon time.Duration) (time.Time, PersonID) {
	shifts := s.Shifts(t, t.Add(horizon))
	if len(shifts) < 2 {
		return time.Time{}, ""
	}
	return shifts[1].From, shifts[1].Person
}

// Gaps are the times in [from, to) in which nobody has the duty.
func (s *Schedule) Gaps(from, to time.Time) []Shift {
	return slices.DeleteFunc(s.Shifts(from, to), func(x Shift) bool { return x.Person != "" })
}

// edges are from, to, and all moments between at which the answer may change.
func (s *Schedule) edges(from, to time.Time) []time.Time {
	if !from.Before(to) {
		return []time.Time{from, from}
	}
	out := []time.Time{from, to}
	add := func(times ...time.Time) {
		for _, t := range times {
			if t.After(from) && t.Before(to) {
				out = append(out, t)
			}
		}
	}
	for _, o := range s.Overrides {
		add(o.From, o.To)
	}
	for _, h := range s.Holidays {
		add(h.From, h.To)
	}
	for i := range s.Layers {
		l := &s.Layers[i]
		loc := s.location(l)
		add(l.Start, l.End)
		for _, e := range l.Events {
			add(e.From, e.To)
		}
		if l.Every != (Turn{}) && len(l.People) > 1 {
			for n, k := max(l.turn(from, loc), 0), 0; k < maxEdges; n, k = n+1, k+1 {
				at := l.handOver(n, loc)
				if !at.Before(to) {
					break
				}
				add(at)
			}
		}
		for w := range l.Only {
			for d, k := from.In(loc).AddDate(0, 0, -2), 0; !d.After(to.AddDate(0, 0, 1)) && k < maxEdges; d, k = d.AddDate(0, 0, 1), k+1 {
				if a, b, ok := l.Only[w].on(d, loc); ok {
					add(a, b)
				}
			}
		}
	}
	for i := range out {
		out[i] = out[i].UTC()
	}
	slices.SortFunc(out, time.Time.Compare)
	out = slices.CompactFunc(out, time.Time.Equal)
	if len(out) > maxEdges {
		out = out[:maxEdges]
	}
	return out
}
