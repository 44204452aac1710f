package escalation

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// look is how often incidents are looked at when nothing was heard: the journal may
// have gone by too fast.
const look = 15 * time.Second

// Options of an Engine. All are required.
type Options struct {
	DB        *state.DB
	Logger    *slog.Logger
	Incidents respond.Incidents
	// Workspace is what is declared, with overrides.
	Workspace func() *declare.Workspace
	// Policy is the one for an incident, nil for none.
	Policy func(i respond.Incident) *declare.Escalation
	// Send takes notices in the transaction that decided on them.
	Send func(ctx context.Context, tx *state.Tx, now time.Time, notices []respond.Notice) error
}

// Engine implements respond.Escalations.
type Engine struct{ o Options }

var _ respond.Escalations = (*Engine)(nil)

// New returns an engine; Run makes it work.
func New(o Options) *Engine { return &Engine{o: o} }

// Run takes steps when they are due, until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	facts := e.o.DB.Follow(ctx)
	for {
		now := time.Now()
		due, err := e.Tick(ctx, now)
		if err != nil && ctx.Err() == nil {
			e.o.Logger.Error("cannot escalate", "err", err)
		}
		wait := look
		if !due.IsZero() {
			wait = min(max(due.Sub(now), time.Millisecond), look)
		}
		timer := time.NewTimer(wait)
		for heard := false; !heard; {
			select {
			case <-ctx.Done():
				timer.Stop()
				return nil
			case f, open := <-facts:
				if !open {
					facts = nil
				}
				heard = strings.HasPrefix(string(f.Kind), "incident.")
			case <-timer.C:
				heard = true
			}
		}
		timer.Stop()
	}
}

