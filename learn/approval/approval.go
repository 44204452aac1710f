// Package approval measures how approvals went: how long people waited for one, and what
// share was approved as it was.
//
// In: questions that were answered. Out: one measure of all and one of each class, with
// how many it comes from, median and 90th percentile, and the records behind it. Where
// nearly all are approved, and in seconds, the class is too high for what it is.
// Promise: it is pure; measures are of classes, services and teams, never of a person.
package approval

import (
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

// Measure is how the approvals of one class went.
type Measure struct {
	Class    declare.Class `json:"class,omitempty" doc:"Absent: of all classes."`
	N        int           `json:"n" doc:"Questions that were answered, or have expired."`
	Approved int           `json:"approved"`
	Refused  int           `json:"refused"`
	Expired  int           `json:"expired"`
	Share    float64       `json:"share_approved_unchanged" doc:"Approved over n. What is approved is exactly what runs; what had to be changed was refused first, and asked anew."`
	Seconds  float64       `json:"share_within_10s" doc:"Approved within ten seconds, over n: hardly read."`
	Median   float64       `json:"median_seconds"`
	P90      float64       `json:"p90_seconds"`
	Advice   string        `json:"advice,omitempty"`
	Records  []act.Answer  `json:"records"`
}

// When a class is too high: so many answers, nearly all of them yes, most in seconds.
const (
	enough    = 50
	nearly    = 0.98
	hastily   = 0.5
	atAGlance = 10 // seconds
)

// Make measures: all of them first, then each class, the lowest first. Nothing asked is
// nothing measured.
func Make(answers []act.Answer) []Measure {
	if len(answers) == 0 {
		return nil
	}
	by := map[declare.Class][]act.Answer{}
	for _, a := range answers {
		by[a.Class] = append(by[a.Class], a)
	}
	out := []Measure{measure("", answers)}
	for class, list := range by {
		m := measure(class, list)
		if m.N >= enough && m.Share >= nearly && m.Seconds >= hastily {
			m.Advice = fmt.Sprintf("%.0f %% are approved as they are, half of them within seconds: a lower class would do", 100*m.Share)
		}
		out = append(out, m)
	}
	slices.SortFunc(out[1:], func(a, b Measure) int { return a.Class.Rank() - b.Class.Rank() })
	return out
}

func measure(class declare.Class, answers []act.Answer) Measure {
	m := Measure{Class: class, N: len(answers), Records: answers}
	waits := make([]float64, 0, len(answers))
	for _, a := range answers {
		s := a.Waited().Seconds()
		waits = append(waits, s)
		switch a.Decision {
		case "approved":
			m.Approved++
			if s <= atAGlance {
				m.Seconds++
			}
		case "refused":
			m.Refused++
		default:
			m.Expired++
		}
	}
	slices.Sort(waits)
	m.Median, m.P90 = waits[(len(waits)-1)/2], waits[(len(waits)*9-1)/10]
	m.Share, m.Seconds = float64(m.Approved)/float64(m.N), m.Seconds/float64(m.N)
	return m
}
