package objective

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// Charts are the expressions that a page draws and links to.
type Charts struct {
	Remaining  string // share of the budget that is left
	BurnRate   string // now, 1 is just sustainable
	ErrorRatio string // over the shortest window
	Traffic    string // events a second, "" where the indicator counts none
}

// Expressions returns what to draw for an objective.
func Expressions(o *declare.Objective, interval time.Duration) Charts {
	c := Charts{
		Remaining:  series("slo:period_error_budget_remaining:ratio", o),
		BurnRate:   series("slo:current_burn_rate:ratio", o),
		ErrorRatio: series(RatioSeries(Windows(o, interval)[0]), o),
	}
	length := max(4*interval, time.Minute)
	if all := events(o, length, total); all != "" {
		c.Traffic = fmt.Sprintf("%s / %g", all, length.Seconds())
	}
	return c
}

// Spent returns the expressions of the share of bad, the bad events and all events
// between two times; events are "" where the indicator counts none. Evaluate at to.
func Spent(o *declare.Objective, from, to time.Time) (ratio, badEvents, allEvents string) {
	length := max(to.Sub(from).Round(time.Second), time.Second)
	return errorRatio(o, span{length: length}), events(o, length, bad), events(o, length, total)
}
