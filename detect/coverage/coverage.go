// Package coverage finds times to come in which nobody is on call.
//
// In: schedules. Out: one finding a schedule with gaps in the next 30 days, and for
// the others that they have none. Promise: it is exact to the second, over changes to
// daylight saving too; a schedule that says allow_gaps is left alone.
package coverage

import (
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
)

// Horizon is how far ahead gaps are looked for.
const Horizon = 30 * 24 * time.Hour

// maxShown is how many gaps a finding lists.
const maxShown = 10

// Findings compares what is declared with now: a finding for each schedule, resolved
// where it has no gaps. Of a schedule that is waiting for the first reading of a calendar
// nothing is said: what is open stays. open are those of this detector that are open: one
// whose schedule is gone is resolved. It is pure.
func Findings(schedules []*declare.Schedule, waiting map[string]bool, open []detect.Finding, now time.Time) []detect.Finding {
	var out []detect.Finding
	there := map[string]bool{}
	for _, s := range schedules {
		there[s.Name] = true
		if waiting[s.Name] {
			continue
		}
		f := detect.Finding{
			Detector: detect.DetectorCoverage, Name: "OnCallGap", Team: s.Team, Severity: detect.Ticket,
			Labels: map[string]string{"alertname": "OnCallGap", "severity": "ticket", "schedule": s.Name, "team": string(s.Team)},
		}
		var gaps []declare.Shift
		if !s.AllowGaps {
			gaps = s.Gaps(now, now.Add(Horizon))
		}
		if len(gaps) == 0 {
			f.ResolvedAt = now
			out = append(out, f)
			continue
		}
		describe(&f, s, gaps)
		out = append(out, f)
	}
	for _, f := range open {
		if f.Name == "OnCallGap" && !there[f.Labels["schedule"]] {
			f.ResolvedAt = now
			out = append(out, f)
		}
	}
	return out
}

func describe(f *detect.Finding, s *declare.Schedule, gaps []declare.Shift) {
	loc := s.Location
	if loc == nil {
		loc = time.UTC
	}
	var sum time.Duration
	var lines []string
	for i, g := range gaps {
		sum += g.To.Sub(g.From)
		if i < maxShown {
			lines = append(lines, g.From.In(loc).Format("Mon 2006-01-02 15:04")+" to "+g.To.In(loc).Format("Mon 2006-01-02 15:04 MST"))
		}
	}
	if more := len(gaps) - maxShown; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	what := "a gap"
	if len(gaps) > 1 {
		what = fmt.Sprintf("%d gaps", len(gaps))
	}
	f.Value = sum.Hours()
	f.Summary = fmt.Sprintf("schedule %s has %s in the next 30 days: nobody is on call for %.0f hours, first on %s", s.Name, what, sum.Hours(), gaps[0].From.In(loc).Format("Mon 2006-01-02 15:04"))
	f.Description = strings.Join(lines, "\n") + "\nAdd a layer or an override; where it is intended, write allow_gaps: true."
	f.Annotations = map[string]string{"summary": f.Summary, "description": f.Description}
}
