package budget

import (
	"cmp"
	"slices"
	"time"
)

// By is what a budget is divided by.
type By string

// The ways to divide a budget.
const (
	ByIncident   By = "incident"
	ByChange     By = "change"
	ByDependency By = "dependency"
	ByPart       By = "part" // of a composite
)

// Unattributed is the name of what nothing explains.
const Unattributed = "unattributed"

// Cause is something that may have spent budget, for as long as its impact lasted.
type Cause struct {
	By       By
	Name     string // incident/7, change/deploy-12, service/payments
	Title    string
	From, To time.Time
}

// Stretch is a time that one cause answers for.
type Stretch struct {
	Cause    int // index into the causes; -1: nothing
	From, To time.Time
}

// Divide divides a time among the causes of one kind, so that each moment belongs to
// one: where several overlap, to the one whose impact began first. What is shorter than
// the least length goes to its neighbour, for samples could not tell it apart.
func Divide(causes []Cause, by By, from, to time.Time, least time.Duration) []Stretch {
	var edges []time.Time
	var mine []int
	for i, c := range causes {
		if c.By != by || !c.From.Before(c.To) || !c.From.Before(to) || !c.To.After(from) {
			continue
		}
		mine = append(mine, i)
		edges = append(edges, later(c.From, from), sooner(c.To, to))
	}
	slices.SortFunc(mine, func(a, b int) int {
		return cmp.Or(causes[a].From.Compare(causes[b].From), cmp.Compare(causes[a].Name, causes[b].Name))
	})
	edges = append(edges, from, to)
	slices.SortFunc(edges, time.Time.Compare)
	edges = slices.CompactFunc(edges, time.Time.Equal)
	var out []Stretch
	for i := 0; i+1 < len(edges); i++ {
		s := Stretch{Cause: -1, From: edges[i], To: edges[i+1]}
		for _, k := range mine {
			if !causes[k].From.After(s.From) && !causes[k].To.Before(s.To) {
				s.Cause = k
				break
			}
		}
		switch last := len(out) - 1; {
		case last >= 0 && (out[last].Cause == s.Cause || s.To.Sub(s.From) < least):
			out[last].To = s.To
		case last >= 0 && out[last].To.Sub(out[last].From) < least:
			s.From = out[last].From
			out[last] = s
		default:
			out = append(out, s)
		}
	}
	return out
}

// Share is what one cause has spent.
type Share struct {
	Name  string    `json:"name"`
	Title string    `json:"title"`
	From  time.Time `json:"from,omitzero"`
	To    time.Time `json:"to,omitzero"`
	Bad   float64   `json:"bad" doc:"Bad events, slices, evaluations or seconds in its time."`
	Spent float64   `json:"spent" doc:"Share of the budget."`
}

// Breakdown divides what is spent by one kind of cause. Its shares add up to what is spent.
type Breakdown struct {
	By     By      `json:"by"`
	Shares []Share `json:"shares"` // the greatest first, what is unattributed last
}

// Ledger is what a budget's period holds.
type Ledger struct {
	Bad   float64 // units
	Spent float64 // the share of the budget that is spent
}

// Attribute gives each cause its share of what is spent: what was bad in its stretches, of
// all that was bad. The rest is unattributed; where samples at the edges of stretches make
// their sum a little more than all, all are a little less. Shares are not of the events of the
// whole period: of a composite only the seconds are known, and its ratio weighs them by the
// traffic of its parts.
func Attribute(l Ledger, causes []Cause, by By, stretches []Stretch, bad []float64) Breakdown {
	out := Breakdown{By: by, Shares: []Share{}}
	at := map[string]int{}
	rest := Share{Name: Unattributed, Bad: l.Bad}
	sum, spent := 0.0, max(l.Spent, 0)
	for i, s := range stretches {
		if s.Cause < 0 {
			continue
		}
		b := max(bad[i], 0)
		rest.Bad = max(rest.Bad-b, 0)
		c := &causes[s.Cause]
		k, known := at[c.Name]
		if !known {
			k = len(out.Shares)
			at[c.Name] = k
			out.Shares = append(out.Shares, Share{Name: c.Name, Title: c.Title, From: s.From})
		}
		share := &out.Shares[k]
		share.To = s.To
		share.Bad += b
		sum += b
	}
	rest.Spent = spent
	for i := range out.Shares {
		if sum > 0 {
			out.Shares[i].Spent = spent * out.Shares[i].Bad / max(sum, l.Bad)
		}
		rest.Spent -= out.Shares[i].Spent
	}
	if rest.Spent < 1e-9*spent { // what is left of additions
		rest.Spent = 0
	}
	slices.SortStableFunc(out.Shares, func(a, b Share) int { return cmp.Compare(b.Spent, a.Spent) })
	out.Shares = append(out.Shares, rest)
	return out
}

// Point is a value of the error ratio.
type Point struct {
	At    time.Time
	Value float64
}

// Impacts are the stretches in which a ratio was above what is allowed; shorter pauses
// than the gap do not end one.
func Impacts(points []Point, allowed float64, gap time.Duration) [][2]time.Time {
	var out [][2]time.Time
	for _, p := range points {
		if !(p.Value > allowed) {
			continue
		}
		if n := len(out); n > 0 && p.At.Sub(out[n-1][1]) <= gap {
			out[n-1][1] = p.At
			continue
		}
		out = append(out, [2]time.Time{p.At, p.At})
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func sooner(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
