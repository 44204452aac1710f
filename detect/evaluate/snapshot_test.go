package evaluate_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

// burns are the windows of an objective, and what stands beside them.
var burns = []string{
	`sum by (service) (rate(requests_total{code=~"5.."}[5m])) / sum by (service) (rate(requests_total[5m]))`,
	`sum by (service) (rate(requests_total{code=~"5.."}[1h])) / sum by (service) (rate(requests_total[1h]))`,
	`sum by (service) (rate(requests_total{code=~"5.."}[6h])) / sum by (service) (rate(requests_total[6h]))`,
	`sum by (service) (rate(requests_total{code=~"5.."}[1d])) / sum by (service) (rate(requests_total[1d]))`,
	`rate(requests_total[1d])`, `increase(requests_total[2h])`, `irate(requests_total[1d])`, `requests_total`, `rate(requests_total[30m])`,
	`rate(requests_total[6h] offset 2h)`, `rate(wild[1d])`, `irate(wild[6h])`, `increase(requests_total[2h] offset -1h)`,
}

func (w *world) restarted(snapshot []byte, exprs []string) (*evaluate.Live, *world) {
	w.t.Helper()
	next := &world{t: w.t, db: w.db, reg: prometheus.NewRegistry(), oracle: w.oracle, r: w.r, series: w.series, now: w.now, nextID: w.nextID}
	next.engine = evaluate.New(evaluate.Options{Queryable: w.db, Registerer: next.reg, OutOfOrder: 10 * time.Minute})
	next.to = next.engine.Follow(w.db)
	if snapshot != nil {
		if err := next.engine.Restore(bytes.NewReader(snapshot)); err != nil {
			w.t.Fatal(err)
		}
	}
	live, err := next.engine.Live("test", exprs...)
	if err != nil {
		w.t.Fatal(err)
	}
	return live, next
}

func (w *world) loaded() float64 { return w.metric("evenkeel_evaluate_loaded_samples_total") }

func (w *world) metric(name string) float64 {
	families, err := w.reg.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.Metric[0].GetCounter().GetValue() + f.Metric[0].GetGauge().GetValue()
		}
	}
	w.t.Fatalf("there is no metric %s", name)
	return 0
}

func TestRestartFromASnapshotIsPromQL(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed, true)
			w.run(30*time.Hour, true)
			live, w := w.restarted(nil, burns)
			check := func(what string) {
				t.Helper()
				for _, expr := range burns {
					at := time.UnixMilli(w.now)
					got, err := live.Query(t.Context(), expr, at)
					if err != nil {
						t.Fatal(err)
					}
					want, err := w.oracle.Query(t.Context(), expr, at)
					if err != nil {
						t.Fatal(err)
					}
					same(t, expr+" "+what, got, want)
				}
			}
			check("before")
			for restart := range 5 {
				w.run(time.Duration(w.r.IntN(3*3600))*time.Second, true)
				check("before")
				var image bytes.Buffer
				if err := w.engine.Snapshot(&image); err != nil {
					t.Fatal(err)
				}
				live.Close()
				w.run([]time.Duration{0, time.Minute, 5 * time.Minute, 2 * time.Hour}[w.r.IntN(4)], true)
				if restart%2 == 1 {
					if err := w.db.Compact(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
				live, w = w.restarted(image.Bytes(), burns)
				check("at once")
				warm := w.loaded()
				other, anew := w.restarted(nil, burns)
				if _, err := other.Query(t.Context(), burns[0], time.UnixMilli(w.now)); err != nil {
					t.Fatal(err)
				}
				other.Close()
				if cold := anew.loaded(); warm > 0.8*cold {
					t.Errorf("%.0f samples were read after a restart, %.0f without a snapshot", warm, cold)
				}
				for step := range 10 {
					check(fmt.Sprintf("after restart %d, step %d", restart, step))
					w.run(time.Duration(w.r.IntN(600))*time.Second, true)
				}
			}
		})
	}
}

// TestSnapshotOfWhatWasDeleted: between the snapshot and the restart the store deletes its
// oldest samples, which some windows began with.
func TestSnapshotOfWhatWasDeleted(t *testing.T) {
	w := newWorld(t, 8, false)
	w.pace = 15_000
	for range 30 {
		w.run(time.Hour, false)
	}
	live, w := w.restarted(nil, burns)
	if _, err := live.Query(t.Context(), burns[0], time.UnixMilli(w.now)); err != nil {
		t.Fatal(err)
	}
	var image bytes.Buffer
	if err := w.engine.Snapshot(&image); err != nil {
		t.Fatal(err)
	}
	live.Close()
	cut := w.now - 20*3600_000
	if err := w.db.Delete(t.Context(), math.MinInt64, cut-1, labels.MustNewMatcher(labels.MatchNotEqual, labels.MetricName, "")); err != nil {
		t.Fatal(err)
	}
	e := evaluate.New(evaluate.Options{Queryable: w.db, OutOfOrder: 10 * time.Minute, Oldest: func() int64 { return cut }})
	w.to = e.Follow(w.db)
	if err := e.Restore(&image); err != nil {
		t.Fatal(err)
	}
	live, err := e.Live("test", burns...)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	for range 3 {
		for _, expr := range burns {
			at := time.UnixMilli(w.now)
			got, err := live.Query(t.Context(), expr, at)
			if err != nil {
				t.Fatal(err)
			}
			want, err := w.oracle.Query(t.Context(), expr, at)
			if err != nil {
				t.Fatal(err)
			}
			same(t, expr, got, want)
		}
		w.run(time.Minute, false)
	}
}

func TestDamagedSnapshots(t *testing.T) {
	w := newWorld(t, 3, false)
	w.run(30*time.Hour, false)
	live, w := w.restarted(nil, burns)
	at := time.UnixMilli(w.now)
	if _, err := live.Query(t.Context(), burns[0], at); err != nil {
		t.Fatal(err)
	}
	var image bytes.Buffer
	if err := w.engine.Snapshot(&image); err != nil {
		t.Fatal(err)
	}
	good := image.Bytes()
	for i := range 300 {
		bad := bytes.Clone(good)
		if i%3 == 0 {
			bad = bad[:w.r.IntN(len(bad))]
		} else {
			bad[w.r.IntN(len(bad))] ^= byte(1 + w.r.IntN(255))
		}
		e := evaluate.New(evaluate.Options{Queryable: w.db})
		e.Follow(w.db)
		err := e.Restore(bytes.NewReader(bad))
		if err == nil && i%3 != 0 {
			t.Fatalf("a snapshot with another byte is taken")
		}
		if err != nil && !strings.Contains(err.Error(), "cannot read") {
			t.Errorf("an error that says little: %v", err)
		}
		if i%10 != 0 {
			continue
		}
		live, err := e.Live("test", burns...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := live.Query(t.Context(), burns[3], at)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := w.oracle.Query(t.Context(), burns[3], at)
		same(t, burns[3], got, want)
		live.Close()
	}
	if err := w.engine.Restore(strings.NewReader("something else")); err == nil {
		t.Error("something else is taken for a snapshot")
	}
}
