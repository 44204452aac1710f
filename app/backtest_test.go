package app

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/respond"
)

func TestOutcomesAreHandedToABacktest(t *testing.T) {
	opened := time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)
	got := Labelled([]respond.Episode{
		{Finding: 1, Name: "Bad", Service: "checkout", Labels: map[string]string{"service": "checkout"}, Opened: opened, Outcome: respond.ActionTaken},
		{Finding: 2, Name: "Bad", Opened: opened, Outcome: respond.FalseAlarm, Inferred: true},
		{Finding: 3, Name: "Bad", Opened: opened, Outcome: respond.Duplicate},
		{Finding: 4, Name: "Bad", Opened: opened},
	})
	if len(got) != 2 || !got[0].Useful || got[0].Labels["alertname"] != "Bad" || got[0].Labels["service"] != "checkout" || got[1].Useful || got[1].Word() != "false (inferred)" {
		t.Errorf("%+v", got)
	}
}
