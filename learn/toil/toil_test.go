package toil

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/state"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestOverlapsCountOnce(t *testing.T) {
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	spans := []Span{
		{Team: "shop", Person: "alice", From: at(0), To: at(60), Task: "restart", Source: "run", Known: true},
		{Team: "shop", Person: "alice", From: at(30), To: at(90), Task: "alert Full", Source: "alert"}, // half of it at the same time
		{Team: "shop", Person: "bob", From: at(0), To: at(60), Task: "restart", Source: "run", Known: true},
		{Team: "pay", Person: "carol", From: at(-30), To: at(10), Task: "keys", Source: "log"}, // cut at the beginning
		{Team: "pay", Person: "carol", From: at(20), To: at(20), Task: "nothing", Source: "log"},
	}
	r := Make(spans, at(0), noon.AddDate(0, 0, 7), func(t declare.TeamID) int { return map[declare.TeamID]int{"shop": 2}[t] })
	if len(r.Teams) != 2 || r.Teams[0].Team != "shop" || r.Teams[0].Minutes != 150 || r.Teams[0].N != 3 || math.Abs(r.Teams[0].Ratio-150.0/60/80) > 1e-9 || r.Teams[1].Minutes != 10 || r.Teams[1].Ratio != -1 {
		t.Errorf("got %+v", r.Teams)
	}
	if len(r.Backlog) != 3 || r.Backlog[0].Task != "restart" || r.Backlog[0].Minutes != 105 || r.Backlog[0].Effort != effortKnown || r.Backlog[1].Task != "alert Full" || r.Backlog[1].Minutes != 45 {
		t.Errorf("got %+v", r.Backlog)
	}
	if k := r.Backlog[0]; math.Abs(k.Payback-8*60/(105*30.0/7)) > 1e-9 {
		t.Errorf("got %+v", k)
	}
	sum := 0.0
	for _, k := range r.Backlog {
		sum += k.Minutes
	}
	if sum != r.Teams[0].Minutes+r.Teams[1].Minutes {
		t.Errorf("tasks have %g minutes, teams %g", sum, r.Teams[0].Minutes+r.Teams[1].Minutes)
	}
}

func TestEarned(t *testing.T) {
	for payback, want := range map[float64]string{-1: "never", 0.25: "0.2 months", 18: "18.0 months", 73.2: "6 years", 960_000: "more than 10 years"} {
		if got := (Task{Payback: payback}).Earned(); got != want {
			t.Errorf("%g: got %s, want %s", payback, got, want)
		}
	}
}

func TestTheLog(t *testing.T) {
	db, err := state.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b := NewBook(db)
	var bad *act.InvalidError
	if _, err := b.Log(t.Context(), noon, "alice", "shop", 0, "x"); !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
	if _, err := b.Log(t.Context(), noon, "alice", "shop", time.Hour, " \n "); !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
	if _, err := b.Log(t.Context(), noon, "alice", "shop", 20*time.Minute, "restarted the\nqueue"); err != nil {
		t.Fatal(err)
	}
	got, err := b.Spans(t.Context(), noon.Add(-time.Hour), noon.Add(time.Hour))
	if err != nil || len(got) != 1 || got[0].Task != "restarted the queue" || got[0].To.Sub(got[0].From) != 20*time.Minute {
		t.Errorf("got %+v %v", got, err)
	}
}
