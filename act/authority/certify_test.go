package authority

import (
	"testing"
	"time"
)

func TestCertify(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	run := func(kind string, daysAgo int, well bool, print string) Practice {
		return Practice{Run: "r", Kind: kind, At: now.AddDate(0, 0, -daysAgo), Well: well, Print: print}
	}
	f := func(holds bool, why string, done ...Practice) {
		t.Helper()
		c := Certify(done, "now", now)
		if c.Holds != holds || c.Why != why {
			t.Errorf("got %v %q, want %v %q", c.Holds, c.Why, holds, why)
		}
	}
	f(false, "2 runs with somebody beside and 1 rehearsal to go")
	f(false, "1 rehearsal to go", run(Shadowed, 1, true, "now"), run(Shadowed, 2, true, "now"))
	f(false, "1 run with somebody beside to go", run(Shadowed, 1, true, "now"), run(Shadowed, 2, false, "now"), run(Rehearsed, 3, true, "now"))
	f(true, "certified until 2027-05-23 by 2 runs with somebody beside and 1 rehearsal", run(Shadowed, 1, true, "now"), run(Shadowed, 2, true, "now"), run(Rehearsed, 3, true, "now"))
	f(false, "1 run with somebody beside to go", run(Shadowed, 1, true, "now"), run(Shadowed, 180, true, "now"), run(Rehearsed, 3, true, "now"))
	f(false, "2 runs with somebody beside and 1 rehearsal to go, as the runbook or a component that it names has changed since",
		run(Shadowed, 1, true, "before"), run(Shadowed, 2, true, "before"), run(Rehearsed, 3, true, "before"))
	f(false, "2 runs with somebody beside and 1 rehearsal to go", run("dry", 1, true, "now"))
}
