// Package escalation makes sure that somebody acknowledges what pages: it notifies
// the steps of a policy one after the other until a person does, and hands incidents
// up with what the next level has to know.
//
// In: incidents as they stand in the book, policies, acts of people. Out: notices to
// people, each with its fact. Promise: a step is taken exactly once, also over a kill
// or a restart, because the step, its notices and its fact are one transaction; the
// time of a step is that which was set when the one before was taken.
//
// An escalation's states (only Next decides):
//
//	             it is due: notify, next step
//	               ┌───┐
//	               ▼   │   acknowledge                     its time runs out
//	open ───────► running ──────────────► acknowledged ──────────────────────► running
//	                │ no step and no repeat is left   │
//	                ▼                                 │
//	            exhausted ── acknowledge ─────────────┘
//
//	every state ── mitigated, resolved, merged or gone ──► ended ── it pages again ──► running
package escalation

import (
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

// seen is what an escalation looks at in its incident.
type seen struct {
	status respond.Status
	acked  time.Time
}

// act is what Next asks for. At most one is asked for at a time.
type act int

const (
	nothing   act = iota
	armed         // a step will be due
	notify        // step `at` is taken now
	stopped       // somebody acknowledged
	overdue       // an acknowledgement ran out: begin anew
	exhausted     // nobody is left
	ended         //
	shifted       // the clock went back: the same wait from now on
)

// slack is how far a clock may be behind before it counts as set back.
const slack = time.Second

// next is pure: what becomes of an escalation at now, what that asks for, and which
// step a notify is of. e has status "" where there is none yet; policy may be nil.
func next(e respond.Escalation, in seen, policy *declare.Escalation, now time.Time) (_ respond.Escalation, do act, at int) {
	set := func(status respond.EscalationStatus, due time.Time) {
		e.Status, e.Due, e.Set = status, due, now
	}
	arm := func() {
		if policy != nil {
			e.Policy, e.Steps, e.Repeat, e.AckTimeout = policy.Name, policy.Steps, policy.Repeat, policy.AckTimeout
		}
		e.Arm, e.Round, e.Step = e.Arm+1, 0, 0
		set(respond.EscalationRunning, now)
	}
	hold := func(from time.Time) {
		set(respond.EscalationAcknowledged, time.Time{})
		if e.AckTimeout > 0 {
			e.Due = from.Add(e.AckTimeout)
		}
	}
	active := in.status == respond.Open || in.status == respond.Acknowledged
	acked := in.status == respond.Acknowledged && !in.acked.Equal(e.Over)
	switch {
	case e.Status == "" && in.status == respond.Open && policy != nil:
		e.Started = now
		arm()
		return e, armed, 0
	case e.Status == "":
		return e, nothing, 0
	case e.Status == respond.EscalationEnded && in.status == respond.Open:
		arm()
		return e, armed, 0
	case e.Status == respond.EscalationEnded && in.status == respond.Acknowledged: // it paged again and was taken before anybody looked
		hold(in.acked)
		e.Arm++
		return e, stopped, 0
	case e.Status == respond.EscalationEnded:
		return e, nothing, 0
	case !active:
		set(respond.EscalationEnded, time.Time{})
		return e, ended, 0
	case (e.Status == respond.EscalationRunning || e.Status == respond.EscalationExhausted) && acked:
		hold(in.acked)
		return e, stopped, 0
	case !e.Due.IsZero() && now.Before(e.Set.Add(-slack)):
		set(e.Status, now.Add(e.Due.Sub(e.Set)))
		return e, shifted, 0
	case e.Due.IsZero() || now.Before(e.Due):
		return e, nothing, 0
	case e.Status == respond.EscalationAcknowledged:
		e.Over = in.acked
		arm()
		return e, overdue, 0
	case e.Status == respond.EscalationRunning && e.Step >= len(e.Steps):
		if e.Round >= e.Repeat {
			set(respond.EscalationExhausted, time.Time{})
			return e, exhausted, 0
		}
		e.Round, e.Step = e.Round+1, 0
		fallthrough
	case e.Status == respond.EscalationRunning:
		at = e.Step
		wait := e.Steps[at].Wait
		due := e.Due.Add(wait)
		if now.Sub(e.Due) >= wait { // it was away for longer than a step: people get their whole time
			due = now.Add(wait)
		}
		e.Step++
		set(respond.EscalationRunning, due)
		return e, notify, at
	}
	return e, nothing, 0
}
