package evaluate_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

var standard = []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"}

// BenchmarkTick is one service's ratio over the standard windows, at one time after the
// other.
func BenchmarkTick(b *testing.B) {
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = 0
	opts.MaxBlockDuration = 24 * 3600_000
	opts.OutOfOrderTimeWindow = 600_000
	db, err := tsdb.Open(b.TempDir(), nil, nil, opts, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.DisableCompactions()
	const step = 15_000
	now := int64(1_700_000_000_000)
	engine := evaluate.New(evaluate.Options{Queryable: db})
	to := engine.Follow(db)
	var series []labels.Labels
	for _, code := range []string{"200", "404", "500", "503"} {
		series = append(series, labels.FromStrings("__name__", "requests_total", "service", "checkout", "code", code))
	}
	refs := make([]storage.SeriesRef, len(series))
	i := 0
	tick := func() {
		now += step
		i++
		app := to.AppenderV2(context.Background())
		for k, ls := range series {
			refs[k], err = app.Append(refs[k], ls, 0, now+int64(k), float64(i*(k*7+40)+i*i%37), nil, nil, storage.AppendV2Options{})
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
		if i%480 == 0 {
			if err := db.Compact(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	}
	for range 31 * 24 * 3600_000 / step {
		tick()
	}
	expr := func(w string) string {
		return fmt.Sprintf(`sum(rate(requests_total{service="checkout",code=~"5.."}[%s])) / sum(rate(requests_total{service="checkout"}[%s]))`, w, w)
	}
	for _, windows := range [][]string{{"5m"}, {"30m"}, {"1h"}, {"6h"}, {"1d"}, {"30d"}, standard} {
		b.Run(fmt.Sprint(len(windows), "/", windows[len(windows)-1]), func(b *testing.B) {
			var exprs []string
			for _, w := range windows {
				exprs = append(exprs, expr(w))
			}
			live, err := engine.Live("bench", exprs...)
			if err != nil {
				b.Fatal(err)
			}
			defer live.Close()
			ask := func() {
				at := time.UnixMilli(now + 20)
				for _, e := range exprs {
					if v, err := live.Query(context.Background(), e, at); err != nil || len(v) != 1 {
						b.Fatal(v, err)
					}
				}
			}
			for range 200 {
				tick()
				ask()
			}
			runtime.GC()
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				for range 4 {
					tick()
				}
				b.StartTimer()
				ask()
			}
			b.StopTimer()
			if s := engine.States(); s[0].Series > 0 {
				b.ReportMetric(float64(s[0].Bytes)/float64(s[0].Series), "B/series")
			}
		})
	}
}
