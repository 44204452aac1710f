package suspect

import "math"

// bare is the window of a case without signals: only the onset and what lies before.
func bare(c *Case) window {
	o := ms(c.Onset)
	if o == 0 {
		for _, l := range c.Logs {
			o = max(o, ms(l.At))
		}
		for i := range c.Changes {
			o = max(o, ms(c.Changes[i].At))
		}
	}
	w := window{onset: o, earliest: o - lateBy.Milliseconds(), end: o + horizon.Milliseconds(), segment: o}
	from, to := ms(c.From), ms(c.To)
	if from == 0 {
		from = o - Lookback.Milliseconds()
	}
	if to == 0 {
		to = w.earliest
	}
	w.quiet = [][2]int64{{from, max(from, to)}}
	return w
}

// list turns the judged resources into suspects. A resource that more than one change
// fits is there once for each.
func list(c *Case, all []*resource, w window, bar float64) []Suspect {
	var out []Suspect
	for _, r := range all {
		if len(out) == most || r.score <= listcut*bar {
			break
		}
		out = append(out, Suspect{
			Resource: r.name, Change: r.named(), Score: scale(r.score, bar), At: at(r.at), Evidence: r.evidence(c, w),
		})
	}
	return out
}

// named is the change to name: an old one is not named for a resource that moved.
func (r *resource) named() *Change {
	if r.change == nil || r.weight < leastFit {
		return nil
	}
	return r.change
}

const leastFit = 0.05

// scale brings a strength into [0,1]: a third at the bar.
func scale(x, bar float64) float64 { return math.Round(1000*x/(x+2*bar)) / 1000 }
