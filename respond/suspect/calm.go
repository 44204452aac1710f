package suspect

import (
	"math"
	"slices"
)

const (
	beyond   = 1.25         // times what quiet windows get
	topq     = 0.8          // of the scores in quiet windows: which of them is the yardstick
	surely   = 2 * leastSum // however much went on in the quiet window: from here on somebody is blamed
	incident = 3 * leastSum // from here on a part of the quiet window is an incident of its own
)

// cleanse takes earlier incidents out of the quiet window: what would be blamed on
// somebody itself, as long as half of the window is left. The window of a system that is
// ill often is ill as well, and what is held against it looks like nothing. It says
// whether there were any.
func (w *window) cleanse(c *Case, k *names, g *graph, scale yardstick) bool {
	const tries, budget = 24, 4_000_000 // samples looked at, all in all
	length := w.end - w.earliest
	if length <= 0 { // nothing was measured since
		return false
	}
	samples := 0
	for i := range c.Signals {
		samples += len(c.Signals[i].Times)
	}
	type part struct {
		span [2]int64
		top  float64
	}
	var parts []part
	var total int64
	for _, q := range w.quiet {
		total += q[1] - q[0]
		room := q[1] - q[0] - length
		n := min(tries, 2*room/length+1, int64(budget/max(samples, 1)))
		if room < length || n < 2 || n < room/length { // too long to be seen in whole: little of it is ill
			continue
		}
		step := room / (n - 1)
		edge := step + sustained // what overlaps a window by less is not seen in it
		var run part             // of windows in a row that show something: it ends with the first and begins with the last
		for i := range n + 1 {
			from, top := q[0]+step*i, 0.0
			if i < n {
				top = topScore(c, k, g, w.instead(q, [2]int64{from, from + length}, 0), scale)
			}
			switch {
			case top >= incident && run.top == 0:
				run = part{[2]int64{from + length - edge, from + edge}, top}
			case top >= incident:
				run = part{[2]int64{run.span[0], from + edge}, max(run.top, top)}
			case run.top > 0:
				parts, run = append(parts, run), part{}
			}
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmpDown(a.top, b.top) })
	past := w.quiet
	for _, p := range parts {
		if p.span[0] >= p.span[1] { // one window alone: nothing that its neighbours saw as well
			continue
		}
		rest := without(w.quiet, p.span)
		var left int64
		for _, q := range rest {
			left += q[1] - q[0]
		}
		if 2*left >= total {
			w.quiet, w.past = rest, past
		}
	}
	return w.past != nil
}

// without are the spans less one.
func without(spans [][2]int64, cut [2]int64) [][2]int64 {
	var out [][2]int64
	for _, q := range spans {
		for _, x := range [][2]int64{{q[0], min(q[1], cut[0])}, {max(q[0], cut[1]), q[1]}} {
			if x[0] < x[1] {
				out = append(out, x)
			}
		}
	}
	return out
}

// instead is a window of quiet time in the place of the incident's, held against the
// rest of its span.
func (w window) instead(quiet, span [2]int64, onset int64) window {
	return window{earliest: span[0], onset: span[0] + onset, end: span[1], segment: quiet[0], quiet: [][2]int64{{quiet[0], span[0]}, {span[1], quiet[1]}}}
}

// topScore is the best score that anything gets in a window, by its signals.
func topScore(c *Case, k *names, g *graph, w window, scale yardstick) float64 {
	top := 0.0
	for _, r := range score(c, k, g, w, scale, false) {
		top = math.Max(top, r.score)
	}
	return top
}

// quietScores are the best scores that windows of the quiet time itself get: what the
// incident is held against.
func quietScores(c *Case, k *names, g *graph, w window, scale yardstick) []float64 {
	const tries = 6
	length := w.end - w.earliest
	var tops []float64
	for _, q := range w.quiet {
		room := q[1] - q[0] - length
		if length <= 0 || room < 3*length {
			continue
		}
		n := int64(min(tries, int(room/length)))
		for i := range n {
			from := q[0] + room*i/n
			tops = append(tops, topScore(c, k, g, w.instead(q, [2]int64{from, from + length}, w.onset-w.earliest), scale))
		}
	}
	return tops
}

// calmBar is what has to be exceeded where the target does not say that anything is
// wrong. With too few quiet windows to tell it is a fixed one.
func calmBar(quiet []float64) float64 {
	const enough = 4
	if len(quiet) < enough {
		return leastSum
	}
	slices.Sort(quiet)
	return min(max(leastSum, beyond*quantile(quiet, topq)), surely)
}

// suffers says that the target itself shows that something is wrong, beyond what it
// shows now and then in quiet times.
func suffers(c *Case, k *names, all []*resource) bool {
	i := slices.IndexFunc(all, func(r *resource) bool { return r.name == k.of(c.Target) })
	return c.Target != "" && i >= 0 && all[i].out >= 0.5
}
