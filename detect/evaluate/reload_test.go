package evaluate_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

// When so many series are read again at once that all of them are, what arrives next is
// theirs.
func TestSeriesThatAreAllReadAgainGoOn(t *testing.T) {
	opts := tsdb.DefaultOptions()
	opts.OutOfOrderTimeWindow = 3 * 3600_000
	db, err := tsdb.Open(t.TempDir(), nil, nil, opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	engine := evaluate.New(evaluate.Options{Queryable: db})
	to := engine.Follow(db)
	oracle := evaluate.NewPrometheus(evaluate.Options{Queryable: db})
	const expr, series, step = `sum(rate(requests_total[1h]))`, 100, 15_000
	live, err := engine.Live("reload", expr)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	refs := make([]storage.SeriesRef, series)
	put := func(at int64) {
		t.Helper()
		app := to.AppenderV2(context.Background())
		for i := range refs {
			ls := labels.FromStrings("__name__", "requests_total", "pod", fmt.Sprint(i))
			if refs[i], err = app.Append(refs[i], ls, 0, at, float64(at/step%100_000*int64(i+1)+at/step*at/step%37), nil, nil, storage.AppendV2Options{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	now := int64(1_700_000_000_000)
	check := func() {
		t.Helper()
		got, err := live.Query(t.Context(), expr, time.UnixMilli(now))
		if err != nil {
			t.Fatal(err)
		}
		want, err := oracle.Query(t.Context(), expr, time.UnixMilli(now))
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprintf("%s after %d ms", expr, now-1_700_000_000_000), got, want)
	}
	for range 500 {
		now += step
		put(now)
	}
	check()
	put(now - 50*60_000 + 1000) // older than what is kept as it is
	check()
	for range 20 {
		now += step
		put(now)
		check()
	}
}
