package declare

import (
	"fmt"
	"time"
)

// Duty is who is on call, and which line of the schedule says so.
type Duty struct {
	Person  PersonID   // "" for nobody
	Shadows []PersonID // get copies; none without a Person
	Why     string     // for people: the override, or the layer, that decided
}

// OnCall returns who has the duty at t, "" for nobody.
func (s *Schedule) OnCall(t time.Time) PersonID { return s.decide(t).Person }

// Duty says who has the duty at t and why. It is pure: overrides win over layers,
// later ones over earlier ones.
func (s *Schedule) Duty(t time.Time) Duty {
	d := s.decide(t)
	if d.Person == "" {
		return d
	}
	for _, x := range s.Shadows {
		if x.Person != d.Person && (x.Of == "" || x.Of == d.Person) && !t.Before(x.From) && (x.To.IsZero() || t.Before(x.To)) {
			d.Shadows = append(d.Shadows, x.Person)
		}
	}
	return d
}

func (s *Schedule) decide(t time.Time) Duty {
	for i := len(s.Overrides) - 1; i >= 0; i-- {
		if o := s.Overrides[i]; o.covers(t) {
			return Duty{Person: o.Person, Why: o.why(i)}
		}
	}
	for i := len(s.Layers) - 1; i >= 0; i-- {
		if who := s.layer(&s.Layers[i], t); who != "" {
			return Duty{Person: who, Why: s.Layers[i].label(i)}
		}
	}
	return Duty{Why: "no layer and no override covers this time"}
}

func (o Override) why(i int) string {
	what, where := "override", fmt.Sprintf("%d of the file", i+1)
	if o.Swap {
		what = "swap"
	}
	if o.ID != 0 {
		where = fmt.Sprint(o.ID)
	}
	if o.Reason != "" {
		return fmt.Sprintf("%s %s: %s", what, where, o.Reason)
	}
	return what + " " + where
}

func (l *Layer) label(i int) string {
	if l.Name != "" {
		return "layer " + l.Name
	}
	return fmt.Sprintf("layer %d", i+1)
}

// layer is who has a layer's turn at t, "" where the layer does not count.
func (s *Schedule) layer(l *Layer, t time.Time) PersonID {
	loc := s.location(l)
	if !l.End.IsZero() && !t.Before(l.End) {
		return ""
	}
	if l.Holidays != HolidaysCount && s.holiday(t) != (l.Holidays == HolidaysOnly) {
		return ""
	}
	inside := len(l.Only) == 0
	for i := range l.Only {
		inside = inside || l.Only[i].open(t, loc)
	}
	if !inside {
		return ""
	}
	for i := len(l.Events) - 1; i >= 0; i-- {
		if l.Events[i].covers(t) {
			return l.Events[i].Person
		}
	}
	if n := l.turn(t, loc); n >= 0 && len(l.People) > 0 {
		return l.People[n%len(l.People)]
	}
	return ""
}

func (s *Schedule) holiday(t time.Time) bool {
	for _, h := range s.Holidays {
		if !t.Before(h.From) && t.Before(h.To) {
			return true
		}
	}
	return false
}
