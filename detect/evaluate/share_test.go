package evaluate_test

import (
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

var both = []string{
	`sum by (service) (rate(requests_total{code=~"5.."}[5m])) / sum by (service) (rate(requests_total[5m]))`,
	`increase(requests_total[6h])`, `requests_total`, `max_over_time(requests_total[2h])`, `timestamp(requests_total)`, `rate(requests_total[10m] offset 1h)`,
}

// answers fails when a Live does not give PromQL's answer to its expressions.
func (w *world) answers(l *evaluate.Live, at time.Time, exprs ...string) {
	w.t.Helper()
	for _, expr := range exprs {
		got, err := l.Query(w.t.Context(), expr, at)
		if err != nil {
			w.t.Fatal(err)
		}
		want, err := w.oracle.Query(w.t.Context(), expr, at)
		if err != nil {
			w.t.Fatal(err)
		}
		same(w.t, expr, got, want)
	}
}

func (w *world) live(name string, exprs ...string) *evaluate.Live {
	w.t.Helper()
	l, err := w.engine.Live(name, exprs...)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// kept are the states of requests_total, and their users.
func (w *world) kept() (groups, users int) {
	for _, s := range w.engine.States() {
		groups, users = groups+1, users+s.Shared
	}
	return groups, users
}

func TestGroupsShareWindows(t *testing.T) {
	w := newWorld(t, 4, false)
	w.pace = 1000
	w.run(4*time.Hour, false)
	w.series = w.series[:10] // those that stay for a while
	a := w.live("a", both...)
	w.answers(a, time.UnixMilli(w.now), both...)
	groups, _ := w.kept()
	read := w.loaded()
	more := append([]string{`rate(requests_total[3h])`, `rate(requests_total[5m]) * 2`}, both...)
	b := w.live("b", more...)
	for range 40 {
		w.run(time.Duration(w.r.IntN(90))*time.Second, false)
		// The one is evaluated a few milliseconds before the other, in whatever order.
		at := time.UnixMilli(w.now)
		soon := at.Add(time.Duration(w.r.IntN(30)) * time.Millisecond)
		switch w.r.IntN(3) {
		case 0:
			w.answers(a, at, both...)
			w.answers(b, soon, more...)
		case 1:
			w.answers(b, soon, more...)
			w.answers(a, at, both...)
		default:
			for i := range both { // rule by rule
				w.answers(a, at, both[i])
				w.answers(b, soon, more[i+2])
			}
			w.answers(b, soon, more...)
		}
		w.now += 31
	}
	if more, users := w.kept(); more != groups+1 || users != 2*groups+1 {
		t.Errorf("%d groups of series are kept for %d users, expected one more than %d (of 3h), and all but that for two", more, users, groups)
	}
	ours, left := w.shares()
	if n := left["time before the last"]; n > ours/10 {
		t.Errorf("%.0f of %.0f evaluations were too late for the windows", n, ours)
	}
	if again := w.loaded() - read; again > read {
		t.Errorf("%.0f samples were read for the second group, %.0f for the first", again, read)
	}
	a.Close()
	read = w.loaded()
	w.run(time.Minute, false)
	w.answers(b, time.UnixMilli(w.now), more...)
	if w.loaded() != read {
		t.Error("samples were read again when one of two groups ended")
	}
	c := w.live("c", both...)
	w.answers(c, time.UnixMilli(w.now), both...)
	if w.loaded() != read {
		t.Error("samples were read again when another group came")
	}
	b.Close()
	c.Close()
	c.Close()
	if groups, _ := w.kept(); groups != 0 || w.metric("evenkeel_evaluate_state_bytes") != 0 {
		t.Errorf("after all is closed %d groups of series take %.0f bytes", groups, w.metric("evenkeel_evaluate_state_bytes"))
	}
}

// TestWhoLagsBehindPartsFromTheOthers: a group with a query_offset has its own windows,
// after the engine has answered for it a few times.
func TestWhoLagsBehindPartsFromTheOthers(t *testing.T) {
	w := newWorld(t, 6, false)
	w.run(3*time.Hour, false)
	a, b := w.live("a", both...), w.live("b", both...)
	defer a.Close()
	defer b.Close()
	for range 12 {
		w.run(time.Minute, false)
		w.answers(a, time.UnixMilli(w.now), both...)
		w.answers(b, time.UnixMilli(w.now-40_000), both...)
	}
	if groups, users := w.kept(); groups != users {
		t.Errorf("%d groups of series are kept for %d users", groups, users)
	}
	_, left := w.shares()
	few := left["time before the last"]
	for range 5 {
		w.run(time.Minute, false)
		w.answers(a, time.UnixMilli(w.now), both...)
		w.answers(b, time.UnixMilli(w.now-40_000), both...)
	}
	if _, left := w.shares(); few == 0 || left["time before the last"] != few {
		t.Errorf("the engine answered %.0f times, and %.0f times once the two have parted", few, left["time before the last"]-few)
	}
}

// TestGroupsAtTheSameTime is for the race detector, and for locks that wait for each other.
func TestGroupsAtTheSameTime(t *testing.T) {
	w := newWorld(t, 2, false)
	w.run(2*time.Hour, false)
	var wg sync.WaitGroup
	done := make(chan struct{})
	now := time.UnixMilli(w.now)
	for i, name := range []string{"a", "b", "c"} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			l := w.live(name, both[i:]...)
			defer func() { l.Close() }()
			for k := 0; ; k++ {
				select {
				case <-done:
					return
				case <-l.Changed():
				default:
				}
				at := now.Add(time.Duration(k*7+i) * time.Second)
				for _, expr := range both[i:] {
					if _, err := l.Query(t.Context(), expr, at); err != nil {
						t.Error(err)
						return
					}
				}
				l.Waiting(at)
				if k%10 == 9 {
					_, _ = l.Explain(t.Context(), both[i])
					l.Close()
					l = w.live(name, both[i:]...)
				}
				w.engine.States()
			}
		}()
	}
	for range 20 {
		w.run(6*time.Minute, false)
	}
	close(done)
	wg.Wait()
	l := w.live("after", both...)
	defer l.Close()
	w.run(time.Minute, false)
	w.answers(l, time.UnixMilli(w.now+7200_000), both...)
}
