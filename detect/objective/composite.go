package objective

import (
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// weighted is the mean of the parts' error ratios by their weights. A part that has
// none at the moment counts for nothing, so that a quiet step does not hide the others.
func weighted(o *declare.Objective, ratio func(*declare.Objective) string) string {
	var sum, weights []string
	for _, p := range o.Parts {
		// ">= -Inf" drops NaN, which would make the whole one.
		r := fmt.Sprintf("((%s) >= -Inf)", ratio(p.Objective))
		sum = append(sum, fmt.Sprintf("(%s * %g or vector(0))", r, p.Weight))
		weights = append(weights, fmt.Sprintf("(%s * 0 + %g or vector(0))", r, p.Weight))
	}
	return fmt.Sprintf("(%s) / ((%s) > 0)", strings.Join(sum, " + "), strings.Join(weights, " + "))
}

// recorded is the composite's error ratio over a window, from what its parts record.
func recorded(o *declare.Objective, window time.Duration) string {
	return weighted(o, func(part *declare.Objective) string {
		return fmt.Sprintf("sum(%s)", series(RatioSeries(window), part))
	})
}

// allSlices judges a slice by all parts: good where it is good in each that has traffic.
func allSlices(o *declare.Objective) string {
	var each, any []string
	for _, p := range o.Parts {
		s := slice(p.Objective)
		each = append(each, fmt.Sprintf("(%s or vector(1))", s))
		any = append(any, s)
	}
	return fmt.Sprintf("%s and (%s)", strings.Join(each, " * "), strings.Join(any, " or "))
}
