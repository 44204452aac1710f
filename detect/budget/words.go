package budget

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Words say in sentences when the budget runs out; none without data.
func (r *Report) Words(now time.Time) []string {
	f := r.Forecast
	if f == nil {
		return nil
	}
	when := func(o Outlook) string {
		if o.At.IsZero() {
			return "not within " + about(f.Horizon.Sub(now))
		}
		return "in " + about(o.At.Sub(now))
	}
	if f.Expected.Spent {
		return []string{"It is spent."}
	}
	out := []string{fmt.Sprintf("If the last %s go on (%s), it runs out %s.", f.Window, times(f.Rate), when(f.Expected))}
	switch {
	case !f.Sure:
		out = append(out, "There was too little to see for an interval.")
	case f.Earliest.At.IsZero():
		out = append(out, fmt.Sprintf("Nine times of ten it burns at %s to %s: it lasts.", times(f.Low), times(f.High)))
	default:
		out = append(out, fmt.Sprintf("Nine times of ten: %s at the earliest, and %s at the latest.", when(f.Earliest), when(f.Latest)))
	}
	return out
}

// about is a time with as much as one plans with: 3d4h, 2h5m, 40s.
func about(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		d = d.Round(time.Hour)
	case d >= time.Hour:
		d = d.Round(time.Minute)
	}
	return model.Duration(d.Round(time.Second)).String()
}

func times(rate float64) string { return fmt.Sprintf("%.3g×", rate) }
