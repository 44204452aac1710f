package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// throttle slows guessing down: after some failures within a minute, an account or an
// address waits.
type throttle struct {
	mu   sync.Mutex
	seen map[string][]time.Time
}

const (
	tries  = 8
	within = time.Minute
)

func (t *throttle) blocked(now time.Time, keys ...string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range keys {
		n := 0
		for _, at := range t.seen[k] {
			if now.Sub(at) < within {
				n++
			}
		}
		if n >= tries {
			return true
		}
	}
	return false
}

func (t *throttle) failed(now time.Time, keys ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil || len(t.seen) > 10_000 {
		t.seen = map[string][]time.Time{}
	}
	for _, k := range keys {
		recent := t.seen[k]
		if len(recent) >= tries {
			recent = recent[1:]
		}
		t.seen[k] = append(recent, now)
	}
}

var errSignIn = &act.DeniedError{Why: "the name or the password is wrong"}

// SignIn checks a password and opens a session. remote is the sender's address.
func (b *Book) SignIn(ctx context.Context, now time.Time, person declare.PersonID, password, remote string) (string, error) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	keys := []string{"person:" + string(person), "address:" + host}
	if b.throttle.blocked(now, keys...) {
		return "", &act.DeniedError{Why: "too many attempts; wait a minute"}
	}
	var stored string
	err = b.db.Read().QueryRowContext(ctx, `SELECT password FROM accounts WHERE person = ? AND disabled = 0`, person).Scan(&stored)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("cannot sign in: %w", err)
	}
	if !checkPassword(stored, password) {
		b.throttle.failed(now, keys...)
		name := person
		if checkPerson(person) != nil {
			name = "?" // what was typed there may be a password
		}
		return "", errors.Join(errSignIn, b.db.Update(ctx, func(tx *state.Tx) error {
			_, err := tx.Record(journal.Fact{At: now, Kind: "account.denied", Actor: "address:" + journal.Actor(host), Subject: ref(name), Text: "sign-in refused"})
			return err
		}))
	}
	return b.session(ctx, now, person)
}

func (b *Book) session(ctx context.Context, now time.Time, person declare.PersonID) (string, error) {
	s, err := secret()
	if err != nil {
		return "", err
	}
	return s, b.db.Update(ctx, func(tx *state.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE expires_ms < ?`, state.Millis(now)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO sessions (hash, person, created_ms, expires_ms) VALUES (?,?,?,?)`, hash(s), person, state.Millis(now), state.Millis(now.Add(SessionLife))); err != nil {
			return err
		}
		_, err := tx.Record(journal.Fact{At: now, Kind: "account.signed-in", Actor: journal.Person(string(person)), Subject: ref(person), Text: string(person) + " signed in"})
		return err
	})
}

// SignOut ends a session.
func (b *Book) SignOut(ctx context.Context, now time.Time, session string) error {
	return b.db.Update(ctx, func(tx *state.Tx) error {
		var person declare.PersonID
		err := tx.QueryRowContext(ctx, `DELETE FROM sessions WHERE hash = ? RETURNING person`, hash(session)).Scan(&person)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = tx.Record(journal.Fact{At: now, Kind: "account.signed-out", Actor: journal.Person(string(person)), Subject: ref(person), Text: string(person) + " signed out"})
		return err
	})
}

// Authenticate says who is behind a request, by token or session.
func (b *Book) Authenticate(r *http.Request, now time.Time) (act.Identity, bool) {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return b.byToken(r.Context(), now, bearer)
	}
	c, err := r.Cookie(CookieName)
	if err != nil {
		return act.Identity{}, false
	}
	var id act.Identity
	err = b.db.Read().QueryRowContext(r.Context(), `SELECT a.person, a.admin FROM sessions s JOIN accounts a ON a.person = s.person WHERE s.hash = ? AND s.expires_ms > ? AND a.disabled = 0`,
		hash(c.Value), state.Millis(now)).Scan(&id.Person, &id.Admin)
	return id, err == nil
}
