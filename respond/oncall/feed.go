package oncall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/oncall"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
	"github.com/evenkeel/evenkeel/detect"
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

// Fetch reads the calendar behind an http, https or webcal URL: at most 1 MiB, within
// 10 seconds. Its errors name the host alone: such a URL is often a secret.
func Fetch(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("cannot read calendar: expected a URL as https://calendar.example.org/cover.ics")
	}
	fail := func(got, want string) ([]byte, error) {
		return nil, fmt.Errorf("cannot read calendar at %s: got %s, expected %s", u.Host, got, want)
	}
	if strings.EqualFold(u.Scheme, "webcal") {
		u.Scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fail("a URL that cannot be asked", "one as https://calendar.example.org/cover.ics")
	}
	req.Header.Set("Accept", "text/calendar")
	res, err := client.Do(req)
	if err != nil {
		return fail(cause(err), "an answer")
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fail("HTTP "+res.Status, "200")
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxCalendar+1))
	switch {
	case err != nil:
		return fail(cause(err), "a whole answer")
	case len(data) > maxCalendar:
		return fail("more than 1 MiB", "at most 1 MiB")
	}
	return data, nil
}

// cause is an error of the network without the URL.
func cause(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no whole answer within %s", readWithin)
	}
	return yamldoc.Cut(err.Error())
}

// use is one place of a schedule that follows a calendar.
type use struct {
	schedule *declare.Schedule
	layer    int // -1: its events are holidays
	url      string
}

func (u use) String() string {
	if u.layer < 0 {
		return "the holidays of schedule " + u.schedule.Name
	}
	return fmt.Sprintf("layer %s of schedule %s", u.schedule.Layers[u.layer].Name, u.schedule.Name)
}

func uses(w *declare.Workspace) (out []use) {
	for _, s := range w.Schedules {
		for i, l := range s.Layers {
			if l.Feed != "" {
				out = append(out, use{s, i, l.Feed})
			}
		}
		for _, f := range s.Feeds {
			out = append(out, use{s, -1, f})
		}
	}
	return out
}

// events reads a calendar as its place does: in its time zone, with people of the
// catalogue. Events of nobody are left out, and the error names the first of them.
func (u use) events(w *declare.Workspace, body string) (duties []declare.Override, holidays []declare.Holiday, err error) {
	loc := u.schedule.Location
	if u.layer >= 0 && u.schedule.Layers[u.layer].Location != nil {
		loc = u.schedule.Layers[u.layer].Location
	}
	if loc == nil {
		loc = time.UTC
	}
	events, err := oncall.ReadCalendar([]byte(body), loc)
	if err != nil {
		return nil, nil, err
	}
	who := oncall.Who(w.People)
	for _, e := range events {
		if u.layer < 0 {
			holidays = append(holidays, declare.Holiday{Name: e.Summary, From: e.From, To: e.To})
			continue
		}
		p := e.Person(who)
		if p == "" && err == nil {
			err = fmt.Errorf("cannot use calendar: got the event %q from %s, expected people of the catalogue: by the address of an attendee, or a name as the summary", yamldoc.Cut(e.Summary), e.From.In(loc).Format("2006-01-02 15:04"))
		}
		if p != "" {
			duties = append(duties, declare.Override{Person: p, From: e.From, To: e.To})
		}
	}
	return duties, holidays, err
}

// layFeeds puts the last good readings into schedules that the caller owns.
func layFeeds(w *declare.Workspace, readings map[string]reading) {
	for _, s := range w.Schedules {
		s.Layers, s.Holidays = slices.Clone(s.Layers), slices.Clip(s.Holidays)
	}
	for _, u := range uses(w) {
		r := readings[u.url]
		if r.body == "" {
			continue
		}
		duties, holidays, _ := u.events(w, r.body) // what cannot be used is a finding, see FeedFindings
		if u.layer >= 0 {
			u.schedule.Layers[u.layer].Events = duties
		}
		u.schedule.Holidays = append(u.schedule.Holidays, holidays...)
	}
}

// Run reads the calendars that schedules follow, each every 15 minutes: when one was
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
				_, _, err = u.events(w, string(data))
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

// forget drops what is kept of calendars that no schedule follows any more.
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
	duties, holidays, _ := u.events(w, before)
	duties2, holidays2, _ := u.events(w, after)
	return !slices.Equal(duties, duties2) || !slices.Equal(holidays, holidays2)
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
				At: now, Kind: "oncall.calendar.changed", Actor: journal.System("respond"), Subject: journal.MakeRef("schedule", u.schedule.Name),
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
	b.over, b.overSet = nil, nil
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

// FeedFindings is a finding for each place whose calendar could not be read at the last
// try and of which there is no good reading of the last hour. Those of open that are
// none any more come resolved.
func (b *Book) FeedFindings(open []detect.Finding, now time.Time) []detect.Finding {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []detect.Finding
	there := map[string]bool{}
	for _, u := range uses(b.o.Workspace()) {
		r := b.readings[u.url]
		place := u.String()
		if r.err == "" || now.Sub(r.read) < staleAfter || there[place] {
			continue
		}
		there[place] = true
		kept := "There was no good reading yet: what the calendar says counts nowhere."
		if r.body != "" {
			kept = "The last good reading counts, of " + r.read.UTC().Format("2006-01-02 15:04 MST") + "."
		}
		f := detect.Finding{
			Detector: detect.DetectorCoverage, Name: calendarUnreadable, Team: u.schedule.Team, Severity: detect.Ticket,
			Labels:      map[string]string{"alertname": calendarUnreadable, "severity": string(detect.Ticket), "schedule": u.schedule.Name, "team": string(u.schedule.Team), "place": place},
			Summary:     fmt.Sprintf("the calendar of %s cannot be read", place),
			Description: r.err + ". " + kept + " It is read again every 15 minutes.",
		}
		f.Annotations = map[string]string{"summary": f.Summary, "description": f.Description}
		out = append(out, f)
	}
	for _, f := range open {
		if f.Name == calendarUnreadable && !there[f.Labels["place"]] {
			f.ResolvedAt = now
			out = append(out, f)
		}
	}
	return out
}

const calendarUnreadable = "CalendarUnreadable"
