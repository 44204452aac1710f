package web

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// A status is told by shape and word, and by colour only on top of them: red and
// green look alike to one man in twelve.

// shapes are drawn in a square of 16.
var shapes = map[string]string{
	"triangle": `<path d="M8 1.6 15.2 14.4H.8Z"/>`,
	"diamond":  `<path d="M8 .8 15.2 8 8 15.2.8 8Z"/>`,
	"disc":     `<circle cx="8" cy="8" r="5"/>`,
	"ring":     `<circle cx="8" cy="8" r="5.4" class="line"/>`,
	"half":     `<circle cx="8" cy="8" r="5.8" class="line"/><path d="M8 2.2a5.8 5.8 0 0 1 0 11.6Z"/>`,
	"check":    `<path d="m2 8.6 4 4L14 4" class="line"/>`,
	"cross":    `<path d="m3.2 3.2 9.6 9.6m0-9.6-9.6 9.6" class="line"/>`,
	"dash":     `<path d="M2.5 8h11" class="line"/>`,
	"pause":    `<path d="M3.4 2.4h3.4v11.2H3.4zm5.8 0h3.4v11.2H9.2z"/>`,
	"back":     `<path d="M6.4 3 2.2 7l4.2 4M2.6 7h7.2a3.4 3.4 0 0 1 0 6.8H7" class="line"/>`,
	"play":     `<path d="M3.4 1.8 14.2 8 3.4 14.2Z"/>`,
	"square":   `<rect x="2.6" y="2.6" width="10.8" height="10.8" rx="1.6"/>`,
	"mute":     `<circle cx="8" cy="8" r="5.8" class="line"/><path d="m4 12 8-8" class="line"/>`,
}

type look struct{ shape, tone, word string }

// looks are the statuses of all nouns. A word that is not here is shown as it is.
var looks = map[string]look{
	"page": {"triangle", "bad", ""}, "ticket": {"diamond", "warn", ""}, "info": {"disc", "info", ""},
	"open": {"triangle", "bad", ""}, "acknowledged": {"half", "warn", ""}, "mitigated": {"half", "ok", ""}, "resolved": {"check", "off", ""},
	"works": {"check", "ok", ""}, "works badly": {"diamond", "warn", ""}, "partly down": {"triangle", "warn", ""}, "down": {"triangle", "bad", ""},
	"merged": {"back", "off", ""}, "investigating": {"triangle", "warn", ""}, "identified": {"diamond", "warn", ""}, "monitoring": {"half", "info", ""},
	"kept": {"check", "ok", ""}, "burning": {"triangle", "bad", ""}, "burning slowly": {"diamond", "warn", ""}, "spent": {"cross", "bad", "budget spent"}, "no data": {"dash", "off", ""},
	"healthy": {"check", "ok", ""}, "degraded": {"diamond", "warn", ""}, "failing": {"triangle", "bad", ""}, "unmeasured": {"dash", "off", ""},
	"running": {"play", "info", ""}, "waiting": {"pause", "warn", ""}, "verifying": {"half", "info", ""}, "verified": {"check", "ok", ""},
	"rolling-back": {"back", "warn", "rolling back"}, "rolled-back": {"back", "warn", "rolled back"}, "failed": {"cross", "bad", ""}, "cancelled": {"dash", "off", ""},
	"pending": {"ring", "off", ""}, "done": {"check", "ok", ""}, "refused": {"cross", "bad", ""}, "interrupted": {"pause", "bad", ""}, "skipped": {"dash", "off", ""},
	"approved": {"check", "ok", ""}, "active": {"mute", "info", ""}, "expired": {"dash", "off", ""}, "sent": {"check", "ok", ""},
	"draft": {"ring", "info", ""}, "published": {"check", "ok", ""}, "error": {"triangle", "bad", ""}, "warning": {"diamond", "warn", ""},
	"met": {"check", "ok", ""}, "missing": {"cross", "bad", ""}, "due": {"ring", "off", ""}, "queued": {"ring", "info", ""}, "asked": {"pause", "warn", "waits for an answer"},
	"yes": {"check", "ok", ""}, "no": {"cross", "bad", ""}, "unknown": {"dash", "warn", ""}, "pass": {"check", "ok", ""}, "fail": {"cross", "bad", ""}, "overridden": {"half", "warn", ""}, "not enough": {"dash", "off", ""},
	"in use": {"check", "ok", ""}, "disabled": {"cross", "off", ""}, "enabled": {"check", "ok", ""}, "breaker": {"triangle", "bad", "has not helped"}, "broken": {"cross", "bad", "command missing"}, "overdue": {"diamond", "warn", ""}, "changed": {"diamond", "warn", "changed since"}, "votes": {"diamond", "warn", "of no use"}, "uncovered": {"cross", "warn", "no runbook"}, "unused": {"ring", "off", "never used"}, "allow": {"check", "ok", "alone"}, "ask": {"pause", "warn", "with approval"}, "deny": {"cross", "off", "not"}, "allowed": {"check", "ok", ""}, "asks": {"pause", "warn", "asks first"},
}

