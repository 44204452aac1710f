package objective

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// Tally returns the expressions of how much was bad and how much there was in all, in
// the length before an evaluation, and what is counted: events, slices, evaluations, or
// seconds where the indicator is a ratio that counts nothing.
func Tally(o *declare.Objective, length time.Duration) (badExpr, allExpr, unit string) {
	samples := func(series string) (string, string) {
		m := fmt.Sprintf("%s{objective=%q}[%s]", series, o.Name, text(length))
		all := fmt.Sprintf("sum(count_over_time(%s))", m)
		return fmt.Sprintf("%s - sum(sum_over_time(%s))", all, m), all
	}
	switch {
	case slicing(o):
		badExpr, allExpr = samples(sliceGood)
		return badExpr, allExpr, "slices"
	case !o.Composite() && sampled(o):
		badExpr, allExpr = samples(sliGood)
		return badExpr, allExpr, "evaluations"
	case !o.Composite() && o.Ratio.Raw == "":
		return fmt.Sprintf("clamp_min(%s, 0)", events(o, length, bad)), events(o, length, total), "events"
	}
	ratio := fmt.Sprintf("((%s) >= -Inf)", errorRatio(o, span{length: length}))
	return fmt.Sprintf("%s * %g", ratio, length.Seconds()), fmt.Sprintf("%s * 0 + %g", ratio, length.Seconds()), "seconds"
}

// PeriodBurn is the recorded burn rate over the budget period: the share of it that is spent.
func PeriodBurn(o *declare.Objective) string { return series("slo:period_burn_rate:ratio", o) }

// Burning is the recorded error ratio over a window, over the budget.
func Burning(o *declare.Objective, window time.Duration) string {
	return fmt.Sprintf("sum(%s) / %g", series(RatioSeries(window), o), round(o.Budget()))
}

// Allowed is the error ratio above which a moment counts as impact.
func Allowed(o *declare.Objective) float64 { return allowed(o) }
