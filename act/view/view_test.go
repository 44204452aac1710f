package view

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

var now = time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)

func TestViews(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	db, err := state.Open(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	b := NewBook(db)
	shop := []declare.TeamID{"shop"}
	alice, bob := act.Identity{Person: "alice"}, act.Identity{Person: "bob"}
	own, err := b.Save(ctx, now, alice, shop, View{Name: " slow ", URL: "/explore?traces=%7B%7D&done=x"})
	if err != nil || own.URL != "/explore?traces=%7B%7D" || own.Name != "slow" {
		t.Fatal(own, err)
	}
	ours, err := b.Save(ctx, now, alice, shop, View{Name: "errors", URL: "/dashboards/orders?service=checkout", Team: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	var invalid *act.InvalidError
	var denied *act.DeniedError
	if _, err := b.Save(ctx, now, alice, shop, View{Name: "slow", URL: "/explore"}); !errors.As(err, &invalid) || invalid.Field != "name" {
		t.Errorf("the same name: %v", err)
	}
	if _, err := b.Save(ctx, now, bob, shop, View{Name: "errors", URL: "/explore", Team: "shop"}); !errors.As(err, &invalid) {
		t.Errorf("the same name in the team: %v", err)
	}
	if _, err := b.Save(ctx, now, bob, shop, View{Name: "slow", URL: "/explore"}); err != nil {
		t.Errorf("the name that somebody else has for themselves: %v", err)
	}
	if _, err := b.Save(ctx, now, bob, nil, View{Name: "x", URL: "/explore", Team: "shop"}); !errors.As(err, &denied) {
		t.Errorf("for another team: %v", err)
	}
	for _, bad := range []string{"", "https://evil.example/explore", "//evil.example/explore", `/\evil.example`, "/exploreevil", "/sign-out", "/explore/../admin/people", "/explore\n", "javascript:alert(1)", "/explore?q=" + strings.Repeat("x", maxURL)} {
		if v, err := b.Save(ctx, now, alice, shop, View{Name: "bad", URL: bad}); !errors.As(err, &invalid) || invalid.Field != "url" {
			t.Errorf("%.40q is saved as %q: %v", bad, v.URL, err)
		}
	}
	if err := db.Close(); err != nil { // it survives a restart
		t.Fatal(err)
	}
	if db, err = state.Open(ctx, dir); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b = NewBook(db)
	names := func(who declare.PersonID, teams []declare.TeamID) string {
		t.Helper()
		found, err := b.List(ctx, who, teams)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, v := range found {
			out = append(out, v.Name+" of "+string(v.Owner))
		}
		return strings.Join(out, ", ")
	}
	if got := names("alice", shop); got != "errors of alice, slow of alice" {
		t.Error(got)
	}
	if got := names("bob", shop); got != "errors of alice, slow of bob" {
		t.Error(got)
	}
	if got := names("carol", nil); got != "" {
		t.Error(got)
	}
	if err := b.Delete(ctx, now, bob, shop, own.ID); !errors.Is(err, act.ErrNotFound) {
		t.Errorf("bob removes what is alice's: %v", err)
	}
	if err := b.Delete(ctx, now, act.Identity{Person: "carol"}, nil, ours.ID); !errors.As(err, &denied) {
		t.Errorf("carol removes what is the team's: %v", err)
	}
	if err := b.Delete(ctx, now, bob, shop, ours.ID); err != nil {
		t.Error(err)
	}
	if got := names("alice", shop); got != "slow of alice" {
		t.Error(got)
	}
	facts, err := db.Facts(ctx, journal.Query{Kind: "view.", Oldest: true})
	if err != nil || len(facts) != 4 || facts[0].Actor != "person:alice" || facts[0].Subject != own.Ref() || facts[3].Actor != "person:bob" || facts[3].Text != `view "errors" removed` {
		t.Errorf("the journal has %v, %v", facts, err)
	}
}
