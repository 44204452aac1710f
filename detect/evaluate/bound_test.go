package evaluate_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

// words are the lines of a log.
type words chan string

func (w words) Write(line []byte) (int, error) {
	w <- string(line)
	return len(line), nil
}

// TestStateIsBoundedAsSeriesArrive: a metric whose series become more and more while rules
// look at it is left to the inner engine when its windows take more than they may; the
// windows of other rules stay, and every answer is right all the time.
func TestStateIsBoundedAsSeriesArrive(t *testing.T) {
	const limit = 1 << 20
	w := newWorld(t, 3, false)
	said := make(words, 100)
	w.reg = prometheus.NewRegistry()
	w.engine = evaluate.New(evaluate.Options{Queryable: w.db, Registerer: w.reg, StateLimit: limit, Logger: slog.New(slog.NewTextHandler(said, nil))})
	w.to = w.engine.Follow(w.db)
	w.run(10*time.Minute, false)
	const small, grows = `sum by (service) (rate(requests_total[5m]))`, `sum by (zone) (rate(exploding[5m]))`
	var lives []*evaluate.Live
	for _, expr := range []string{small, grows} {
		l, err := w.engine.Live(expr, expr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		lives = append(lives, l)
	}
	series, most := 0, 0.0
	for range 40 {
		w.run(15*time.Second, false)
		series += 100
		app := w.to.AppenderV2(t.Context())
		for i := range series {
			ls := labels.FromStrings("__name__", "exploding", "zone", fmt.Sprint(i%3), "id", fmt.Sprintf("a-name-that-is-not-short-%d", i))
			if _, err := app.Append(0, ls, 0, w.now, float64(series+i), nil, nil, storage.AppendV2Options{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		for i, expr := range []string{small, grows} {
			at := time.UnixMilli(w.now)
			got, err := lives[i].Query(t.Context(), expr, at)
			if err != nil {
				t.Fatal(err)
			}
			want, err := w.oracle.Query(t.Context(), expr, at)
			if err != nil {
				t.Fatal(err)
			}
			same(t, expr, got, want)
		}
		most = max(most, w.metric("evenkeel_evaluate_state_bytes"))
	}
	for i, want := range []string{"", "limit on state"} {
		x, err := lives[i].Explain(t.Context(), []string{small, grows}[i])
		if err != nil || x.Left != want {
			t.Errorf("%s is left because of %q, expected %q (%v)", x.Expr, x.Left, want, err)
		}
	}
	// Who it was is told, beside a lock that is held: a moment later.
	if line := <-said; !strings.Contains(line, "series=exploding count=") || !strings.Contains(line, "requests_total of") {
		t.Errorf("it is not said what had no room: %s", line)
	}
	if used := w.metric("evenkeel_evaluate_state_bytes"); most < limit/2 || most > 1.3*limit || used > limit/2 {
		t.Errorf("windows took %.0f bytes at most and take %.0f now; expected to come near %d, and to go back", most, used, limit)
	}
}
