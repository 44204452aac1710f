//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// many is how many objectives one core can evaluate each second. Their series are in the
// head of the store and nowhere else.
func (b *bench) many(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(b.dir, "many")
	if err != nil {
		return err
	}
	db, err := Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	l := &live{db: db}
	var objectives []Objective
	for i := range b.Many {
		name := fmt.Sprintf("svc-%05d", i)
		objectives = append(objectives, Objective{
			Service: name, Name: "availability", Target: 0.999,
			Bad: fmt.Sprintf(`http_requests_total{service=%q,code=~"5.."}`, name), Total: fmt.Sprintf(`http_requests_total{service=%q}`, name),
		})
		for k := range 4 {
			l.counters = append(l.counters, &Counter{r: seeded(i, k), rate: []float64{100, 0.3, 70, 0.1}[k], Labels: labels.FromStrings(
				"__name__", "http_requests_total", "code", []string{"200", "500"}[k%2], "job", "api", "pod", fmt.Sprintf("%s-%d", name, k/2), "service", name)})
		}
	}
	l.refs = make([]storage.SeriesRef, len(l.counters))
	// A fifteenth of the series is scraped in each second.
	at := Begin
	second := func() []scraped {
		at = at.Add(time.Second)
		var out []scraped
		for i := int(at.Unix() % 15); i < len(l.counters); i += 15 {
			c := l.counters[i]
			c.v += math.Floor(2*c.rate*c.r.float() + c.r.float())
			out = append(out, scraped{i, at.UnixMilli(), c.v})
		}
		return out
	}
	b.say("  storing %s of %s series", b.History, thousands(len(l.counters)))
	for at.Before(Begin.Add(b.History)) {
		if err := l.append(ctx, db, second(), true); err != nil {
			return err
		}
	}

	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	exprs, out := make([][]string, len(objectives)), values(len(objectives), len(Windows))
	for i, o := range objectives {
		exprs[i] = o.Ratios()
	}
	var s *subject
	cold, err := measure(func() (err error) {
		if s, err = follow(db, objectives, Objective.Ratios); err != nil {
			return err
		}
		return s.ask(ctx, exprs, at, out)
	})
	if err != nil {
		return err
	}
	b.say("  ready after %s CPU", seconds(cold))
	var storing, feeding, asking float64
	var walls []float64
	whole, err := b.ours("many", func() error {
		for range b.Seconds {
			samples := second()
			start := time.Now()
			t0 := self()
			if err := l.append(ctx, db, samples, true); err != nil {
				return err
			}
			t1 := self()
			if err := l.append(ctx, s.feed, samples, false); err != nil {
				return err
			}
			t2 := self()
			if err := s.ask(ctx, exprs, at, out); err != nil {
				return err
			}
			t3 := self()
			storing, feeding, asking = storing+t1-t0, feeding+t2-t1, asking+t3-t2
			walls = append(walls, time.Since(start).Seconds())
		}
		return nil
	})
	if err != nil {
		return err
	}
	n := float64(b.Seconds)
	whole /= n
	var same Difference
	e := engine()
	for i := 0; i < len(objectives); i += max(len(objectives)/25, 1) {
		for k, expr := range exprs[i] {
			v, err := instant(ctx, e, db, expr, at)
			if err != nil {
				return err
			}
			want := single(v)
			same.Value(out[i][k].f, out[i][k].ok, want.f, want.ok)
		}
	}
	perSecond := float64(len(l.counters)) / 15
	b.Section(thousands(b.Many) + " objectives each second on one core")
	b.Text("%s objectives of eight windows over %s made-up series in the head, with %s of history (so that the longer windows hold all of it), %s samples a second. One second of it takes %s CPU of the one core the process may use: %s to store the samples, %s to take them into the windows, %s to move %s windows on and evaluate %s ratios. The slowest of %d seconds took %s. Loading all windows once: %s. A sample of the ratios beside Prometheus' engine: %s.",
		thousands(b.Many), thousands(len(l.counters)), b.History, number(perSecond), seconds(whole), seconds(storing/n), seconds(feeding/n), seconds(asking/n), thousands(len(l.counters)*len(Windows)), thousands(len(objectives)*len(Windows)), b.Seconds, seconds(quantile(walls, 1)), seconds(cold), &same)
	b.Goal(thousands(b.Many)+" objectives each second: CPU seconds a second", whole, true, 1, "")
	if !same.Equal(1e-9) {
		b.Missed("the same numbers for them", same.String())
	}
	return nil
}
