package link

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// TestTokens: a token is good for its purpose and its time, over a restart; whatever
// else comes is none.
func TestTokens(t *testing.T) {
	db, err := state.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	open := func(setting string) *Key {
		k, err := Open(t.Context(), db, setting)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k := open("a.key")
	end := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	token := k.Token("ack", 71, end)
	last := strings.LastIndexByte(token, '.') + 1
	for _, c := range []struct {
		what, purpose, token string
		key                  *Key
		at                   time.Time
		err                  error
	}{
		{"", "ack", token, k, end.Add(-time.Second), nil},
		{"after a restart", "ack", token, open("a.key"), end.Add(-time.Second), nil},
		{"over", "ack", token, k, end, respond.ErrLinkEnded},
		{"of another purpose", "outcome", token, k, end.Add(-time.Second), respond.ErrNoLink},
		{"of another key", "ack", token, open("b.key"), end.Add(-time.Second), respond.ErrNoLink},
		{"of another row", "ack", k.Token("ack", 72, end)[:last] + token[last:], k, end.Add(-time.Second), respond.ErrNoLink},
		{"longer", "ack", token + "x", k, end.Add(-time.Second), respond.ErrNoLink},
		{"shorter", "ack", token[:len(token)-1], k, end.Add(-time.Second), respond.ErrNoLink},
		{"none", "ack", "", k, end, respond.ErrNoLink},
		{"dots", "ack", "..", k, end, respond.ErrNoLink},
		{"signed, and no number", "ack", "?.?." + k.Sign("ack:?.?"), k, end, respond.ErrNoLink},
		{"endless", "ack", strings.Repeat("a", 300), k, end, respond.ErrNoLink},
	} {
		if id, err := c.key.Read(c.purpose, c.token, c.at); !errors.Is(err, c.err) || (c.err == nil) != (id == 71) {
			t.Errorf("%s: %d, %v", c.what, id, err)
		}
	}
	if !k.Signed("x", k.Sign("x")) || k.Signed("x", k.Sign("y")) || k.Signed("x", "") {
		t.Error("signatures")
	}
}

// TestOldLinks: the key and the form of links are those of the versions before.
func TestOldLinks(t *testing.T) {
	db, err := state.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(t.Context(), func(tx *state.Tx) error {
		_, err := tx.ExecContext(t.Context(), `INSERT INTO settings (key, value) VALUES ('reach.link.key', '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f')`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	k, err := Open(t.Context(), db, "reach.link.key")
	if err != nil {
		t.Fatal(err)
	}
	if id, err := k.Read("ack", "7.trtsw0.uKzPSRDMGrZmjj4pDJpWchzxY_MQ1EzG", time.Unix(1_800_000_000, 0)); id != 7 || err != nil {
		t.Error(id, err)
	}
}
