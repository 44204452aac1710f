package change

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
)

// The states of a hygiene item.
const (
	Met     = "met"
	Missing = "missing"
	Due     = "due"
)

// closeWithin is how long after its start a change may go without an outcome.
const closeWithin = 24 * time.Hour

// Hygiene judges how a change was made. blocked is why no change should have been made
// when this one began, "" when it was inside of its window. It is pure.
func Hygiene(c act.Change, blocked string, now time.Time) act.Hygiene {
	var h act.Hygiene
	add := func(name, state, why string) {
		h.Items = append(h.Items, act.HygieneItem{Name: name, State: state, Why: why})
	}
	e := c.Evidence
	author := e.Author
	if author == "" {
		author = c.Actor
	}
	others := slices.DeleteFunc(slices.Clone(e.Reviewers), func(r string) bool { return strings.EqualFold(r, author) })
	switch {
	case len(others) > 0:
		add("reviewed by another", Met, fmt.Sprintf("%s wrote it, %s reviewed it", author, strings.Join(others, ", ")))
	case len(e.Reviewers) > 0:
		add("reviewed by another", Missing, fmt.Sprintf("%s reviewed their own change", author))
	default:
		add("reviewed by another", Missing, "no reviewer is on record")
	}
	switch {
	case e.Rollback != "":
		add("rollback written", Met, e.Rollback)
	case c.Kind == act.Rollback:
		add("rollback written", Met, "it is a rollback itself")
	default:
		add("rollback written", Missing, "nothing says how it is undone")
	}
	switch e.Checks {
	case "passed":
		add("checks passed", Met, "the checks of its commit passed")
	case "failed":
		add("checks passed", Missing, "the checks of its commit failed")
	default:
		add("checks passed", Missing, "no check is on record")
	}
	switch {
	case blocked == "":
		add("inside its window", Met, "nothing forbade a change at that time")
	case e.Emergency:
		add("inside its window", Met, "an emergency, on record as one; "+blocked)
	default:
		add("inside its window", Missing, blocked)
	}
	switch {
	case c.Verdict != "":
		add("closed with an outcome", Met, c.Verdict)
	case now.Sub(c.StartedAt) < closeWithin:
		add("closed with an outcome", Due, "no outcome yet; it is due a day after the start")
	default:
		add("closed with an outcome", Missing, "nobody said how it went")
	}
	met, told := 0, 0
	for _, i := range h.Items {
		switch i.State {
		case Met:
			met, told = met+1, told+1
		case Missing:
			told++
		}
	}
	h.Score = -1
	if told > 0 {
		h.Score = float64(met) / float64(told)
	}
	return h
}
