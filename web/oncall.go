package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/oncall"
	"github.com/evenkeel/evenkeel/respond"
)

// The weeks that the calendar shows.
const (
	usualWeeks = 4
	mostWeeks  = 12
)

type onCallView struct {
	Page
	Schedule  string // "" for all
	Schedules []*declare.Schedule
	People    []*declare.Person
	Duties    []duty
	Zone      string
	Weeks     [][]calendarDay
	Shown     int    // how many weeks
	More      string // link to more weeks, "" for none
	Gaps      []gapLine
	Followed  []respond.FollowedCalendar
	Overrides []respond.DutyOverride
	Loads     []respond.TeamLoad
	Links     []calendarLink
	Typed     map[string]string // what was typed where a form was refused
	MayChange bool
}

// calendarDay is one day of the calendar.
type calendarDay struct {
	Day   time.Time
	Today bool
	Gone  bool
	Lines []calendarLine
}

// calendarLine is one shift on one day; From is set where it begins on this day.
type calendarLine struct {
	Schedule string
	Person   declare.PersonID
	From     string
	Mine     bool
	Why      string
}

type gapLine struct {
	Schedule string
	From, To time.Time
}

type calendarLink struct{ Kind, Name, URL string }

func (s *site) onCallPage(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.showOnCall(w, r, me, http.StatusOK, "", nil)
}

func (s *site) showOnCall(w http.ResponseWriter, r *http.Request, me act.Identity, status int, problem string, typed map[string]string) error {
	ctx, now, ws := r.Context(), s.Now(), s.Workspace()
	v := onCallView{
		Page: s.page(r, me, "On call", "oncall"), Schedule: r.URL.Query().Get("schedule"), Schedules: ws.Schedules, People: ws.People,
		Shown: usualWeeks, Typed: typed, MayChange: s.Roster != nil,
	}
	v.Problem = problem
	if v.Typed == nil {
		v.Typed = map[string]string{"schedule": v.Schedule}
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("weeks")); err == nil && n >= 1 && n <= mostWeeks {
		v.Shown = n
	}
	shown := ws.Schedules
	if v.Schedule != "" {
		one := ws.Schedule(v.Schedule)
		if one == nil {
			return act.ErrNotFound
		}
		shown = []*declare.Schedule{one}
	}
	v.Duties = slices.DeleteFunc(duties(ws, now, me.Person), func(d duty) bool { return v.Schedule != "" && d.Schedule.Name != v.Schedule })
	v.Weeks, v.Zone = calendarWeeks(shown, now, v.Shown, me.Person)
	if v.Shown < mostWeeks {
		v.More = withQuery(r.URL.RequestURI(), "weeks", strconv.Itoa(min(v.Shown*2, mostWeeks)))
	}
	for _, sch := range shown {
		if sch.AllowGaps {
			continue
		}
		for _, g := range sch.Gaps(now, now.AddDate(0, 0, 30)) {
			if len(v.Gaps) < perPage {
				v.Gaps = append(v.Gaps, gapLine{sch.Name, g.From, g.To})
			}
		}
	}
	if s.Roster != nil {
		var err error
		if v.Overrides, err = s.Roster.Overrides(ctx, now, v.Schedule); err != nil {
			return err
		}
		if v.Followed, err = s.Roster.Followed(ctx, now, v.Schedule); err != nil {
			return err
		}
		if v.Loads, err = s.Roster.Load(ctx, now.AddDate(0, 0, -28), now); err != nil {
			return err
		}
		if ws.Person(me.Person) != nil {
			if err := s.addLink(r, &v, "person", string(me.Person)); err != nil {
				return err
			}
		}
		for _, sch := range shown {
			if err := s.addLink(r, &v, "schedule", sch.Name); err != nil {
				return err
			}
		}
	}
	s.render(w, status, "oncall", v)
	return nil
}

func (s *site) addLink(r *http.Request, v *onCallView, kind, name string) error {
	path, err := s.Roster.FeedPath(r.Context(), kind, name)
	v.Links = append(v.Links, calendarLink{kind, name, s.url(path)})
	return err
}

