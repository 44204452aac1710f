package backtest

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/detect"
)

const (
	day           = 24 * time.Hour
	markdownPages = 40 // listed in Markdown
)

// Line is a number of a summary, as text.
type Line struct{ What, Today, Changed string }

// Lines are the summaries of both sides; Today is "" where there is none.
func (r *Result) Lines() []Line {
	one := func(what string, of func(s *Summary) string) Line {
		l := Line{What: what, Changed: of(&r.Changed.Summary)}
		if r.Today != nil {
			l.Today = of(&r.Today.Summary)
		}
		return l
	}
	count := func(of func(s *Summary) int) func(*Summary) string {
		return func(s *Summary) string { return fmt.Sprint(of(s)) }
	}
	out := []Line{
		one("alerts declared", count(func(s *Summary) int { return s.Alerts })),
		one("alerts fired", count(func(s *Summary) int { return s.Firings })),
		one("time firing", func(s *Summary) string { return Length(s.FiringSeconds) }),
		one("fired again within 15m", count(func(s *Summary) int { return s.Flaps })),
		one("pages", count(func(s *Summary) int { return s.Pages })),
		one("pages a week", func(s *Summary) string {
			if r.To.Sub(r.From) < day {
				return "–" // too little to speak of weeks
			}
			return fmt.Sprintf("%.1f", s.PagesPerWeek)
		}),
		one("pages at night", count(func(s *Summary) int { return s.PagesAtNight })),
		one("pages to nobody", count(func(s *Summary) int { return s.Unreached })),
		one("tickets", count(func(s *Summary) int { return s.Tickets })),
	}
	if len(r.Incidents) > 0 || r.Changed.Summary.Precision != nil {
		out = append(out,
			one("pages that were worth it", func(s *Summary) string {
				if s.Precision == nil {
					return "–"
				}
				return fmt.Sprintf("%.0f%%", *s.Precision*100)
			}),
			one("incidents caught", func(s *Summary) string { return fmt.Sprintf("%d of %d", s.Caught, s.Caught+s.Missed) }))
	}
	if len(r.Labelled) > 0 {
		out = append(out,
			one("useful alerts told again", func(s *Summary) string { return fmt.Sprintf("%d of %d", s.Useful, s.Useful+s.UsefulLost) }),
			one("useless alerts told again", func(s *Summary) string { return fmt.Sprintf("%d of %d", s.Useless, s.Useless+s.UselessQuiet) }))
	}
	return out
}

// Length writes seconds in the two largest units.
func Length(seconds float64) string {
	d := time.Duration(math.Round(seconds)) * time.Second
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours()/24), int(d.Hours())%24)
}

// Title names an alert where several have one name: with its objective or service, and
// its severity.
func (a *Alert) Title() string { return title(a.Name, a.Labels) }

// Title is as Alert's.
func (c *Compared) Title() string { return title(c.Name, c.Labels) }

func title(name string, ls map[string]string) string {
	for _, of := range []string{"objective", "service"} {
		if ls[of] != "" && !strings.Contains(ls[of], "{{") { // a template: known only when it fires
			name += " " + ls[of]
			break
		}
	}
	if s := ls["severity"]; s != "" {
		name += " (" + s + ")"
	}
	return name
}

// Identity is the labels of a firing without what its rule says anyway.
func (f *Firing) Identity(a *Alert) string {
	var b []string
	for _, k := range sortedKeys(f.Labels) {
		if _, declared := a.Labels[k]; !declared && k != "alertname" {
			b = append(b, k+"="+f.Labels[k])
		}
	}
	return strings.Join(b, " ")
}

// Title says what was replayed.
func (r *Result) Title() string {
	text := fmt.Sprintf("%s to %s, every %s", r.From.UTC().Format("2006-01-02 15:04"), r.To.UTC().Format("2006-01-02 15:04 MST"), model.Duration(r.StepSeconds*float64(time.Second)))
	if r.Data != "" {
		text += ", over " + r.Data
	}
	return text
}

// Lost are the incidents that today's rules page for and the changed ones do not.
func (r *Result) Lost() []Caught {
	var out []Caught
	for _, c := range r.Incidents {
		if c.lost() {
			out = append(out, c)
		}
	}
	return out
}

// lost says that today's rules catch an incident and the changed ones don't.
func (c Caught) lost() bool { return c.Today != nil && c.Changed == nil }

// Outcome says what the changed rules would have made of the incident.
func (c Caught) Outcome() string {
	if c.lost() {
		return "lost"
	}
	return c.Changed.String()
}

// Woken are the notifications that page, the first so many of them, and how many more
// there are.
func (s *Side) Woken(most int) (list []Page, more int) {
	for _, p := range s.Pages {
		switch {
		case p.Severity != detect.Page:
		case len(list) < most:
			list = append(list, p)
		default:
			more++
		}
	}
	return list, more
}

