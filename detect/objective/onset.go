package objective

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/evenkeel/evenkeel/declare"
)

// QueryRange evaluates an expression from one time to another.
type QueryRange func(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, error)

// Onset dates an impact back: it walks the SLI back from the time of detection to
// where the error ratio was last inside the objective. The second result says in
// words how the time was found.
func Onset(ctx context.Context, query QueryRange, o *declare.Objective, interval time.Duration, detected time.Time) (time.Time, string, error) {
	var back time.Duration
	for _, b := range Burns(o, interval) {
		if b.Severity == "page" {
			back = max(back, 2*b.Long)
		}
	}
	// A window of a few evaluations follows the events closely; its ratio leaves the
	// objective within one step of the first bad event.
	window := max(4*interval, time.Second)
	if o.SliceWindow > 0 {
		window = o.SliceWindow
	}
	step := max(interval, (back / 5_000).Round(time.Second), time.Second)
	expr := errorRatio(o, span{length: window})
	if o.SliceWindow > 0 {
		expr = occurrences(o, span{length: window})
	}
	m, err := query(ctx, expr, detected.Add(-back), detected, step)
	if err != nil {
		return time.Time{}, "", fmt.Errorf("cannot date impact of %q: %w", o.Name, err)
	}
	if len(m) != 1 || len(m[0].Floats) == 0 {
		return time.Time{}, "", nil
	}
	points := m[0].Floats
	// The alert's short window looks further back than this one: at detection the
	// ratio may be good again for a moment. Begin with the last bad point.
	i := len(points) - 1
	for i >= 0 && points[i].F <= o.Budget() {
		i--
	}
	if i < 0 {
		return time.Time{}, "", nil
	}
	// A gap of a few points inside the objective does not end the impact.
	const gap = 3
	first := i
	for good := 0; i >= 0 && good <= gap; i-- {
		if points[i].F > o.Budget() {
			first, good = i, 0
		} else {
			good++
		}
	}
	at := time.UnixMilli(points[first].T).UTC()
	return at, fmt.Sprintf("the SLI of %s left its objective (error ratio over %s above %g)", o.Name, text(window), round(o.Budget())), nil
}
