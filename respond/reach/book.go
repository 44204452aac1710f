package reach

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/link"
	"github.com/evenkeel/evenkeel/state"
)

// The bounds of what people store.
const (
	maxMethods = 10
	codeLife   = 15 * time.Minute
	maxTries   = 5
	maxCodes   = 20 // that a person asks for in an hour
)

// Options of a Book. All but Dial are required.
type Options struct {
	DB        *state.DB
	Logger    *slog.Logger
	Workspace func() *declare.Workspace
	// URL makes a link to a path of the pages.
	URL func(path string) string
	// Dial opens connections; nil for the network, with the guard that keeps people's
	// addresses out of networks that are not allowed.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Book implements respond.Reach, and is the queue.
type Book struct {
	o    Options
	key  *link.Key     // signs links
	wake chan struct{} // something was queued
}

var _ respond.Reach = (*Book)(nil)

// Open reads the key that signs links, or makes it.
func Open(ctx context.Context, o Options) (*Book, error) {
	b := &Book{o: o, wake: make(chan struct{}, 1)}
	var err error
	b.key, err = link.Open(ctx, o.DB, "reach.link.key")
	return b, err
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Methods implements respond.Reach.
func (b *Book) Methods(ctx context.Context, who declare.PersonID) ([]respond.ContactMethod, error) {
	return b.methods(ctx, b.o.DB.Read(), who)
}

func (b *Book) methods(ctx context.Context, q querier, who declare.PersonID) ([]respond.ContactMethod, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, kind, address, severities, verified_ms FROM contact_methods WHERE person = ? ORDER BY position, id`, who)
	if err != nil {
		return nil, fmt.Errorf("cannot read contact methods: %w", err)
	}
	defer rows.Close()
	var out []respond.ContactMethod
	for rows.Next() {
		m := respond.ContactMethod{Person: who, Source: "the person"}
		var severities string
		var verified int64
		if err := rows.Scan(&m.ID, &m.Kind, &m.URL, &severities, &verified); err != nil {
			return nil, fmt.Errorf("cannot read contact methods: %w", err)
		}
		if err := json.Unmarshal([]byte(severities), &m.Severities); err != nil {
			return nil, fmt.Errorf("cannot read contact methods: %w", err)
		}
		m.Verified, m.Address = state.Time(verified), declare.Contact{Kind: m.Kind, Address: m.URL}.Shown()
		out = append(out, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("cannot read contact methods: %w", err)
	}
	return append(out, Declared(b.o.Workspace(), who)...), nil
}

// Declared are the ways that the catalogue knows: those of the annotation, then the
// address of the profile where email can be sent.
func Declared(w *declare.Workspace, who declare.PersonID) []respond.ContactMethod {
	p := w.Person(who)
	if p == nil {
		return nil
	}
	contacts := slices.Clone(p.Contacts)
	if mail := (declare.Contact{Kind: declare.ContactEmail, Address: p.Email}); p.Email != "" && w.Settings.Channels.Email.Smarthost != "" && !slices.Contains(contacts, mail) {
		contacts = append(contacts, mail)
	}
	var out []respond.ContactMethod
	for _, c := range contacts {
		// A review let it in: that is its verification.
		out = append(out, respond.ContactMethod{Person: who, Kind: c.Kind, Address: c.Shown(), URL: c.Address, Verified: w.LoadedAt, Source: "catalogue"})
	}
	return out
}

func (b *Book) refuse(field, got, want string) error {
	return &respond.InvalidError{Field: field, Got: got, Want: want}
}

// AddMethod implements respond.Reach.
func (b *Book) AddMethod(ctx context.Context, now time.Time, actor journal.Actor, m respond.ContactMethod) (respond.ContactMethod, error) {
	c := declare.Contact{Kind: m.Kind, Address: m.URL}
	if err := c.Check(); err != nil {
		return m, b.refuse("address", c.Shown(), strings.TrimPrefix(err.Error(), "expected "))
	}
	if b.o.Workspace().Person(m.Person) == nil {
		return m, b.refuse("person", string(m.Person), "a person of the catalogue")
	}
	for _, s := range m.Severities {
		if s != detect.Page && s != detect.Ticket && s != detect.Info {
			return m, b.refuse("severities", string(s), "page, ticket or info")
		}
	}
	code, err := newCode()
	if err != nil {
		return m, err
	}
	severities, err := json.Marshal(m.Severities)
	if err != nil {
		return m, err
	}
	if m.Severities == nil {
		severities = []byte("[]")
	}
	err = b.o.DB.Update(ctx, func(tx *state.Tx) error {
		var have, asked int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM contact_methods WHERE person = ?`, m.Person).Scan(&have); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM deliveries WHERE person = ? AND purpose = 'verify' AND queued_ms > ?`, m.Person, state.Millis(now.Add(-time.Hour))).Scan(&asked); err != nil {
			return err
		}
		if have >= maxMethods || asked >= maxCodes {
			return b.refuse("method", fmt.Sprintf("%d, %d codes in an hour", have, asked), fmt.Sprintf("at most %d ways, and %d codes in an hour", maxMethods, maxCodes))
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO contact_methods (person, kind, address, severities, position, code_hash, code_ms, created_ms) VALUES (?,?,?,?,?,?,?,?)`,
			m.Person, m.Kind, m.URL, string(severities), have, b.codeHash(code), state.Millis(now), state.Millis(now))
		if err != nil {
			return fmt.Errorf("cannot store contact method: %w", err)
		}
		if m.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		fact, err := tx.Record(journal.Fact{At: now, Kind: "contact.added", Actor: actor, Subject: journal.MakeRef("person", string(m.Person)), Text: fmt.Sprintf("%s can be reached by %s (%s) once it is verified", m.Person, m.Kind, c.Shown())})
		if err != nil {
			return err
		}
		return b.enqueue(ctx, tx, now, respond.Notice{
			Key: fmt.Sprintf("verify/%d/%d", m.ID, now.UnixMilli()), Person: m.Person, Purpose: respond.PurposeVerify, Severity: detect.Info, Cause: fact,
			Title: "Evenkeel: your code is " + code, Text: "Enter it on your account page within 15 minutes. If you did not ask for it, do nothing.\n", Why: "asked for by " + actor.Name(),
		}, m.ID)
	})
	m.Address, m.Source = c.Shown(), "the person"
	return m, err
}

func newCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("cannot make a code: %w", err)
	}
	return fmt.Sprintf("%06d", n), nil
}

func (b *Book) codeHash(code string) string { return b.key.Sign("code:" + code) }

// VerifyMethod implements respond.Reach.
func (b *Book) VerifyMethod(ctx context.Context, now time.Time, actor journal.Actor, who declare.PersonID, id int64, code string) error {
	wrong := false
	err := b.o.DB.Update(ctx, func(tx *state.Tx) error {
		var kind, hash string
		var asked, verified int64
		var tries int
		err := tx.QueryRowContext(ctx, `SELECT kind, code_hash, code_ms, verified_ms, tries FROM contact_methods WHERE id = ? AND person = ?`, id, who).Scan(&kind, &hash, &asked, &verified, &tries)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return respond.ErrNoMethod
		case err != nil:
			return err
		case verified != 0:
			return nil
		case tries >= maxTries || now.Sub(state.Time(asked)) > codeLife:
			return b.refuse("code", "", "a code that has not ended: remove the way and add it again")
		}
		if !b.key.Signed("code:"+code, hash) {
			wrong = true // counted, so the transaction must hold
			_, err := tx.ExecContext(ctx, `UPDATE contact_methods SET tries = tries + 1 WHERE id = ?`, id)
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE contact_methods SET verified_ms = ?, code_hash = '' WHERE id = ?`, state.Millis(now), id); err != nil {
			return err
		}
		_, err = tx.Record(journal.Fact{At: now, Kind: "contact.verified", Actor: actor, Subject: journal.MakeRef("person", string(who)), Text: fmt.Sprintf("%s is reached by %s", who, kind)})
		return err
	})
	if err == nil && wrong {
		return b.refuse("code", code, "the six digits that were sent")
	}
	return err
}

// RemoveMethod implements respond.Reach.
func (b *Book) RemoveMethod(ctx context.Context, now time.Time, actor journal.Actor, who declare.PersonID, id int64) error {
	return b.o.DB.Update(ctx, func(tx *state.Tx) error {
		var kind string
		err := tx.QueryRowContext(ctx, `DELETE FROM contact_methods WHERE id = ? AND person = ? RETURNING kind`, id, who).Scan(&kind)
		if errors.Is(err, sql.ErrNoRows) {
			return respond.ErrNoMethod
		}
		if err != nil {
			return fmt.Errorf("cannot remove contact method: %w", err)
		}
		_, err = tx.Record(journal.Fact{At: now, Kind: "contact.removed", Actor: actor, Subject: journal.MakeRef("person", string(who)), Text: fmt.Sprintf("%s is not reached by %s any more", who, kind)})
		return err
	})
}

// Quiet implements respond.Reach.
func (b *Book) Quiet(ctx context.Context, who declare.PersonID) (respond.QuietRule, error) {
	return quietOf(ctx, b.o.DB.Read(), who)
}

func quietOf(ctx context.Context, q querier, who declare.PersonID) (respond.QuietRule, error) {
	r := respond.QuietRule{Zone: "UTC"}
	var severities string
	err := q.QueryRowContext(ctx, `SELECT from_min, to_min, zone, severities FROM contact_quiet WHERE person = ?`, who).Scan(&r.From, &r.To, &r.Zone, &severities)
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(severities), &r.Severities)
	}
	if err != nil {
		return r, fmt.Errorf("cannot read quiet hours: %w", err)
	}
	return r, nil
}

// SetQuiet implements respond.Reach. A page cannot be kept back: who is on call is
// on call.
func (b *Book) SetQuiet(ctx context.Context, now time.Time, actor journal.Actor, who declare.PersonID, r respond.QuietRule) error {
	if _, err := time.LoadLocation(r.Zone); err != nil || r.Zone == "Local" || r.Zone == "" {
		return b.refuse("zone", r.Zone, "a time zone of the IANA database, as Europe/Vienna")
	}
	if r.From < 0 || r.From >= 24*60 || r.To < 0 || r.To > 24*60 {
		return b.refuse("from", fmt.Sprint(r.From, " to ", r.To), "minutes of a day")
	}
	for _, s := range r.Severities {
		if s != detect.Ticket && s != detect.Info {
			return b.refuse("severities", string(s), "ticket or info: a page is not kept back")
		}
	}
	if r.Severities == nil {
		r.Severities = []detect.Severity{}
	}
	severities, err := json.Marshal(r.Severities)
	if err != nil {
		return err
	}
	return b.o.DB.Update(ctx, func(tx *state.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO contact_quiet (person, from_min, to_min, zone, severities) VALUES (?,?,?,?,?)
			ON CONFLICT (person) DO UPDATE SET from_min=excluded.from_min, to_min=excluded.to_min, zone=excluded.zone, severities=excluded.severities`, who, r.From, r.To, r.Zone, string(severities)); err != nil {
			return fmt.Errorf("cannot store quiet hours: %w", err)
		}
		_, err := tx.Record(journal.Fact{At: now, Kind: "contact.quiet", Actor: actor, Subject: journal.MakeRef("person", string(who)), Text: fmt.Sprintf("quiet hours of %s: %02d:%02d to %02d:%02d %s for %v", who, r.From/60, r.From%60, r.To/60, r.To%60, r.Zone, r.Severities)})
		return err
	})
}
