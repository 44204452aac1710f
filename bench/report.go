package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Report collects what was measured, and writes it as Markdown.
type Report struct {
	Machine []string // one line each: processor, versions
	Data    string   // what was measured on
	Quick   bool     // at a scale at which nothing is proven
	Busy    string   // what other work the machine had; "" for none to speak of
	kept    bool     // parts are of an earlier run
	goals   []goal
	body    strings.Builder
}

type goal struct {
	what, want, got string
	met             bool
}

// Goal records one goal: that got is at least, or at most, a number.
func (r *Report) Goal(what string, got float64, atMost bool, limit float64, unit string) {
	word, met := "at least", got >= limit
	if atMost {
		word, met = "at most", got <= limit
	}
	r.goals = append(r.goals, goal{what, word + " " + number(limit) + unit, number(got) + unit, met})
}

// Missed records a goal that was not reached or could not be measured, and why.
func (r *Report) Missed(what, why string) {
	r.goals = append(r.goals, goal{what, "", why, false})
}

// Unmet is how many goals are not met.
func (r *Report) Unmet() int {
	n := 0
	for _, g := range r.goals {
		if !g.met {
			n++
		}
	}
	return n
}

// Section begins a part of the report.
func (r *Report) Section(title string) { fmt.Fprintf(&r.body, "## %s\n\n", title) }

// Text adds a paragraph.
func (r *Report) Text(format string, args ...any) { fmt.Fprintf(&r.body, format+"\n\n", args...) }

// Table adds a table; the first row is its head.
func (r *Report) Table(rows ...[]string) {
	for i, row := range rows {
		fmt.Fprintf(&r.body, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&r.body, "|%s\n", strings.Repeat(" --- |", len(row)))
		}
	}
	r.body.WriteString("\n")
}

// Write writes all of it.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	what := "Everything"
	if r.kept {
		what = "What does not say otherwise"
	}
	b.WriteString("# Benchmarks\n\nWritten by `make bench`; not edited by hand. " + what + " was measured in one run on one machine:\n\n")
	for _, m := range r.Machine {
		fmt.Fprintf(&b, "- %s\n", m)
	}
	fmt.Fprintf(&b, "\n%s\n\n", r.Data)
	if r.Busy != "" {
		fmt.Fprintf(&b, "**%s**\n\n", r.Busy)
	}
	if r.Quick {
		b.WriteString("**This is the quick run: the scale is too small for its numbers to prove anything.**\n\n")
	}
	b.WriteString(`How: CPU seconds for each unit of work, of the whole process with its garbage collector and kernel time, not elapsed time. Contenders alternate in one run (A-B-A-B) on the same samples; a ratio is the median of the pairs, with the least and the largest. Outputs are compared. Full chunks of the head are written to their file each minute of the data, as a server does. Peers run with their best switches on. "CPU" below is always CPU time.

| goal | wanted | measured | |
| --- | --- | --- | --- |
`)
	for _, g := range r.goals {
		met := "met"
		if !g.met {
			met = "**not met**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", g.what, g.want, g.got, met)
	}
	b.WriteString("\n")
	b.WriteString(strings.TrimRight(r.body.String(), "\n") + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// number has three digits that count, or more when it is whole.
func number(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nothing"
	case f == math.Trunc(f) && math.Abs(f) < 1e15 || math.Abs(f) >= 100:
		return thousands(int(math.Round(f)))
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// seconds says a duration with three digits and one unit.
func seconds(s float64) string {
	switch a := math.Abs(s); {
	case a >= 1:
		return number(s) + " s"
	case a >= 1e-3:
		return number(s*1e3) + " ms"
	case a >= 1e-6:
		return number(s*1e6) + " µs"
	}
	return number(s*1e9) + " ns"
}

func size(n float64) string {
	switch {
	case n >= 1<<20:
		return number(n/(1<<20)) + " MiB"
	case n >= 1<<10:
		return number(n/(1<<10)) + " KiB"
	}
	return number(n) + " B"
}

// times is a ratio with its range.
func (p *Pairs) times() string {
	m, least, most := p.Ratio()
	s := fmt.Sprintf("%s × (%s to %s)", number(m), number(least), number(most))
	if p.Crosses() {
		s += ", which shows nothing"
	}
	return s
}

func median(v []float64) float64 { return quantile(v, 0.5) }
