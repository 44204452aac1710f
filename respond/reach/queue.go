package reach

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

const (
	workers   = 16
	lookEvery = 15 * time.Second
	leaseMore = 15 * time.Second // on top of an attempt's own time
)

// Send takes notices in the transaction that decided on them.
func (b *Book) Send(ctx context.Context, tx *state.Tx, now time.Time, notices []respond.Notice) error {
	for _, n := range notices {
		if err := b.enqueue(ctx, tx, now, n, 0); err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) enqueue(ctx context.Context, tx *state.Tx, now time.Time, n respond.Notice, only int64) error {
	r, err := quietOf(ctx, tx, n.Person)
	if err != nil {
		return err
	}
	next := now
	if n.Purpose != respond.PurposePage && n.Purpose != respond.PurposeVerify {
		next = quietUntil(r, n.Severity, now)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO deliveries (key, person, purpose, incident, severity, title, body, why, only_method, state, next_ms, queued_ms, fact) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (key) DO NOTHING`,
		n.Key, n.Person, n.Purpose, n.Incident, n.Severity, n.Title, n.Text, n.Why, only, respond.DeliveryQueued, state.Millis(next), state.Millis(now), n.Cause); err != nil {
		return fmt.Errorf("cannot queue a notice to %s: %w", n.Person, err)
	}
	select {
	case b.wake <- struct{}{}: // before the commit: the look that follows waits for the writer
	default:
	}
	return nil
}

// Run sends what is due, until ctx ends and all attempts have.
func (b *Book) Run(ctx context.Context) error {
	var busy sync.WaitGroup
	defer busy.Wait()
	free := make(chan struct{}, workers)
	facts := b.o.DB.Follow(ctx)
	for {
		due, err := b.dispatch(ctx, free, &busy)
		if err != nil && ctx.Err() == nil {
			b.o.Logger.Error("cannot look for notices", "err", err)
		}
		wait := lookEvery
		if !due.IsZero() {
			wait = min(max(time.Until(due), 5*time.Millisecond), lookEvery)
		}
		timer := time.NewTimer(wait)
		for heard := false; !heard; {
			select {
			case <-ctx.Done():
				timer.Stop()
				return nil
			case <-b.wake:
				heard = true
			case f, open := <-facts:
				if !open {
					facts = nil
				}
				kind, _, _ := strings.Cut(string(f.Kind), ".")
				heard = kind == "escalation" || kind == "handup" || kind == "contact" || kind == "notice"
			case <-timer.C:
				heard = true
			}
		}
		timer.Stop()
	}
}

// dispatch starts an attempt for each delivery that is due, as far as workers are
// free, and says when it should look again.
func (b *Book) dispatch(ctx context.Context, free chan struct{}, busy *sync.WaitGroup) (time.Time, error) {
	for {
		select {
		case free <- struct{}{}:
		default:
			return time.Now().Add(100 * time.Millisecond), nil
		}
		job, due, err := b.claim(ctx, time.Now())
		if err != nil || job == nil {
			<-free
			return due, err
		}
		busy.Go(func() {
			defer func() { <-free }()
			b.attempt(ctx, *job)
		})
	}
}

// job is a delivery that is ours to send until its lease ends.
type job struct {
	respond.Delivery
	key     string
	body    string
	method  int
	attempt int
	n       int // of the attempt, over all ways
	ways    []respond.ContactMethod
}

// claim takes one delivery that is due, or says when the next one is.
func (b *Book) claim(ctx context.Context, now time.Time) (*job, time.Time, error) {
	var next int64
	row := b.o.DB.Read().QueryRowContext(ctx, `SELECT coalesce(min(CASE state WHEN 'queued' THEN next_ms ELSE lease_ms END), 0) FROM deliveries WHERE state IN ('queued', 'sending')`)
	if err := row.Scan(&next); err != nil {
		return nil, time.Time{}, fmt.Errorf("cannot look for notices: %w", err)
	}
	if next == 0 || next > state.Millis(now) {
		return nil, state.Time(next), nil
	}
	var j *job
	err := b.o.DB.Update(ctx, func(tx *state.Tx) error {
		var d job
		var queued, only int64
		err := tx.QueryRowContext(ctx, `SELECT id, key, person, purpose, incident, severity, title, body, why, only_method, method, attempt, queued_ms, fact FROM deliveries
			WHERE (state = 'queued' AND next_ms <= ?) OR (state = 'sending' AND lease_ms <= ?) ORDER BY next_ms, id LIMIT 1`, state.Millis(now), state.Millis(now)).
			Scan(&d.ID, &d.key, &d.Person, &d.Purpose, &d.Incident, &d.Severity, &d.Title, &d.body, &d.Why, &only, &d.method, &d.attempt, &queued, &d.Fact)
		if isNone(err) {
			return nil // somebody was faster
		}
		if err != nil {
			return err
		}
		d.QueuedAt = state.Time(queued)
		if over, err := settled(ctx, tx, d); err != nil || over != "" {
			if err != nil {
				return err
			}
			return b.finish(ctx, tx, now, d, respond.DeliveryCancelled, "notice.cancelled", fmt.Sprintf("%s is not told any more: %s", d.Person, over))
		}
		all, err := b.methods(ctx, tx, d.Person)
		if err != nil {
			return err
		}
		d.ways = Usable(all, d.Severity)
		if only != 0 {
			d.ways = nil
			for _, m := range all {
				if m.ID == only {
					d.ways = []respond.ContactMethod{m}
				}
			}
		}
		if d.method >= len(d.ways) {
			why := "no verified way of contact takes severity " + string(d.Severity)
			if len(d.ways) > 0 {
				why = "the ways of contact were changed meanwhile, and none is left"
			}
			return b.finish(ctx, tx, now, d, respond.DeliveryFailed, "notice.failed", fmt.Sprintf("cannot reach %s: %s", d.Person, why))
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) + 1 FROM delivery_attempts WHERE delivery = ?`, d.ID).Scan(&d.n); err != nil {
			return err
		}
		lease := now.Add(b.o.Workspace().Settings.Channels.Timeout + leaseMore)
		if _, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = 'sending', lease_ms = ? WHERE id = ?`, state.Millis(lease), d.ID); err != nil {
			return err
		}
		j = &d
		return nil
	})
	if err != nil {
		return nil, now.Add(time.Second), fmt.Errorf("cannot take a notice: %w", err)
	}
	if j == nil {
		return nil, now.Add(time.Millisecond), nil // look at once: there may be more
	}
	return j, time.Time{}, nil
}

// settled says why a page need not go out any more, "" where it must.
func settled(ctx context.Context, tx *state.Tx, d job) (string, error) {
	if d.Purpose != respond.PurposePage && d.Purpose != respond.PurposeCopy {
		return "", nil
	}
	var status respond.Status
	var acked int64
	err := tx.QueryRowContext(ctx, `SELECT status, acked_ms FROM incidents WHERE number = ?`, d.Incident).Scan(&status, &acked)
	if isNone(err) {
		return "the incident is gone", nil
	}
	if err != nil {
		return "", err
	}
	switch status {
	case respond.Open:
		return "", nil
	case respond.Acknowledged: // whose time may have run out
		var over int64
		err := tx.QueryRowContext(ctx, `SELECT over_ms FROM escalations WHERE incident = ? AND status = 'running'`, d.Incident).Scan(&over)
		if err != nil && !isNone(err) {
			return "", err
		}
		if err == nil && over == acked && over != 0 {
			return "", nil
		}
	}
	return "the incident is " + string(status), nil
}

// attempt makes one try and notes how it went.
func (b *Book) attempt(ctx context.Context, j job) {
	w := b.o.Workspace()
	began := time.Now()
	way := j.ways[j.method]
	try, cancel := context.WithTimeout(ctx, w.Settings.Channels.Timeout)
	err := b.send(try, w, way, b.message(j, began))
	cancel()
	if ctx.Err() != nil && err != nil {
		return // the program ends: the lease does the rest
	}
	now := time.Now()
	var refused *refusal
	r := result{ok: err == nil, final: errors.As(err, &refused)}
	to, method, attempt, at := outcome(j.method, j.attempt, len(j.ways), r, now)
	detail := ""
	if err != nil {
		detail = Clean(err.Error())
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	err = b.o.DB.Update(ctx, func(tx *state.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO delivery_attempts (delivery, n, at_ms, took_ms, kind, address, ok, detail) VALUES (?,?,?,?,?,?,?,?)`,
			j.ID, j.n, state.Millis(began), now.Sub(began).Milliseconds(), way.Kind, way.Address, r.ok, detail); err != nil {
			return err
		}
		text := fmt.Sprintf("%s is told by %s: %s", j.Person, way.Kind, subject(j.Delivery))
		kind := journal.Kind("notice.delivered")
		if !r.ok {
			kind = "notice.attempted"
			text = fmt.Sprintf("cannot reach %s by %s: %s", j.Person, way.Kind, detail)
			switch {
			case to == respond.DeliveryFailed:
				kind = "notice.failed"
				text += "; no way is left"
			case method != j.method:
				text += "; now by " + string(j.ways[method].Kind)
			default:
				text += "; again in " + at.Sub(now).Round(time.Second).String()
			}
		}
		j.method, j.attempt, j.Next = method, attempt, at
		return b.finish(ctx, tx, now, j, to, kind, text)
	})
	if err != nil {
		b.o.Logger.Error("cannot note how a notice went", "delivery", j.ID, "err", err)
	}
}

