package api

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

func TestTheNextHandOver(t *testing.T) {
	start := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC) // a Monday
	sch := &declare.Schedule{
		Location:  time.UTC,
		Layers:    []declare.Layer{{Start: start, Every: declare.Weekly, People: []declare.PersonID{"alice", "bob"}}},
		Overrides: []declare.Override{{Person: "carol", From: start.Add(50 * time.Hour), To: start.Add(50*time.Hour + 5*time.Minute)}},
	}
	f := func(at, until time.Time, next declare.PersonID) {
		t.Helper()
		gotUntil, gotNext := handOver(sch, at)
		if !gotUntil.Equal(until) || gotNext != next {
			t.Errorf("at %s: got %s %q, want %s %q", at, gotUntil, gotNext, until, next)
		}
	}
	f(start, start.Add(50*time.Hour), "carol")
	f(start.Add(50*time.Hour), start.Add(50*time.Hour+5*time.Minute), "alice")
	f(start.Add(60*time.Hour+17*time.Second), start.AddDate(0, 0, 7), "bob")
	f(start.AddDate(0, 0, 7), start.AddDate(0, 0, 14), "alice")
	alone := &declare.Schedule{Location: time.UTC, Layers: []declare.Layer{{Start: start, Every: declare.Daily, People: []declare.PersonID{"alice"}}}}
	if until, next := handOver(alone, start); !until.IsZero() || next != "" {
		t.Errorf("got %s %q", until, next)
	}
}
