package account

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

const password = "correct horse battery"

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func open(t *testing.T) *Book {
	t.Helper()
	db, err := state.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return New(db)
}

// who is behind a request with a session or a token.
func who(b *Book, now time.Time, session, bearer string) (act.Identity, bool) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if session != "" {
		r.AddCookie(&http.Cookie{Name: CookieName, Value: session})
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return b.Authenticate(r, now)
}

// TestFirstAdministrator makes one by a link that works once, for a day; a new start
// makes the older link useless.
func TestFirstAdministrator(t *testing.T) {
	b, ctx := open(t), t.Context()
	old, err := b.EnsureAdmin(ctx, start)
	if err != nil || old == "" {
		t.Fatal(old, err)
	}
	link, err := b.EnsureAdmin(ctx, start)
	if err != nil || link == old {
		t.Fatal(link, err)
	}
	var denied *act.DeniedError
	refused := func(why, link string, at time.Time, person declare.PersonID) {
		t.Helper()
		if err := b.Accept(ctx, at, link, person, password); err == nil {
			t.Errorf("%s: %s took the link", why, person)
		}
	}
	refused("an older link", old, start, "alice")
	refused("a day later", link, start.Add(InvitationLife), "alice")
	refused("a guess", "guess", start, "alice")
	refused("a name that is none", link, start, "../alice")
	if err := b.Accept(ctx, start, link, "alice", "short"); err == nil {
		t.Error("a short password was taken")
	}
	var took atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if b.Accept(context.Background(), start, link, "alice", password) == nil {
				took.Add(1)
			}
		})
	}
	group.Wait()
	if took.Load() != 1 {
		t.Errorf("the link worked %d times", took.Load())
	}
	if again, err := b.EnsureAdmin(ctx, start); again != "" || err != nil {
		t.Errorf("a link although somebody administers: %q %v", again, err)
	}
	invitation, err := b.Invite(ctx, start, journal.Person("alice"), "bob", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Accept(ctx, start, invitation, "carol", password); !errors.As(err, &denied) {
		t.Errorf("carol took bob's link: %v", err)
	}
	if err := b.Accept(ctx, start, invitation, "bob", password); err != nil {
		t.Error(err)
	}
}

func TestSessions(t *testing.T) {
	b, ctx := open(t), t.Context()
	if err := b.Create(ctx, start, journal.System("test"), "alice", password, true); err != nil {
		t.Fatal(err)
	}
	session, err := b.SignIn(ctx, start, "alice", password, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := who(b, start, session, ""); !ok || id.Person != "alice" || !id.Admin {
		t.Errorf("%+v %v", id, ok)
	}
	for name, s := range map[string]string{"none": "", "a guess": "guess", "half": session[:len(session)/2]} {
		if id, ok := who(b, start, s, ""); ok {
			t.Errorf("%s: %+v", name, id)
		}
	}
	if _, ok := who(b, start.Add(SessionLife+time.Second), session, ""); ok {
		t.Error("the session does not end")
	}
	var stored string
	if err := b.db.Read().QueryRowContext(ctx, `SELECT hash FROM sessions`).Scan(&stored); err != nil || strings.Contains(stored, session) {
		t.Errorf("the session is stored as it is: %v", err)
	}
	if err := b.SignOut(ctx, start, session); err != nil {
		t.Fatal(err)
	}
	if _, ok := who(b, start, session, ""); ok {
		t.Error("signed out, and still in")
	}

	if session, err = b.SignIn(ctx, start, "alice", password, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if err := b.SetDisabled(ctx, start, journal.System("test"), "alice", true); err != nil {
		t.Fatal(err)
	}
	if _, ok := who(b, start, session, ""); ok {
		t.Error("a disabled account is still in")
	}
	if _, err := b.SignIn(ctx, start, "alice", password, "127.0.0.1"); err == nil {
		t.Error("a disabled account signed in")
	}
}

// TestGuessing says the same of a wrong name and a wrong password, and slows down.
func TestGuessing(t *testing.T) {
	b, ctx := open(t), t.Context()
	if err := b.Create(ctx, start, journal.System("test"), "alice", password, false); err != nil {
		t.Fatal(err)
	}
	_, wrong := b.SignIn(ctx, start, "alice", "wrong password", "10.0.0.1")
	_, unknown := b.SignIn(ctx, start, "nobody", "wrong password", "10.0.0.2")
	if wrong == nil || unknown == nil || wrong.Error() != unknown.Error() {
		t.Errorf("%v, %v", wrong, unknown)
	}
	for range tries {
		_, _ = b.SignIn(ctx, start, "alice", "wrong password", "10.0.0.1")
	}
	if _, err := b.SignIn(ctx, start, "alice", password, "10.0.0.3"); err == nil {
		t.Error("signed in after too many guesses")
	}
	if _, err := b.SignIn(ctx, start.Add(within), "alice", password, "10.0.0.3"); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

func TestTokens(t *testing.T) {
	b, ctx := open(t), t.Context()
	text, token, err := b.CreateToken(ctx, start, journal.System("test"), "ci", "pipeline", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := who(b, start, "", text); !ok || id.Person != "ci" || id.Token != token.ID || id.Admin {
		t.Errorf("%+v %v", id, ok)
	}
	for name, bearer := range map[string]string{"its ID alone": "ek_" + token.ID + "_", "another secret": text[:len(text)-1] + "!", "no token": "x"} {
		if id, ok := who(b, start, "", bearer); ok {
			t.Errorf("%s: %+v", name, id)
		}
	}
	if _, ok := who(b, start.Add(time.Hour+time.Second), "", text); ok {
		t.Error("the token does not expire")
	}
	if err := b.RevokeToken(ctx, start, act.Identity{Person: "bob"}, token.ID); err == nil {
		t.Error("bob revoked a token of ci")
	}
	if err := b.RevokeToken(ctx, start, act.Identity{Person: "ci"}, token.ID); err != nil {
		t.Fatal(err)
	}
	if _, ok := who(b, start, "", text); ok {
		t.Error("a revoked token works")
	}
	if list, err := b.Tokens(ctx, "ci"); err != nil || len(list) != 1 || list[0].RevokedAt.IsZero() {
		t.Errorf("%+v %v", list, err)
	}
}
