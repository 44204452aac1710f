package review

import (
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

// Impact is what an objective's users suffered.
type Impact struct {
	Objective string
	Spent     float64 // share of the whole budget, 1 is all of it; negative when not known
	Bad, All  float64 // events; negative when the indicator counts none
}

// Material is everything that a draft is made of.
type Material struct {
	Incident respond.Incident
	Findings []detect.Finding
	Facts    []journal.Fact // of the incident, oldest first
	Runs     []act.Run
	Changes  []act.Change // on the incident's services, around it
	Impacts  []Impact
}

// Draft writes the review. It is pure.
func Draft(m Material) string {
	var b strings.Builder
	i, c := m.Incident, m.Incident.Clocks
	fmt.Fprintf(&b, "# Review of incident %d: %s\n\n", i.Number, i.Title)
	b.WriteString(summary(m) + "\n\n")

	b.WriteString("## Clocks\n\n| point | time (UTC) | since the impact began |\n| --- | --- | --- |\n")
	clock := func(name string, t time.Time) {
		if t.IsZero() {
			fmt.Fprintf(&b, "| %s | – | – |\n", name)
			return
		}
		since := "–"
		if !c.Impact.IsZero() {
			since = span(t.Sub(c.Impact))
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, t.UTC().Format("2006-01-02 15:04:05"), since)
	}
	clock("impact began", c.Impact)
	clock("detected", c.Detected)
	clock("acknowledged", c.Acknowledged)
	clock("mitigated", c.Mitigated)
	clock("resolved", c.Resolved)
	if c.ImpactSource != "" {
		fmt.Fprintf(&b, "\nHow the beginning is known: %s.\n", text(c.ImpactSource))
	}

	b.WriteString("\n## Impact\n\n")
	if from, to := impactSpan(i); !from.IsZero() {
		fmt.Fprintf(&b, "- %s (%.1f minutes)\n", span(to.Sub(from)), to.Sub(from).Minutes())
	}
	for _, im := range m.Impacts {
		line := fmt.Sprintf("- [%s](/services/%s)", im.Objective, i.Service)
		if im.Bad >= 0 && im.All > 0 {
			line += fmt.Sprintf(": %.0f of %.0f events were bad (%.1f %%)", im.Bad, im.All, 100*im.Bad/im.All)
		}
		if im.Spent >= 0 {
			line += fmt.Sprintf("; %.1f %% of the whole error budget", 100*im.Spent)
		}
		b.WriteString(line + "\n")
	}
	for _, f := range m.Findings {
		fmt.Fprintf(&b, "- finding [%d](/findings/%d): %s\n", f.ID, f.ID, text(f.Title()))
	}

	b.WriteString("\n## What changed: suspects\n\n")
	if len(i.Suspects) == 0 {
		b.WriteString("No change stood out.\n")
	}
	for _, s := range i.Suspects {
		fmt.Fprintf(&b, "%d. [%s](/changes/%s), score %.2f: %s\n", s.Rank, text(s.Summary), s.Change, s.Score, text(s.Reason))
	}

	b.WriteString("\n## What was done\n\n")
	if len(m.Runs) == 0 {
		b.WriteString("No runbook was run.\n")
	}
	for _, r := range m.Runs {
		fmt.Fprintf(&b, "- [%s](/runs/%s), started by %s: **%s**", text(r.Title), r.ID, r.Actor.Name(), r.Status)
		if r.Reason != "" {
			fmt.Fprintf(&b, " (%s)", text(r.Reason))
		}
		b.WriteString("\n")
		for _, s := range r.Steps {
			if s.Status == act.StepPending {
				continue
			}
			fmt.Fprintf(&b, "  - %s: %s%s\n", text(s.Name), s.Status, approvals(&r, s.Index))
		}
	}

	b.WriteString("\n## Timeline\n\n| time (UTC) | what | who |\n| --- | --- | --- |\n")
	for _, f := range timeline(m) {
		fmt.Fprintf(&b, "| %s | [%s](%s) | %s |\n", f.At.UTC().Format("15:04:05"), cell(f.Text), link(f), cell(f.Actor.Name()))
	}

	b.WriteString(`
## Contributing factors

_What made it possible, and what made it worse? Systems and conditions, not people._

## What went well

_What limited the impact, or shortened it?_

## Follow-ups

_Each with an owner, on the page beside this text: what will make the next one impossible, smaller, or shorter?_
`)
	return b.String()
}

// summary is the paragraph that a leader reads.
func summary(m Material) string {
	i := m.Incident
	s := fmt.Sprintf("%s.", strings.TrimSuffix(text(i.Title), "."))
	if from, to := impactSpan(i); !from.IsZero() {
		s += fmt.Sprintf(" Users were affected for %s, from %s to %s UTC.", span(to.Sub(from)), from.UTC().Format("2006-01-02 15:04:05"), to.UTC().Format("15:04:05"))
	}
	if c := i.Clocks; !c.Impact.IsZero() && c.Detected.After(c.Impact) {
		s += fmt.Sprintf(" It was detected after %s", span(c.Detected.Sub(c.Impact)))
		if !c.Acknowledged.IsZero() {
			s += fmt.Sprintf(" and acknowledged %s later", span(c.Acknowledged.Sub(c.Detected)))
		}
		s += "."
	}
	if len(i.Suspects) > 0 {
		s += fmt.Sprintf(" First suspect: %s", text(i.Suspects[0].Reason))
	}
	for _, r := range m.Runs {
		if r.Status == act.RunVerified {
			s += fmt.Sprintf(" It ended with the runbook %q, verified by its objective.", text(r.Title))
			break
		}
	}
	return s
}

// impactSpan is from the impact's beginning to the mitigation.
func impactSpan(i respond.Incident) (from, to time.Time) {
	from, to = i.Clocks.Impact, i.Clocks.Mitigated
	if to.IsZero() {
		to = i.Clocks.Resolved
	}
	if from.IsZero() || to.IsZero() {
		return time.Time{}, time.Time{}
	}
	return from, to
}

func approvals(r *act.Run, step int) string {
	out := ""
	for _, a := range r.Approvals {
		if a.Step == step && a.Decision != "" {
			out += fmt.Sprintf("; %s by %s", a.Decision, a.DecidedBy.Name())
			if a.Reason != "" {
				out += fmt.Sprintf(" (“%s”)", text(a.Reason))
			}
		}
	}
	return out
}

// timeline adds the changes around to the incident's own facts, in order.
func timeline(m Material) []journal.Fact {
	out := append([]journal.Fact(nil), m.Facts...)
	for _, c := range m.Changes {
		out = append(out, journal.Fact{At: c.StartedAt, Actor: journal.Actor("change:" + c.Actor), Subject: journal.MakeRef("change", c.ID), Text: c.Summary})
	}
	sortFacts(out)
	return out
}

func sortFacts(f []journal.Fact) {
	for i := 1; i < len(f); i++ { // they are nearly in order: insertion is stable and cheap
		for j := i; j > 0 && f[j].At.Before(f[j-1].At); j-- {
			f[j], f[j-1] = f[j-1], f[j]
		}
	}
}

// link is the page of what a fact is about.
func link(f journal.Fact) string {
	kind, id := f.Subject.Split()
	switch kind {
	case "incident", "finding", "run", "change", "service":
		return "/" + kind + "s/" + id
	}
	return fmt.Sprintf("/journal?fact=%d", f.ID)
}

var escape = strings.NewReplacer("\\", "\\\\", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "<", "&lt;", ">", "&gt;", "`", "\\`", "\n", " ", "\r", " ")

// text makes foreign text plain in Markdown.
func text(s string) string { return escape.Replace(s) }

func cell(s string) string { return strings.ReplaceAll(text(s), "|", "\\|") }

// span writes a duration the way people say it.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < 0:
		return "-" + span(-d)
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}
