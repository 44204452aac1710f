package api

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// Duty is who is on call in one schedule.
type Duty struct {
	Schedule string           `json:"schedule"`
	Team     declare.TeamID   `json:"team"`
	Person   declare.PersonID `json:"person,omitempty" doc:"Absent when nobody is."`
	Name     string           `json:"name,omitempty"`
	At       time.Time        `json:"at"`
	Until    time.Time        `json:"until,omitzero" doc:"The next hand-over, when one comes within five weeks."`
	Next     declare.PersonID `json:"next,omitempty" doc:"Who is on call after that."`
}

type dutyQuery struct {
	At   time.Time      `query:"at" doc:"Default now."`
	Team declare.TeamID `query:"team"`
}

func (s *server) onCall(c *call, q dutyQuery) (List[Duty], error) {
	ws := s.Workspace()
	if q.Team != "" && ws.Team(q.Team) == nil {
		return List[Duty]{}, unknown("team", string(q.Team), "")
	}
	if q.At.IsZero() {
		q.At = c.now.UTC().Truncate(time.Second)
	}
	var out []Duty
	for _, sch := range ws.Schedules {
		if q.Team != "" && sch.Team != q.Team {
			continue
		}
		d := Duty{Schedule: sch.Name, Team: sch.Team, Person: sch.OnCall(q.At), At: q.At}
		if p := ws.Person(d.Person); p != nil {
			d.Name = p.Name
		}
		d.Until, d.Next = handOver(sch, q.At)
		out = append(out, d)
	}
	return listOf(out), nil
}

// handOver finds the next time at which another person has the duty. It looks at
// each quarter of an hour and at each end of an override, then halves the way back.
func handOver(sch *declare.Schedule, at time.Time) (time.Time, declare.PersonID) {
	const ahead, step = 35 * 24 * time.Hour, 15 * time.Minute
	marks := []time.Time{}
	for t := at.Add(step); t.Before(at.Add(ahead)); t = t.Add(step) {
		marks = append(marks, t)
	}
	for _, o := range sch.Overrides {
		for _, t := range []time.Time{o.From, o.To} {
			if t.After(at) && t.Before(at.Add(ahead)) {
				marks = append(marks, t)
			}
		}
	}
	slices.SortFunc(marks, time.Time.Compare)
	now, before := sch.OnCall(at), at
	for _, after := range marks {
		if sch.OnCall(after) == now {
			before = after
			continue
		}
		for after.Sub(before) > time.Second {
			if mid := before.Add(after.Sub(before) / 2); sch.OnCall(mid) == now {
				before = mid
			} else {
				after = mid
			}
		}
		after = after.Truncate(time.Second)
		return after.UTC(), sch.OnCall(after)
	}
	return time.Time{}, ""
}