// subject is a title without the code that a verification carries.
func subject(d respond.Delivery) string {
	if d.Purpose == respond.PurposeVerify {
		return "a code"
	}
	return d.Title
}

// finish moves a delivery and writes its fact.
func (b *Book) finish(ctx context.Context, tx *state.Tx, now time.Time, j job, to respond.DeliveryState, kind journal.Kind, text string) error {
	done := int64(0)
	if to != respond.DeliveryQueued {
		done = state.Millis(now)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = ?, method = ?, attempt = ?, next_ms = ?, lease_ms = 0, done_ms = ? WHERE id = ?`,
		to, j.method, j.attempt, state.Millis(j.Next), done, j.ID); err != nil {
		return err
	}
	if j.Purpose == respond.PurposeVerify && to != respond.DeliveryQueued {
		if _, err := tx.ExecContext(ctx, `UPDATE deliveries SET title = 'a code', body = '' WHERE id = ?`, j.ID); err != nil {
			return err
		}
	}
	fact := journal.Fact{
		At: now, Kind: kind, Actor: journal.System("respond"), Cause: j.Fact, Subject: journal.MakeRef("notice", fmt.Sprint(j.ID)),
		Refs: []journal.Ref{journal.MakeRef("person", string(j.Person))}, Text: text,
	}
	if j.Incident != 0 {
		fact.Refs = append(fact.Refs, j.Incident.Ref())
	}
	_, err := tx.Record(fact)
	return err
}

// Deliveries implements respond.Reach.
func (b *Book) Deliveries(ctx context.Context, n respond.Number, who declare.PersonID) ([]respond.Delivery, error) {
	cond, arg := `incident = ?`, any(n)
	if n == 0 {
		cond, arg = `person = ?`, who
	}
	return b.deliveries(ctx, cond+` ORDER BY id DESC LIMIT 500`, arg)
}

func (b *Book) deliveries(ctx context.Context, cond string, args ...any) ([]respond.Delivery, error) {
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT id, person, purpose, incident, severity, title, why, state, next_ms, queued_ms, done_ms, used_ms, fact FROM deliveries WHERE `+cond, args...) //nolint:gosec // conditions are constants
	if err != nil {
		return nil, fmt.Errorf("cannot read deliveries: %w", err)
	}
	defer rows.Close()
	var out []respond.Delivery
	at := map[int64]int{}
	var ids []string
	for rows.Next() {
		var d respond.Delivery
		var next, queued, done, used int64
		if err := rows.Scan(&d.ID, &d.Person, &d.Purpose, &d.Incident, &d.Severity, &d.Title, &d.Why, &d.State, &next, &queued, &done, &used, &d.Fact); err != nil {
			return nil, fmt.Errorf("cannot read deliveries: %w", err)
		}
		d.Title, d.QueuedAt, d.DoneAt, d.UsedAt, d.Attempts = subject(d), state.Time(queued), state.Time(done), state.Time(used), []respond.Attempt{}
		if d.State == respond.DeliveryQueued {
			d.Next = state.Time(next)
		}
		at[d.ID] = len(out)
		ids = append(ids, fmt.Sprint(d.ID))
		out = append(out, d)
	}
	if err := rows.Err(); err != nil || len(out) == 0 {
		return out, err
	}
	tries, err := b.o.DB.Read().QueryContext(ctx, `SELECT delivery, n, at_ms, took_ms, kind, address, ok, detail FROM delivery_attempts WHERE delivery IN (`+strings.Join(ids, ",")+`) ORDER BY delivery, n`) //nolint:gosec // numbers of ours
	if err != nil {
		return nil, fmt.Errorf("cannot read deliveries: %w", err)
	}
	defer tries.Close()
	for tries.Next() {
		var a respond.Attempt
		var id, ms int64
		if err := tries.Scan(&id, &a.N, &ms, &a.TookMS, &a.Kind, &a.Address, &a.OK, &a.Detail); err != nil {
			return nil, fmt.Errorf("cannot read deliveries: %w", err)
		}
		a.At = state.Time(ms)
		out[at[id]].Attempts = append(out[at[id]].Attempts, a)
	}
	return out, tries.Err()
}

var secrets = regexp.MustCompile(`https?://[^\s"]+|/bot[0-9]+:[A-Za-z0-9_-]+`)

// Clean takes URLs out of an error: that of a webhook is its secret.
func Clean(text string) string {
	text = secrets.ReplaceAllString(text, "<url>")
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
