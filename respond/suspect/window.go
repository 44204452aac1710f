package suspect

import (
	"math"
	"slices"
	"time"
)

// window is what of the time axis is compared with what. All in milliseconds.
type window struct {
	quiet    [][2]int64 // spans of the quiet window
	past     [][2]int64 // the same with earlier incidents, where they were taken out
	onset    int64      // the best guess of when it began
	earliest int64      // it may have begun as early as this: detection is late
	end      int64      // of the incident's samples, exclusive
	segment  int64      // start of the unbroken stretch of samples that the incident is in
	detected bool       // the onset was found here, and not given
}

const (
	lateBy   = 10 * time.Minute // a detection is late by up to so much
	earlyBy  = time.Minute      // clocks differ
	horizon  = 30 * time.Minute // so much after the onset is looked at
	breakGap = 30 * time.Minute // no sample for so long, of any signal, parts two stretches
)

// stretch is a part of the time axis without a break.
type stretch struct{ from, to int64 } // both inclusive

// stretches finds the unbroken parts of the time axis.
func stretches(signals []Signal) []stretch {
	var all []int64
	type axis struct {
		first, last int64
		n           int
	}
	seen := map[axis]bool{} // most signals have their samples at the same times
	for _, s := range signals {
		n := len(s.Times)
		if n == 0 || seen[axis{s.Times[0], s.Times[n-1], n}] {
			continue
		}
		seen[axis{s.Times[0], s.Times[n-1], n}] = true
		all = append(all, s.Times...)
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	all = slices.Compact(all)
	var steps []int64
	for i := 1; i < len(all); i += max(1, len(all)/1000) {
		steps = append(steps, all[i]-all[i-1])
	}
	gap := breakGap.Milliseconds()
	if len(steps) > 0 {
		slices.Sort(steps)
		gap = max(gap, 6*steps[len(steps)/2])
	}
	out := []stretch{{all[0], all[0]}}
	for _, t := range all[1:] {
		if last := &out[len(out)-1]; t-last.to <= gap {
			last.to = t
			continue
		}
		out = append(out, stretch{t, t})
	}
	return out
}

// frame lays out the windows of a case. ok is false when there is nothing to compare.
func frame(c *Case) (w window, ok bool) {
	parts := stretches(c.Signals)
	if len(parts) == 0 {
		return w, false
	}
	first, last := parts[0].from, parts[len(parts)-1].to
	if until := ms(c.Until); until != 0 && until < last {
		last = until
	}
	from, to := ms(c.From), ms(c.To)
	w.onset = ms(c.Onset)
	if w.onset == 0 {
		w.onset, w.detected = findOnset(c, parts, from, to), true
		if w.onset == 0 {
			return w, false
		}
	}
	in := parts[0]
	for _, p := range parts { // the stretch that the onset is in, or the next one
		in = p
		if w.onset <= p.to {
			break
		}
	}
	w.segment = in.from
	if w.onset < in.from || w.onset > in.to {
		w.onset = min(max(w.onset, in.from), in.to)
	}
	w.end = min(in.to, last, w.onset+horizon.Milliseconds()) + 1
	w.earliest = max(w.onset-lateBy.Milliseconds(), in.from)

	switch {
	case from != 0 && to != 0:
		w.quiet = [][2]int64{{from, to + 1}}
	case from != 0: // an open end: up to where the incident may have begun
		w.quiet = before(from, w)
	case to != 0:
		w.quiet = [][2]int64{{first, to + 1}}
		if to < first {
			w.quiet = nil
		}
	default:
		if !w.detected && !c.Sure { // it may be that nothing is wrong: what went on earlier is not taken for it
			w.earliest = w.onset
			if step := usualStep(c.Signals); step >= sustained { // the sample that holds the onset may be told at its start
				w.earliest = max(w.onset-step, in.from)
			}
		}
		w.quiet = before(first, w)
		for _, p := range parts {
			if p.from > w.end { // later days serve as well, where nothing earlier is there
				if len(w.quiet) == 0 || w.quiet[0][1]-w.quiet[0][0] < lateBy.Milliseconds() {
					w.quiet = append(w.quiet, [2]int64{p.from, p.to + 1})
				}
			}
		}
	}
	if from != 0 && to != 0 { // a given quiet window is quiet: the impact began after it
		if to > w.earliest && to <= w.onset {
			w.earliest = to + 1
		}
	}
	if t, ok := late(c, w); ok && !w.detected {
		w.quiet, w.onset, w.earliest = without(w.quiet, [2]int64{t, w.onset + 1}), t, t
	}
	if w.detected && len(w.quiet) > 0 && !w.beside() {
		k := newKnown(c)
		target := ""
		if c.Target != "" {
			target = k.of(c.Target)
		}
		if t, ok := refine(c, w, target, k.of); ok {
			w.onset = t
			w.earliest = max(w.onset-lateBy.Milliseconds(), in.from)
			w.end = min(in.to, last, w.onset+horizon.Milliseconds()) + 1
		}
	}
	return w, len(w.quiet) > 0
}

// beside says that some of the quiet window lies in the stretch of the incident.
func (w window) beside() bool {
	return slices.ContainsFunc(w.quiet, func(q [2]int64) bool { return q[1] > w.segment && q[0] < w.onset })
}

// usualStep is the time between the samples of most signals.
func usualStep(signals []Signal) int64 {
	var all []int64
	for i := range signals {
		if len(signals[i].Times) > 1 {
			all = append(all, spacing(signals[i].Times))
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// before is the quiet time that ends before the incident may have begun, leaving at
// least two thirds of it even where that is short.
func before(from int64, w window) [][2]int64 {
	if from >= w.onset {
		return nil
	}
	to := max(w.earliest, from+(w.onset-from)*2/3)
	return [][2]int64{{from, min(to, w.onset)}}
}

func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// findOnset looks for the time after which the signals differ most from before: of
// each candidate, the sum over all signals of how far their medians part, against the
// spread within. A given quiet window bounds the search from below.
func findOnset(c *Case, parts []stretch, from, to int64) int64 {
	search := parts[len(parts)-1]
	if to != 0 {
		for _, p := range parts { // the stretch that holds the end of the quiet window, or follows it
			if p.to > to {
				search = p
				break
			}
		}
		search.from = max(search.from, to)
		if from != 0 && parts[0].to < from { // what is compared lies before its quiet window
			search = parts[0]
		}
		if search.from > to+breakGap.Milliseconds() || search == parts[0] && search.to < from {
			return search.from // a stretch of its own: all of it is the incident
		}
	} else if len(parts) > 1 {
		// Stretches apart: the longest is the quiet one, the incident is the last of the others.
		longest := 0
		for i, p := range parts {
			if p.to-p.from > parts[longest].to-parts[longest].from {
				longest = i
			}
		}
		for i := len(parts) - 1; i >= 0; i-- {
			if i != longest && (parts[i].to-parts[i].from)*4 < parts[longest].to-parts[longest].from {
				return parts[i].from
			}
		}
		return search.from // all alike: the last is the incident
	}
	const candidates = 40
	span := search.to - search.from
	best, where := 0.0, int64(0)
	for k := 4; k <= candidates-2; k++ {
		t := search.from + span*int64(k)/candidates
		sum := 0.0
		for i := range c.Signals {
			s := &c.Signals[i]
			lo, hi := s.between(search.from, search.to+1)
			mid, _ := slices.BinarySearch(s.Times, t)
			a, b := thin(s.Values[lo:max(lo, mid)]), thin(s.Values[min(mid, hi):hi])
			if len(a) < 4 || len(b) < 2 {
				continue
			}
			slices.Sort(a)
			slices.Sort(b)
			spread := (quantile(a, 0.75) - quantile(a, 0.25)) / 1.349
			floor := 0.05*math.Abs(quantile(a, 0.5)) + 1e-9
			sum += math.Log1p(math.Abs(quantile(b, 0.5)-quantile(a, 0.5)) / math.Max(spread, floor))
		}
		if sum > best {
			best, where = sum, t
		}
	}
	if where == 0 {
		where = search.from + span*3/4
	}
	return where
}

// thin takes at most 240 of the values, evenly. It returns a copy.
func thin(v []float64) []float64 {
	const most = 240
	if len(v) <= most {
		return slices.Clone(v)
	}
	out := make([]float64, most)
	for i := range out {
		out[i] = v[i*len(v)/most]
	}
	return out
}

// quantile of sorted values, between neighbours.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	x := q * float64(len(sorted)-1)
	i := int(x)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (x-float64(i))*(sorted[i+1]-sorted[i])
}
