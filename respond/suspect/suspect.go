// Package suspect ranks what may have caused an incident. Today it ranks changes.
//
// In: when the impact began, the service, its dependencies, the changes on record.
// Out: suspects, best first, each with its reason in words; none when nothing stands
// out. Promise: pure; a change after the detection is never a suspect, and an old
// innocent change does not win over a fresh one.
package suspect

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

// Change is what the ranking needs of a change.
type Change struct {
	ID        string
	Kind      string
	Summary   string
	Service   declare.ServiceID
	Resources []declare.ResourceID
	Actor     string
	From, To  string
	StartedAt time.Time
	EndedAt   time.Time // zero while it goes on
}

// Input is one case.
type Input struct {
	Service   declare.ServiceID
	Onset     time.Time // impact start, or the detection when that is not known
	Detected  time.Time
	Distances map[declare.ResourceID]int // dependency steps from the service, itself at 0
	Changes   []Change
}

// Lookback is how long before the onset a change can lie.
const Lookback = 24 * time.Hour

const (
	tolerance = 30 * time.Second // clocks differ, and an onset is an estimate
	halfLife  = 15 * time.Minute // of suspicion, before the onset
	perStep   = 0.75             // weight of each dependency step
	least     = 0.05             // below it nobody is blamed
	most      = 10               // suspects in a list
)

// kinds are prior weights: what is known to break things most often.
var kinds = map[string]float64{
	"deploy": 1, "config": 1, "flag": 0.95, "infrastructure": 0.9, "network": 0.9, "rollback": 0.7, "patch": 0.8, "scale": 0.6, "run": 0.5,
}

// Rank returns the suspects.
func Rank(in Input) []respond.Suspect {
	type scored struct {
		Change
		score    float64
		distance int
	}
	var all []scored
	for _, c := range in.Changes {
		if c.StartedAt.After(in.Onset.Add(tolerance)) || c.StartedAt.After(in.Detected) || c.StartedAt.Before(in.Onset.Add(-Lookback)) {
			continue
		}
		d, touched := distance(c, in.Distances)
		if !touched {
			continue
		}
		// A change that takes time is as fresh as its end, when that lies before the onset.
		last := c.StartedAt
		if c.EndedAt.After(last) && c.EndedAt.Before(in.Onset) {
			last = c.EndedAt
		}
		age := max(in.Onset.Sub(last), 0)
		score := math.Exp2(-age.Minutes()/halfLife.Minutes()) * math.Pow(perStep, float64(d))
		prior, known := kinds[c.Kind]
		if !known {
			prior = 0.8
		}
		all = append(all, scored{c, score * prior, d})
	}
	slices.SortStableFunc(all, func(a, b scored) int {
		switch {
		case a.score != b.score:
			if a.score > b.score {
				return -1
			}
			return 1
		case !a.StartedAt.Equal(b.StartedAt):
			return b.StartedAt.Compare(a.StartedAt)
		}
		return strings.Compare(a.ID, b.ID)
	})
	var out []respond.Suspect
	for _, s := range all {
		if s.score < least || len(out) == most {
			break
		}
		out = append(out, respond.Suspect{
			Rank: len(out) + 1, Change: s.ID, Service: s.Service, Summary: name(s.Change), Score: math.Round(s.score*100) / 100,
			Reason: reason(in, s.Change, s.distance), Evidence: evidence(in, s.Change, s.distance), At: s.StartedAt,
		})
	}
	return out
}

// distance is that of the nearest thing that the change touched.
func distance(c Change, distances map[declare.ResourceID]int) (int, bool) {
	best, found := 0, false
	look := c.Resources
	if c.Service != "" {
		look = append(slices.Clone(look), declare.ResourceID("component/default/"+string(c.Service)))
	}
	for _, r := range look {
		if d, ok := distances[r]; ok && (!found || d < best) {
			best, found = d, true
		}
	}
	return best, found
}

// name says what the change was: "deploy of checkout 1.4.1".
func name(c Change) string {
	on := string(c.Service)
	if on == "" && len(c.Resources) > 0 {
		on = string(c.Resources[0])
	}
	s := fmt.Sprintf("%s of %s", c.Kind, on)
	if c.To != "" {
		s += " " + c.To
	}
	return s
}

func reason(in Input, c Change, d int) string {
	s := name(c)
	if c.From != "" {
		s += fmt.Sprintf(" (was %s)", c.From)
	}
	if c.Actor != "" {
		s += " by " + c.Actor
	}
	switch before := in.Onset.Sub(c.StartedAt).Round(time.Second); {
	case before > 0:
		s += fmt.Sprintf(" began %s before %s went bad", span(before), in.Service)
	default:
		s += fmt.Sprintf(" began as %s went bad", in.Service)
	}
	switch {
	case d == 0:
		return s + "; it changed the service itself."
	case d == 1:
		return s + fmt.Sprintf("; %s depends on it.", in.Service)
	}
	return s + fmt.Sprintf("; %s depends on it over %d steps.", in.Service, d)
}

func evidence(in Input, c Change, d int) []string {
	out := []string{fmt.Sprintf("began at %s", c.StartedAt.UTC().Format("15:04:05 UTC"))}
	if before := in.Onset.Sub(c.StartedAt); before > 0 {
		out = append(out, span(before.Round(time.Second))+" before the impact")
	} else {
		out = append(out, "at the start of the impact")
	}
	if d == 0 {
		out = append(out, "on the service itself")
	} else {
		out = append(out, fmt.Sprintf("on a dependency, %d step(s) away", d))
	}
	if c.From != "" && c.To != "" {
		out = append(out, c.From+" → "+c.To)
	}
	return append(out, c.Summary)
}

// span writes a duration the way people say it.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}
