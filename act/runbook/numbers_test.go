package runbook

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/evenkeel/evenkeel/act"
)

// TestApprovalsAreCounted: how long people waited and what came of it are series of ours.
func TestApprovalsAreCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	b := newBench(t, t.TempDir(), map[string]string{"one": "# One\n\n```sh {name=do risk=high}\ntrue\n```\n"}, func(o *Options) { o.Registerer = reg })
	waits := func() act.Run {
		run := b.start("bob", "one", nil)
		return b.until(run.ID, "the question", func(r act.Run) bool { return len(r.Approvals) == 1 && r.Steps[0].Shown != "" })
	}
	series := func() map[string]float64 {
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]float64{}
		for _, f := range all {
			for _, m := range f.Metric {
				var labels []string
				for _, l := range m.Label {
					labels = append(labels, l.GetName()+"="+l.GetValue())
				}
				out[fmt.Sprintf("%s{%s}", f.GetName(), strings.Join(labels, ","))] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
		return out
	}
	run := waits()
	if got := series(); got["evenkeel_approvals_open{}"] != 1 {
		t.Errorf("got %v", got)
	}
	if _, err := b.Decide(t.Context(), time.Now(), "carol", run.ID, 0, false, run.Approvals[0].ShownHash, "not today"); err != nil {
		t.Fatal(err)
	}
	b.until(run.ID, "its end", func(r act.Run) bool { return r.Status.Ended() })
	run = waits()
	if _, err := b.Decide(t.Context(), time.Now(), "carol", run.ID, 0, true, run.Approvals[0].ShownHash, ""); err != nil {
		t.Fatal(err)
	}
	b.until(run.ID, "its answer", func(r act.Run) bool { return r.Approvals[0].Decision == "approved" })
	got := series()
	for name, want := range map[string]float64{
		"evenkeel_approvals_open{}": 0, "evenkeel_approvals_total{class=A5,decision=refused}": 1, "evenkeel_approvals_total{class=A5,decision=approved}": 1,
		"evenkeel_approval_wait_seconds{class=A5}": 2, "evenkeel_runs_total{mode=real,status=failed}": 1,
	} {
		if v, ok := got[name]; v != want || !ok && want != 0 {
			t.Errorf("%s: got %v, want %v of %v", name, v, want, got)
		}
	}
}
