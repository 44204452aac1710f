package web

import (
	"net/url"
	"time"
)

// window is the time that a page is about, as its address says it.
type window struct {
	Range    string // as asked, or the usual one
	FromText string // as asked
	ToText   string
	From, To time.Time
	Live     bool   // it ends now
	Problem  string // what of the address could not be used
}

// windowOf reads range, from and to. What cannot be used is told, and the usual taken.
func windowOf(q url.Values, now time.Time, usual time.Duration) window {
	w := window{Range: q.Get("range"), FromText: q.Get("from"), ToText: q.Get("to"), To: now.Truncate(time.Second), Live: true}
	span, chosen := rangeOf(w.Range, usual)
	if !chosen {
		w.Range = promDuration(usual)
	}
	v := exploreView{}
	if t, ok := v.time("to", w.ToText); ok {
		w.To, w.Live = t, false
	}
	w.From = w.To.Add(-span)
	if t, ok := v.time("from", w.FromText); ok {
		w.From = t
	}
	w.Problem = v.Problem
	if !w.From.Before(w.To) {
		w.Problem, w.From = "The time range is empty: from has to be before to.", w.To.Add(-span)
	}
	if most := 5 * 365 * 24 * time.Hour; w.To.Sub(w.From) > most {
		w.From = w.To.Add(-most)
	}
	return w
}

// Span is how long it is.
func (w window) Span() time.Duration { return w.To.Sub(w.From) }

// step fits the span into as many points as a chart has, not finer than samples are.
func (w window) step(spacing time.Duration) time.Duration {
	step := stepFor(w.Span(), max(time.Second, (w.Span()/300).Truncate(time.Second)))
	if step > spacing {
		return step
	}
	return min(spacing, max(step, time.Second))
}