// Tick takes what is due now, and says when something is due next.
func (e *Engine) Tick(ctx context.Context, now time.Time) (due time.Time, err error) {
	rows, err := e.o.DB.Read().QueryContext(ctx, `SELECT number FROM incidents WHERE status IN ('open', 'acknowledged') UNION SELECT incident FROM escalations WHERE status <> 'ended'`)
	if err != nil {
		return due, fmt.Errorf("cannot read incidents: %w", err)
	}
	var all []respond.Number
	for rows.Next() {
		var n respond.Number
		if err := rows.Scan(&n); err != nil {
			_ = rows.Close()
			return due, fmt.Errorf("cannot read incidents: %w", err)
		}
		all = append(all, n)
	}
	if err := rows.Close(); err != nil {
		return due, err
	}
	var errs []error
	for _, n := range all {
		at, err := e.follow(ctx, now, n)
		errs = append(errs, err)
		if !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	return due, errors.Join(errs...)
}

// follow takes one incident's escalation as far as it goes now.
func (e *Engine) follow(ctx context.Context, now time.Time, n respond.Number) (time.Time, error) {
	for range 10 { // arming and the first step are two moves
		i, err := e.o.Incidents.Get(ctx, n)
		if errors.Is(err, respond.ErrNotFound) {
			i = respond.Incident{Number: n, Status: respond.Resolved}
		} else if err != nil {
			return time.Time{}, err
		}
		was, err := read(ctx, e.o.DB.Read(), n)
		if err != nil {
			return time.Time{}, err
		}
		policy := e.o.Policy(i)
		to, do, _ := next(was, glance(i), policy, now)
		if do == nothing {
			if to.Status == respond.EscalationEnded || to.Status == "" {
				return time.Time{}, nil
			}
			return to.Due, nil
		}
		if err := e.move(ctx, now, i, policy); err != nil {
			return time.Time{}, err
		}
	}
	return now.Add(time.Second), nil
}

func glance(i respond.Incident) seen {
	return seen{status: i.Status, acked: i.Clocks.Acknowledged}
}

// move makes one transition with its notices and its fact. What it decides on is read
// again where nobody else writes.
func (e *Engine) move(ctx context.Context, now time.Time, i respond.Incident, policy *declare.Escalation) error {
	return e.o.DB.Update(ctx, func(tx *state.Tx) error {
		was, err := read(ctx, tx, i.Number)
		if err != nil {
			return err
		}
		in := glance(i)
		var acked int64
		err = tx.QueryRowContext(ctx, `SELECT status, acked_ms FROM incidents WHERE number = ?`, i.Number).Scan(&in.status, &acked)
		if errors.Is(err, sql.ErrNoRows) {
			in.status = respond.Resolved
		} else if err != nil {
			return err
		}
		in.acked = state.Time(acked)
		to, do, at := next(was, in, policy, now)
		if do == nothing {
			return nil // somebody was faster
		}
		to.Incident = i.Number
		if to.Fact == 0 {
			to.Fact = i.Fact
		}
		fact := journal.Fact{At: now, Actor: journal.System("respond"), Cause: to.Fact, Subject: i.Number.Ref()}
		var notices []respond.Notice
		switch do {
		case armed:
			fact.Kind, fact.Text = "escalation.started", fmt.Sprintf("escalation by policy %s: %d steps", to.Policy, len(to.Steps))
			if to.Arm > 1 {
				fact.Kind, fact.Text = "escalation.rearmed", "it pages again: the escalation begins anew"
			}
		case overdue:
			fact.Kind, fact.Text = "escalation.rearmed", fmt.Sprintf("acknowledged %s ago and not mitigated: the escalation begins anew", short(to.AckTimeout))
		case notify:
			fact.Kind = "escalation.notified"
			notices = e.notices(to, i, at, now)
			fact.Text = stepText(to, at, notices, now)
		case stopped:
			fact.Kind, fact.Text = "escalation.stopped", "acknowledged: nobody else is notified"
		case exhausted:
			fact.Kind, fact.Text = "escalation.exhausted", "nobody acknowledged, and nobody is left to notify"
		case ended:
			fact.Kind, fact.Text = "escalation.ended", "nothing asks for anybody any more"
		case shifted:
			fact.Kind, fact.Text = "escalation.shifted", "the clock was set back: the wait begins anew"
		}
		id, err := tx.Record(fact)
		if err != nil {
			return err
		}
		if do == armed || do == overdue {
			to.Fact = id
		}
		for k := range notices {
			notices[k].Cause = id
		}
		if len(notices) > 0 {
			if err := e.o.Send(ctx, tx, now, notices); err != nil {
				return err
			}
		}
		return save(ctx, tx, to)
	})
}

// notices are for the people whom a step reaches.
func (e *Engine) notices(to respond.Escalation, i respond.Incident, at int, now time.Time) []respond.Notice {
	var out []respond.Notice
	for _, r := range e.o.Workspace().Recipients(to.Steps[at].Notify, now) {
		purpose := respond.PurposePage
		if r.Shadow {
			purpose = respond.PurposeCopy
		}
		out = append(out, e.notice(to, i, purpose, r.Person, r.Why, at, now))
	}
	return out
}

func (e *Engine) notice(to respond.Escalation, i respond.Incident, purpose respond.Purpose, who declare.PersonID, why string, at int, now time.Time) respond.Notice {
	n := respond.Notice{
		Key: fmt.Sprintf("escalation/%d/%d/%d/%d/%s", i.Number, to.Arm, to.Round, at, who), Person: who, Purpose: purpose, Incident: i.Number,
		Severity: i.Severity, Title: fmt.Sprintf("#%d %s", i.Number, i.Title), Why: why, Text: pageText(i, now),
	}
	if purpose == respond.PurposeCopy {
		n.Severity = detect.Info // a copy wakes nobody
	}
	return n
}

// pageText is what somebody reads who was asleep a moment ago.
func pageText(i respond.Incident, now time.Time) string {
	var b strings.Builder
	if began := i.Clocks.Impact; !began.IsZero() && now.Sub(began) < time.Second {
		b.WriteString("Users suffer since a moment ago")
	} else if !began.IsZero() {
		fmt.Fprintf(&b, "Users suffer for %s", short(now.Sub(began)))
	} else {
		fmt.Fprintf(&b, "Detected %s ago", short(now.Sub(i.Clocks.Detected)))
	}
	if len(i.Services) > 0 {
		b.WriteString(" on")
		for k, s := range i.Services {
			if k > 0 {
				b.WriteString(",")
			}
			b.WriteString(" " + string(s))
		}
	}
	b.WriteString(".\n")
	if len(i.Suspects) > 0 {
		b.WriteString("First suspect: " + i.Suspects[0].Reason + "\n")
	}
	return b.String()
}

func stepText(to respond.Escalation, at int, notices []respond.Notice, now time.Time) string {
	var targets, people []string
	for _, t := range to.Steps[at].Notify {
		targets = append(targets, t.String())
	}
	for _, n := range notices {
		who := string(n.Person)
		if n.Purpose == respond.PurposeCopy {
			who += " (copy)"
		}
		people = append(people, who)
	}
	if len(people) == 0 {
		people = []string{"nobody"}
	}
	text := fmt.Sprintf("step %d of %d", at+1, len(to.Steps))
	if to.Round > 0 {
		text += fmt.Sprintf(", round %d", to.Round+1)
	}
	return fmt.Sprintf("%s notifies %s (%s); next in %s", text, strings.Join(people, ", "), strings.Join(targets, ", "), short(to.Due.Sub(now)))
}

func short(d time.Duration) string {
	d = d.Round(time.Second)
	text := d.String()
	if d >= time.Minute {
		text = strings.TrimSuffix(text, "0s")
	}
	if d >= time.Hour {
		text = strings.TrimSuffix(text, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(text, "h0m")]
	}
	return text
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// read returns an escalation with status "" where there is none.
func read(ctx context.Context, q querier, n respond.Number) (respond.Escalation, error) {
	var e respond.Escalation
	var steps string
	var due, set, over, started int64
	err := q.QueryRowContext(ctx, `SELECT incident, policy, steps, repeat, ack_ns, status, arm, round, step, due_ms, set_ms, over_ms, started_ms, fact FROM escalations WHERE incident = ?`, n).
		Scan(&e.Incident, &e.Policy, &steps, &e.Repeat, &e.AckTimeout, &e.Status, &e.Arm, &e.Round, &e.Step, &due, &set, &over, &started, &e.Fact)
	if errors.Is(err, sql.ErrNoRows) {
		return respond.Escalation{Incident: n}, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(steps), &e.Steps)
	}
	if err != nil {
		return e, fmt.Errorf("cannot read escalation of incident %d: %w", n, err)
	}
	e.Due, e.Set, e.Over, e.Started = state.Time(due), state.Time(set), state.Time(over), state.Time(started)
	return e, nil
}

func save(ctx context.Context, tx *state.Tx, e respond.Escalation) error {
	steps, err := json.Marshal(e.Steps)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO escalations (incident, policy, steps, repeat, ack_ns, status, arm, round, step, due_ms, set_ms, over_ms, started_ms, fact) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT (incident) DO UPDATE SET policy=excluded.policy, steps=excluded.steps, repeat=excluded.repeat, ack_ns=excluded.ack_ns, status=excluded.status, arm=excluded.arm,
		round=excluded.round, step=excluded.step, due_ms=excluded.due_ms, set_ms=excluded.set_ms, over_ms=excluded.over_ms, fact=excluded.fact`,
		e.Incident, e.Policy, string(steps), e.Repeat, e.AckTimeout, e.Status, e.Arm, e.Round, e.Step, state.Millis(e.Due), state.Millis(e.Set), state.Millis(e.Over), state.Millis(e.Started), e.Fact)
	if err != nil {
		return fmt.Errorf("cannot store escalation of incident %d: %w", e.Incident, err)
	}
	return nil
}

// Get implements respond.Escalations.
func (e *Engine) Get(ctx context.Context, n respond.Number) (respond.Escalation, error) {
	out, err := read(ctx, e.o.DB.Read(), n)
	if err == nil && out.Status == "" {
		return out, respond.ErrNoEscalation
	}
	return out, err
}

// Acknowledge implements respond.Escalations.
func (e *Engine) Acknowledge(ctx context.Context, now time.Time, who declare.PersonID, n respond.Number) (respond.Incident, error) {
	i, err := e.o.Incidents.Do(ctx, now, journal.Person(string(who)), n, respond.Acknowledge, "")
	var moved *respond.TransitionError
	if !errors.As(err, &moved) || moved.From != respond.Acknowledged {
		return i, err
	}
	refused := err
	err = e.o.DB.Update(ctx, func(tx *state.Tx) error {
		was, err := read(ctx, tx, n)
		if err != nil {
			return err
		}
		var acked int64
		if err := tx.QueryRowContext(ctx, `SELECT acked_ms FROM incidents WHERE number = ?`, n).Scan(&acked); err != nil {
			return err
		}
		if (was.Status != respond.EscalationRunning && was.Status != respond.EscalationExhausted) || acked == 0 || acked != state.Millis(was.Over) {
			return refused // somebody has it, and their time has not run out
		}
		id, err := tx.Record(journal.Fact{At: now, Kind: "escalation.confirmed", Actor: journal.Person(string(who)), Cause: was.Fact, Subject: n.Ref(), Text: fmt.Sprintf("%s is at it: nobody else is notified", who)})
		if err != nil {
			return err
		}
		was.Status, was.Due, was.Set, was.Fact = respond.EscalationAcknowledged, time.Time{}, now, id
		if was.AckTimeout > 0 {
			was.Due = now.Add(was.AckTimeout)
		}
		return save(ctx, tx, was)
	})
	if err != nil {
		return respond.Incident{}, err
	}
	return e.o.Incidents.Get(ctx, n)
}
