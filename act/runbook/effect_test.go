package runbook

import (
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	at := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	line := func(from time.Time, values ...float64) (out []Sample) {
		for i, v := range values {
			out = append(out, Sample{from.Add(time.Duration(i) * time.Minute), v})
		}
		return out
	}
	f := func(before, after []float64, helped bool, why string) {
		t.Helper()
		e := Judge(line(at, before...), line(at.Add(10*time.Minute), after...), at.Add(15*time.Minute))
		if e.Helped != helped || !strings.Contains(e.Why, why) {
			t.Errorf("got %+v, want %v %q", e, helped, why)
		}
	}
	steady := []float64{20, 21, 19, 20, 20, 22, 18, 20, 20, 20}
	f(steady, []float64{20, 10, 0.2, 0.1, 0.1}, true, "without the run it would burn at 20")
	f(steady, []float64{20, 20, 19}, false, "hardly less")
	f(steady, []float64{20, 9, 8}, true, "burns at 9")
	f([]float64{20, 18, 16, 14, 12, 10, 8, 6, 4, 2}, []float64{0.5, 0.1, 0.1}, false, "by itself")
	f([]float64{0.1, 0.2, 0.1, 0.2, 0.1}, []float64{0.1}, false, "nothing to mend")
	f([]float64{2, 4, 6, 8, 10, 12, 14, 16, 18, 20}, []float64{8, 8, 8}, true, "without the run")  // it was getting worse
	f([]float64{20, 21, 900, 20, 20, 20, 20, 21, 20, 20}, []float64{0.1, 0.1}, true, "burn at 20") // one wild value bends nothing
	f([]float64{20, 21}, []float64{0.1}, false, "cannot tell")
	f(steady, nil, false, "cannot tell")
}
