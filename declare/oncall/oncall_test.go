package oncall

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

const good = `schedules:
  - name: shop
    team: shop
    timezone: Europe/Vienna
    layers:
      - {start: 2026-01-05T09:00, every: weekly, people: [bob, carol]}
      - {start: "2026-01-05 18:00", every: daily, people: [dave]}
    overrides:
      - {person: alice, from: 2026-02-01T00:00, to: 2026-02-02}
`

func TestSchedule(t *testing.T) {
	var problems declare.Problems
	got := Read("oncall/a.yml", []byte(good), &problems)
	all, refs := got.Schedules, got.References
	if len(problems) > 0 || len(all) != 1 || len(refs) != 5 {
		t.Fatal(problems, all, refs)
	}
	s := all[0]
	if s.Name != "shop" || s.Team != "shop" || s.Location.String() != "Europe/Vienna" || s.Pos.Line != 2 {
		t.Errorf("%+v", s)
	}
	if got := s.Layers[0].Start.UTC(); !got.Equal(time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("start %s: local times are the schedule's", got)
	}
	if got := s.OnCall(time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)); got != "alice" {
		t.Errorf("override: %s", got)
	}
	if r := refs[4]; r.Kind != "person" || r.Name != "alice" || r.At.Pos().Line != 9 {
		t.Errorf("%+v", r)
	}
}

func TestMistakes(t *testing.T) {
	f := func(old, replacement string, want ...string) {
		t.Helper()
		var problems declare.Problems
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not there", old)
		}
		Read("o.yml", []byte(strings.Replace(good, old, replacement, 1)), &problems)
		if got := problems.Error(); got != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	}
	f("Europe/Vienna", "Europe/Wien", `o.yml:4:15: schedules[0].timezone: got "Europe/Wien", expected a time zone of the IANA database, as Europe/Vienna`)
	f("Europe/Vienna", "Local", `o.yml:4:15: schedules[0].timezone: got "Local", expected a time zone of the IANA database, as Europe/Vienna`)
	f("weekly", "wekly", `o.yml:6:42: schedules[0].layers[0].every: got "wekly", expected daily, weekly, or a length as 12h, 3d or 2w (did you mean "weekly"?)`)
	f("2026-01-05T09:00", "tomorrow", `o.yml:6:17: schedules[0].layers[0].start: got "tomorrow", expected a time as 2026-01-05T09:00`)
	f("[bob, carol]", "[]", `o.yml:6:58: schedules[0].layers[0].people: expected at least one person`)
	f("to: 2026-02-02", "to: 2026-01-02", `o.yml:9:53: schedules[0].overrides[0].to: got "2026-01-02", expected a time after from`)
	f("to: 2026-02-02", "until: 2026-02-02",
		`o.yml:9:49: schedules[0].overrides[0].until: got "until", expected one of person, from, to, reason`,
		`o.yml:9:9: schedules[0].overrides[0].to: expected a time as 2026-01-05T09:00 (it is missing)`)
	f("team: shop", "team: ''", `o.yml:3:11: schedules[0].team: expected a team (it is missing)`)
	f("schedules:", "shedules:", `o.yml:1:1: shedules: got "shedules", expected one of schedules, escalations (did you mean "schedules"?)`)
}