// mark shows a status. Its type is any, because each noun has its own.
func mark(status any) template.HTML {
	word := fmt.Sprint(status)
	l, ok := looks[word]
	if !ok {
		l = look{"square", "off", ""}
	}
	if l.word != "" {
		word = l.word
	}
	return template.HTML(`<span class="mark ` + l.tone + `">` + icon(l.shape) + template.HTMLEscapeString(word) + `</span>`) //nolint:gosec // escaped
}

// sign is a mark whose word only shows when pointed at, for lists where the word
// stands beside it already. Screen readers say it.
func sign(status any) template.HTML {
	word := fmt.Sprint(status)
	l, ok := looks[word]
	if !ok {
		l = look{"square", "off", ""}
	}
	if l.word != "" {
		word = l.word
	}
	word = template.HTMLEscapeString(word)
	return template.HTML(`<span class="mark ` + l.tone + `" title="` + word + `">` + icon(l.shape) + `<span class="sr">` + word + `</span></span>`) //nolint:gosec // escaped
}

func icon(shape string) string {
	return `<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">` + shapes[shape] + `</svg>`
}

// riskMark shows how much a step can harm as one to three bars.
func riskMark(r declare.Risk) template.HTML {
	tone := map[declare.Risk]string{declare.RiskLow: "off", declare.RiskMedium: "warn", declare.RiskHigh: "bad"}[r]
	var b strings.Builder
	for i := range 3 {
		class := "empty"
		if i < r.Rank() {
			class = "full"
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="4" height="%d" rx="1"/>`, class, 1+5*i, 10-4*i, 5+4*i)
	}
	//nolint:gosec // escaped
	return template.HTML(`<span class="mark risk ` + tone + `"><svg class="icon" viewBox="0 0 16 16" aria-hidden="true">` + b.String() + `</svg>` +
		template.HTMLEscapeString(string(r)) + ` risk</span>`)
}

// budgetBar draws what is left of an error budget.
func budgetBar(remaining float64) template.HTML {
	if math.IsNaN(remaining) {
		return `<svg class="bar off" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="no data"><rect class="track" width="100" height="8"/></svg>`
	}
	tone := "ok"
	switch {
	case remaining <= 0:
		tone = "bad"
	case remaining < 0.25:
		tone = "warn"
	}
	width := math.Max(0, math.Min(1, remaining)) * 100
	//nolint:gosec // numbers only
	return template.HTML(fmt.Sprintf(`<svg class="bar %s" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="%s of the budget is left">`+
		`<rect class="track" width="100" height="8"/><rect class="left" width="%.1f" height="8"/></svg>`, tone, percent(remaining), width))
}

// kindMark is the sign before a line of a timeline.
func kindMark(k journal.Kind) template.HTML {
	l := look{"ring", "off", ""}
	switch s := string(k); {
	case k == "finding.opened", k == "incident.opened", k == "incident.regressed", k == "run.failed", k == "notification.failed", k == "workspace.refused":
		l = look{"triangle", "bad", ""}
	case strings.HasSuffix(s, ".resolved"), k == "run.verified", k == "incident.mitigated":
		l = look{"check", "ok", ""}
	case strings.HasPrefix(s, "change."):
		l = look{"diamond", "accent", ""}
	case strings.HasPrefix(s, "run.approval."), k == "run.step.interrupted":
		l = look{"pause", "warn", ""}
	case strings.HasPrefix(s, "run."):
		l = look{"play", "info", ""}
	case strings.HasPrefix(s, "incident."):
		l = look{"half", "warn", ""}
	case strings.HasPrefix(s, "notification."):
		l = look{"disc", "info", ""}
	}
	return template.HTML(`<span class="mark ` + l.tone + `">` + icon(l.shape) + `</span>`) //nolint:gosec // our own words
}
