package suspect

import (
	"math"
	"time"

	"github.com/evenkeel/evenkeel/respond"
)

// Lookback is how long before the onset a change can lie.
const Lookback = 24 * time.Hour

const (
	tolerance = time.Minute      // clocks differ, and an onset is an estimate
	halfLife  = 15 * time.Minute // of suspicion, before the onset
	perStep   = 0.75             // weight of each dependency step
)

// kinds are prior weights: what is known to break things most often.
var kinds = map[string]float64{
	"deploy": 1, "deployment": 1, "release": 1, "rollout": 1, "config": 1, "configuration": 1, "flag": 0.95, "feature_flag": 0.95, "migration": 0.95,
	"infrastructure": 0.9, "terraform": 0.9, "network": 0.9, "patch": 0.8, "rollback": 0.7, "scale": 0.6, "scaling": 0.6, "restart": 0.5, "run": 0.5,
}

func (c *Change) prior(p respond.Past) float64 {
	k, known := kinds[c.Kind]
	if !known {
		k = 0.8
	}
	return math.Min(1, k*p.Kinds[c.Kind].Factor())
}

// freshness is 1 for a change right before a time and halves with every quarter of an
// hour. One after it, but for what clocks differ, is none.
func (c *Change) freshness(onset time.Time, slack time.Duration) float64 {
	if c.At.After(onset.Add(slack)) || c.At.Before(onset.Add(-Lookback)) {
		return 0
	}
	// A change that takes time is as fresh as its end, when that lies before the onset.
	last := c.At
	if c.End.After(last) && c.End.Before(onset) {
		last = c.End
	}
	age := max(onset.Sub(last), 0)
	return math.Exp2(-age.Minutes() / halfLife.Minutes())
}
