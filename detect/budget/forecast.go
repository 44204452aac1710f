package budget

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// Slot is what was seen in a stretch of time: how much was bad, of how much.
type Slot struct {
	From, To time.Time
	Bad, All float64
}

// Sight is what a forecast is made from.
type Sight struct {
	Now    time.Time
	Budget float64 // the share that may be bad
	// From is when the period began; it ends at End when it is a calendar's, and moves
	// with Now when End is zero.
	From, End time.Time
	Past      []Slot // the period so far, oldest first
	Recent    []Slot // what is taken to go on: slots of one length, oldest first
}

// Outlook is one time with what it stands for.
type Outlook struct {
	At    time.Time `json:"at,omitzero" doc:"When no budget is left; absent: not within the horizon."`
	Spent bool      `json:"spent,omitempty" doc:"None is left already."`
}

// Forecast says when a budget runs out if what was seen lately goes on.
type Forecast struct {
	Window   string  `json:"window" doc:"What was seen in it is taken to go on."`
	Expected Outlook `json:"expected"`
	// Nine of ten outcomes: the times that belong to the 95th and the 5th percentile of
	// the rate.
	Earliest Outlook   `json:"earliest" doc:"With Latest, holds nine of ten outcomes; means nothing unless sure."`
	Latest   Outlook   `json:"latest"`
	Sure     bool      `json:"sure" doc:"There was enough to see for earliest and latest."`
	Rate     float64   `json:"rate" doc:"Of burning in the window: 1 ends with the period."`
	Low      float64   `json:"rate_low" doc:"The rate's 5th percentile, when sure."`
	High     float64   `json:"rate_high" doc:"The rate's 95th percentile, when sure."`
	Horizon  time.Time `json:"horizon" doc:"How far it looks: the period's end, or a rolling window ahead."`
}

const (
	resamples = 500
	enough    = 8   // slots with something in them, below which there is no interval
	lowest    = .05 // percentiles of the interval
	highest   = .95
)

// Predict forecasts. The rate of what was seen lately is carried on; in a rolling window
// what lies behind leaves it as time goes on. The interval is that of a moving block
// bootstrap (H. R. Künsch, The jackknife and the bootstrap for general stationary
// observations, Annals of Statistics 17, 1989), because errors come in bursts and slots
// beside each other are alike; its percentiles are the rates from which the two other
// times follow (B. Efron, R. Tibshirani, An Introduction to the Bootstrap, chapter 13). A
// few long blocks say less than their spread shows, so it is widened as Student's t is
// wider than the normal distribution.
func Predict(s Sight) Forecast {
	f := Forecast{Horizon: s.horizon()}
	var bad, all, seconds float64
	filled := 0
	for _, r := range s.Recent {
		bad, all, seconds = bad+r.Bad, all+r.All, seconds+r.To.Sub(r.From).Seconds()
		if r.All > 0 {
			filled++
		}
	}
	if seconds <= 0 || s.Budget <= 0 {
		return f
	}
	f.Rate = rate(bad, all, s.Budget)
	f.Expected = s.out(bad/seconds, all/seconds)
	if filled < enough {
		return f
	}
	f.Sure = true
	draws := bootstrap(s.Recent)
	slices.SortFunc(draws, func(a, b draw) int {
		switch x, y := rate(a.bad, a.all, s.Budget), rate(b.bad, b.all, s.Budget); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	low, high := draws[int(lowest*resamples)], draws[min(int(highest*resamples), resamples-1)]
	f.Low, f.High = rate(low.bad, low.all, s.Budget), rate(high.bad, high.all, s.Budget)
	f.Latest = s.out(low.bad/seconds, low.all/seconds)
	f.Earliest = s.out(high.bad/seconds, high.all/seconds)
	return f
}

func rate(bad, all, budget float64) float64 {
	if all <= 0 {
		return 0
	}
	return bad / all / budget
}

type draw struct{ bad, all float64 }

// bootstrap draws series of as many slots, in blocks that begin anywhere and wrap around.
func bootstrap(slots []Slot) []draw {
	n := len(slots)
	block := int(math.Ceil(math.Sqrt(float64(n)))) // longer than most bursts
	var sum draw
	for _, s := range slots {
		sum.bad, sum.all = sum.bad+s.Bad, sum.all+s.All
	}
	blocks := float64(n) / float64(block)
	wider := math.Sqrt(float64(n)/float64(n-block)) * (1 + 1.1/(blocks-1)) // t/z at 95 %, within 3 %
	// The same samples give the same forecast: a page that is loaded again shows it again.
	rng := rand.New(rand.NewPCG(uint64(n), 0x9e3779b97f4a7c15))
	out := make([]draw, resamples)
	for i := range out {
		d := &out[i]
		for taken := 0; taken < n; {
			for k, from := 0, rng.IntN(n); k < block && taken < n; k, taken = k+1, taken+1 {
				s := slots[(from+k)%n]
				d.bad, d.all = d.bad+s.Bad, d.all+s.All
			}
		}
		if d.all > 0 {
			r := sum.bad / sum.all
			d.bad = d.all * min(max(r+wider*(d.bad/d.all-r), 0), 1)
		}
	}
	return out
}

// horizon is how far a forecast looks: to the end of the period, or as far ahead as a
// rolling window looks back, after which nothing that was seen is in it.
func (s *Sight) horizon() time.Time {
	if !s.End.IsZero() {
		return s.End
	}
	return s.Now.Add(s.Now.Sub(s.From))
}

const steps = 2000 // of a walk to the horizon

// out walks ahead with so much bad, of so much, in a second, to where no budget is left.
func (s *Sight) out(bad, all float64) Outlook {
	horizon := s.horizon()
	length := horizon.Sub(s.Now)
	if length <= 0 {
		return Outlook{}
	}
	since := make([]draw, len(s.Past)+1) // what lies in a slot and those after it
	for i := len(s.Past) - 1; i >= 0; i-- {
		since[i] = draw{since[i+1].bad + s.Past[i].Bad, since[i+1].all + s.Past[i].All}
	}
	// left is the share of the budget that is left after a time.
	left := func(ahead time.Duration) float64 {
		b, a := bad*ahead.Seconds(), all*ahead.Seconds()
		edge := s.From
		if s.End.IsZero() {
			edge = edge.Add(ahead)
		}
		i := sort.Search(len(s.Past), func(i int) bool { return s.Past[i].To.After(edge) })
		b, a = b+since[i].bad, a+since[i].all
		if i < len(s.Past) && s.Past[i].From.Before(edge) { // a part of it has left
			p := &s.Past[i]
			gone := edge.Sub(p.From).Seconds() / p.To.Sub(p.From).Seconds()
			b, a = b-gone*p.Bad, a-gone*p.All
		}
		if a <= 0 {
			return 1
		}
		return 1 - b/a/s.Budget
	}
	if left(0) <= 0 {
		return Outlook{At: s.Now, Spent: true}
	}
	step := max(length/steps, time.Millisecond)
	for at := step; at <= length; at += step {
		if left(at) > 0 {
			continue
		}
		lo, hi := at-step, at
		for hi-lo > time.Second && hi-lo > step/1000 {
			if mid := lo + (hi-lo)/2; left(mid) > 0 {
				lo = mid
			} else {
				hi = mid
			}
		}
		return Outlook{At: s.Now.Add(hi)}
	}
	return Outlook{}
}