// calendarWeeks lays shifts out by days, Monday first, by the clocks of the first
// schedule.
func calendarWeeks(schedules []*declare.Schedule, now time.Time, weeks int, me declare.PersonID) ([][]calendarDay, string) {
	if len(schedules) == 0 {
		return nil, ""
	}
	loc := schedules[0].Location
	if loc == nil {
		loc = time.UTC
	}
	today := now.In(loc)
	monday := today.AddDate(0, 0, -int(today.Weekday()+6)%7)
	day := func(n int) time.Time {
		return declare.Wall(loc, monday.Year(), monday.Month(), monday.Day()+n, 0, 0)
	}
	out := make([][]calendarDay, weeks)
	for n := range 7 * weeks {
		from, to := day(n), day(n+1)
		d := calendarDay{Day: from.In(loc), Today: !now.Before(from) && now.Before(to), Gone: !to.After(now)}
		for _, sch := range schedules {
			shifts := sch.Shifts(from, to)
			for i, x := range shifts {
				if x.Person == "" && sch.AllowGaps {
					continue
				}
				line := calendarLine{Schedule: sch.Name, Person: x.Person, Mine: x.Person == me && me != "", Why: x.Why}
				if i > 0 || sch.OnCall(from.Add(-time.Second)) != x.Person {
					line.From = x.From.In(loc).Format("15:04")
				}
				d.Lines = append(d.Lines, line)
			}
		}
		out[n/7] = append(out[n/7], d)
	}
	return out, loc.String()
}

// typedForm is what a person typed, for showing it again.
func typedForm(r *http.Request, names ...string) map[string]string {
	out := map[string]string{}
	for _, n := range names {
		out[n] = strings.TrimSpace(r.PostFormValue(n))
	}
	return out
}

// when reads a time of a form, by the clocks of a schedule.
func (s *site) when(field, text, schedule string) (time.Time, error) {
	loc := time.UTC
	if sch := s.Workspace().Schedule(schedule); sch != nil && sch.Location != nil {
		loc = sch.Location
	}
	t, ok := oncall.ParseTime(text, loc)
	if !ok {
		return t, &act.InvalidError{Field: field, Got: text, Want: "a time as 2026-12-24 09:00"}
	}
	return t, nil
}

// changeOnCall does one act of the page and comes back to it.
func (s *site) changeOnCall(w http.ResponseWriter, r *http.Request, me act.Identity, done string, names []string, do func(in map[string]string) error) error {
	if s.Roster == nil {
		return act.ErrNotFound
	}
	if err := form(r); err != nil {
		return err
	}
	in := typedForm(r, names...)
	if err := do(in); err != nil {
		if message, theirs := said(err); theirs && !errors.Is(err, act.ErrNotFound) && !errors.Is(err, respond.ErrNotFound) {
			return s.showOnCall(w, r, me, http.StatusBadRequest, message, in)
		}
		return err
	}
	return after(w, r, "/oncall", done)
}

func (s *site) addOverride(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.changeOnCall(w, r, me, "override", []string{"schedule", "kind", "person", "from", "to", "reason"}, func(in map[string]string) error {
		from, err := s.when("from", in["from"], in["schedule"])
		if err != nil {
			return err
		}
		to, err := s.when("to", in["to"], in["schedule"])
		if err != nil {
			return err
		}
		_, err = s.Roster.AddOverride(r.Context(), s.Now(), me.Actor(), respond.DutyOverride{
			Schedule: in["schedule"], Kind: respond.OverrideKind(in["kind"]), Person: declare.PersonID(in["person"]), From: from, To: to, Reason: in["reason"],
		})
		return err
	})
}

func (s *site) swapShifts(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.changeOnCall(w, r, me, "swapped", []string{"schedule", "give", "take", "reason"}, func(in map[string]string) error {
		give, err := s.when("give", in["give"], in["schedule"])
		if err != nil {
			return err
		}
		take, err := s.when("take", in["take"], in["schedule"])
		if err != nil {
			return err
		}
		_, err = s.Roster.Swap(r.Context(), s.Now(), me.Actor(), in["schedule"], give, take, in["reason"])
		return err
	})
}

func (s *site) removeOverride(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.changeOnCall(w, r, me, "override-removed", nil, func(map[string]string) error {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			return act.ErrNotFound
		}
		return s.Roster.RemoveOverride(r.Context(), s.Now(), me.Actor(), id)
	})
}

func (s *site) renewCalendar(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.changeOnCall(w, r, me, "calendar", nil, func(map[string]string) error {
		_, err := s.Roster.RenewFeed(r.Context(), s.Now(), me.Actor(), r.PathValue("kind"), r.PathValue("name"))
		return err
	})
}

// calendar is for calendar programs: the link itself says that they may read.
func (s *site) calendar(w http.ResponseWriter, r *http.Request) {
	if s.Roster == nil {
		http.NotFound(w, r)
		return
	}
	feed, err := s.Roster.Feed(r.Context(), s.Now(), r.PathValue("kind"), r.PathValue("name"), r.PathValue("file"))
	if err != nil {
		s.fail(w, r, act.Identity{}, err)
		return
	}
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("inline; filename=%q", r.PathValue("name")+".ics"))
	w.Header().Set("Cache-Control", "private, max-age=300")
	_, _ = w.Write(feed)
}
