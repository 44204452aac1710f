package declare_test

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

func TestOnCall(t *testing.T) {
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		t.Helper()
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
			if v, err := time.ParseInLocation(layout, text, vienna); err == nil {
				return v
			}
		}
		t.Fatalf("%q is no time", text)
		return time.Time{}
	}
	people := func(names ...declare.PersonID) []declare.PersonID { return names }
	f := func(s *declare.Schedule, when string, want declare.PersonID) {
		t.Helper()
		s.Location = vienna
		if got := s.OnCall(at(when)); got != want {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}

	weekly := &declare.Schedule{Layers: []declare.Layer{{Start: at("2026-01-05T09:00"), Every: declare.Weekly, People: people("bob", "carol", "dave")}}}
	f(weekly, "2026-01-05T08:59:59", "")
	f(weekly, "2026-01-05T09:00", "bob")
	f(weekly, "2026-01-12T08:59:59", "bob")
	f(weekly, "2026-01-12T09:00", "carol")
	f(weekly, "2026-01-26T09:00", "bob")
	// On 29 March the clocks go forward and on 25 October back: the hand-over on the
	// Monday after stays at 9 o'clock.
	f(weekly, "2026-03-30T08:59:59", "dave")
	f(weekly, "2026-03-30T09:00", "bob")
	f(weekly, "2026-10-26T08:59:59", "dave")
	f(weekly, "2026-10-26T09:00", "bob")
	f(weekly, "2028-02-28T09:00", "carol") // 112 weeks on

	daily := &declare.Schedule{Layers: []declare.Layer{{Start: at("2026-03-27T02:30"), Every: declare.Daily, People: people("bob", "carol")}}}
	f(daily, "2026-03-28T02:30", "carol")
	// 02:30 does not exist on 29 March: the hand-over is when the clock jumps to 3.
	f(daily, "2026-03-29T00:59:59Z", "carol")
	f(daily, "2026-03-29T01:00:00Z", "bob")
	f(daily, "2026-03-30T02:29:59", "bob")
	f(daily, "2026-03-30T02:30", "carol")
	autumn := &declare.Schedule{Layers: []declare.Layer{{Start: at("2026-10-24T02:30"), Every: declare.Daily, People: people("bob", "carol")}}}
	// 25 October has 25 hours, and one hand-over.
	f(autumn, "2026-10-25T01:59:59", "bob")
	f(autumn, "2026-10-25T12:00", "carol")
	f(autumn, "2026-10-26T02:29:59", "carol")
	f(autumn, "2026-10-26T02:30", "bob")
	// A layer that starts in the hour that comes twice has somebody from then on.
	twice := &declare.Schedule{Layers: []declare.Layer{{Start: at("2026-10-25T00:30:00Z"), Every: declare.Daily, People: people("bob", "carol")}}}
	f(twice, "2026-10-25T01:10:00Z", "bob")

	two := &declare.Schedule{
		Layers: []declare.Layer{
			{Start: at("2026-01-05T09:00"), Every: declare.Weekly, People: people("bob")},
			{Start: at("2026-02-02T09:00"), Every: declare.Daily, People: people("carol", "dave")},
		},
		Overrides: []declare.Override{
			{Person: "erin", From: at("2026-02-03T12:00"), To: at("2026-02-03T18:00")},
			{Person: "frank", From: at("2026-02-03T14:00"), To: at("2026-02-03T15:00")},
		},
	}
	f(two, "2026-02-02T08:59", "bob")
	f(two, "2026-02-02T09:00", "carol")
	f(two, "2026-02-03T11:59", "dave")
	f(two, "2026-02-03T12:00", "erin")
	f(two, "2026-02-03T14:30", "frank")
	f(two, "2026-02-03T15:00", "erin")
	f(two, "2026-02-03T18:00", "dave")
	f(&declare.Schedule{}, "2026-02-03T18:00", "")
	f(&declare.Schedule{Layers: []declare.Layer{{Start: at("2026-01-05T09:00"), Every: declare.Daily}}}, "2026-02-03T18:00", "")
}
