package oncall

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/oncall"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// How calendars that schedules follow are read.
const (
	lookForFeeds = 10 * time.Second // how often it is looked which is due
	readEvery    = 15 * time.Minute // from one try to the next
	readWithin   = 10 * time.Second // one try takes at most
	staleAfter   = time.Hour        // a finding, when there was no good reading for so long
)

// reading is what is kept of one calendar, by its URL.
type reading struct {
	body        string // the last good one; "" before the first
	read, tried time.Time
	err         string // why the last try failed
}

// use is one place that follows a calendar: of a schedule, or a freeze of the gate.
type use struct {
	schedule *declare.Schedule // nil for a freeze
	layer    int               // -1: its events are holidays, or times of the freeze
	freeze   *declare.Freeze
	url      string
}

func (u use) String() string {
	if u.freeze != nil {
		return "freeze " + u.freeze.Name
	}
	if u.layer < 0 {
		return "the holidays of schedule " + u.schedule.Name
	}
	return fmt.Sprintf("layer %s of schedule %s", u.schedule.Layers[u.layer].Name, u.schedule.Name)
}

func uses(w *declare.Workspace) (out []use) {
	for _, s := range w.Schedules {
		for i, l := range s.Layers {
			if l.Feed != "" {
				out = append(out, use{schedule: s, layer: i, url: l.Feed})
			}
		}
		for _, f := range s.Feeds {
			out = append(out, use{schedule: s, layer: -1, url: f})
		}
	}
	for i := range w.Gate.Freezes {
		if f := &w.Gate.Freezes[i]; f.Feed != "" {
			out = append(out, use{layer: -1, freeze: f, url: f.Feed})
		}
	}
	return out
}

// said is what a calendar says to one place.
type said struct {
	duties   []declare.Override
	holidays []declare.Holiday
	nobodys  []oncall.Event // of nobody in the catalogue: left out
}

// events reads a calendar as its place does: in its time zone, with people of the
// catalogue.
func (u use) events(w *declare.Workspace, body string) (out said, err error) {
	events, err := oncall.ReadCalendar([]byte(body), u.location())
	if err != nil {
		return out, err
	}
	who := oncall.Who(w.People)
	for _, e := range events {
		p := declare.PersonID("")
		if u.layer >= 0 {
			p = e.Person(who)
		}
		switch {
		case u.layer < 0:
			out.holidays = append(out.holidays, declare.Holiday{Name: e.Summary, From: e.From, To: e.To})
		case p == "":
			out.nobodys = append(out.nobodys, e)
		default:
			out.duties = append(out.duties, declare.Override{Person: p, From: e.From, To: e.To})
		}
	}
	return out, nil
}

// location is the time zone of times that name none.
func (u use) location() *time.Location {
	if u.freeze != nil {
		return u.freeze.Location
	}
	if u.layer >= 0 && u.schedule.Layers[u.layer].Location != nil {
		return u.schedule.Layers[u.layer].Location
	}
	if u.schedule.Location != nil {
		return u.schedule.Location
	}
	return time.UTC
}

// try says why a calendar is of no use to its place. Some events of nobody are left
// out; but where all that are to come are of nobody, it is another calendar, or was
// written by other rules, and the last good one is nearer to the truth.
func (u use) try(w *declare.Workspace, now time.Time, body string) error {
	got, err := u.events(w, body)
	if err != nil {
		return err
	}
	nobodys := toCome(got.nobodys, now)
	if len(nobodys) == 0 || slices.ContainsFunc(got.duties, func(d declare.Override) bool { return d.To.After(now) }) {
		return nil
	}
	return fmt.Errorf("cannot use calendar: all events to come are of nobody, the first is %s; expected %s", u.named(nobodys[0]), ofPeople)
}

// ofPeople is what events of a layer are expected to be.
const ofPeople = "people of the catalogue: by the address of an attendee, or a name as the summary"

// named is an event in words.
func (u use) named(e oncall.Event) string {
	return fmt.Sprintf("%q from %s", yamldoc.Cut(e.Summary), e.From.In(u.location()).Format("2006-01-02 15:04"))
}

// toCome leaves out what has ended, and names a recurring event once.
func toCome(events []oncall.Event, now time.Time) (out []oncall.Event) {
	seen := map[string]bool{}
	for _, e := range events {
		if !e.To.After(now) || (e.UID != "" && seen[e.UID]) {
			continue
		}
		seen[e.UID] = true
		out = append(out, e)
	}
	return out
}

// ref is whose calendar it is, for the journal.
func (u use) ref() journal.Ref {
	if u.freeze != nil {
		return journal.MakeRef("freeze", u.freeze.Name)
	}
	return journal.MakeRef("schedule", u.schedule.Name)
}

