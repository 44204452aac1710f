package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// How long things hold.
const (
	InvitationLife = 24 * time.Hour
	SessionLife    = 7 * 24 * time.Hour
)

// CookieName carries a session.
const CookieName = "evenkeel_session"

// Book keeps accounts.
type Book struct {
	db       *state.DB
	throttle throttle
	onRevoke func(ctx context.Context, now time.Time, actor journal.Actor, token string) error
}

// New returns the book.
func New(db *state.DB) *Book { return &Book{db: db} }

// Account is one who may sign in.
type Account struct {
	Person    declare.PersonID `json:"person"`
	Admin     bool             `json:"admin"`
	Disabled  bool             `json:"disabled,omitempty"`
	CreatedAt time.Time        `json:"created_at"`
}

var personForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func checkPerson(p declare.PersonID) error {
	if !personForm.MatchString(string(p)) {
		return &act.InvalidError{Field: "person", Got: string(p), Want: "lower-case letters, digits and . _ -, at most 63"}
	}
	return nil
}

// secret makes 32 random bytes as text.
func secret() (string, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("cannot make a secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// hash is for secrets that are random already: they need no salt and no slowness.
func hash(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(h[:])
}

func ref(p declare.PersonID) journal.Ref { return journal.MakeRef("account", string(p)) }

// EnsureAdmin makes a one-time link's secret when nobody administers yet; "" when
// somebody does. Older unused links for the first administrator stop to work.
func (b *Book) EnsureAdmin(ctx context.Context, now time.Time) (string, error) {
	var admins int
	if err := b.db.Read().QueryRowContext(ctx, `SELECT count(*) FROM accounts WHERE admin = 1 AND disabled = 0`).Scan(&admins); err != nil {
		return "", fmt.Errorf("cannot look for an administrator: %w", err)
	}
	if admins > 0 {
		return "", nil
	}
	return b.invite(ctx, now, journal.System("act"), "", true, func(tx *state.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM invitations WHERE person = '' AND used_ms = 0`)
		return err
	})
}

// Invite makes a one-time link's secret for a person.
func (b *Book) Invite(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, admin bool) (string, error) {
	if err := checkPerson(person); err != nil {
		return "", err
	}
	return b.invite(ctx, now, actor, person, admin, nil)
}

func (b *Book) invite(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, admin bool, before func(*state.Tx) error) (string, error) {
	s, err := secret()
	if err != nil {
		return "", err
	}
	return s, b.db.Update(ctx, func(tx *state.Tx) error {
		if before != nil {
			if err := before(tx); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO invitations (hash, person, admin, created_ms, expires_ms) VALUES (?,?,?,?,?)`,
			hash(s), person, admin, state.Millis(now), state.Millis(now.Add(InvitationLife))); err != nil {
			return fmt.Errorf("cannot invite %q: %w", person, err)
		}
		who := string(person)
		if who == "" {
			who = "the first administrator"
		}
		_, err := tx.Record(journal.Fact{At: now, Kind: "invitation.created", Actor: actor, Subject: ref(person), Text: "one-time link made for " + who})
		return err
	})
}

// Invitation is what a one-time link is for.
type Invitation struct {
	Person declare.PersonID // "" when the person may choose
	Admin  bool
}

var errLink = &act.DeniedError{Why: "this link is not valid, has been used, or is too old; ask an administrator for a new one"}

// Look says what a link is for without using it up.
func (b *Book) Look(ctx context.Context, now time.Time, link string) (Invitation, error) {
	return look(ctx, b.db.Read(), now, link)
}

func look(ctx context.Context, q interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, now time.Time, link string) (Invitation, error) {
	var in Invitation
	err := q.QueryRowContext(ctx, `SELECT person, admin FROM invitations WHERE hash = ? AND used_ms = 0 AND expires_ms > ?`, hash(link), state.Millis(now)).Scan(&in.Person, &in.Admin)
	if errors.Is(err, sql.ErrNoRows) {
		return in, errLink
	}
	return in, err
}

// Accept uses a link up and sets the password of the account that it is for.
func (b *Book) Accept(ctx context.Context, now time.Time, link string, person declare.PersonID, password string) error {
	if err := checkPerson(person); err != nil {
		return err
	}
	stored, err := hashPassword(password)
	if err != nil {
		return err
	}
	return b.db.Update(ctx, func(tx *state.Tx) error {
		in, err := look(ctx, tx, now, link)
		if err != nil {
			return err
		}
		if in.Person != "" && in.Person != person {
			return &act.DeniedError{Why: fmt.Sprintf("this link is for %s", in.Person)}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE invitations SET used_ms = ? WHERE hash = ?`, state.Millis(now), hash(link)); err != nil {
			return err
		}
		if in.Person == "" {
			// The first administrator chooses a name, but does not take over somebody's.
			var there int
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM accounts WHERE person = ? AND password != ''`, person).Scan(&there); err != nil {
				return err
			}
			if there > 0 {
				return &act.ConflictError{Why: fmt.Sprintf("there is an account %q already", person)}
			}
		}
		return create(ctx, tx, now, journal.Person(string(person)), person, stored, in.Admin)
	})
}

