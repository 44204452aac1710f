package runbook

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/state"
)

// Waiting is how approvals went: how long people waited, and what came of it. Where
// nearly all are approved, and in seconds, the class is too high for what it is.
type Waiting struct {
	Class    declare.Class `json:"class"`
	N        int           `json:"n"` // answered
	Approved int           `json:"approved"`
	Refused  int           `json:"refused"`
	Expired  int           `json:"expired"`
	Share    float64       `json:"share_approved_unchanged"` // what was approved is what ran: unchanged, always
	Seconds  float64       `json:"share_within_10s"`         // approved within ten seconds: hardly read
	Median   float64       `json:"median_seconds"`
	P90      float64       `json:"p90_seconds"`
	Advice   string        `json:"advice,omitempty"`
}

// WaitingFor measures the questions of a time, by class.
func (r *Runner) WaitingFor(ctx context.Context, from, to time.Time) ([]Waiting, error) {
	rows, err := r.o.DB.Read().QueryContext(ctx, `SELECT coalesce(nullif(class, ''), risk), decision, requested_ms, decided_ms, reason FROM approvals WHERE decision != '' AND requested_ms >= ? AND requested_ms < ?`, state.Millis(from), state.Millis(to))
	if err != nil {
		return nil, fmt.Errorf("cannot measure approvals: %w", err)
	}
	defer rows.Close()
	by := map[declare.Class]*Waiting{}
	waits := map[declare.Class][]float64{}
	for rows.Next() {
		var class declare.Class
		var decision, reason string
		var asked, decided int64
		if err := rows.Scan(&class, &decision, &asked, &decided, &reason); err != nil {
			return nil, fmt.Errorf("cannot measure approvals: %w", err)
		}
		if class.Rank() < 0 { // of before there were classes
			class = declare.ClassOf(declare.Risk(class))
		}
		w := by[class]
		if w == nil {
			w = &Waiting{Class: class}
			by[class] = w
		}
		w.N++
		seconds := float64(max(decided-asked, 0)) / 1000
		waits[class] = append(waits[class], seconds)
		switch decision {
		case "approved":
			w.Approved++
			if seconds <= 10 {
				w.Seconds++
			}
		case "refused":
			w.Refused++
		default:
			w.Expired++
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("cannot measure approvals: %w", err)
	}
	var out []Waiting
	for class, w := range by {
		s := waits[class]
		slices.Sort(s)
		w.Median, w.P90 = s[(len(s)-1)/2], s[(len(s)*9-1)/10]
		w.Share = float64(w.Approved) / float64(w.N)
		w.Seconds /= float64(w.N)
		if w.N >= 50 && w.Share >= 0.98 && w.Seconds >= 0.5 {
			w.Advice = fmt.Sprintf("%.0f %% are approved as they are, half of them within seconds: a lower class would do", 100*w.Share)
		}
		out = append(out, *w)
	}
	slices.SortFunc(out, func(a, b Waiting) int { return a.Class.Rank() - b.Class.Rank() })
	return out, nil
}