// Hour is when a page comes, by the clock of whom it reaches.
func (p *Page) Hour() string {
	if p.Night {
		return p.Local + ", night"
	}
	return p.Local
}

// Who is whom it reaches, in words.
func (p *Page) Who() string {
	if p.Person == "" {
		return "nobody"
	}
	return string(p.Person)
}

// Reason says why it comes, and whether what is on record justifies it.
func (p *Page) Reason() string {
	switch {
	case p.True == nil:
		return p.Why
	case *p.True:
		return p.Why + ", worth it"
	}
	return p.Why + ", not worth it"
}

// Failed are the alerts of the changed rules that could not be evaluated throughout.
func (r *Result) Failed() []Alert {
	var out []Alert
	for _, a := range r.Changed.Alerts {
		if a.Error != "" {
			out = append(out, a)
		}
	}
	return out
}

// cell keeps a text from leaving its cell.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "`", "'").Replace(s)
}

// Markdown is the result as it stands in a pull request.
func (r *Result) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Backtest\n\n%s.\n\n", cell(r.Title()))
	if r.Today == nil {
		b.WriteString("| | would have been |\n| --- | ---: |\n")
	} else {
		b.WriteString("| | today | changed |\n| --- | ---: | ---: |\n")
	}
	for _, l := range r.Lines() {
		if r.Today == nil {
			fmt.Fprintf(&b, "| %s | %s |\n", l.What, l.Changed)
		} else {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", l.What, l.Today, l.Changed)
		}
	}
	number := func(c *Counts) string {
		switch {
		case c == nil:
			return "–"
		case c.Error != "":
			return fmt.Sprintf("%d (failed: %s)", c.Firings, cell(c.Error))
		}
		if c.Firings == 0 {
			return "0"
		}
		return fmt.Sprintf("%d (%s)", c.Firings, Length(c.FiringSeconds))
	}
	pages := func(c *Counts) string {
		if c == nil {
			return "–"
		}
		return fmt.Sprint(c.Pages)
	}
	if r.Today == nil {
		b.WriteString("\n| alert | file | fired | pages |\n| --- | --- | ---: | ---: |\n")
	} else {
		b.WriteString("\n| alert | file | fired today | changed | pages today | changed |\n| --- | --- | ---: | ---: | ---: | ---: |\n")
	}
	same := 0
	for _, c := range r.Rules {
		switch {
		case r.Today == nil:
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(c.Title()), cell(c.File), number(c.Changed), pages(c.Changed))
		case c.Changed != nil && c.Today != nil && *c.Changed == *c.Today:
			same++
		default:
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", cell(c.Title()), cell(c.File), number(c.Today), number(c.Changed), pages(c.Today), pages(c.Changed))
		}
	}
	if same > 0 {
		fmt.Fprintf(&b, "\n%d alerts would have done the same.\n", same)
	}
	if len(r.Incidents) > 0 {
		b.WriteString("\n| incident | on record | today | changed |\n| --- | --- | --- | --- |\n")
		for _, c := range r.Incidents {
			today := "–"
			if r.Today != nil {
				today = c.Today.String()
			}
			fmt.Fprintf(&b, "| %d %s | %s | %s | %s |\n", c.Number, cell(c.Title), c.Detected.UTC().Format("2006-01-02 15:04"), today, c.Outcome())
		}
	}
	if len(r.Labelled) > 0 {
		b.WriteString("\n| alert on record | outcome | today | changed |\n| --- | --- | --- | --- |\n")
		for _, j := range r.Labelled {
			today := "–"
			if r.Today != nil {
				today = j.Today.String()
			}
			fmt.Fprintf(&b, "| %s, %s | %s | %s | %s |\n", cell(j.Alert), j.Opened.UTC().Format("2006-01-02 15:04"), cell(j.Word()), today, j.Verdict())
		}
	}
	if list, more := r.Changed.Woken(markdownPages); len(list) > 0 {
		b.WriteString("\n<details><summary>Whom it would have paged</summary>\n\n| at | person | receiver | service | alerts | why |\n| --- | --- | --- | --- | --- | --- |\n")
		for _, p := range list {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", p.Hour(), cell(p.Who()), cell(p.Receiver), cell(string(p.Service)), cell(strings.Join(p.Alerts, ", ")), p.Reason())
		}
		if more > 0 {
			fmt.Fprintf(&b, "\nand %d more.\n", more)
		}
		b.WriteString("\n</details>\n")
	}
	return b.String()
}

// String says how much earlier or later than on record.
func (l *Lead) String() string {
	switch {
	case l == nil:
		return "not caught"
	case l.Seconds >= 0.5:
		return Length(l.Seconds) + " earlier, by " + l.Alert
	case l.Seconds <= -0.5:
		return Length(-l.Seconds) + " later, by " + l.Alert
	}
	return "at the same time, by " + l.Alert
}
