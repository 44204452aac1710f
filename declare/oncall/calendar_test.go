package oncall

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

func calendar(events ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\n" + strings.ReplaceAll(strings.Join(events, ""), "\n", "\r\n") + "END:VCALENDAR\r\n"
}

func vevent(lines ...string) string {
	return "BEGIN:VEVENT\nDTSTAMP:20260101T000000Z\n" + strings.Join(lines, "\n") + "\nEND:VEVENT\n"
}

func TestReadCalendar(t *testing.T) {
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	f := func(what, text string, want ...string) {
		t.Helper()
		got, err := ReadCalendar([]byte(text), vienna)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		var lines []string
		for _, e := range got {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s-%s %s", e.Summary, e.From.Format("0102T1504"), e.To.Format("0102T1504"), strings.Join(e.Emails, " "))))
		}
		if strings.Join(lines, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}
	}
	f("by UTC", calendar(vevent("UID:1", "SUMMARY:alice", "DTSTART:20260105T090000Z", "DTEND:20260105T170000Z")), "alice 0105T0900-0105T1700")
	f("floating is the schedule's", calendar(vevent("UID:1", "SUMMARY:alice", "DTSTART:20260105T090000", "DURATION:PT12H30M")), "alice 0105T0800-0105T2030")
	f("with a zone", calendar(vevent("UID:1", "SUMMARY:a", "DTSTART;TZID=America/New_York:20260105T090000", "DTEND;TZID=America/New_York:20260105T170000", "ATTENDEE;CN=Bob:mailto:Bob@example.org")), "a 0105T1400-0105T2200 bob@example.org")
	f("a whole day of 23 hours", calendar(vevent("UID:1", "SUMMARY:day", "DTSTART;VALUE=DATE:20260329")), "day 0328T2300-0329T2200")
	f("two whole days, one of 25 hours", calendar(vevent("UID:1", "SUMMARY:days", "DTSTART;VALUE=DATE:20261024", "DTEND;VALUE=DATE:20261026")), "days 1023T2200-1025T2300")
	f("weekly over the change, without one, one moved", calendar(
		vevent("UID:1", "SUMMARY:w", "DTSTART;TZID=Europe/Vienna:20260316T090000", "DTEND;TZID=Europe/Vienna:20260316T100000", "RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE;TZID=Europe/Vienna:20260323T090000"),
		vevent("UID:1", "SUMMARY:moved", "RECURRENCE-ID;TZID=Europe/Vienna:20260406T090000", "DTSTART;TZID=Europe/Vienna:20260407T090000", "DTEND;TZID=Europe/Vienna:20260407T100000")),
		"w 0316T0800-0316T0900", "w 0330T0700-0330T0800", "moved 0407T0700-0407T0800")
	f("cancelled", calendar(vevent("UID:1", "STATUS:CANCELLED", "DTSTART:20260105T090000Z", "DTEND:20260105T170000Z")))
	all, err := ReadCalendar([]byte(calendar(vevent("UID:1", "SUMMARY:x", "DTSTART;VALUE=DATE:20260101", "RRULE:FREQ=YEARLY"))), vienna)
	if err != nil || len(all) != maxYears+1 {
		t.Errorf("a holiday each year: %d times, %v", len(all), err)
	}
	refused := func(text, want string) {
		t.Helper()
		if _, err := ReadCalendar([]byte(text), vienna); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200q: got %v, want %q", text, err, want)
		}
	}
	refused("", "cannot read calendar")
	refused("hello", "cannot read calendar")
	refused(calendar(vevent("UID:1")), "expected DTSTART")
	refused(calendar(vevent("UID:1", "DTSTART:tomorrow")), `got the time "tomorrow"`)
	refused(calendar(vevent("UID:1", "DTSTART;TZID=Mars/Base:20260105T090000")), "time zone")
	refused(calendar(vevent("UID:1", "DTSTART:20260105T090000Z", "DTEND:20260105T080000Z")), "lasts -1h")
	refused(calendar(vevent("UID:1", "DTSTART:20260105T090000Z", "DURATION:P")), "duration")
	refused(calendar(vevent("UID:1", "DTSTART:20260105T090000Z", "DURATION:PT1H", "RRULE:FREQ=SECONDLY")), "FREQ=SECONDLY")
	refused(calendar(vevent("UID:1", "DTSTART:20260105T090000Z", "DURATION:PT1H", "RRULE:FREQ=SOMETIMES")), "RRULE")
	refused(calendar(strings.Repeat(vevent("UID:1", "DTSTART:20260105T090000Z", "DURATION:PT1H"), maxEventIn)), "components")
}

