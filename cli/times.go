package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// parseTime reads a time as people write it: RFC 3339, a local date with or without
// a time of day, seconds since 1970, or a distance from now as -2h or +3d.
func parseTime(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "now" {
		return now, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil { //nolint:gosmopolitan // the person's own clock
			return t, nil
		}
	}
	if sign, rest := text[:min(1, len(text))], strings.TrimLeft(text, "+-"); sign == "-" || sign == "+" {
		if d, err := model.ParseDuration(rest); err == nil {
			if sign == "-" {
				return now.Add(-time.Duration(d)), nil
			}
			return now.Add(time.Duration(d)), nil
		}
	}
	if s, err := strconv.ParseFloat(text, 64); err == nil && s > 1e8 && s < 1e11 {
		return time.UnixMilli(int64(s * 1000)), nil
	}
	return time.Time{}, fmt.Errorf("got %q, expected a time as 2026-01-02T15:04:05Z, \"2026-01-02 15:04\", -2h or +3d", text)
}

// timeFlag is a flag that takes a time.
type timeFlag struct{ t time.Time }

func (f *timeFlag) String() string {
	if f.t.IsZero() {
		return ""
	}
	return f.t.Format(time.RFC3339)
}

// Type names the value in the help.
func (f *timeFlag) Type() string { return "time" }

// Set reads the value.
func (f *timeFlag) Set(text string) (err error) {
	f.t, err = parseTime(text, time.Now())
	return err
}

// rfc is the time for the API, "" for none.
func (f *timeFlag) rfc() string {
	if f.t.IsZero() {
		return ""
	}
	return f.t.UTC().Format(time.RFC3339Nano)
}

// ago says a time by its distance: for lists.
func ago(t time.Time) string {
	switch d := time.Since(t); {
	case t.IsZero():
		return ""
	case d < -time.Second:
		return "in " + short(-d)
	case d < time.Second:
		return "now"
	default:
		return short(d) + " ago"
	}
}

// exactly says a time both ways: for one thing.
func exactly(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05 MST") + " (" + ago(t) + ")" //nolint:gosmopolitan // the person's own clock
}

// short writes a duration in its two largest units at most.
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		if m := int(d.Minutes()) % 60; m > 0 && d < 10*time.Hour {
			return fmt.Sprintf("%dh%dm", int(d.Hours()), m)
		}
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// clock says a time for a log: with the day only when that is not today.
func clock(t time.Time) string {
	t = t.Local() //nolint:gosmopolitan // the person's own clock
	if y, m, d := t.Date(); time.Now().Format("2006-1-2") == fmt.Sprintf("%d-%d-%d", y, m, d) {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}
