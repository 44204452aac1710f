package suspect

import (
	"math"
	"slices"
	"strings"
)

// bare is the window of a case without signals: only the onset and what lies before.
func bare(c *Case) window {
	o := ms(c.Onset)
	if o == 0 {
		o = onsetOfLogs(c.Logs)
		for i := range c.Changes {
			o = max(o, ms(c.Changes[i].At))
		}
	}
	w := window{onset: o, earliest: o - lateBy.Milliseconds(), end: o + horizon.Milliseconds(), segment: o}
	from, to := ms(c.From), ms(c.To)
	if from == 0 {
		from = o - Lookback.Milliseconds()
		first := o
		for i := range c.Logs {
			first = min(first, ms(c.Logs[i].At))
		}
		from = max(from, first)
	}
	if to == 0 { // leave most of what there is, where that is short
		to = max(w.earliest, from+(o-from)*2/3)
	}
	w.earliest = max(w.earliest, min(to, o))
	w.quiet = [][2]int64{{from, max(from, to)}}
	return w
}

// list turns the judged resources into suspects. A resource that more changes fit is
// there again for each: they share what speaks for it, and come after those of the first
// three resources that are not far behind, so that many changes of one do not push the
// others down.
func list(c *Case, all []*resource, w window, bar float64) []Suspect {
	type entry struct {
		*resource
		ch    *Change
		score float64
		again bool // it is there for another change
	}
	var entries []entry
	for _, r := range all {
		if r.score <= listcut*bar {
			continue
		}
		entries = append(entries, entry{r, r.named(), r.score, false})
		sum := r.weight
		for _, x := range r.changes[min(1, len(r.changes)):] {
			if x.weight >= again*r.weight && x.weight >= leastFit {
				sum += x.weight
				entries = append(entries, entry{r, x.Change, r.score * x.weight / sum, true})
			}
		}
	}
	const first, aTenth = 3, 0.1
	for i := range entries {
		e := &entries[i]
		for _, r := range all[:min(first, len(all))] {
			if full := e.resource.score; e.again && r.score > listcut*bar && r.score >= aTenth*full {
				e.score = min(e.score, r.score)
			}
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		if c := cmpDown(a.score, b.score); c != 0 || a.again == b.again {
			return c
		}
		if a.again {
			return 1
		}
		return -1
	})
	var out []Suspect
	for _, e := range entries[:min(most, len(entries))] {
		out = append(out, Suspect{Resource: e.name, Change: e.ch, Score: scale(e.score), At: at(e.at), Evidence: e.evidence(c, e.ch, w)})
	}
	return out
}

// fill are the resources that come after those of the list, until it is five: who reads
// a list to its fifth place shall find somebody there.
func fill(c *Case, all []*resource, w window, list []Suspect) []Suspect {
	const enough = 5
	told := map[string]bool{}
	for _, s := range list {
		told[s.Resource] = true
	}
	var out []Suspect
	for _, r := range all {
		if len(told) >= enough {
			break
		}
		if told[r.name] || !r.hasAny && r.score == 0 {
			continue
		}
		told[r.name] = true
		out = append(out, Suspect{Resource: r.name, Change: r.named(), Score: scale(r.score), At: at(r.at), Evidence: r.evidence(c, r.named(), w)})
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

// again is the share of the best change's weight from which another one of the same
// resource is told as well.
const again = 0.5

// scale brings a strength into [0,1]: a third where it is just enough to be told.
func scale(x float64) float64 { return math.Round(1000*x/(x+2*leastSum)) / 1000 }

// Reason is what speaks most for a suspect, as one sentence; of names the service that
// suffers.
func (s *Suspect) Reason(of string) string {
	name := s.Resource[strings.LastIndexByte(s.Resource, '/')+1:]
	text := ""
	for _, e := range s.Evidence {
		switch {
		case e.Kind == "change":
			text = e.Text
		case text == "":
			text = name + ": " + e.Text
		case e.Kind == "metric" || e.Kind == "log":
			return text + "; " + e.Text + "."
		}
	}
	if text == "" {
		return name + " stands out while " + of + " suffers."
	}
	return text + "."
}