const layered = `schedules:
  - name: shop
    team: shop
    timezone: Europe/Vienna
    allow_gaps: true
    layers:
      - {name: base, start: 2026-01-05T09:00, every: 12h, people: [bob, carol]}
      - {name: office, start: 2026-01-05, end: 2027-01-01, every: 2w, people: [dave], timezone: America/New_York, holidays: skip, restrictions: [{days: [mon-wed, fri], from: "09:00", to: "17:30"}]}
      - {name: leave, calendar: cover.ics}
    swaps: [{between: [bob, carol], first: {from: 2026-03-01, to: 2026-03-02}, second: {from: 2026-04-01, to: 2026-04-02}}]
    shadows: [{person: eve, of: bob, from: 2026-02-01}]
    holidays: [{name: Epiphany, date: 2026-01-06}, {calendar: cover.ics}]
escalations:
  - name: shop
    team: shop
    repeat: 2
    acknowledgement_timeout: 30m
    steps:
      - {notify: ["schedule:shop"], wait: 5m}
      - {notify: ["person:carol", "team:shop"]}
`

func TestLayered(t *testing.T) {
	var problems declare.Problems
	got := Read("oncall/a.yml", []byte(layered), &problems)
	people := []*declare.Person{{ID: "bob", Name: "Bob", Email: "bob@example.org"}, {ID: "carol", Name: "Carol Danvers"}}
	ics := calendar(vevent("UID:1", "SUMMARY:carol danvers", "DTSTART:20260107T090000Z", "DTEND:20260107T170000Z"))
	Fill(got.Calendars, func(name string) ([]byte, bool) { return []byte(ics), name == "oncall/cover.ics" }, Who(people))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s, e := got.Schedules[0], got.Escalations[0]
	at := func(text string) time.Time {
		t.Helper()
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	f := func(when, want string) {
		t.Helper()
		if d := s.Duty(at(when)); fmt.Sprint(d.Person, " ", d.Shadows, " ", d.Why) != want {
			t.Errorf("%s: got %s %v %s, want %s", when, d.Person, d.Shadows, d.Why, want)
		}
	}
	f("2026-01-05T09:00:00Z", "bob [] layer base")
	f("2026-01-05T14:00:00Z", "dave [] layer office") // New York 09:00
	f("2026-01-05T22:29:00Z", "dave [] layer office")
	f("2026-01-05T22:30:00Z", "carol [] layer base")
	f("2026-01-06T15:00:00Z", "bob [] layer base") // Epiphany
	f("2026-01-07T10:00:00Z", "carol [] layer leave")
	f("2026-01-08T15:00:00Z", "bob [] layer base") // Thursday
	f("2026-03-01T12:00:00Z", "carol [] swap 1 of the file")
	f("2026-04-01T12:00:00Z", "bob [eve] swap 2 of the file")
	if !s.AllowGaps || len(s.Holidays) != 2 || s.Layers[1].Every != (declare.Turn{Days: 14}) || s.Layers[0].Every != (declare.Turn{Hours: 12}) {
		t.Errorf("%+v", s)
	}
	want := []declare.EscalationStep{
		{Notify: []declare.Target{{Kind: "schedule", Name: "shop"}}, Wait: 5 * time.Minute},
		{Notify: []declare.Target{{Kind: "person", Name: "carol"}, {Kind: "team", Name: "shop"}}, Wait: 5 * time.Minute},
	}
	if fmt.Sprint(e.Steps) != fmt.Sprint(want) || e.Repeat != 2 || e.AckTimeout != 30*time.Minute {
		t.Errorf("%+v", e)
	}
}

func TestLayeredMistakes(t *testing.T) {
	f := func(old, replacement, want string) {
		t.Helper()
		var problems declare.Problems
		if !strings.Contains(layered, old) {
			t.Fatalf("%q is not there", old)
		}
		got := Read("o.yml", []byte(strings.Replace(layered, old, replacement, 1)), &problems)
		Fill(got.Calendars, func(name string) ([]byte, bool) { return []byte(calendar()), name == "oncall/cover.ics" }, Who(nil))
		if text := problems.Error(); !strings.Contains(text, want) || strings.Count(text, "\n") > 0 {
			t.Errorf("%s: got\n%s\nwant\n%s", replacement, text, want)
		}
	}
	f("every: 12h", "every: 0h", "layers[0].every: got \"0h\", expected daily, weekly, or a length as 12h, 3d or 2w")
	f("mon-wed", "mon-wen", `restrictions[0].days[0]: got "mon-wen", expected a day as mon, or days as mon-fri`)
	f(`"17:30"`, `"25:00"`, `restrictions[0].to: got "25:00", expected a time of day`)
	f("holidays: skip", "holidays: skp", `did you mean "skip"?`)
	f("end: 2027-01-01", "end: 2025-01-01", "expected a time after start")
	f("leave, calendar: cover.ics", "leave, calendar: 'https://'", "expected a URL as https://calendar.example.org/cover.ics")
	f("leave, calendar: cover.ics", "leave, calendar: 'ftp://calendar.example/x.ics'", "expected an .ics file in the folder oncall, or an https URL")
	f("leave, calendar: cover.ics", "leave, calendar: ../x.ics", "expected an .ics file in the folder oncall")
	f("leave, calendar: cover.ics", "leave, every: daily, calendar: cover.ics", "expected calendar or every, not both")
	f("between: [bob, carol]", "between: [bob, bob]", "expected two people")
	f("date: 2026-01-06", "date: 6.1.2026", "expected a day as 2026-12-25")
	f("repeat: 2", "repeat: 21", "expected a number from 0 to 20")
	f("wait: 5m", "wait: 0s", "expected a duration from 1s to 7d")
	f(`"person:carol"`, `"carol"`, "expected schedule:NAME, person:NAME or team:NAME")
	f(`["schedule:shop"]`, `[]`, "expected at least one of schedule:NAME")
}

func FuzzReadCalendar(f *testing.F) {
	f.Add(calendar(vevent("UID:1", "SUMMARY:a", "DTSTART;TZID=America/New_York:20260105T090000", "DURATION:PT12H", "RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=3", "ATTENDEE:mailto:a@b.c")))
	f.Add(calendar(vevent("UID:1", "DTSTART;VALUE=DATE:20260329", "RRULE:FREQ=YEARLY;BYMONTHDAY=30;BYMONTH=2")))
	f.Add("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:99991231T235959Z\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		events, err := ReadCalendar([]byte(text), time.UTC)
		for i, e := range events {
			if err != nil || !e.From.Before(e.To) || (i > 0 && e.From.Before(events[i-1].From)) {
				t.Fatalf("event %d: %+v (%v)", i, e, err)
			}
		}
	})
}

// TestFollow: a calendar by its URL is noted, for whoever runs the schedule to read.
func TestFollow(t *testing.T) {
	var problems declare.Problems
	const feed = "https://calendar.example/private.ics?key=1"
	got := Read("oncall/shop.yml", []byte(strings.ReplaceAll(layered, "calendar: cover.ics", "calendar: '"+feed+"'")), &problems)
	Fill(got.Calendars, func(string) ([]byte, bool) { return nil, false }, Who(nil))
	s := got.Schedules[0]
	if len(problems) > 0 || s.Layers[2].Feed != feed || len(s.Feeds) != 1 || s.Feeds[0] != feed {
		t.Errorf("%v %q %q", problems, s.Layers[2].Feed, s.Feeds)
	}
}
