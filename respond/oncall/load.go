package oncall

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// When it is night, by the schedule's clocks.
const (
	nightFrom = 22
	nightTo   = 7
)

// Page is one time at which a team was paged.
type Page struct {
	Team declare.TeamID
	At   time.Time
}

// Load implements respond.Roster.
func (b *Book) Load(ctx context.Context, from, to time.Time) ([]respond.TeamLoad, error) {
	if !from.Before(to) || to.Sub(from) > maxLength {
		return nil, &respond.InvalidError{Field: "from", Got: from.Format(time.RFC3339), Want: "a time before to, at most a year"}
	}
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT i.team, f.at_ms FROM facts f JOIN incidents i ON i.number = CAST(substr(f.subject, 10) AS INTEGER)
		WHERE f.kind IN ('incident.opened', 'incident.regressed') AND f.at_ms >= ? AND f.at_ms < ? ORDER BY f.at_ms`, state.Millis(from), state.Millis(to))
	if err != nil {
		return nil, fmt.Errorf("cannot read pages: %w", err)
	}
	defer rows.Close()
	var pages []Page
	for rows.Next() {
		var p Page
		var ms int64
		if err := rows.Scan(&p.Team, &ms); err != nil {
			return nil, fmt.Errorf("cannot read pages: %w", err)
		}
		p.At = state.Time(ms)
		pages = append(pages, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("cannot read pages: %w", err)
	}
	return Loads(b.Over(b.o.Workspace()).Schedules, pages, from, to), nil
}

// Loads sums up, team by team, in order of name. It is pure. A page counts in every
// schedule of its team that had somebody on call, once for the team.
func Loads(schedules []*declare.Schedule, pages []Page, from, to time.Time) []respond.TeamLoad {
	teams := map[declare.TeamID]*respond.TeamLoad{}
	of := func(id declare.TeamID) *respond.TeamLoad {
		if teams[id] == nil {
			teams[id] = &respond.TeamLoad{Team: id, ByShift: []respond.ShiftLoad{}}
		}
		return teams[id]
	}
	zone := map[declare.TeamID]*time.Location{}
	for _, s := range schedules {
		loc := s.Location
		if loc == nil {
			loc = time.UTC
		}
		if zone[s.Team] == nil {
			zone[s.Team] = loc
		}
		t := of(s.Team)
		for _, x := range s.Shifts(from, to) {
			if x.Person == "" {
				t.Uncovered += x.To.Sub(x.From).Hours()
				continue
			}
			t.Shifts++
			t.Hours += x.To.Sub(x.From).Hours()
			night, weekend := unsocial(x.From, x.To, loc)
			t.NightHours, t.WeekendHours = t.NightHours+night.Hours(), t.WeekendHours+weekend.Hours()
			shift := respond.ShiftLoad{Schedule: s.Name, From: x.From, To: x.To}
			for _, p := range pages {
				if p.Team == s.Team && !p.At.Before(x.From) && p.At.Before(x.To) {
					shift.Pages++
					if atNight(p.At, loc) {
						shift.NightPages++
					}
				}
			}
			t.Busiest = max(t.Busiest, shift.Pages)
			t.ByShift = append(t.ByShift, shift)
		}
	}
	nights := map[declare.TeamID]map[string]bool{}
	for _, p := range pages {
		if p.Team == "" {
			continue
		}
		t, loc := of(p.Team), zone[p.Team]
		if loc == nil {
			loc = time.UTC
		}
		t.Pages++
		if atNight(p.At, loc) {
			t.NightPages++
			if nights[p.Team] == nil {
				nights[p.Team] = map[string]bool{}
			}
			nights[p.Team][nightOf(p.At, loc)] = true
		}
	}
	var out []respond.TeamLoad
	for id, t := range teams {
		if t.Nights = len(nights[id]); t.Shifts > 0 {
			t.PerShift = float64(t.Pages) / float64(t.Shifts)
		}
		slices.SortStableFunc(t.ByShift, func(a, b respond.ShiftLoad) int { return b.From.Compare(a.From) })
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b respond.TeamLoad) int { return strings.Compare(string(a.Team), string(b.Team)) })
	return out
}

// nightOf names a night by the day on which it begins. It goes by the clocks: the night
// in which they change is one night.
func nightOf(t time.Time, loc *time.Location) string {
	local := t.In(loc)
	y, m, d := local.Date()
	if local.Hour() < nightTo {
		d--
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

func atNight(t time.Time, loc *time.Location) bool {
	h := t.In(loc).Hour()
	return h >= nightFrom || h < nightTo
}

// unsocial is how much of [from, to) lies at night and on weekends; an hour that is
// both counts in both.
func unsocial(from, to time.Time, loc *time.Location) (night, weekend time.Duration) {
	within := func(a, b time.Time) time.Duration {
		if a.Before(from) {
			a = from
		}
		if b.After(to) {
			b = to
		}
		return max(b.Sub(a), 0)
	}
	first := from.In(loc)
	for d := -1; ; d++ {
		y, m, day := first.Year(), first.Month(), first.Day()+d
		midnight := declare.Wall(loc, y, m, day, 0, 0)
		if !midnight.Before(to) {
			return night, weekend
		}
		night += within(declare.Wall(loc, y, m, day, nightFrom*60, 0), declare.Wall(loc, y, m, day+1, nightTo*60, 0))
		if wd := time.Date(y, m, day, 0, 0, 0, 0, time.UTC).Weekday(); wd == time.Saturday || wd == time.Sunday {
			weekend += within(midnight, declare.Wall(loc, y, m, day+1, 0, 0))
		}
	}
}
