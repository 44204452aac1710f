package authority

import (
	"fmt"
	"strings"
	"time"
)

// Kinds of practice.
const (
	Shadowed  = "shadow"    // a real run, with somebody beside who approved
	Rehearsed = "rehearsal" // against a simulated fault
)

// What a certificate takes, and how long it holds after the last practice.
const (
	shadows      = 2
	rehearsals   = 1
	CertifiedFor = 180 * 24 * time.Hour
)

// Practice is one time that somebody has used a runbook.
type Practice struct {
	Run   string
	Kind  string
	At    time.Time
	Well  bool   // it ended as it should
	Print string // of the runbook and its components then
}

// Certificate is what practice has earned.
type Certificate struct {
	Holds      bool      `json:"holds"`
	Why        string    `json:"why"` // in a sentence: since when, or what is missing
	Shadows    int       `json:"shadow_runs"`
	Rehearsals int       `json:"rehearsals"`
	Until      time.Time `json:"until,omitzero"`
	Runs       []string  `json:"runs,omitempty"`    // that count
	Changed    bool      `json:"changed,omitempty"` // there was practice, with what is another runbook now
}

// Certify says whether practice, newest first, comes to a certificate for a runbook of a
// print. Practice counts for what the runbook is now, and for CertifiedFor.
func Certify(done []Practice, print string, now time.Time) Certificate {
	var c Certificate
	var last time.Time
	for _, p := range done {
		if !p.Well || now.Sub(p.At) >= CertifiedFor {
			continue
		}
		if p.Print != print {
			c.Changed = true
			continue
		}
		switch p.Kind {
		case Shadowed:
			c.Shadows++
		case Rehearsed:
			c.Rehearsals++
		default:
			continue
		}
		c.Runs = append(c.Runs, p.Run)
		if p.At.After(last) {
			last = p.At
		}
	}
	if c.Shadows >= shadows && c.Rehearsals >= rehearsals {
		c.Holds, c.Until = true, last.Add(CertifiedFor)
		c.Why = fmt.Sprintf("certified until %s by %s with somebody beside and %s", c.Until.UTC().Format("2006-01-02"), counted(c.Shadows, "run", "runs"), counted(c.Rehearsals, "rehearsal", "rehearsals"))
		return c
	}
	var missing []string
	if n := shadows - c.Shadows; n > 0 {
		missing = append(missing, counted(n, "run", "runs")+" with somebody beside")
	}
	if n := rehearsals - c.Rehearsals; n > 0 {
		missing = append(missing, counted(n, "rehearsal", "rehearsals"))
	}
	c.Why = strings.Join(missing, " and ") + " to go"
	if c.Changed {
		c.Why += ", as the runbook or a component that it names has changed since"
	}
	return c
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
