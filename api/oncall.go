package api

import (
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

// OnCallDuty is who is on call in one schedule.
type OnCallDuty struct {
	Schedule string             `json:"schedule"`
	Team     declare.TeamID     `json:"team"`
	Person   declare.PersonID   `json:"person,omitempty" doc:"Absent when nobody is."`
	Name     string             `json:"name,omitempty"`
	Shadows  []declare.PersonID `json:"shadows,omitempty" doc:"Who gets copies."`
	Why      string             `json:"why" doc:"The layer or override that decided."`
	At       time.Time          `json:"at"`
	Until    time.Time          `json:"until,omitzero" doc:"The next hand-over, when one comes within five weeks."`
	Next     declare.PersonID   `json:"next,omitempty" doc:"Who is on call after that."`
}

type dutyQuery struct {
	At   time.Time      `query:"at" doc:"Default now."`
	Team declare.TeamID `query:"team"`
}

func (s *server) onCall(c *call, q dutyQuery) (List[OnCallDuty], error) {
	ws := s.Workspace()
	if q.Team != "" && ws.Team(q.Team) == nil {
		return List[OnCallDuty]{}, unknown("team", string(q.Team), "")
	}
	if q.At.IsZero() {
		q.At = c.now.UTC().Truncate(time.Second)
	}
	var out []OnCallDuty
	for _, sch := range ws.Schedules {
		if q.Team != "" && sch.Team != q.Team {
			continue
		}
		found := sch.Duty(q.At)
		d := OnCallDuty{Schedule: sch.Name, Team: sch.Team, Person: found.Person, Shadows: found.Shadows, Why: found.Why, At: q.At}
		if p := ws.Person(d.Person); p != nil {
			d.Name = p.Name
		}
		d.Until, d.Next = sch.HandOver(q.At, 35*24*time.Hour)
		out = append(out, d)
	}
	return listOf(out), nil
}

// OnCallShift is a time in which one person has the duty.
type OnCallShift struct {
	Schedule string           `json:"schedule"`
	Person   declare.PersonID `json:"person,omitempty" doc:"Absent where nobody has the duty."`
	From     time.Time        `json:"from"`
	To       time.Time        `json:"to"`
	Why      string           `json:"why"`
}

type shiftQuery struct {
	Schedule string           `query:"schedule"`
	Person   declare.PersonID `query:"person"`
	From     time.Time        `query:"from" doc:"Default now."`
	To       time.Time        `query:"to" doc:"Default two weeks after from; at most a year."`
	Gaps     bool             `query:"gaps" doc:"Only times in which nobody has the duty."`
}

func (s *server) shifts(c *call, q shiftQuery) (List[OnCallShift], error) {
	ws := s.Workspace()
	if q.Schedule != "" && ws.Schedule(q.Schedule) == nil {
		return List[OnCallShift]{}, unknown("schedule", q.Schedule, "")
	}
	if q.From.IsZero() {
		q.From = c.now
	}
	if q.To.IsZero() {
		q.To = q.From.AddDate(0, 0, 14)
	}
	if !q.From.Before(q.To) || q.To.Sub(q.From) > 366*24*time.Hour {
		return List[OnCallShift]{}, invalid("to", q.To.Format(time.RFC3339), "a time after from, at most a year")
	}
	var out []OnCallShift
	for _, sch := range ws.Schedules {
		if q.Schedule != "" && sch.Name != q.Schedule {
			continue
		}
		for _, x := range sch.Shifts(q.From.UTC(), q.To.UTC()) {
			if (q.Person != "" && x.Person != q.Person) || (q.Gaps && x.Person != "") {
				continue
			}
			out = append(out, OnCallShift{Schedule: sch.Name, Person: x.Person, From: x.From.UTC(), To: x.To.UTC(), Why: x.Why})
		}
	}
	return listOf(out), nil
}

func (s *server) roster() (respond.Roster, error) {
	if s.Roster == nil {
		return nil, unknown("roster", "", "this server keeps no changes to schedules")
	}
	return s.Roster, nil
}

type overrideQuery struct {
	Schedule string    `query:"schedule"`
	Since    time.Time `query:"since" doc:"Those that ended before are left out; default now."`
}

func (s *server) overrides(c *call, q overrideQuery) (List[respond.DutyOverride], error) {
	r, err := s.roster()
	if err != nil {
		return List[respond.DutyOverride]{}, err
	}
	if q.Since.IsZero() {
		q.Since = c.now
	}
	all, err := r.Overrides(c.Context(), q.Since, q.Schedule)
	return listOf(all), err
}

// NewOverride asks for a change to a schedule.
type NewOverride struct {
	Schedule string               `json:"schedule"`
	Kind     respond.OverrideKind `json:"kind,omitempty" doc:"override (the default) or shadow."`
	Person   declare.PersonID     `json:"person" doc:"Who has the duty instead, or who gets copies."`
	Of       declare.PersonID     `json:"of,omitempty" doc:"Whom a shadow follows; absent for whoever has the duty."`
	From     time.Time            `json:"from"`
	To       time.Time            `json:"to"`
	Reason   string               `json:"reason,omitempty"`
}

func (s *server) addOverride(c *call, in NewOverride) (respond.DutyOverride, error) {
	r, err := s.roster()
	if err != nil {
		return respond.DutyOverride{}, err
	}
	return r.AddOverride(c.Context(), c.now, c.me.Actor(), respond.DutyOverride{
		Schedule: in.Schedule, Kind: in.Kind, Person: in.Person, Of: in.Of, From: in.From, To: in.To, Reason: in.Reason,
	})
}

func (s *server) removeOverride(c *call, _ none) (none, error) {
	r, err := s.roster()
	if err != nil {
		return none{}, err
	}
	id, err := c.number("override")
	if err != nil {
		return none{}, err
	}
	return none{}, r.RemoveOverride(c.Context(), c.now, c.me.Actor(), id)
}

// NewSwap asks for an exchange of two shifts.
type NewSwap struct {
	Schedule string    `json:"schedule"`
	Give     time.Time `json:"give" doc:"Any time in the one shift."`
	Take     time.Time `json:"take" doc:"Any time in the other one."`
	Reason   string    `json:"reason,omitempty"`
}

func (s *server) swap(c *call, in NewSwap) (List[respond.DutyOverride], error) {
	r, err := s.roster()
	if err != nil {
		return List[respond.DutyOverride]{}, err
	}
	all, err := r.Swap(c.Context(), c.now, c.me.Actor(), in.Schedule, in.Give, in.Take, in.Reason)
	return listOf(all), err
}

// NewCalendar brings overrides as an iCalendar file.
type NewCalendar struct {
	Schedule string `json:"schedule"`
	Source   string `json:"source,omitempty" doc:"Which calendar it is, as a file's name or a URL: what the same one brought before and has no more is removed. An event with a known UID replaces what it brought before, from whatever source."`
	Calendar string `json:"calendar" doc:"The file's text. Events are of the attendee, or the person that the summary names."`
}

func (s *server) importCalendar(c *call, in NewCalendar) (List[respond.DutyOverride], error) {
	r, err := s.roster()
	if err != nil {
		return List[respond.DutyOverride]{}, err
	}
	all, err := r.Import(c.Context(), c.now, c.me.Actor(), in.Schedule, in.Source, []byte(in.Calendar))
	return listOf(all), err
}

type followedQuery struct {
	Schedule string `query:"schedule"`
}

func (s *server) followed(c *call, q followedQuery) (List[respond.FollowedCalendar], error) {
	r, err := s.roster()
	if err != nil {
		return List[respond.FollowedCalendar]{}, err
	}
	if q.Schedule != "" && s.Workspace().Schedule(q.Schedule) == nil {
		return List[respond.FollowedCalendar]{}, unknown("schedule", q.Schedule, "")
	}
	all, err := r.Followed(c.Context(), c.now, q.Schedule)
	return listOf(all), err
}

// CalendarLink is where a calendar program reads shifts: who has the link, may read.
type CalendarLink struct {
	Kind string `json:"kind" doc:"schedule or person."`
	Name string `json:"name"`
	URL  string `json:"url"`
}

func (s *server) calendarLink(c *call, _ none) (CalendarLink, error) { return s.link(c, false) }

func (s *server) renewCalendarLink(c *call, _ none) (CalendarLink, error) { return s.link(c, true) }

func (s *server) link(c *call, renew bool) (CalendarLink, error) {
	r, err := s.roster()
	if err != nil {
		return CalendarLink{}, err
	}
	out := CalendarLink{Kind: c.PathValue("kind"), Name: c.PathValue("name")}
	var path string
	if renew {
		path, err = r.RenewFeed(c.Context(), c.now, c.me.Actor(), out.Kind, out.Name)
	} else {
		path, err = r.FeedPath(c.Context(), out.Kind, out.Name)
	}
	out.URL = s.URL(path)
	return out, err
}

type loadQuery struct {
	From time.Time `query:"from" doc:"Default four weeks before to."`
	To   time.Time `query:"to" doc:"Default now."`
}

func (s *server) onCallLoad(c *call, q loadQuery) (List[respond.TeamLoad], error) {
	r, err := s.roster()
	if err != nil {
		return List[respond.TeamLoad]{}, err
	}
	if q.To.IsZero() {
		q.To = c.now
	}
	if q.From.IsZero() {
		q.From = q.To.AddDate(0, 0, -28)
	}
	all, err := r.Load(c.Context(), q.From, q.To)
	return listOf(all), err
}

// onCallRoutes are the routes of duties.
func (s *server) onCallRoutes() []route {
	return []route{
		get("/oncall", "Who is on call, and why.", s.onCall),
		get("/oncall/shifts", "Who has the duty when; gaps among them.", s.shifts),
		get("/oncall/overrides", "Overrides, swaps and shadows that people made.", s.overrides),
		send(post, "/oncall/overrides", "Put somebody on call for a time, or let somebody shadow.", created, s.addOverride),
		remove("/oncall/overrides/{override}", "End an override; of a swap, both halves.", s.removeOverride),
		send(post, "/oncall/swaps", "Exchange two shifts.", created, s.swap),
		get("/oncall/calendars", "The calendars that schedules follow by URL: the last good reading, why the last try failed.", s.followed),
		send(post, "/oncall/calendars", "Make overrides of the events of an iCalendar file.", created, s.importCalendar),
		get("/oncall/calendars/{kind}/{name}", "Where calendar programs read a schedule's or a person's shifts.", s.calendarLink),
		send(post, "/oncall/calendars/{kind}/{name}/renew", "End the old calendar link and make a new one.", ok, s.renewCalendarLink),
		get("/oncall/load", "What being on call asked of each team: for taking care, without names.", s.onCallLoad),
	}
}
