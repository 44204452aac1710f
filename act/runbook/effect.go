package runbook

import (
	"fmt"
	"slices"
	"time"
)

// Sample is one value of a burn rate.
type Sample struct {
	At    time.Time
	Value float64
}

// Effect is what a run has done to an objective: how fast its budget burns now, against
// how fast it would burn without the run.
type Effect struct {
	Known    bool    `json:"known"`
	Helped   bool    `json:"helped"`
	Expected float64 `json:"expected"` // burn rate without the run
	Actual   float64 `json:"actual"`
	Why      string  `json:"why"`
}

// What counts as help: a burn rate of at most half of what it would have been.
const half = 0.5

// fewest samples that tell a trend.
const fewest = 4

// Judge compares the burn rate after a run with what it would have been: the line
// through what was before (the median of all slopes, which one wild value does not
// bend), carried on to now. Where it would have ended by itself, the run has not helped,
// however green all is.
func Judge(before, after []Sample, now time.Time) Effect {
	if len(before) < fewest || len(after) == 0 {
		return Effect{Why: fmt.Sprintf("cannot tell what it would have been without the run: %d samples before it, %d after", len(before), len(after))}
	}
	last := after[max(0, len(after)-3):]
	e := Effect{Known: true, Actual: median(values(last)), Expected: max(0, carriedOn(before, now))}
	level := median(values(before))
	switch {
	case level <= 1 && e.Expected <= 1:
		e.Why = fmt.Sprintf("the budget burned at %.2f before the run already: there was nothing to mend", level)
	case e.Expected <= 1:
		e.Why = fmt.Sprintf("it was getting better by itself: without the run it would burn at %.2f by now", e.Expected)
	case e.Actual <= half*e.Expected:
		e.Helped = true
		e.Why = fmt.Sprintf("the budget burns at %.2f; without the run it would burn at %.2f", e.Actual, e.Expected)
	default:
		e.Why = fmt.Sprintf("the budget burns at %.2f, hardly less than the %.2f without the run", e.Actual, e.Expected)
	}
	return e
}

func values(s []Sample) []float64 {
	out := make([]float64, len(s))
	for i := range s {
		out[i] = s[i].Value
	}
	return out
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Clone(v)
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// carriedOn is where the line through the samples is at a time (Theil and Sen). It is
// carried on for no longer than it was seen: further ahead nobody knows.
func carriedOn(s []Sample, at time.Time) float64 {
	var slopes []float64
	for i := range s {
		for j := i + 1; j < len(s); j++ {
			if d := s[j].At.Sub(s[i].At).Seconds(); d > 0 {
				slopes = append(slopes, (s[j].Value-s[i].Value)/d)
			}
		}
	}
	slope := median(slopes)
	end := s[len(s)-1].At
	if limit := end.Add(end.Sub(s[0].At)); at.After(limit) {
		at = limit
	}
	var rest []float64 // of each sample, carried on to the end
	for _, x := range s {
		rest = append(rest, x.Value+slope*end.Sub(x.At).Seconds())
	}
	return median(rest) + slope*at.Sub(end).Seconds()
}
