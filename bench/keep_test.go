package bench

import (
	"strings"
	"testing"
)

func TestPartsOfAnEarlierReportAreKept(t *testing.T) {
	old := &Report{Machine: []string{"2 × Some, 1 GiB", "go1.26.8, 2026-11-24, Evenkeel at e0df16e"}, Data: "Data: some."}
	old.Section("Replaying history")
	old.Text("old replay")
	old.Section("Remote write")
	old.Text("as fast")
	old.Table([]string{"a", "b"}, []string{"p99 of something", "x"})
	old.Goal("replay by range queries on promql.Engine, times ours", 717, false, 900, "")
	old.Goal("p99 from acknowledgement to notification", 0.05, true, 1, " s")
	old.Missed("snapshot and restart", "not measured")
	var text strings.Builder
	if err := old.Write(&text); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what was kept once is kept again
		r := &Report{Machine: []string{"2 × Some, 1 GiB", "go1.26.8, 2026-12-01, Evenkeel at abcdef0"}}
		r.Section("Replaying history")
		r.Text("new replay")
		r.Goal("replay by range queries on promql.Engine, times ours", 1234, false, 900, "")
		r.Keep(text.String(), []string{"ticks", "backtest"})
		text.Reset()
		if err := r.Write(&text); err != nil {
			t.Fatal(err)
		}
		got := text.String()
		for _, want := range []string{"What does not say otherwise was measured in one run", "new replay", "1,234 | met", "as fast", "| p99 of something | x |", "Measured in an earlier run, of 2026-11-24 at e0df16e.*\n\nas fast", "| p99 from acknowledgement to notification | at most 1 s | 0.05 s | met |"} {
			if strings.Count(got, want) != 1 {
				t.Errorf("%q is there %d times in\n%s", want, strings.Count(got, want), got)
			}
		}
		for _, gone := range []string{"old replay", "717", "snapshot and restart"} {
			if strings.Contains(got, gone) {
				t.Errorf("%q is still there", gone)
			}
		}
	}
}
