package objective

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/declare"
)

// Burn is one condition: the budget burns Factor times too fast over both windows.
// The long window says that it matters, the short one that it still goes on.
type Burn struct {
	Severity    string // page, ticket
	Factor      float64
	Long, Short time.Duration
}

// workbook is the recommended table for a window of 30 days: 2 % and 5 % of the
// budget page, 10 % makes a ticket.
var workbook = []Burn{
	{"page", 14.4, time.Hour, 5 * time.Minute},
	{"page", 6, 6 * time.Hour, 30 * time.Minute},
	{"ticket", 3, 24 * time.Hour, 2 * time.Hour},
	{"ticket", 1, 72 * time.Hour, 6 * time.Hour},
}

// minSamples is how many samples a short window must hold: with fewer, one late
// scrape would look like a recovery.
const minSamples = 10

// Burns returns the conditions for an objective. The workbook's windows are scaled
// by the objective's own window over 30 days, so that each condition stands for the
// same share of the budget. A short window under ten samples (or two slices) is raised
// to that, and its long one to twelve times as much, but never over the objective's
// window. Samples are spacing apart.
func Burns(o *declare.Objective, spacing time.Duration) []Burn {
	floor := minSamples * spacing
	if o.SliceWindow > 0 {
		floor = max(floor, 2*o.SliceWindow)
	}
	scale := float64(o.Window.Length) / float64(30*24*time.Hour)
	out := slices.Clone(workbook)
	for i := range out {
		b := &out[i]
		b.Long = whole(time.Duration(math.Round(float64(b.Long) * scale)))
		b.Short = whole(time.Duration(math.Round(float64(b.Short) * scale)))
		if b.Short < floor {
			b.Short = whole(floor)
			b.Long = max(b.Long, 12*b.Short)
		}
		b.Long = min(b.Long, o.Window.Length)
		b.Short = min(b.Short, b.Long)
	}
	// Where raising has made two conditions of one severity look at the same windows,
	// the one with the lower factor says it all.
	all := slices.Clone(out)
	return slices.DeleteFunc(out, func(b Burn) bool {
		return slices.ContainsFunc(all, func(c Burn) bool {
			return c.Severity == b.Severity && c.Long == b.Long && c.Short == b.Short && c.Factor < b.Factor
		})
	})
}

func whole(d time.Duration) time.Duration { return max(d.Round(time.Second), time.Second) }

// Windows returns the distinct windows of the conditions, shortest first.
func Windows(o *declare.Objective, spacing time.Duration) []time.Duration {
	var out []time.Duration
	for _, b := range Burns(o, spacing) {
		out = append(out, b.Long, b.Short)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func text(d time.Duration) string { return model.Duration(d).String() }

// Period returns the budget period that holds t: the last Length for a rolling
// window, the calendar's for a calendar window.
func Period(w declare.Window, t time.Time) (from, to time.Time) {
	if !w.Calendar {
		return t.Add(-w.Length), t
	}
	loc := w.Location
	if loc == nil {
		loc = time.UTC
	}
	start := w.Start.In(loc)
	// An estimate by the nominal length, then a few steps by the calendar. In seconds,
	// because a Duration holds 292 years and a start may lie further back.
	n := int((t.Unix() - start.Unix()) / max(int64(w.Length/time.Second), 1))
	for at(start, w, n).After(t) {
		n--
	}
	for !at(start, w, n+1).After(t) {
		n++
	}
	return at(start, w, n), at(start, w, n+1)
}

// at is the start of the n-th period, by the calendar of its time zone.
func at(start time.Time, w declare.Window, n int) time.Time {
	k := n * w.Count
	switch w.Unit {
	case 'd':
		return start.AddDate(0, 0, k)
	case 'w':
		return start.AddDate(0, 0, 7*k)
	case 'M':
		return addMonths(start, k)
	case 'Q':
		return addMonths(start, 3*k)
	case 'Y':
		return addMonths(start, 12*k)
	}
	return time.Unix(start.Unix()+int64(n)*int64(w.Length/time.Second), 0).In(start.Location())
}

// addMonths keeps the day where the month has it, and takes the month's last one
// where not: a period that begins on the 31st begins on the 30th in June.
func addMonths(t time.Time, months int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(months), 1, t.Hour(), t.Minute(), t.Second(), 0, t.Location())
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}
