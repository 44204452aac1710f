package metrics_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// Samples that are in the head alone are still there after a restart, when late ones of the
// same hours have become a block.
func TestLateBlocksDoNotHideWhatIsInTheHead(t *testing.T) {
	dir, s := t.TempDir(), settings()
	s.Metrics.Retention, s.Metrics.OutOfOrder = 20*365*24*time.Hour, time.Hour
	store, _ := open(t, dir, s)
	store.DisableCompactions() // it is compacted when the test says so, later than usual
	ls, hour := labels.FromStrings("__name__", "x"), time.Hour.Milliseconds()
	begin := 1_700_000_000_000 / (18 * hour) * (18 * hour)
	ref, appended := storage.SeriesRef(0), 0
	put := func(at int64) {
		t.Helper()
		app := store.AppenderV2(context.Background())
		var err error
		if ref, err = app.Append(ref, ls, 0, at, 1, nil, nil, storage.AOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		appended++
	}
	now := begin
	until := func(end int64) {
		t.Helper()
		for i := 0; now < end; i++ {
			if now += 15_000; i%20 == 19 {
				put(now - 10*60_000 + 1) // a late one
			}
			put(now)
		}
		if err := store.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	until(begin + 3*hour + 10*60_000)
	until(begin + 6*hour + 45*60_000)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store, _ = open(t, dir, s)
	defer store.Close()
	there := 0
	for _, samples := range read(t, store, "x") {
		there += len(samples)
	}
	if there != appended {
		t.Errorf("%d of %d samples are there after a restart", there, appended)
	}
}
