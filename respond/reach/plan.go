// Package reach brings notices to people: by the ways that each has, in their order,
// with retries, falling over to the next way, and a record of every attempt.
//
// In: notices, from the transactions that decided on them; contact methods of the
// catalogue and of people. Out: messages; a row and a fact for each. Promise: a notice
// is queued exactly once; it is delivered at least once, unless it failed on every
// way, or what it asks for was done meanwhile. Where a kill falls between sending and
// noting, it is sent again, with the same identity, so that a receiver can tell.
//
// A delivery's states (only outcome decides):
//
//	queued ──claim──► sending ──it arrived──► delivered
//	  ▲ │               │
//	  │ │               ├── failed: again after a pause, then the next way
//	  └─┼───────────────┤
//	    │               └── no way is left ──► failed
//	    └── somebody has acknowledged, or it is over ──► cancelled
//
// A lease keeps a delivery that is being sent from being sent twice; when it runs out
// (the process was killed), the delivery is queued again.
package reach

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// pauses are between the tries of one way; after the last one the next way has its turn.
var pauses = []time.Duration{2 * time.Second, 10 * time.Second}

// Usable are the ways that count for a severity, in order. It is pure.
func Usable(all []respond.ContactMethod, severity detect.Severity) []respond.ContactMethod {
	var out []respond.ContactMethod
	for _, m := range all {
		if m.Verified.IsZero() || (len(m.Severities) > 0 && !slices.Contains(m.Severities, severity)) {
			continue
		}
		out = append(out, m)
	}
	return out
}

// quietUntil is when a notice may go out: now, or the end of the person's quiet hours
// where these keep its severity back. It is pure.
func quietUntil(r respond.QuietRule, severity detect.Severity, now time.Time) time.Time {
	if r.From == r.To || !slices.Contains(r.Severities, severity) {
		return now
	}
	loc, err := time.LoadLocation(r.Zone)
	if err != nil {
		loc = time.UTC
	}
	local := now.In(loc)
	for back := 1; back >= 0; back-- {
		y, m, d := local.AddDate(0, 0, -back).Date()
		end := r.To
		if end <= r.From {
			end += 24 * 60
		}
		from, to := declare.Wall(loc, y, m, d, r.From, 0), declare.Wall(loc, y, m, d, end, 0)
		if !now.Before(from) && now.Before(to) {
			return to
		}
	}
	return now
}

// result is how one attempt ended.
type result struct {
	ok    bool
	final bool // trying the same way again is of no use
}

// outcome is pure: after an attempt by way number method (of ways), its attempt-th on
// this way, what becomes of the delivery.
func outcome(method, attempt, ways int, r result, now time.Time) (state respond.DeliveryState, nextMethod, nextAttempt int, at time.Time) {
	switch {
	case r.ok:
		return respond.DeliveryDelivered, method, attempt, time.Time{}
	case !r.final && attempt < len(pauses):
		return respond.DeliveryQueued, method, attempt + 1, now.Add(pauses[attempt])
	case method+1 < ways:
		return respond.DeliveryQueued, method + 1, 0, now
	}
	return respond.DeliveryFailed, method, attempt, time.Time{}
}