// layFeeds puts the last good readings into schedules that the caller owns, and into
// freezes. It returns
// what each place gets, in the order of uses.
func layFeeds(w *declare.Workspace, readings map[string]reading) []said {
	for _, s := range w.Schedules {
		s.Layers, s.Holidays = slices.Clone(s.Layers), slices.Clip(s.Holidays)
	}
	w.Gate.Freezes = slices.Clone(w.Gate.Freezes)
	all := uses(w)
	out := make([]said, len(all))
	for i, u := range all {
		r := readings[u.url]
		if r.body == "" {
			continue
		}
		out[i], _ = u.events(w, r.body) // it was read before, when it came
		if u.freeze != nil {
			u.freeze.Events, u.freeze.Unread = out[i].holidays, false
			continue
		}
		if u.layer >= 0 {
			u.schedule.Layers[u.layer].Events = out[i].duties
		}
		u.schedule.Holidays = append(u.schedule.Holidays, out[i].holidays...)
	}
	return out
}

// Run reads the calendars that schedules and freezes follow, each every 15 minutes: when one was
// tried last is stored, so that a restart neither forgets nor hurries. It returns when
// ctx ends.
func (b *Book) Run(ctx context.Context) error {
	tick := time.NewTicker(lookForFeeds)
	defer tick.Stop()
	for {
		if err := b.ReadFeeds(ctx, time.Now()); err != nil && ctx.Err() == nil {
			b.o.Logger.Error("cannot store what a calendar says", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ReadFeeds reads those calendars that are due at now. A reading that any of its places
// cannot use does not replace the last good one. Errors are those of the store; why a
// calendar could not be read is kept beside it.
func (b *Book) ReadFeeds(ctx context.Context, now time.Time) error {
	w := b.o.Workspace()
	places := map[string][]use{}
	for _, u := range uses(w) {
		places[u.url] = append(places[u.url], u)
	}
	var errs []error
	for address, all := range places {
		b.mu.Lock()
		r := b.readings[address]
		b.mu.Unlock()
		if since := now.Sub(r.tried); since >= 0 && since < readEvery {
			continue
		}
		data, err := Fetch(ctx, b.client(), address)
		for _, u := range all {
			if err == nil {
				err = u.try(w, now, string(data))
			}
		}
		if ctx.Err() != nil {
			break
		}
		var changed []use
		r.tried, r.err = now, ""
		if err != nil {
			r.err = err.Error()
		} else {
			for _, u := range all {
				if u.differs(w, r.body, string(data)) {
					changed = append(changed, u)
				}
			}
			r.body, r.read = string(data), now
		}
		errs = append(errs, b.keep(ctx, now, address, r, changed))
	}
	return errors.Join(append(errs, b.forget(ctx, places))...)
}

// forget drops what is kept of calendars that nothing follows any more.
func (b *Book) forget(ctx context.Context, places map[string][]use) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for address := range b.readings {
		if len(places[address]) > 0 {
			continue
		}
		err := b.o.DB.Update(ctx, func(tx *state.Tx) error {
			_, err := tx.ExecContext(ctx, `DELETE FROM oncall_readings WHERE url = ?`, address)
			return err
		})
		if err != nil {
			return fmt.Errorf("cannot forget a calendar: %w", err)
		}
		delete(b.readings, address)
	}
	return nil
}

func (b *Book) client() *http.Client {
	if b.o.Client != nil {
		return b.o.Client
	}
	return http.DefaultClient
}

// differs says whether a place gets other times of one reading than of the other.
func (u use) differs(w *declare.Workspace, before, after string) bool {
	a, _ := u.events(w, before)
	b, _ := u.events(w, after)
	return !slices.Equal(a.duties, b.duties) || !slices.Equal(a.holidays, b.holidays)
}

// keep stores a reading, with a fact for each place of which it changes the times.
func (b *Book) keep(ctx context.Context, now time.Time, address string, r reading, changed []use) error {
	err := b.o.DB.Update(ctx, func(tx *state.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO oncall_readings (url, body, read_ms, tried_ms, error) VALUES (?,?,?,?,?)
			ON CONFLICT (url) DO UPDATE SET body = excluded.body, read_ms = excluded.read_ms, tried_ms = excluded.tried_ms, error = excluded.error`,
			address, r.body, state.Millis(r.read), state.Millis(r.tried), r.err)
		for _, u := range changed {
			if err != nil {
				break
			}
			_, err = tx.Record(journal.Fact{
				At: now, Kind: "oncall.calendar.changed", Actor: journal.System("respond"), Subject: u.ref(),
				Text: fmt.Sprintf("the calendar of %s says other times than before", u),
			})
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot store a calendar: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readings[address] = r
	b.over, b.overSet, b.said = nil, nil, nil
	return nil
}

func readReadings(ctx context.Context, db *state.DB) (map[string]reading, error) {
	rows, err := db.Read().QueryContext(ctx, `SELECT url, body, read_ms, tried_ms, error FROM oncall_readings`)
	if err != nil {
		return nil, fmt.Errorf("cannot read calendars: %w", err)
	}
	defer rows.Close()
	out := map[string]reading{}
	for rows.Next() {
		var address string
		var r reading
		var read, tried int64
		if err := rows.Scan(&address, &r.body, &read, &tried, &r.err); err != nil {
			return nil, fmt.Errorf("cannot read calendars: %w", err)
		}
		r.read, r.tried = state.Time(read), state.Time(tried)
		out[address] = r
	}
	return out, rows.Err()
}
