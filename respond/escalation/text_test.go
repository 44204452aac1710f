package escalation

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

func TestPageText(t *testing.T) {
	now := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	i := respond.Incident{Services: []declare.ServiceID{"checkout", "catalog"}, Clocks: respond.Clocks{Detected: now.Add(-time.Minute)}}
	for want, impact := range map[string]time.Time{
		"Detected 1m ago on checkout, catalog.\n":                 {},
		"Users suffer for 2m on checkout, catalog.\n":             now.Add(-2 * time.Minute),
		"Users suffer since a moment ago on checkout, catalog.\n": now.Add(-time.Millisecond),
	} {
		i.Clocks.Impact = impact
		if got := pageText(i, now); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