func create(ctx context.Context, tx *state.Tx, now time.Time, actor journal.Actor, person declare.PersonID, password string, admin bool) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO accounts (person, password, admin, created_ms) VALUES (?,?,?,?)
		ON CONFLICT (person) DO UPDATE SET password = excluded.password, admin = max(accounts.admin, excluded.admin), disabled = 0`, person, password, admin, state.Millis(now))
	if err != nil {
		return fmt.Errorf("cannot create account %q: %w", person, err)
	}
	_, err = tx.Record(journal.Fact{At: now, Kind: "account.created", Actor: actor, Subject: ref(person), Text: "account of " + string(person) + " set up"})
	return err
}

// Create makes an account with a password, for whoever runs the server.
func (b *Book) Create(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, password string, admin bool) error {
	if err := checkPerson(person); err != nil {
		return err
	}
	stored, err := hashPassword(password)
	if err != nil {
		return err
	}
	return b.db.Update(ctx, func(tx *state.Tx) error { return create(ctx, tx, now, actor, person, stored, admin) })
}

// Accounts lists all, by name.
func (b *Book) Accounts(ctx context.Context) ([]Account, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT person, admin, disabled, created_ms FROM accounts ORDER BY person`)
	if err != nil {
		return nil, fmt.Errorf("cannot list accounts: %w", err)
	}
	defer rows.Close()
	var out []Account
	for rows.Next() {
		var a Account
		var ms int64
		if err := rows.Scan(&a.Person, &a.Admin, &a.Disabled, &ms); err != nil {
			return nil, fmt.Errorf("cannot list accounts: %w", err)
		}
		a.CreatedAt = state.Time(ms)
		out = append(out, a)
	}
	return out, rows.Err()
}

// SetDisabled ends an account's sessions and tokens, or lets them back in; nobody
// disables themselves.
func (b *Book) SetDisabled(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, disabled bool) error {
	if disabled && actor == journal.Person(string(person)) {
		return &act.ConflictError{Why: "nobody disables their own account"}
	}
	kind, verb := journal.Kind("account.enabled"), "enabled"
	if disabled {
		kind, verb = "account.disabled", "disabled"
	}
	return b.db.Update(ctx, func(tx *state.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE accounts SET disabled = ? WHERE person = ?`, disabled, person)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(act.ErrNotFound, err)
		}
		if disabled {
			if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE person = ?`, person); err != nil {
				return err
			}
		}
		_, err = tx.Record(journal.Fact{At: now, Kind: kind, Actor: actor, Subject: ref(person), Text: "account of " + string(person) + " " + verb})
		return err
	})
}
