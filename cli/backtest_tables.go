package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/detect/backtest"
)

const mostFirings = 40 // in a table

func resultTables(w io.Writer, r *backtest.Result) {
	fmt.Fprintf(w, "%s (took %s)\n\n", printable(r.Title()), time.Duration(r.TookMS)*time.Millisecond)
	head := []string{"", "WOULD HAVE BEEN"}
	if r.Today != nil {
		head = []string{"", "TODAY", "CHANGED"}
	}
	t := columns(head...)
	for _, l := range r.Lines() {
		if r.Today == nil {
			t.row(l.What, l.Changed)
		} else {
			t.row(l.What, l.Today, l.Changed)
		}
	}
	t.write(w)
	fmt.Fprintln(w)
	countTable(w, r)
	if len(r.Changed.Summary.People) > 0 {
		fmt.Fprintln(w)
		t = columns("PERSON", "PAGES", "AT NIGHT")
		for _, d := range r.Changed.Summary.People {
			t.row(string(d.Person), fmt.Sprint(d.Pages), fmt.Sprint(d.Night))
		}
		t.write(w)
	}
	pageTable(w, r)
	if len(r.Incidents) > 0 {
		fmt.Fprintln(w)
		t = columns("INCIDENT", "DETECTED", "TODAY", "CHANGED", "TITLE")
		for _, c := range r.Incidents {
			today := ""
			if r.Today != nil {
				today = c.Today.String()
			}
			t.row(fmt.Sprint(c.Number), clock(c.Detected), today, c.Outcome(), c.Title)
		}
		t.write(w)
	}
	if len(r.Labelled) > 0 {
		fmt.Fprintln(w)
		t = columns("ALERT ON RECORD", "OPENED", "OUTCOME", "TODAY", "CHANGED")
		for _, j := range r.Labelled {
			today := ""
			if r.Today != nil {
				today = j.Today.String()
			}
			t.row(j.Alert, clock(j.Opened), j.Word(), today, j.Verdict())
		}
		t.write(w)
	}
	firingTable(w, r)
}

// pageTable says whom each page would have reached, and at what hour of theirs.
func pageTable(w io.Writer, r *backtest.Result) {
	list, more := r.Changed.Woken(mostFirings)
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := columns("PAGE AT", "PERSON", "TEAM", "RECEIVER", "SERVICE", "ALERTS", "WHY")
	for _, p := range list {
		t.row(p.Hour(), p.Who(), string(p.Team), p.Receiver, string(p.Service), strings.Join(p.Alerts, " "), p.Reason())
	}
	t.write(w)
	if more > 0 {
		fmt.Fprintf(w, "and %d more: -o json has them all\n", more)
	}
}

func countTable(w io.Writer, r *backtest.Result) {
	fired := func(c *backtest.Counts) string {
		switch {
		case c == nil:
			return ""
		case c.Error != "":
			return fmt.Sprintf("%d, failed", c.Firings)
		case c.Firings == 0:
			return "0"
		}
		return fmt.Sprintf("%d (%s)", c.Firings, backtest.Length(c.FiringSeconds))
	}
	pages := func(c *backtest.Counts) string {
		if c == nil {
			return ""
		}
		return fmt.Sprint(c.Pages)
	}
	t := columns("ALERT", "FIRED", "PAGES", "FILE")
	if r.Today != nil {
		t = columns("ALERT", "FIRED TODAY", "CHANGED", "PAGES TODAY", "CHANGED", "FILE")
	}
	for _, c := range r.Rules {
		if r.Today == nil {
			t.row(c.Title(), fired(c.Changed), pages(c.Changed), c.File)
		} else {
			t.row(c.Title(), fired(c.Today), fired(c.Changed), pages(c.Today), pages(c.Changed), c.File)
		}
	}
	t.write(w)
}

func firingTable(w io.Writer, r *backtest.Result) {
	t := columns("FIRED", "FOR", "ALERT", "VALUE", "LABELS")
	n := 0
	for i := range r.Changed.Alerts {
		a := &r.Changed.Alerts[i]
		for k := range a.Firings {
			f := &a.Firings[k]
			if n++; n > mostFirings {
				continue
			}
			length := "still"
			if !f.Resolved.IsZero() {
				length = backtest.Length(f.Resolved.Sub(f.Fired).Seconds())
			}
			t.row(f.Fired.UTC().Format("2006-01-02 15:04:05Z"), length, a.Title(), f.ValueText, f.Identity(a))
		}
	}
	if n == 0 {
		return
	}
	fmt.Fprintln(w)
	t.write(w)
	if n > mostFirings {
		fmt.Fprintf(w, "and %d more: -o json has them all\n", n-mostFirings)
	}
}
