// Package oncall keeps what people change in schedules beside the files: overrides,
// swaps, shadows; and what calendars say that schedules follow. It lays them over the
// declared schedules, gives calendars out, and sums up what being on call asks of a team.
//
// In: the workspace, and acts of people. Out: a workspace whose schedules are those
// in force, calendars, loads. Promise: an act and its fact are stored together; who
// is on call is always the pure function of declare.Schedule, over what is declared
// and what is stored; a load names no person.
package oncall

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/link"
	"github.com/evenkeel/evenkeel/state"
)

// The bounds of what people store.
const (
	maxLength = 366 * 24 * time.Hour // of one override
	maxPast   = 31 * 24 * time.Hour  // how far back one may begin
	maxAhead  = 3 * 366 * 24 * time.Hour
	maxLive   = 10_000 // that have not ended
	maxReason = 500
)

// Options of a Book.
type Options struct {
	DB *state.DB
	// Workspace is what is declared, without what this package lays over it.
	Workspace func() *declare.Workspace
	Logger    *slog.Logger
	Client    *http.Client // reads calendars that schedules follow; nil for the usual one
}

// Book implements respond.Roster.
type Book struct {
	o   Options
	key *link.Key // signs calendar links

	mu       sync.Mutex // guards what follows
	live     []respond.DutyOverride
	readings map[string]reading // of calendars, by URL
	over     *declare.Workspace // live and readings laid over declared
	overSet  *declare.Workspace // the workspace that over is made of
	said     []said             // by followed calendars, to the places of overSet
}

var _ respond.Roster = (*Book)(nil)

// Open reads what is stored.
func Open(ctx context.Context, o Options) (*Book, error) {
	b := &Book{o: o}
	var err error
	if b.key, err = link.Open(ctx, o.DB, "oncall.feed.key"); err != nil {
		return nil, err
	}
	if b.readings, err = readReadings(ctx, o.DB); err != nil {
		return nil, err
	}
	b.live, err = b.read(ctx, `removed_ms = 0 AND to_ms > ?`, time.Now().Add(-2*maxPast).UnixMilli())
	return b, err
}

const columns = `id, schedule, kind, person, of_person, from_ms, to_ms, reason, swap, by_actor, created_ms, fact, source, uid`

