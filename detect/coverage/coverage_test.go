package coverage

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
)

func TestFindings(t *testing.T) {
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)
	all := [7]bool{true, true, true, true, true, true, true}
	layer := func(from, to int) declare.Layer {
		return declare.Layer{Start: now.AddDate(0, -1, 0), Every: declare.Daily, People: []declare.PersonID{"alice"}, Only: []declare.Restriction{{Days: all, From: from * 60, To: to * 60}}}
	}
	f := func(want string, sum float64, s declare.Schedule) {
		t.Helper()
		s.Name, s.Team, s.Location = "shop", "shop", vienna
		got := Findings([]*declare.Schedule{&s}, nil, nil, now)
		if len(got) != 1 || got[0].Open() != (want != "") || got[0].Summary != want || got[0].Value != sum || got[0].Labels["schedule"] != "shop" {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
	f("", 0, declare.Schedule{Layers: []declare.Layer{layer(0, 0)}})
	f("", 0, declare.Schedule{Layers: []declare.Layer{layer(8, 20), layer(20, 8)}}) // over the change on the 29th too
	f("", 0, declare.Schedule{AllowGaps: true, Layers: []declare.Layer{layer(8, 9)}})
	// The night of the 29th has no 02:00 to 03:00: 29 gaps of an hour, not 30.
	f("schedule shop has 29 gaps in the next 30 days: nobody is on call for 29 hours, first on Sat 2026-03-21 02:00", 29, declare.Schedule{Layers: []declare.Layer{layer(3, 2)}})
	f("schedule shop has a gap in the next 30 days: nobody is on call for 719 hours, first on Fri 2026-03-20 14:00", 719,
		declare.Schedule{Layers: []declare.Layer{{Start: now.AddDate(0, 0, -9), End: now.Add(time.Hour), Every: declare.Daily, People: []declare.PersonID{"alice"}}}})

	gone := detect.Finding{ID: 7, Name: "OnCallGap", Detector: detect.DetectorCoverage, Labels: map[string]string{"schedule": "old"}}
	got := Findings(nil, nil, []detect.Finding{gone}, now)
	if len(got) != 1 || got[0].ID != 7 || !got[0].ResolvedAt.Equal(now) {
		t.Errorf("a schedule that is gone: %+v", got)
	}
	// Whoever waits for a calendar has no gap yet, and keeps the one that is known.
	wait := declare.Schedule{Name: "old"}
	for _, open := range [][]detect.Finding{nil, {gone}} {
		if got := Findings([]*declare.Schedule{&wait}, map[string]bool{"old": true}, open, now); len(got) != 0 {
			t.Errorf("a schedule that waits: %+v", got)
		}
	}
	s := declare.Schedule{Name: "n", Location: vienna, Layers: []declare.Layer{layer(3, 2)}}
	if d := Findings([]*declare.Schedule{&s}, nil, nil, now)[0].Description; !strings.Contains(d, "Sat 2026-03-28 02:00 to Sat 2026-03-28 03:00 CET") || !strings.Contains(d, "and 19 more") {
		t.Error(d)
	}
}
