package account

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

func TestScopes(t *testing.T) {
	f := func(method, path, want string) {
		t.Helper()
		if got := need(method, path); got != want {
			t.Errorf("%s %s: got %s, want %s", method, path, got, want)
		}
		for scope := range scopes {
			ok, why := Allowed(act.Identity{Token: "t", Scopes: []string{scope}}, method, path)
			if ok != (scope == want) || ok == (why != "") {
				t.Errorf("%s for %s %s: %v %q", scope, method, path, ok, why)
			}
		}
		if ok, _ := Allowed(act.Identity{Token: "t"}, method, path); !ok {
			t.Errorf("a token without scopes was refused %s %s", method, path)
		}
		if ok, _ := Allowed(act.Identity{Token: "t", Service: true}, method, path); ok {
			t.Errorf("a program without scopes was let through to %s %s", method, path)
		}
	}
	const api = "/api/evenkeel/v1"
	f("GET", api+"/incidents", "read")
	f("POST", "/api/v1/query", "read")
	f("POST", "/api/v1/write", "write")
	f("POST", "/v1/logs", "write")
	f("POST", "/loki/api/v1/push", "write")
	f("POST", api+"/changes", "change")
	f("POST", "/hooks/github", "change")
	f("POST", api+"/gate", "gate")
	f("POST", api+"/incidents/1/notes", "incident")
	f("POST", api+"/requests", "request")
	f("POST", api+"/runs", "run")
	f("POST", api+"/runs/r-1/cancel", "run")
	f("POST", api+"/runbooks/x/can", "read")
	f("POST", api+"/runs/r-1/steps/1/approve", "person") // an approval is a person's
	f("POST", api+"/runs/r-1/steps/1/voice", "person")
	f("POST", api+"/tokens", "person")
	f("GET", api+"/tokens", "person")
	f("POST", api+"/loans", "person")
	f("DELETE", api+"/silences/1", "person")
	f("POST", "/-/reload", "person")
	f("POST", "/account/tokens", "person")

	id := act.Identity{Token: "t", Scopes: []string{"run:restart"}}
	if ok, why := Allowed(id, "GET", api+"/runs/r-1"); !ok {
		t.Error("it may not see what became of its run: " + why)
	}
	if ok, _ := MayRun(id, "restart"); !ok {
		t.Error("the runbook that it is for was refused")
	}
	if ok, why := MayRun(id, "drop-table"); ok || why == "" {
		t.Error("another runbook was let through")
	}
}

func TestServiceTokens(t *testing.T) {
	ctx, now := t.Context(), time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	db, err := state.Open(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b := New(db)
	if err := b.Create(ctx, now, "test", "alice", "a long password", true); err != nil {
		t.Fatal(err)
	}
	bad := func(tok Token, life time.Duration) {
		t.Helper()
		if _, _, err := b.MakeToken(ctx, now, "test", tok, life); err == nil {
			t.Errorf("%+v for %s was made", tok, life)
		}
	}
	bad(Token{Person: "ci", Service: true}, time.Hour)
	bad(Token{Person: "ci", Service: true, Scopes: []string{"change"}}, 0)
	bad(Token{Person: "ci", Service: true, Scopes: []string{"change"}}, 366*24*time.Hour)
	bad(Token{Person: "ci", Service: true, Scopes: []string{"root"}}, time.Hour)
	bad(Token{Person: "alice", Service: true, Scopes: []string{"change"}}, time.Hour) // a person is no program

	secret, tok, err := b.MakeToken(ctx, now, "test", Token{Person: "ci", Service: true, Scopes: []string{"change", "run:restart"}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	who := func(at time.Time) (act.Identity, bool) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		return b.Authenticate(r, at)
	}
	id, ok := who(now)
	if !ok || !id.Service || id.Admin || len(id.Scopes) != 2 || id.Actor() != "service:ci" {
		t.Errorf("%+v %v", id, ok)
	}
	if _, ok := who(now.Add(time.Hour)); ok {
		t.Error("it holds after its end")
	}
	holds := func(at time.Time, want bool) {
		t.Helper()
		if got, err := b.Holds(ctx, tok.ID, at); err != nil || got != want {
			t.Errorf("holds: %v %v", got, err)
		}
	}
	holds(now, true)
	holds(now.Add(2*time.Hour), false)
	var told string
	b.OnRevoke(func(_ context.Context, _ time.Time, _ journal.Actor, token string) error { told = token; return nil })
	if err := b.RevokeToken(ctx, now, act.Identity{Person: "alice", Admin: true}, tok.ID); err != nil || told != tok.ID {
		t.Errorf("%v, told %q", err, told)
	}
	holds(now, false)
	if facts, err := db.Facts(ctx, journal.Query{Text: secret[len(secret)-20:]}); err != nil || len(facts) > 0 {
		t.Errorf("the secret is in the journal: %v %v", facts, err)
	}
}

func TestLoans(t *testing.T) {
	ctx, now := t.Context(), time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	db, err := state.Open(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b := New(db)
	day := 24 * time.Hour
	bad := func(field string, l Loan) {
		t.Helper()
		var invalid *act.InvalidError
		if _, err := b.Lend(ctx, now, "bob", l); !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%+v: %v", l, err)
		}
	}
	good := Loan{Borrower: "dan", Upto: declare.Normal, Reason: "away", EndsAt: now.Add(7 * day)}
	with := func(change func(*Loan)) Loan { l := good; change(&l); return l }
	bad("borrower", with(func(l *Loan) { l.Borrower = "bob" }))
	bad("upto", with(func(l *Loan) { l.Upto = declare.Money }))
	bad("reason", with(func(l *Loan) { l.Reason = " " }))
	bad("ends_at", with(func(l *Loan) { l.EndsAt = now.Add(31 * day) }))
	bad("ends_at", with(func(l *Loan) { l.EndsAt = now.Add(-day) }))
	l, err := b.Lend(ctx, now, "bob", good)
	if err != nil || l.Lender != "bob" || !l.Holds(now) || l.Holds(now.Add(7*day)) {
		t.Errorf("%+v %v", l, err)
	}
	var denied *act.DeniedError
	if err := b.EndLoan(ctx, now, act.Identity{Person: "eve"}, l.ID); !errors.As(err, &denied) {
		t.Errorf("eve ended it: %v", err)
	}
	if err := b.EndLoan(ctx, now, act.Identity{Person: "dan"}, l.ID); err != nil {
		t.Error(err)
	}
	if err := b.EndLoan(ctx, now, act.Identity{Person: "dan"}, l.ID); !errors.Is(err, act.ErrNotFound) {
		t.Errorf("ended twice: %v", err)
	}
	if left, err := b.Loans(ctx, now, false); err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
}
