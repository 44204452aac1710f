package oncall

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("schedules: [{name: a, team: b, timezone: Local, layers: [{start: 0001-01-01T00:00, every: daily, people: []}]}]\n"))
	f.Add([]byte("schedules: [{name: a, team: b, layers: [{start: 9999-12-31, every: weekly, people: [c, c]}]}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var problems declare.Problems
		got := Read("f.yml", data, &problems)
		for _, s := range got.Schedules {
			if len(problems) == 0 && (s.Name == "" || s.Team == "") {
				t.Errorf("accepted: %+v", s)
			}
			s.OnCall(time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC))
			s.Shifts(time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), time.Date(2026, 4, 5, 1, 0, 0, 0, time.UTC))
		}
	})
}
