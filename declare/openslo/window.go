package openslo

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

var durationText = regexp.MustCompile(`^([1-9][0-9]{0,5})([mhdwMQY])$`)

// nominal lengths of OpenSLO's duration units; a month counts 30 days here, and by
// the calendar where the window is a calendar window.
var nominal = map[byte]time.Duration{
	'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
	'M': 30 * 24 * time.Hour, 'Q': 90 * 24 * time.Hour, 'Y': 365 * 24 * time.Hour,
}

const longest = 10 * 365 * 24 * time.Hour

func shorthand(n yamldoc.Node) (time.Duration, bool) {
	m := durationText.FindStringSubmatch(n.String())
	if m == nil {
		n.Problem(n.Text(), "a duration as 30m, 12h, 30d, 4w, 1M, 1Q or 1Y", "")
		return 0, false
	}
	count, _ := strconv.Atoi(m[1])
	unit := nominal[m[2][0]]
	if count > int(longest/unit) { // before it overflows
		n.Problem(n.Text(), "a duration of at most 10Y", "")
		return 0, false
	}
	return time.Duration(count) * unit, true
}

func window(n yamldoc.Node) declare.Window {
	list := n.List()
	switch {
	case n.Missing():
		n.Problem("", "one time window, as [{duration: 30d, isRolling: true}]", "it is missing")
		return declare.Window{}
	case len(list) != 1:
		if n.IsList() {
			n.Problem(fmt.Sprintf("%d windows", len(list)), "exactly one time window", "")
		}
		return declare.Window{}
	}
	w := list[0]
	w.Only("duration", "isRolling", "calendar")
	out := declare.Window{Text: w.Field("duration").Required("a duration as 30d"), Location: time.UTC}
	if out.Text == "" {
		return out
	}
	length, ok := shorthand(w.Field("duration"))
	if !ok {
		return out
	}
	m := durationText.FindStringSubmatch(out.Text)
	out.Length, out.Unit = length, m[2][0]
	out.Count, _ = strconv.Atoi(m[1])
	if length < 5*time.Minute || length > 2*366*24*time.Hour {
		hint := ""
		if out.Unit == 'm' {
			hint = fmt.Sprintf("m is minutes; did you mean %q, months?", m[1]+"M")
		}
		w.Field("duration").Problem(out.Text, "a time window from 5m to 2Y", hint)
	}
	cal := w.Field("calendar")
	if w.Field("isRolling").Bool() {
		if !cal.Missing() {
			cal.Problem("", "either isRolling: true or a calendar", "")
		}
		return out
	}
	if cal.Missing() {
		cal.Problem("", "isRolling: true, or a calendar with startTime and timeZone", "")
		return out
	}
	cal.Only("startTime", "timeZone")
	out.Calendar = true
	if tz := cal.Field("timeZone"); tz.Required("a time zone as Europe/Vienna") != "" {
		loc, err := time.LoadLocation(tz.String())
		if err != nil || tz.Text() == "Local" { // Local is another zone on each machine
			tz.Problem(tz.Text(), "a time zone of the IANA database, as Europe/Vienna", "")
		} else {
			out.Location = loc
		}
	}
	start := cal.Field("startTime")
	text := start.Required("a time as 2026-01-01 00:00:00")
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, out.Location); err == nil {
			out.Start = t
			return out
		}
	}
	if text != "" {
		start.Problem(text, "a time as 2026-01-01 00:00:00", "")
	}
	return out
}
