// Package link signs what stands in links that work without a sign-in: who has the
// link, may.
//
// In: the store, names of settings. Out: signatures and tokens. Promise: a key is made
// once and kept, so that links hold over restarts; a token that was not made with the
// key says nothing; what is compared is compared in constant time.
package link

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

	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// Key signs with one key of the data folder.
type Key struct{ secret []byte }

// Open reads the key that is stored under the name of a setting, or makes it.
func Open(ctx context.Context, db *state.DB, setting string) (*Key, error) {
	var text string
	err := db.Update(ctx, func(tx *state.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT value FROM settings WHERE key = ?`, setting).Scan(&text)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh) // it never fails
		text = hex.EncodeToString(fresh)
		_, err = tx.ExecContext(ctx, `INSERT INTO settings (key, value) VALUES (?,?)`, setting, text)
		return err
	})
	k := &Key{}
	if err == nil {
		k.secret, err = hex.DecodeString(text)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the key of links %s: %w", setting, err)
	}
	return k, nil
}

// Sign is the signature of a text: 32 characters that can stand in a URL.
func (k *Key) Sign(text string) string {
	m := hmac.New(sha256.New, k.secret)
	m.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:24])
}

// Signed says whether it is the signature of the text.
func (k *Key) Signed(text, signature string) bool {
	return hmac.Equal([]byte(k.Sign(text)), []byte(signature))
}

// Token names a row for one purpose, until a time to the second.
func (k *Key) Token(purpose string, id int64, until time.Time) string {
	text := strconv.FormatInt(id, 36) + "." + strconv.FormatInt(until.Unix(), 36)
	return text + "." + k.Sign(purpose+":"+text)
}

// Read returns the row of a token: respond.ErrNoLink for one that was not made by Token
// for this purpose, respond.ErrLinkEnded for one whose time is over.
func (k *Key) Read(purpose, token string, now time.Time) (id int64, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > 200 || !k.Signed(purpose+":"+parts[0]+"."+parts[1], parts[2]) {
		return 0, respond.ErrNoLink
	}
	id, err1 := strconv.ParseInt(parts[0], 36, 64)
	until, err2 := strconv.ParseInt(parts[1], 36, 64)
	switch {
	case err1 != nil || err2 != nil:
		return 0, respond.ErrNoLink
	case now.Unix() >= until:
		return 0, respond.ErrLinkEnded
	}
	return id, nil
}
