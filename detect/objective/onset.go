package objective

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/evenkeel/evenkeel/declare"
)

// QueryRange evaluates an expression from one time to another.
type QueryRange func(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, error)

const (
	// enoughBad is how many bad events a window must hold at the rate of the time of
	// detection: with fewer, the ratio falls to zero between one event and the next.
	enoughBad = 5
	// maxSteps bounds one walk back; a longer one goes in coarse steps first.
	maxSteps = 5_000
)

// Onset dates an impact back: it walks the SLI back from the time of detection to
// the start of the stretch in which more was bad than the objective allows. The
// second result says in words how the time was found. A zero time means that the
// samples do not tell.
func Onset(ctx context.Context, query QueryRange, o *declare.Objective, interval time.Duration, detected time.Time) (time.Time, string, error) {
	interval = max(interval, time.Second)
	var longest, shortest time.Duration
	for _, b := range Burns(o, interval) {
		if b.Severity == "page" {
			longest = max(longest, b.Long)
			if shortest == 0 || b.Short < shortest {
				shortest = b.Short
			}
		}
	}
	w := walk{query: query, o: o, interval: interval, allowed: allowed(o)}
	window, err := w.window(ctx, shortest, longest, detected)
	if err != nil {
		return time.Time{}, "", fmt.Errorf("cannot date impact of %q: %w", o.Name, err)
	}
	// Sparse samples leave short windows empty: widen until there is something to see.
	for ; ; window *= 2 {
		window = min(window, longest)
		at, err := w.back(ctx, window, 2*longest, detected)
		if err != nil {
			return time.Time{}, "", fmt.Errorf("cannot date impact of %q: %w", o.Name, err)
		}
		if !at.IsZero() {
			return at, fmt.Sprintf("the SLI of %s left its objective (error ratio over %s above %g)", o.Name, text(window), w.allowed), nil
		}
		if window >= longest {
			return time.Time{}, "", nil
		}
	}
}

// allowed is the error ratio above which a moment counts as impact: the budget, or
// for slices what makes one slice bad.
func allowed(o *declare.Objective) float64 {
	if o.Method == declare.Timeslices {
		return round(1 - o.SliceTarget)
	}
	return round(o.Budget())
}

type walk struct {
	query    QueryRange
	o        *declare.Objective
	interval time.Duration
	allowed  float64
}

// window is how far each step looks: as little as possible, so that the ratio leaves
// the objective with the first bad events, but enough to hold a few of them. How often
// they come is told by the shortest time before the detection that has enough of them.
func (w walk) window(ctx context.Context, shortest, longest time.Duration, detected time.Time) (time.Duration, error) {
	if w.o.SliceWindow > 0 {
		return w.o.SliceWindow, nil
	}
	window := max(4*w.interval, time.Second)
	for length := shortest; ; length *= 2 {
		length = min(length, longest)
		expr := events(w.o, length, bad)
		if expr == "" {
			return window, nil
		}
		m, err := w.query(ctx, expr, detected, detected, w.interval)
		if err != nil {
			return window, err
		}
		n := 0.0
		if len(m) == 1 && len(m[0].Floats) > 0 {
			n = m[0].Floats[0].F
		}
		switch {
		case n >= enoughBad || (n > 0 && length == longest):
			each := length.Seconds() / n
			return min(max(window, time.Duration(math.Ceil(enoughBad*each))*time.Second), longest), nil
		case length == longest:
			return window, nil
		}
	}
}

// back walks from the detection at most so far back. Where that takes many steps, it
// goes in coarse ones, then looks closely at where the impact seems to begin.
func (w walk) back(ctx context.Context, window, most time.Duration, detected time.Time) (time.Time, error) {
	step := max(w.interval, (most/maxSteps).Truncate(time.Second)+time.Second)
	if most/w.interval <= maxSteps {
		step = w.interval
	}
	at, err := w.first(ctx, window, step, detected.Add(-most), detected)
	if err != nil || at.IsZero() || step == w.interval {
		return at, err
	}
	fine, err := w.first(ctx, window, w.interval, at.Add(-step), at)
	if err != nil || fine.IsZero() {
		return at, err
	}
	return fine, nil
}

// first is the start of the last stretch between two times in which the ratio was
// above what is allowed; zero when there is none.
func (w walk) first(ctx context.Context, window, step time.Duration, from, to time.Time) (time.Time, error) {
	m, err := w.query(ctx, occurrences(w.o, span{length: window}), from, to, step)
	if err != nil || len(m) != 1 {
		return time.Time{}, err
	}
	// Chance keeps a window clean now and then: being good for as long as a window
	// does not end the impact. Moments without traffic say nothing.
	gap := max(window, 3*step).Milliseconds()
	points := m[0].Floats
	var begin time.Time
	for i := len(points) - 1; i >= 0; i-- {
		switch p := points[i]; {
		case p.F > w.allowed:
			begin = time.UnixMilli(p.T).UTC()
		case !begin.IsZero() && begin.UnixMilli()-p.T > gap:
			return begin, nil
		}
	}
	return begin, nil
}
