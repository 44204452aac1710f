package status

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

const (
	history     = 90 * 24 * time.Hour
	maxTroubles = 500
	maxPeers    = 1000 // subscribers of one system
	patience    = 10 * time.Second
	firstPause  = 5 * time.Second // after a failure; doubled each time
	longPause   = time.Hour
)

// Options of a Book.
type Options struct {
	DB        *state.DB
	Workspace func() *declare.Workspace
	// Incident reads one; *incident.Book's Get.
	Incident func(ctx context.Context, n respond.Number) (respond.Incident, error)
	URL      func(path string) string
	Client   *http.Client // nil for one that waits ten seconds
	Logger   *slog.Logger
}

// Book keeps status pages and who is told of them.
type Book struct{ o Options }

// New returns the book.
func New(o Options) *Book {
	if o.Client == nil {
		o.Client = &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Book{o}
}

// Page makes the page of a system as it is now; respond.ErrNotFound where there is none.
func (b *Book) Page(ctx context.Context, now time.Time, system string) (Page, error) {
	all, err := b.said(ctx, now)
	if err != nil {
		return Page{}, err
	}
	p, ok := build(b.o.Workspace(), system, all)
	if !ok {
		return Page{}, respond.ErrNoStatusPage
	}
	return p, nil
}

// said are the incidents of the last 90 days of which something was said in public, and
// those that go on.
func (b *Book) said(ctx context.Context, now time.Time) ([]said, error) {
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT u.id, u.incident, u.phase, u.text, u.at_ms FROM incident_updates u WHERE u.public = 1 AND u.incident IN (
		SELECT incident FROM incident_updates WHERE public = 1 GROUP BY incident HAVING max(at_ms) >= ? ORDER BY incident DESC LIMIT ?) ORDER BY u.incident, u.id`,
		state.Millis(now.Add(-history)), maxTroubles)
	if err != nil {
		return nil, fmt.Errorf("cannot read status updates: %w", err)
	}
	defer rows.Close()
	var out []said
	for rows.Next() {
		u := respond.IncidentUpdate{Public: true}
		var at int64
		if err := rows.Scan(&u.ID, &u.Incident, &u.Phase, &u.Text, &at); err != nil {
			return nil, fmt.Errorf("cannot read status updates: %w", err)
		}
		u.At = state.Time(at)
		if len(out) == 0 || out[len(out)-1].Number != u.Incident {
			out = append(out, said{Incident: respond.Incident{Number: u.Incident}})
		}
		out[len(out)-1].updates = append(out[len(out)-1].updates, u)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("cannot read status updates: %w", err)
	}
	for k := range out {
		i, err := b.o.Incident(ctx, out[k].Number)
		if err != nil {
			return nil, err
		}
		out[k].Incident = i
	}
	return out, nil
}

// Subscriber is a webhook that is told of public updates.
type Subscriber struct {
	ID       int64         `json:"id"`
	System   string        `json:"system"`
	URL      string        `json:"url"`
	By       journal.Actor `json:"by"`
	At       time.Time     `json:"at"`
	Failures int           `json:"failures,omitempty"` // in a row
	Next     time.Time     `json:"next,omitzero"`      // when it is tried again
	Error    string        `json:"error,omitempty"`
}

// Subscribers lists those of a system.
func (b *Book) Subscribers(ctx context.Context, system string) (out []Subscriber, err error) {
	err = b.each(ctx, `system = ?`, func(s Subscriber, _ int64) { out = append(out, s) }, system)
	return out, err
}

func (b *Book) each(ctx context.Context, cond string, take func(s Subscriber, told int64), args ...any) error {
	//nolint:gosec // cond is ours
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT id, system, url, actor, created_ms, told, failures, next_ms, error FROM status_subscribers WHERE `+cond+` ORDER BY id`, args...)
	if err != nil {
		return fmt.Errorf("cannot list subscribers: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var s Subscriber
		var created, told, next int64
		if err := rows.Scan(&s.ID, &s.System, &s.URL, &s.By, &created, &told, &s.Failures, &next, &s.Error); err != nil {
			return fmt.Errorf("cannot list subscribers: %w", err)
		}
		s.At, s.Next = state.Time(created), state.Time(next)
		take(s, told)
	}
	return rows.Err()
}

// Subscribe adds a webhook; it is told of what is said from now on. The same one again
// is the same one.
func (b *Book) Subscribe(ctx context.Context, now time.Time, actor journal.Actor, system, hook string) (s Subscriber, err error) {
	if _, err := b.Page(ctx, now, system); err != nil {
		return s, err
	}
	hook = strings.TrimSpace(hook)
	if u, err := url.Parse(hook); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || len(hook) > 2000 {
		return s, &respond.InvalidError{Field: "url", Want: "a URL as https://hooks.example.org/status"}
	}
	err = b.o.DB.Update(ctx, func(tx *state.Tx) error {
		var have int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM status_subscribers WHERE system = ?`, system).Scan(&have); err != nil {
			return err
		}
		if have >= maxPeers {
			return &respond.InvalidError{Field: "url", Want: fmt.Sprintf("at most %d subscribers of one system", maxPeers)}
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO status_subscribers (system, url, actor, created_ms, told)
			VALUES (?,?,?,?, (SELECT coalesce(max(id), 0) FROM incident_updates)) ON CONFLICT DO NOTHING`, system, hook, actor, state.Millis(now))
		if err != nil {
			return fmt.Errorf("cannot store a subscriber: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		_, err = tx.Record(journal.Fact{At: now, Kind: "status.subscribed", Actor: actor, Subject: journal.MakeRef("system", system), Text: "somebody subscribed to the status of " + system})
		return err
	})
	if err != nil {
		return s, err
	}
	err = b.each(ctx, `system = ? AND url = ?`, func(x Subscriber, _ int64) { s = x }, system, hook)
	return s, err
}

// Unsubscribe removes a webhook.
func (b *Book) Unsubscribe(ctx context.Context, now time.Time, actor journal.Actor, id int64) error {
	return b.o.DB.Update(ctx, func(tx *state.Tx) error {
		var system string
		err := tx.QueryRowContext(ctx, `DELETE FROM status_subscribers WHERE id = ? RETURNING system`, id).Scan(&system)
		if errors.Is(err, sql.ErrNoRows) {
			return respond.ErrNoSubscriber
		}
		if err != nil {
			return fmt.Errorf("cannot remove a subscriber: %w", err)
		}
		_, err = tx.Record(journal.Fact{At: now, Kind: "status.unsubscribed", Actor: actor, Subject: journal.MakeRef("system", system), Text: "somebody is not told of the status of " + system + " any more"})
		return err
	})
}

// Run tells subscribers until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := b.Tell(ctx, time.Now()); err != nil && ctx.Err() == nil {
				b.o.Logger.Error("cannot tell subscribers of a status", "err", err)
			}
		}
	}
}

