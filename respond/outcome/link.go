package outcome

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// linkLife is how long after a finding opened the link in its messages works.
const linkLife = 30 * 24 * time.Hour

// reader is who follows a link: a message goes to many, so nobody knows the name.
const reader = journal.Actor("link:a reader of the message")

// key signs links. It is made once for each data folder.
func (b *Book) key(ctx context.Context) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.secret != nil {
		return b.secret, nil
	}
	const name = "outcome.link.key"
	var text string
	err := b.db.Update(ctx, func(tx *state.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT value FROM settings WHERE key = ?`, name).Scan(&text)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh) // it never fails
		text = hex.EncodeToString(fresh)
		_, err = tx.ExecContext(ctx, `INSERT INTO settings (key, value) VALUES (?,?)`, name, text)
		return err
	})
	if err == nil {
		b.secret, err = hex.DecodeString(text)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the key of links: %w", err)
	}
	return b.secret, nil
}

func sign(key []byte, text string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("outcome:" + text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:24])
}

// LinkTo implements respond.OutcomeLinks.
func (b *Book) LinkTo(ctx context.Context, finding int64, opened time.Time) (string, error) {
	key, err := b.key(ctx)
	if err != nil {
		return "", err
	}
	text := strconv.FormatInt(finding, 36) + "." + strconv.FormatInt(opened.Add(linkLife).Unix(), 36)
	return text + "." + sign(key, text), nil
}

// Link implements respond.OutcomeLinks.
func (b *Book) Link(ctx context.Context, now time.Time, token string) (finding int64, used bool, err error) {
	key, err := b.key(ctx)
	if err != nil {
		return 0, false, err
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > 200 || !hmac.Equal([]byte(sign(key, parts[0]+"."+parts[1])), []byte(parts[2])) {
		return 0, false, respond.ErrNoLink
	}
	finding, err1 := strconv.ParseInt(parts[0], 36, 64)
	until, err2 := strconv.ParseInt(parts[1], 36, 64)
	if err1 != nil || err2 != nil || now.Unix() >= until {
		return 0, false, respond.ErrNoLink
	}
	err = b.db.Read().QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM outcome_links WHERE finding = ?)`, finding).Scan(&used)
	if err != nil {
		return 0, false, fmt.Errorf("cannot read a link: %w", err)
	}
	return finding, used, nil
}

// UseLink implements respond.OutcomeLinks.
func (b *Book) UseLink(ctx context.Context, now time.Time, token string, l respond.OutcomeLabel, note string) (o respond.Outcome, err error) {
	finding, _, err := b.Link(ctx, now, token)
	if err != nil {
		return o, err
	}
	if note, err = check(l, note); err != nil {
		return o, err
	}
	err = b.db.Update(ctx, func(tx *state.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO outcome_links (finding, used_ms) VALUES (?,?) ON CONFLICT DO NOTHING`, finding, state.Millis(now))
		if err != nil {
			return fmt.Errorf("cannot use a link: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, &respond.InvalidError{Field: "link", Got: "used before", Want: "one that has not been used: a link works once"})
		}
		switch was, err := read(ctx, tx, finding); {
		case err == nil && !was.Inferred:
			return &respond.InvalidError{Field: "outcome", Got: was.Outcome.Words() + ", by " + was.By.Name(), Want: "an alert of which nobody has said it yet; who is signed in can correct it"}
		case err != nil && !errors.Is(err, respond.ErrNotFound):
			return err
		}
		o = respond.Outcome{Finding: finding, Outcome: l, Note: note, By: reader, At: now.UTC().Truncate(time.Millisecond)}
		return write(ctx, tx, o)
	})
	return o, err
}
