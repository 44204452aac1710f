package budget

import (
	"maps"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
)

// The series that a report is recorded as, beside those of the objective's rules.
const (
	ExhaustionSeries = "slo:error_budget_exhaustion:seconds" // bound: expected, earliest, latest
	SpentSeries      = "slo:error_budget_spent:ratio"        // by, cause
)

// Sample is a value of a series, at the report's time.
type Sample struct {
	Labels labels.Labels
	Value  float64
}

const maxShares = 20 // of a breakdown that are recorded, the greatest

// Series are the samples of a report. own are the labels of the objective's series.
func (r *Report) Series(own map[string]string) []Sample {
	var out []Sample
	add := func(name string, v float64, more ...string) {
		all := maps.Clone(own)
		all[labels.MetricName] = name
		for i := 0; i+1 < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		out = append(out, Sample{labels.FromMap(all), v})
	}
	if f := r.Forecast; f != nil {
		// +Inf: not within the horizon. 0: it is spent.
		left := func(o Outlook) float64 {
			switch {
			case o.Spent:
				return 0
			case o.At.IsZero():
				return math.Inf(1)
			}
			return o.At.Sub(r.At).Seconds()
		}
		add(ExhaustionSeries, left(f.Expected), "bound", "expected")
		if f.Sure {
			add(ExhaustionSeries, left(f.Earliest), "bound", "earliest")
			add(ExhaustionSeries, left(f.Latest), "bound", "latest")
		}
	}
	for _, b := range r.Causes {
		for i, s := range b.Shares {
			if s.Name == Unattributed || i < maxShares && s.Spent > 0 {
				add(SpentSeries, s.Spent, "by", string(b.By), "cause", s.Name)
			}
		}
	}
	slices.SortFunc(out, func(a, b Sample) int { return labels.Compare(a.Labels, b.Labels) })
	return out
}
