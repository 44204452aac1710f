package gatefile

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

const whole = `
timezone: Europe/Vienna
override: {level: senior}
concurrent: {within: 30m}
verify: {window: 5m, rollback: start}
budget:
  - {below: 25%, risk: low, kinds: [patch]}
  - {below: 0%, why: enough}
freezes:
  - name: winter
    from: 2026-12-20
    to: 2027-01-07T06:00
    services: [checkout]
    kinds: [patch]
    overrides: [{by: carol, until: 2026-12-22, why: law}]
windows:
  - {name: office, days: [mon, Tue], from: "08:00", to: "24:00", risk: medium}
`

func TestRead(t *testing.T) {
	var problems declare.Problems
	p, references, _ := Read(Name, []byte(whole), &problems)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if len(p.Budget) != 2 || p.Budget[0].Below != 0 || p.Budget[1].Below != 0.25 || p.Override != "senior" || p.Within != 30*time.Minute || p.Verify.Rollback != "start" {
		t.Errorf("got %+v", p)
	}
	f := p.Freezes[0]
	if !f.From.Equal(time.Date(2026, 12, 19, 23, 0, 0, 0, time.UTC)) || f.Overrides[0].By != "carol" || !f.To.Equal(time.Date(2027, 1, 7, 5, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", f)
	}
	if w := p.Windows[0]; len(w.Days) != 2 || w.To != 24*time.Hour || w.Location.String() != "Europe/Vienna" {
		t.Errorf("got %+v", w)
	}
	if len(references) != 2 {
		t.Errorf("got %v", references)
	}
	if p, _, _ := Read(Name, nil, &problems); p.Within != time.Hour || p.Verify.Window != 10*time.Minute {
		t.Errorf("got %+v", p)
	}
}

func TestMistakes(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var problems declare.Problems
		Read(Name, []byte(text), &problems)
		if got := problems.Error(); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", text, got, want)
		}
	}
	f("freezs: []", `policies/gate.yml:1:1: freezs: got "freezs", expected one of timezone, budget, freezes, windows, override, concurrent, verify (did you mean "freezes"?)`)
	f("budget: [{below: 125%}]", `policies/gate.yml:1:18: budget[0].below: got "125%", expected a share of the budget as 25%`)
	f("budget: [{below: much}]", `policies/gate.yml:1:18: budget[0].below: got "much", expected a share of the budget as 25%`)
	f("freezes: [{name: a, from: 2026-02-01, to: 2026-01-01}]", `policies/gate.yml:1:43: freezes[0].to: got "2026-01-01", expected a time after from`)
	f("freezes: [{name: a, from: soon, to: 2026-01-01}]", `policies/gate.yml:1:27: freezes[0].from: got "soon", expected a time as 2026-12-20 or 2026-12-20T18:00`)
	f("freezes: [{name: a, calendar: a.ics, to: 2026-01-01}]", `policies/gate.yml:1:42: freezes[0].to: got "2026-01-01", expected calendar or from and to, not both`)
	f("windows: [{name: a, days: [noday], from: '08:00', to: '07:00'}]", "policies/gate.yml:1:55: windows[0].to: got \"07:00\", expected a time of day after from\npolicies/gate.yml:1:28: windows[0].days[0]: got \"noday\", expected one of sun, mon, tue, wed, thu, fri, sat\npolicies/gate.yml:1:27: windows[0].days: expected at least one day")
	f("verify: {rollback: maybe}", `policies/gate.yml:1:20: verify.rollback: got "maybe", expected offer or start`)
	f("timezone: Mars", `policies/gate.yml:1:11: timezone: got "Mars", expected a time zone of the IANA database, as Europe/Vienna`)
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("windows: [{days: [mon], from: '24:00', to: '24:00'}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var problems declare.Problems
		p, _, _ := Read(Name, data, &problems)
		for _, b := range p.Budget {
			if !(b.Below >= 0 && b.Below <= 1) {
				t.Errorf("%v", b)
			}
		}
		for _, w := range p.Windows {
			if w.Location == nil {
				t.Error("no zone")
			}
		}
	})
}