// Tell sends each subscriber whose time has come what it was not told yet.
func (b *Book) Tell(ctx context.Context, now time.Time) error {
	var newest int64
	if err := b.o.DB.Read().QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM incident_updates WHERE public = 1`).Scan(&newest); err != nil || newest == 0 {
		return err
	}
	type due struct {
		Subscriber
		told int64
	}
	var all []due
	if err := b.each(ctx, `told < ? AND next_ms <= ?`, func(s Subscriber, told int64) { all = append(all, due{s, told}) }, newest, state.Millis(now)); err != nil || len(all) == 0 {
		return err
	}
	for _, s := range all {
		p, err := b.Page(ctx, now, s.System)
		if errors.Is(err, respond.ErrNotFound) {
			continue // the system is not declared any more
		}
		if err != nil {
			return err
		}
		if err := b.tell(ctx, now, p, s.Subscriber, s.told, newest); err != nil {
			return err
		}
	}
	return nil
}

// tell sends the updates after told, oldest first, and stops at the first that is not taken.
func (b *Book) tell(ctx context.Context, now time.Time, p Page, s Subscriber, told, newest int64) error {
	for told < newest {
		next, t := newest, (*Trouble)(nil)
		for _, list := range [][]Trouble{p.Active, p.History} {
			for k := range list {
				for _, u := range list[k].Updates {
					if u.ID > told && u.ID <= next {
						next, t = u.ID, &list[k]
					}
				}
			}
		}
		failed := ""
		if t != nil {
			failed = b.post(ctx, s.URL, b.message(p, *t))
		}
		if failed != "" {
			pause := min(longPause, firstPause<<min(s.Failures, 12))
			return b.o.DB.Update(ctx, func(tx *state.Tx) error {
				_, err := tx.ExecContext(ctx, `UPDATE status_subscribers SET failures = failures + 1, next_ms = ?, error = ? WHERE id = ?`, state.Millis(now.Add(pause)), failed, s.ID)
				return err
			})
		}
		told, s.Failures = next, 0
		if err := b.o.DB.Update(ctx, func(tx *state.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE status_subscribers SET told = ?, failures = 0, next_ms = 0, error = '' WHERE id = ?`, told, s.ID)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// post sends one message and says in a word why it was not taken.
func (b *Book) post(ctx context.Context, hook string, message any) string {
	body, err := json.Marshal(message)
	if err != nil {
		return err.Error()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook, bytes.NewReader(body))
	if err != nil {
		return "the URL cannot be used"
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Evenkeel")
	res, err := b.o.Client.Do(req)
	if err != nil {
		var u *url.Error // its text has the URL, which may be a secret
		if errors.As(err, &u) {
			err = u.Err
		}
		return err.Error()
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if res.StatusCode/100 != 2 {
		return "it answered " + res.Status
	}
	return ""
}
