//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

// backtest is a replay of history: the ratios at each minute of it.
func (b *bench) backtest(ctx context.Context) (err error) {
	from, err := b.samples(ctx)
	if err != nil {
		return err
	}
	db, err := b.open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	prom, ours := engine(), evaluate.New(evaluate.Options{Queryable: db})
	var vm *process
	if !b.Alone {
		if vm, err = b.victoria(ctx); err != nil {
			b.say("without VictoriaMetrics: %v", err)
			b.Missed("replay beside VictoriaMetrics", "VictoriaMetrics did not run here, see what the run printed")
		} else {
			defer vm.stop()
		}
	}
	begin, end, step := b.End().AddDate(0, 0, -b.ReplayDays), b.End().Add(-time.Minute), time.Minute
	const asked = 4 // objectives, of VictoriaMetrics
	var vsEngine, vsVictoria Pairs
	var same, differ Difference
	objectives := b.Objectives()
	for pair := range b.Pairs + 1 { // the first warms up
		var some []Objective
		var exprs []string
		for i := range b.Replay {
			o := objectives[(pair*b.Replay+i)%len(objectives)]
			some, exprs = append(some, o), append(exprs, o.Ratios()...)
		}
		var got []promql.Matrix
		fast, err := b.ours("backtest", func() (err error) {
			got, err = ours.Ranges(ctx, exprs, begin, end, step)
			return err
		})
		if err != nil {
			return err
		}
		fast /= float64(len(some))
		if b.Alone {
			b.say("  ours %s an objective", seconds(fast))
			continue
		}
		if pair == 0 {
			continue
		}
		var slow float64
		for k, expr := range some[0].Ratios() {
			var want promql.Matrix
			cpu, err := measure(func() error {
				q, err := prom.NewRangeQuery(ctx, db, nil, expr, begin, end, step)
				if err != nil {
					return err
				}
				defer q.Close()
				m, err := q.Exec(ctx).Matrix()
				for _, s := range m { // it is reused after Close
					want = append(want, promql.Series{Metric: s.Metric, Floats: append([]promql.FPoint(nil), s.Floats...)})
				}
				return err
			})
			if err != nil {
				return err
			}
			slow += cpu
			same.Matrix(got[k], want)
		}
		vsEngine.Add(fast, slow)
		if vm != nil {
			n := min(asked, len(some))
			cpu, err := vm.measure(func() error {
				for i, o := range some[:n] {
					for k, expr := range o.Ratios() {
						m, err := vm.ranged(ctx, expr, begin, end, step)
						if err != nil {
							return err
						}
						differ.Matrix(m, got[i*len(Windows)+k])
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			vsVictoria.Add(fast, cpu/float64(n))
		}
		got = nil
		b.say("  ours %s an objective, Prometheus' engine %s, VictoriaMetrics %s", seconds(fast), seconds(slow), seconds(last(vsVictoria.Theirs)))
	}
	if b.Alone {
		return nil
	}
	steps := int(end.Sub(begin)/step) + 1
	b.Section("Replaying history")
	b.Text("%d days in steps of a minute (%s steps), eight windows. CPU for an objective: ours in one pass over the data for %d objectives, divided by %d; Prometheus' engine as range queries of one of them, VictoriaMetrics' query_range without its cache of %d of them.", b.ReplayDays, thousands(steps), b.Replay, b.Replay, min(asked, b.Replay))
	table := [][]string{{"way", "CPU an objective", "times ours", "output beside ours"},
		{"Evenkeel", seconds(median(vsEngine.Ours)), "1", ""},
		{"range queries on Prometheus' engine", seconds(median(vsEngine.Theirs)), vsEngine.times(), same.String()}}
	if vm != nil {
		table = append(table, []string{"VictoriaMetrics query_range, over HTTP", seconds(median(vsVictoria.Theirs)), vsVictoria.times(), fmt.Sprintf("another rate: median relative difference %.2g", differ.Quantile(0.5))})
	}
	b.Table(table...)
	samples := float64(4 * b.Days * int(24*time.Hour/Scrape))
	ratios := float64(steps * len(Windows))
	b.Text("That is %s samples and %s ratios a CPU second. At this rate all %d objectives take %s.", number(samples/median(vsEngine.Ours)), number(ratios/median(vsEngine.Ours)), b.Services, seconds(median(vsEngine.Ours)*float64(b.Services)))
	if floor := samples * b.decode; floor > 0 {
		b.Text("What is left: decoding these samples, and nothing else, takes %s, %s of it. The rest is %s for each of the %s rates that are extrapolated and summed.", seconds(floor), percent(floor/median(vsEngine.Ours)), seconds((median(vsEngine.Ours)-floor)/(6*ratios)), thousands(6*int(ratios)))
	}
	m, _, _ := vsEngine.Ratio()
	b.Goal("replay by range queries on promql.Engine, times ours", m, false, 900, "")
	if vm != nil {
		m, _, _ = vsVictoria.Ratio()
		b.Goal("replay by VictoriaMetrics' query_range, times ours", m, false, 4, "")
	}
	if !same.Equal(1e-9) {
		b.Missed("the same numbers in a replay", same.String())
	}
	return nil
}

func last(v []float64) float64 { return quantile(v[max(0, len(v)-1):], 0) }
