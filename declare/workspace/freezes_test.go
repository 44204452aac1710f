package workspace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAFreezeFollowsACalendar of the folder: each event is a time of it, in the zone of
// the policy.
func TestAFreezeFollowsACalendar(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("policies/gate.yml", "timezone: Europe/Vienna\nfreezes: [{name: company, calendar: company.ics, why: closed}]\n")
	write("policies/company.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Year end\r\nDTSTART;VALUE=DATE:20261231\r\nDTEND;VALUE=DATE:20270102\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:2\r\nSUMMARY:Payday\r\nDTSTART:20261127T080000\r\nDTEND:20261127T180000\r\nRRULE:FREQ=MONTHLY;COUNT=2\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
	w, problems, err := Load(dir, time.Now())
	if err != nil || w == nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	f := w.Gate.Freezes[0]
	var got []string
	for _, e := range f.Times() {
		got = append(got, e.Name+" "+e.From.Format("02T15:04")+" "+e.To.UTC().Format("02T15:04"))
	}
	if all := strings.Join(got, ", "); all != "Payday 27T07:00 27T17:00, Payday 27T07:00 27T17:00, Year end 30T23:00 01T23:00" {
		t.Errorf("got %s", all)
	}
	if e, holds := f.Holds(time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)); !holds || e.Name != "Year end" {
		t.Errorf("got %v %v", e, holds)
	}
	if e, holds := f.Holds(time.Date(2027, 1, 2, 12, 0, 0, 0, time.UTC)); holds {
		t.Errorf("it holds: %v", e)
	}
	refused := func(name, text, want string) {
		t.Helper()
		write(name, text)
		if _, problems, err := Load(dir, time.Now()); err != nil || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: got %v %v, want %q", name, problems, err, want)
		}
	}
	refused("policies/company.ics", "rubbish", `policies/gate.yml:2:37: freezes[0].calendar: got "company.ics", expected a calendar that can be read`)
	refused("policies/gate.yml", "freezes: [{name: company, calendar: 'https://'}]\n", `expected a URL as https://calendar.example.org/cover.ics`)
	refused("policies/gate.yml", "freezes: [{name: company, calendar: ../oncall/other.ics}]\n", `expected an .ics file in the folder policies`)
}
