package bench

import (
	"regexp"
	"slices"
	"strings"
)

// parts says which sections and goals of a report are whose: by how they begin.
var parts = map[string][]string{
	"ticks": {
		"The cost of a tick", "A long window beside", "What the short cuts", "Memory, snapshot", "What is left", "raw expressions", "Prometheus with Sloth", "every window from",
		"VictoriaMetrics with", "values that are not", "a tick of", "memory a series", "snapshot a series", "restart from", "the same numbers as", "the same numbers after", "ticks",
	},
	"many":     {"10,000 objectives", "the same numbers for them", "many"},
	"backtest": {"Replaying history", "replay by", "replay beside", "the same numbers in a replay", "backtest"},
	"latency":  {"From a bad sample", "p99 ", "p50 ", "latency"},
	"write":    {"Remote write", "remote write", "write"},
	"alerts":   {"Alerts, beside", "alerts"},
	"logs":     {"Logs", "log ingest", "log patterns", "logs"},
	"spans":    {"Spans", "span ingest", "spans"},
	"idle":     {"Idle", "idle"},
	// Measured only when it is named: it takes a quarter of an hour.
	"hundredmillion": {"Queries over", "queries over", "hundredmillion"},
}

// Keep takes from an earlier report, as it was written, the parts that were not measured
// anew, and says of each of them when it was.
func (r *Report) Keep(old string, measured []string) {
	begins := func(text string) bool {
		for row, all := range parts {
			if !slices.Contains(measured, row) && slices.ContainsFunc(all, func(p string) bool { return strings.HasPrefix(text, p) }) {
				return true
			}
		}
		return false
	}
	when := "an earlier run"
	if m := runLine.FindStringSubmatch(old); m != nil {
		when += ", of " + m[1] + " at " + m[2]
	}
	for line := range strings.Lines(old) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) == 4 && strings.HasPrefix(line, "| ") {
			what := strings.TrimSpace(cells[0])
			if begins(what) {
				r.goals = append(r.goals, goal{what, strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3]) == "met"})
			}
		}
		if strings.HasPrefix(line, "## ") {
			break // tables behind the goals have their own meaning
		}
	}
	for i, section := range strings.Split(old, "\n## ") {
		title, text, _ := strings.Cut(section, "\n")
		if i == 0 || !begins(title) {
			continue
		}
		r.kept = true
		r.Section(title)
		text = strings.TrimSpace(text)
		if !strings.HasPrefix(text, "*Measured in ") {
			text = "*Measured in " + when + ".*\n\n" + text
		}
		r.Text("%s", text)
	}
}

// runLine is the line of a report that says when it ran, and what.
var runLine = regexp.MustCompile(`(?m)^- go\S+, (\d{4}-\d\d-\d\d), Evenkeel at (\w+)`)
