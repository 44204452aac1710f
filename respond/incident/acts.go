package incident

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// maxNote bounds what a person writes at once.
const maxNote = 10_000

var done = map[respond.Event]struct {
	kind journal.Kind
	verb string
}{
	respond.Acknowledge: {"incident.acknowledged", "acknowledged"},
	respond.Mitigate:    {"incident.mitigated", "mitigated"},
	respond.Regress:     {"incident.regressed", "regressed"},
	respond.Resolve:     {"incident.resolved", "resolved"},
	respond.Merge:       {"incident.merged", "merged"},
}

// Do implements respond.Incidents.
func (b *Book) Do(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, e respond.Event, note string) (respond.Incident, error) {
	if err := checkText(note); err != nil {
		return respond.Incident{}, err
	}
	return b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		if e == respond.Regress || e == respond.Merge {
			return &respond.TransitionError{From: i.Status, Event: e} // only a finding can; Merge has an act of its own
		}
		text := ""
		if note != "" {
			text = ": " + note
		}
		return b.move(tx, now, actor, i, e, i.Fact, text)
	})
}

// move makes one transition and records it.
func (b *Book) move(tx *state.Tx, now time.Time, actor journal.Actor, i *respond.Incident, e respond.Event, cause journal.ID, text string, refs ...journal.Ref) error {
	next, err := respond.Next(i.Status, e)
	if err != nil {
		return err
	}
	i.Status = next
	c := &i.Clocks
	switch e {
	case respond.Acknowledge:
		if c.Acknowledged.IsZero() { // the first one is how long it took
			c.Acknowledged = now
			c.Say(respond.PointAcknowledged, actor.Name())
		}
		if i.Assignee == "" && strings.HasPrefix(string(actor), "person:") {
			i.Assignee = declare.PersonID(actor.Name()) // who takes it, has it
		}
	case respond.Mitigate:
		c.Mitigated = now
		c.Say(respond.PointMitigated, said(actor, "nothing pages any more"))
	case respond.Regress:
		c.Mitigated = time.Time{}
		c.Say(respond.PointMitigated, "")
	case respond.Resolve:
		c.Resolved = now
		c.Say(respond.PointResolved, actor.Name())
		if c.Mitigated.IsZero() {
			c.Mitigated = now
			c.Say(respond.PointMitigated, "with the resolution, by "+actor.Name())
		}
	}
	_, err = b.fact(tx, now, actor, done[e].kind, cause, i, fmt.Sprintf("incident %d %s%s", i.Number, done[e].verb, text), refs...)
	return err
}

// said is who set a point, or how the system found it.
func said(actor journal.Actor, how string) string {
	if strings.HasPrefix(string(actor), "person:") {
		return actor.Name()
	}
	return how
}

// change runs fn on an incident in one transaction and stores what it made of it.
func (b *Book) change(ctx context.Context, n respond.Number, fn func(tx *state.Tx, i *respond.Incident) error) (respond.Incident, error) {
	var i respond.Incident
	err := b.o.DB.Update(ctx, func(tx *state.Tx) error {
		var err error
		if i, err = get(ctx, tx, n); err != nil {
			return err
		}
		if err := fn(tx, &i); err != nil {
			return err
		}
		return save(ctx, tx, &i)
	})
	if err != nil {
		return respond.Incident{}, err // what fn made of it was not stored
	}
	return i, nil
}

// Assign implements respond.Incidents.
func (b *Book) Assign(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, to declare.PersonID) (respond.Incident, error) {
	if !b.o.Known(to) {
		return respond.Incident{}, &respond.InvalidError{Field: "person", Got: string(to), Want: "a person of the catalogue"}
	}
	return b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		if i.Ended() {
			return &respond.TransitionError{From: i.Status, Event: "assign"}
		}
		i.Assignee = to
		_, err := b.fact(tx, now, actor, "incident.assigned", i.Fact, i, fmt.Sprintf("incident %d assigned to %s", n, to))
		return err
	})
}

// Note implements respond.Incidents.
func (b *Book) Note(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, text string) error {
	text = strings.TrimSpace(text)
	if text == "" {
		return &respond.InvalidError{Field: "text", Want: "a text"}
	}
	if err := checkText(text); err != nil {
		return err
	}
	_, err := b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		_, err := b.fact(tx, now, actor, "incident.noted", i.Fact, i, text)
		return err
	})
	return err
}

func checkText(s string) error {
	if len(s) > maxNote {
		return &respond.InvalidError{Field: "text", Got: fmt.Sprintf("%d bytes", len(s)), Want: fmt.Sprintf("at most %d", maxNote)}
	}
	return nil
}
