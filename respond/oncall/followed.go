package oncall

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// maxNamed is how many events of nobody are named.
const maxNamed = 10

// place is where a calendar is followed, and how it stands.
type place struct {
	use
	reading
	said
}

// places are all, in the order of the schedules.
func (b *Book) places() []place {
	w := b.o.Workspace()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lay(w)
	var out []place
	for i, u := range uses(w) {
		p := place{use: u, reading: b.readings[u.url]}
		if i < len(b.said) { // else nothing was ever read
			p.said = b.said[i]
		}
		out = append(out, p)
	}
	return out
}

// Waiting are the schedules with a calendar that was not tried yet: who is on call in
// them is not known before.
func (b *Book) Waiting() map[string]bool {
	out := map[string]bool{}
	for _, p := range b.places() {
		if p.tried.IsZero() && p.freeze == nil {
			out[p.schedule.Name] = true
		}
	}
	return out
}

// Followed implements respond.Roster.
func (b *Book) Followed(_ context.Context, now time.Time, schedule string) ([]respond.FollowedCalendar, error) {
	var out []respond.FollowedCalendar
	for _, p := range b.places() {
		if p.freeze != nil || schedule != "" && p.schedule.Name != schedule {
			continue
		}
		c := respond.FollowedCalendar{Schedule: p.schedule.Name, Team: p.schedule.Team, Read: p.read, Tried: p.tried, Error: p.err}
		if p.layer >= 0 {
			c.Layer = p.schedule.Layers[p.layer].Name
		}
		if u, err := url.Parse(p.url); err == nil {
			c.Host = u.Host
		}
		for _, d := range p.duties {
			if d.To.After(now) {
				c.Events++
			}
		}
		for _, h := range p.holidays {
			if h.To.After(now) {
				c.Events++
			}
		}
		for i, e := range toCome(p.nobodys, now) {
			if i < maxNamed {
				c.OfNobody = append(c.OfNobody, p.named(e))
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// The findings about followed calendars.
const (
	calendarUnreadable = "CalendarUnreadable"
	calendarOfNobody   = "CalendarEventOfNobody"
)

// FeedFindings is a finding for each place whose calendar could not be read at the last
// try and of which there is no good reading of the last hour, and for each that has
// events to come of nobody. Those of open that are none any more come resolved.
func (b *Book) FeedFindings(open []detect.Finding, now time.Time) []detect.Finding {
	var out []detect.Finding
	there := map[[2]string]bool{}
	for _, p := range b.places() {
		where := p.String()
		add := func(name, summary, description string) {
			if there[[2]string{name, where}] {
				return
			}
			there[[2]string{name, where}] = true
			var team declare.TeamID
			labels := map[string]string{"alertname": name, "severity": string(detect.Ticket), "place": where}
			if p.schedule != nil {
				team = p.schedule.Team
				labels["schedule"], labels["team"] = p.schedule.Name, string(team)
			}
			out = append(out, detect.Finding{
				Detector: detect.DetectorCoverage, Name: name, Team: team, Severity: detect.Ticket, Labels: labels,
				Summary: summary, Description: description, Annotations: map[string]string{"summary": summary, "description": description},
			})
		}
		if p.err != "" && now.Sub(p.read) >= staleAfter {
			kept := "There was no good reading yet: what the calendar says counts nowhere."
			if p.body != "" {
				kept = "The last good reading counts, of " + p.read.UTC().Format("2006-01-02 15:04 MST") + "."
			}
			add(calendarUnreadable, fmt.Sprintf("the calendar of %s cannot be read", where), p.err+". "+kept+" It is read again every 15 minutes.")
		}
		if nobodys := toCome(p.nobodys, now); len(nobodys) > 0 {
			what := "an event"
			if len(nobodys) > 1 {
				what = fmt.Sprintf("%d events", len(nobodys))
			}
			lines := make([]string, 0, maxNamed)
			for _, e := range nobodys[:min(len(nobodys), maxNamed)] {
				lines = append(lines, p.named(e))
			}
			if more := len(nobodys) - maxNamed; more > 0 {
				lines = append(lines, fmt.Sprintf("and %d more", more))
			}
			add(calendarOfNobody, fmt.Sprintf("the calendar of %s has %s of nobody: left out, the others count", where, what),
				strings.Join(lines, "\n")+"\nExpected "+ofPeople+".")
		}
	}
	for _, f := range open {
		if (f.Name == calendarUnreadable || f.Name == calendarOfNobody) && !there[[2]string{f.Name, f.Labels["place"]}] {
			f.ResolvedAt = now
			out = append(out, f)
		}
	}
	return out
}
