package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// Token is what a program signs in with. Its secret is shown once.
type Token struct {
	ID        string           `json:"id"`
	Person    declare.PersonID `json:"person"`
	Note      string           `json:"note"`
	CreatedAt time.Time        `json:"created_at"`
	ExpiresAt time.Time        `json:"expires_at,omitzero"`
	UsedAt    time.Time        `json:"used_at,omitzero"` // to the hour
	RevokedAt time.Time        `json:"revoked_at,omitzero"`
	Service   bool             `json:"service,omitempty"` // a program's: Person is its name
	Scopes    []string         `json:"scopes,omitempty"`  // none: all that its person may
}

// LongestService bounds the life of a service token.
const LongestService = 365 * 24 * time.Hour

// CreateToken makes a token that acts as a person. life 0 means until it is revoked.
func (b *Book) CreateToken(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, note string, life time.Duration) (string, Token, error) {
	return b.MakeToken(ctx, now, actor, Token{Person: person, Note: note}, life)
}

// MakeToken makes a token: a person's, or a program's with scopes and an end.
func (b *Book) MakeToken(ctx context.Context, now time.Time, actor journal.Actor, t Token, life time.Duration) (string, Token, error) {
	person, note := t.Person, t.Note
	if err := CheckScopes(t.Scopes); err != nil {
		return "", Token{}, err
	}
	if t.Service && (len(t.Scopes) == 0 || life <= 0 || life > LongestService) {
		return "", Token{}, &act.InvalidError{Field: "scopes", Want: "scopes, and a life of at most 365d: a program gets no more than it needs, nor for ever"}
	}
	if err := checkPerson(person); err != nil {
		return "", Token{}, err
	}
	if len(note) > 200 || life < 0 {
		return "", Token{}, &act.InvalidError{Field: "note", Want: "at most 200 characters, and a life that is not negative"}
	}
	id := make([]byte, 6)
	if _, err := rand.Read(id); err != nil {
		return "", Token{}, fmt.Errorf("cannot make a token: %w", err)
	}
	s, err := secret()
	if err != nil {
		return "", Token{}, err
	}
	t.ID, t.CreatedAt = hex.EncodeToString(id), now
	kind := "personal"
	if t.Service {
		kind = "service"
	}
	if life > 0 {
		t.ExpiresAt = now.Add(life)
	}
	err = b.db.Update(ctx, func(tx *state.Tx) error {
		// A token needs an account to hang on to: one for a program has no password.
		if t.Service {
			var there int
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM accounts WHERE person = ? AND (password != '' OR admin = 1)`, person).Scan(&there); err != nil {
				return err
			}
			if there > 0 {
				return &act.ConflictError{Why: fmt.Sprintf("%s is a person: give the program a name of its own", person)}
			}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO accounts (person, created_ms) VALUES (?,?) ON CONFLICT (person) DO NOTHING`, person, state.Millis(now)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO tokens (id, hash, person, note, created_ms, expires_ms, kind, scopes) VALUES (?,?,?,?,?,?,?,?)`,
			t.ID, hash(s), person, note, state.Millis(now), state.Millis(t.ExpiresAt), kind, strings.Join(t.Scopes, " ")); err != nil {
			return err
		}
		_, err := tx.Record(journal.Fact{At: now, Kind: "token.created", Actor: actor, Subject: journal.MakeRef("token", t.ID), Refs: []journal.Ref{ref(person)}, Text: fmt.Sprintf("token %s made for %s: %s", t.ID, person, note)})
		return err
	})
	return "ek_" + t.ID + "_" + s, t, err
}

// Tokens lists a person's tokens, or everybody's for "".
func (b *Book) Tokens(ctx context.Context, person declare.PersonID) ([]Token, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT id, person, note, created_ms, expires_ms, used_ms, revoked_ms, kind = 'service', scopes FROM tokens WHERE ? = '' OR person = ? ORDER BY created_ms DESC`, person, person)
	if err != nil {
		return nil, fmt.Errorf("cannot list tokens: %w", err)
	}
	defer rows.Close()
	var out []Token
	for rows.Next() {
		var t Token
		var created, expires, used, revoked int64
		var list string
		if err := rows.Scan(&t.ID, &t.Person, &t.Note, &created, &expires, &used, &revoked, &t.Service, &list); err != nil {
			return nil, fmt.Errorf("cannot list tokens: %w", err)
		}
		t.Scopes = strings.Fields(list)
		t.CreatedAt, t.ExpiresAt, t.UsedAt, t.RevokedAt = state.Time(created), state.Time(expires), state.Time(used), state.Time(revoked)
		out = append(out, t)
	}
	return out, rows.Err()
}

// RevokeToken ends a token now. Only its person, or an administrator, may.
func (b *Book) RevokeToken(ctx context.Context, now time.Time, who act.Identity, id string) error {
	err := b.db.Update(ctx, func(tx *state.Tx) error {
		var person declare.PersonID
		if err := tx.QueryRowContext(ctx, `SELECT person FROM tokens WHERE id = ? AND revoked_ms = 0`, id).Scan(&person); err != nil {
			return errors.Join(act.ErrNotFound)
		}
		if person != who.Person && !who.Admin {
			return &act.DeniedError{Why: "only its owner or an administrator revokes a token"}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE tokens SET revoked_ms = ? WHERE id = ?`, state.Millis(now), id); err != nil {
			return err
		}
		_, err := tx.Record(journal.Fact{At: now, Kind: "token.revoked", Actor: who.Actor(), Subject: journal.MakeRef("token", id), Refs: []journal.Ref{ref(person)}, Text: fmt.Sprintf("token %s of %s revoked", id, person)})
		return err
	})
	if err == nil && b.onRevoke != nil {
		return b.onRevoke(ctx, now, who.Actor(), id)
	}
	return err
}

// OnRevoke is called once a token has been revoked, for what it has started.
func (b *Book) OnRevoke(fn func(ctx context.Context, now time.Time, actor journal.Actor, token string) error) {
	b.onRevoke = fn
}

// Holds says whether a token may still be used.
func (b *Book) Holds(ctx context.Context, id string, now time.Time) (bool, error) {
	var n int
	err := b.db.Read().QueryRowContext(ctx, `SELECT count(*) FROM tokens t JOIN accounts a ON a.person = t.person WHERE t.id = ? AND t.revoked_ms = 0 AND a.disabled = 0 AND (t.expires_ms = 0 OR t.expires_ms > ?)`, id, state.Millis(now)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("cannot look at token %q: %w", id, err)
	}
	return n > 0, nil
}

func (b *Book) byToken(ctx context.Context, now time.Time, text string) (act.Identity, bool) {
	rest, ok := strings.CutPrefix(text, "ek_")
	id, s, split := strings.Cut(rest, "_")
	if !ok || !split {
		return act.Identity{}, false
	}
	var who act.Identity
	var stored, list string
	var expires, used int64
	err := b.db.Read().QueryRowContext(ctx, `SELECT t.hash, t.expires_ms, t.used_ms, a.person, a.admin, t.kind = 'service', t.scopes FROM tokens t JOIN accounts a ON a.person = t.person WHERE t.id = ? AND t.revoked_ms = 0 AND a.disabled = 0`, id).
		Scan(&stored, &expires, &used, &who.Person, &who.Admin, &who.Service, &list)
	if err != nil || subtle.ConstantTimeCompare([]byte(stored), []byte(hash(s))) != 1 || (expires > 0 && state.Millis(now) >= expires) {
		return act.Identity{}, false
	}
	who.Token, who.Scopes = id, strings.Fields(list)
	if who.Service || len(who.Scopes) > 0 {
		who.Admin = false // what is scoped administers nothing
	}
	if now.Sub(state.Time(used)) > time.Hour { // to the hour: not a write for every request
		_ = b.db.Update(ctx, func(tx *state.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE tokens SET used_ms = ? WHERE id = ?`, state.Millis(now), id)
			return err
		})
	}
	return who, true
}