func (b *Book) read(ctx context.Context, cond string, args ...any) ([]respond.DutyOverride, error) {
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT `+columns+` FROM oncall_overrides WHERE `+cond+` ORDER BY id`, args...) //nolint:gosec // conditions are constants
	if err != nil {
		return nil, fmt.Errorf("cannot read overrides: %w", err)
	}
	defer rows.Close()
	var out []respond.DutyOverride
	for rows.Next() {
		var o respond.DutyOverride
		var from, to, at int64
		if err := rows.Scan(&o.ID, &o.Schedule, &o.Kind, &o.Person, &o.Of, &from, &to, &o.Reason, &o.Swap, &o.By, &at, &o.Fact, &o.Source, &o.UID); err != nil {
			return nil, fmt.Errorf("cannot read overrides: %w", err)
		}
		o.From, o.To, o.At = state.Time(from), state.Time(to), state.Time(at)
		out = append(out, o)
	}
	return out, rows.Err()
}

// Over is a workspace with what is stored laid over its schedules. The result is
// shared: nobody may write to it.
func (b *Book) Over(w *declare.Workspace) *declare.Workspace {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lay(w)
}

// lay is Over. b.mu is held.
func (b *Book) lay(w *declare.Workspace) *declare.Workspace {
	if len(b.live) == 0 && len(b.readings) == 0 {
		return w
	}
	if b.overSet != w {
		b.over, b.said = lay(w, b.live, b.readings)
		b.overSet = w
	}
	return b.over
}

// lay is pure: calendars fill their layers, later overrides win over earlier ones, stored ones over declared ones.
func lay(w *declare.Workspace, stored []respond.DutyOverride, readings map[string]reading) (*declare.Workspace, []said) {
	out := *w
	out.Schedules = slices.Clone(w.Schedules)
	for i, s := range out.Schedules {
		changed := *s
		changed.Overrides, changed.Shadows = slices.Clip(s.Overrides), slices.Clip(s.Shadows)
		for _, o := range stored {
			switch {
			case o.Schedule != s.Name:
			case o.Kind == respond.OverrideShadow:
				changed.Shadows = append(changed.Shadows, declare.Shadow{ID: o.ID, Person: o.Person, Of: o.Of, From: o.From, To: o.To})
			default:
				changed.Overrides = append(changed.Overrides, declare.Override{ID: o.ID, Person: o.Person, From: o.From, To: o.To, Swap: o.Kind == respond.OverrideSwap, Reason: o.Reason})
			}
		}
		out.Schedules[i] = &changed
	}
	return &out, layFeeds(&out, readings)
}

// schedule is the one in force.
func (b *Book) schedule(name string) (*declare.Schedule, error) {
	w := b.Over(b.o.Workspace())
	if s := w.Schedule(name); s != nil {
		return s, nil
	}
	var all []string
	for _, s := range w.Schedules {
		all = append(all, s.Name)
	}
	return nil, &respond.InvalidError{Field: "schedule", Got: name, Want: fmt.Sprintf("one of the workspace's schedules (%v)", all)}
}

// Overrides implements respond.Roster.
func (b *Book) Overrides(_ context.Context, since time.Time, schedule string) ([]respond.DutyOverride, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []respond.DutyOverride
	for _, o := range b.live {
		if o.To.After(since) && (schedule == "" || o.Schedule == schedule) {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, c respond.DutyOverride) int { return a.From.Compare(c.From) })
	return out, nil
}

// check refuses what makes no sense.
func (b *Book) check(now time.Time, o *respond.DutyOverride) error {
	refuse := func(field, got, want string) error {
		return &respond.InvalidError{Field: field, Got: got, Want: want}
	}
	w := b.o.Workspace()
	o.From, o.To = o.From.UTC().Truncate(time.Second), o.To.UTC().Truncate(time.Second)
	switch {
	case w.Person(o.Person) == nil:
		return refuse("person", string(o.Person), "a person of the catalogue")
	case o.Of != "" && (w.Person(o.Of) == nil || o.Of == o.Person):
		return refuse("of", string(o.Of), "another person of the catalogue")
	case o.Of != "" && o.Kind != respond.OverrideShadow:
		return refuse("of", string(o.Of), "nothing: only a shadow is of somebody")
	case o.From.IsZero():
		return refuse("from", "", "a time")
	case !o.From.Before(o.To):
		return refuse("to", o.To.Format(time.RFC3339), "a time after from")
	case o.To.Sub(o.From) > maxLength:
		return refuse("to", o.To.Format(time.RFC3339), "at most a year after from")
	case o.From.Before(now.Add(-maxPast)):
		return refuse("from", o.From.Format(time.RFC3339), "a time not more than 31 days ago")
	case o.To.After(now.Add(maxAhead)):
		return refuse("to", o.To.Format(time.RFC3339), "a time not more than 3 years ahead")
	case len(o.Reason) > maxReason:
		return refuse("reason", fmt.Sprintf("%d bytes", len(o.Reason)), fmt.Sprintf("at most %d", maxReason))
	}
	_, err := b.schedule(o.Schedule)
	return err
}

// AddOverride implements respond.Roster.
func (b *Book) AddOverride(ctx context.Context, now time.Time, actor journal.Actor, o respond.DutyOverride) (respond.DutyOverride, error) {
	if o.Kind == "" {
		o.Kind = respond.OverrideDuty
	}
	if o.Kind != respond.OverrideDuty && o.Kind != respond.OverrideShadow {
		return o, &respond.InvalidError{Field: "kind", Got: string(o.Kind), Want: "override or shadow"}
	}
	if err := b.check(now, &o); err != nil {
		return o, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out, err := b.replace(ctx, now, actor, nil, []respond.DutyOverride{o})
	if err != nil {
		return o, err
	}
	return out[0], nil
}

// replace removes and adds rows with their facts, all or none, then lays what is left
// over. It returns what was added. b.mu is held.
func (b *Book) replace(ctx context.Context, now time.Time, actor journal.Actor, gone map[int64]respond.DutyOverride, all []respond.DutyOverride) ([]respond.DutyOverride, error) {
	live := -len(gone)
	for _, o := range b.live {
		if o.To.After(now) {
			live++
		}
	}
	if live+len(all) > maxLive {
		return nil, &respond.InvalidError{Field: "override", Want: fmt.Sprintf("at most %d that have not ended", maxLive)}
	}
	err := b.o.DB.Update(ctx, func(tx *state.Tx) error {
		for _, key := range slices.Sorted(maps.Keys(gone)) {
			if err := remove(ctx, tx, now, actor, gone[key]); err != nil {
				return err
			}
		}
		first := int64(0)
		for i := range all {
			o := &all[i]
			o.By, o.At = actor, now.UTC().Truncate(time.Millisecond)
			res, err := tx.ExecContext(ctx, `INSERT INTO oncall_overrides (schedule, kind, person, of_person, from_ms, to_ms, reason, by_actor, created_ms, source, uid) VALUES (?,?,?,?,?,?,?,?,?,?,?)`,
				o.Schedule, o.Kind, o.Person, o.Of, state.Millis(o.From), state.Millis(o.To), o.Reason, actor, state.Millis(now), o.Source, o.UID)
			if err != nil {
				return fmt.Errorf("cannot store override: %w", err)
			}
			if o.ID, err = res.LastInsertId(); err != nil {
				return err
			}
			if o.Kind == respond.OverrideSwap {
				if i == 0 {
					first = o.ID
				}
				o.Swap = first
			}
			if o.Fact, err = tx.Record(journal.Fact{
				At: now, Kind: "oncall." + journal.Kind(o.Kind) + ".added", Actor: actor, Subject: journal.MakeRef("schedule", o.Schedule),
				Refs: []journal.Ref{journal.MakeRef("person", string(o.Person))}, Text: describe(*o),
			}); err != nil {
				return err
			}
			if _, err = tx.ExecContext(ctx, `UPDATE oncall_overrides SET swap = ?, fact = ? WHERE id = ?`, o.Swap, o.Fact, o.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	left := slices.DeleteFunc(slices.Clone(b.live), func(o respond.DutyOverride) bool { return gone[o.ID].ID != 0 })
	b.live = append(left, all...)
	b.over, b.overSet, b.said = nil, nil, nil
	return all, nil
}

func remove(ctx context.Context, tx *state.Tx, now time.Time, actor journal.Actor, o respond.DutyOverride) error {
	if _, err := tx.ExecContext(ctx, `UPDATE oncall_overrides SET removed_ms = ? WHERE id = ?`, state.Millis(now), o.ID); err != nil {
		return fmt.Errorf("cannot remove override %d: %w", o.ID, err)
	}
	_, err := tx.Record(journal.Fact{
		At: now, Kind: "oncall." + journal.Kind(o.Kind) + ".removed", Actor: actor, Cause: o.Fact, Subject: journal.MakeRef("schedule", o.Schedule),
		Refs: []journal.Ref{journal.MakeRef("person", string(o.Person))}, Text: "removed: " + describe(o),
	})
	return err
}

func describe(o respond.DutyOverride) string {
	verb := "has the duty of"
	if o.Kind == respond.OverrideShadow {
		verb = "shadows"
		if o.Of != "" {
			verb += " " + string(o.Of) + " in"
		}
	}
	text := fmt.Sprintf("%s %s %s from %s to %s", o.Person, verb, o.Schedule, o.From.Format("2006-01-02 15:04"), o.To.Format("2006-01-02 15:04"))
	if o.Kind == respond.OverrideSwap {
		text += " (swap)"
	}
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	return text
}

// Swap implements respond.Roster.
func (b *Book) Swap(ctx context.Context, now time.Time, actor journal.Actor, schedule string, give, take time.Time, reason string) ([]respond.DutyOverride, error) {
	s, err := b.schedule(schedule)
	if err != nil {
		return nil, err
	}
	a, c := s.ShiftAt(give, maxPast), s.ShiftAt(take, maxPast)
	switch {
	case a.Person == "":
		return nil, &respond.InvalidError{Field: "give", Got: give.Format(time.RFC3339), Want: "a time at which somebody is on call in " + schedule}
	case c.Person == "":
		return nil, &respond.InvalidError{Field: "take", Got: take.Format(time.RFC3339), Want: "a time at which somebody is on call in " + schedule}
	case a.Person == c.Person:
		return nil, &respond.InvalidError{Field: "take", Got: take.Format(time.RFC3339), Want: fmt.Sprintf("a shift of somebody else than %s", a.Person)}
	}
	halves := []respond.DutyOverride{
		{Schedule: schedule, Kind: respond.OverrideSwap, Person: c.Person, From: a.From, To: a.To, Reason: reason},
		{Schedule: schedule, Kind: respond.OverrideSwap, Person: a.Person, From: c.From, To: c.To, Reason: reason},
	}
	for i := range halves {
		if halves[i].To.Before(now) {
			return nil, &respond.InvalidError{Field: []string{"give", "take"}[i], Got: halves[i].From.Format(time.RFC3339), Want: "a shift that has not ended"}
		}
		if err := b.check(now, &halves[i]); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.replace(ctx, now, actor, nil, halves)
}

// RemoveOverride implements respond.Roster.
func (b *Book) RemoveOverride(ctx context.Context, now time.Time, actor journal.Actor, id int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.live, func(o respond.DutyOverride) bool { return o.ID == id })
	if i < 0 {
		return respond.ErrNoOverride
	}
	gone := map[int64]respond.DutyOverride{}
	for _, o := range b.live {
		if o.ID == id || (b.live[i].Swap != 0 && o.Swap == b.live[i].Swap) {
			gone[o.ID] = o
		}
	}
	_, err := b.replace(ctx, now, actor, gone, nil)
	return err
}
