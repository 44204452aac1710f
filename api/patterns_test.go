package api

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/observe/pattern"
)

// patternsUntil has a quiet hour of checkout's lines, and a new error in the last
// minutes before now.
func patternsUntil(now time.Time) *pattern.Book {
	b := pattern.NewBook()
	for m := range 70 {
		at := now.Add(time.Duration(m-70) * time.Minute)
		b.Take("checkout", "info", fmt.Sprintf("order %d paid", m), at)
		if m > 65 {
			b.Take("checkout", "error", fmt.Sprintf("cannot reach bank at 10.0.0.%d", m), at)
		}
	}
	return b
}

// patternsOf are those until the world's now.
type patternsOf struct{ w *world }

func (p patternsOf) List(service string, from, to time.Time) []pattern.Pattern {
	return patternsUntil(p.w.now).List(service, from, to)
}

func (p patternsOf) Get(id string, from, to time.Time, every time.Duration) (pattern.Pattern, []pattern.Point, error) {
	return patternsUntil(p.w.now).Get(id, from, to, every)
}

func (p patternsOf) Shifted(ctx context.Context, service string, quiet, window pattern.Span) ([]pattern.Anomaly, error) {
	return patternsUntil(p.w.now).Shifted(ctx, service, quiet, window)
}
