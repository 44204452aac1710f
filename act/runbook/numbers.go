package runbook

import (
	"context"
	"maps"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/evenkeel/evenkeel/act"
)

// numbers are the runner's own series.
type numbers struct {
	answered *prometheus.CounterVec
	waited   *prometheus.HistogramVec
	runs     *prometheus.CounterVec
}

func newNumbers(reg prometheus.Registerer, r *Runner) numbers {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: "evenkeel_approvals_open", Help: "Questions for an approval that nobody has answered yet."}, func() float64 {
		var n float64
		if err := r.o.DB.Read().QueryRowContext(context.Background(), `SELECT count(*) FROM approvals JOIN runs ON runs.id = approvals.run WHERE decision = '' AND ended_ms = 0`).Scan(&n); err != nil {
			r.o.Logger.Error("cannot count open approvals", "err", err)
		}
		return n
	})
	return numbers{
		answered: f.NewCounterVec(prometheus.CounterOpts{Name: "evenkeel_approvals_total", Help: "Questions for an approval that were answered, by class of the action and decision: approved (as it was), refused, expired."}, []string{"class", "decision"}),
		waited: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "evenkeel_approval_wait_seconds", Help: "How long people waited for the answer to a question, by class of the action.",
			Buckets: []float64{10, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600},
		}, []string{"class"}),
		runs: f.NewCounterVec(prometheus.CounterOpts{Name: "evenkeel_runs_total", Help: "Runs that have ended, by status and mode (real, dry, rehearsal)."}, []string{"status", "mode"}),
	}
}

// open are the questions of a run that nobody has answered.
func open(run *act.Run) map[int64]bool {
	out := map[int64]bool{}
	for i := range run.Approvals {
		if run.Approvals[i].Decision == "" {
			out[run.Approvals[i].ID] = true
		}
	}
	return out
}

// count takes in what one turn has answered, once it is stored.
func (n *numbers) count(before map[int64]bool, run *act.Run, ended bool) {
	for id := range maps.Keys(before) {
		for i := range run.Approvals {
			if a := &run.Approvals[i]; a.ID == id && a.Decision != "" {
				class := string(a.Class)
				n.answered.WithLabelValues(class, a.Decision).Inc()
				n.waited.WithLabelValues(class).Observe(max(a.DecidedAt.Sub(a.RequestedAt).Seconds(), 0))
			}
		}
	}
	if ended {
		mode := string(run.Mode)
		if run.Mode == act.ModeReal {
			mode = "real"
		}
		n.runs.WithLabelValues(string(run.Status), mode).Inc()
	}
}
