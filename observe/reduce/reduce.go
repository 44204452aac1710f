// Package reduce keeps out of the log store what is declared not to be worth its space:
// drop rules throw rows away, aggregate rules turn them into counts.
//
// In: rules as files (logs.drop and logs.aggregate in evenkeel.yml), rows before they
// are stored. Out: which rows are dropped, and by which rule; the counters of aggregate
// rules as series. Promise: nothing is dropped that no rule names; each dropped row is
// counted under its rule's name.
package reduce

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
)

const (
	every     = 10 * time.Second
	maxSeries = 10_000 // of one rule; further ones count under "(other)"
)

// Reducer applies rules.
type Reducer struct {
	to      storage.AppendableV2
	log     *slog.Logger
	dropped *prometheus.CounterVec
	rules   atomic.Pointer[[]*rule]
}

type rule struct {
	declare.LogReduction
	match *logs.Matcher

	mu     sync.Mutex
	counts map[string]*series
}

type series struct {
	labels labels.Labels
	n      uint64
	began  bool
}

// New makes a reducer without rules.
func New(to storage.AppendableV2, log *slog.Logger, reg prometheus.Registerer) *Reducer {
	return &Reducer{to: to, log: log, dropped: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "evenkeel_observe_rows_dropped_total", Help: "Rows kept out of the store by a rule.",
	}, []string{"rule"})}
}

// Apply takes over the rules; one that is the same goes on counting.
func (r *Reducer) Apply(rules []declare.LogReduction) error {
	was := map[string]*rule{}
	if old := r.rules.Load(); old != nil {
		for _, o := range *old {
			was[fmt.Sprint(o.LogReduction)] = o
		}
	}
	out := make([]*rule, 0, len(rules))
	for _, d := range rules {
		if o := was[fmt.Sprint(d)]; o != nil {
			out = append(out, o)
			continue
		}
		m, err := logs.NewMatcher(d.Match)
		if err != nil {
			return fmt.Errorf("cannot apply the rule %q: %w", d.Name, err)
		}
		out = append(out, &rule{LogReduction: d, match: m, counts: map[string]*series{}})
	}
	r.rules.Store(&out)
	return nil
}

// Drop says whether a row is kept out of the store. The first rule that finds it decides.
func (r *Reducer) Drop(row logs.Row) bool {
	rules := r.rules.Load()
	if rules == nil {
		return false
	}
	for _, x := range *rules {
		if !x.match.Match(row) {
			continue
		}
		if x.Record != "" {
			x.count(row)
		}
		r.dropped.WithLabelValues(x.Name).Inc()
		return true
	}
	return false
}

func (x *rule) count(row logs.Row) {
	key := make([]byte, 0, 64)
	for _, name := range x.By {
		key = append(append(key, row.Field(name)...), 0)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.counts[string(key)]
	if s == nil {
		b := labels.NewScratchBuilder(len(x.By) + 1)
		b.Add("__name__", x.Record)
		full := len(x.counts) >= maxSeries
		for _, name := range x.By {
			v := row.Field(name)
			if full {
				v = "(other)"
			}
			if v != "" {
				b.Add(name, v)
			}
		}
		if full {
			key = []byte("(other)")
			s = x.counts[string(key)]
		}
		if s == nil {
			b.Sort()
			s = &series{labels: b.Labels().Copy()}
			x.counts[string(key)] = s
		}
	}
	s.n++
}

// Run writes the counts of aggregate rules down until ctx ends, and once more then.
func (r *Reducer) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return r.write(context.WithoutCancel(ctx), time.Now())
		case now := <-tick.C:
			if err := r.write(ctx, now); err != nil && ctx.Err() == nil {
				r.log.Error("counts of log lines are not recorded", "err", err)
			}
		}
	}
}

// write appends one sample for each series. The first one is zero, a moment earlier:
// the first lines would not count otherwise.
func (r *Reducer) write(ctx context.Context, now time.Time) error {
	rules := r.rules.Load()
	if rules == nil || len(*rules) == 0 {
		return nil
	}
	app := r.to.AppenderV2(ctx)
	for _, x := range *rules {
		x.mu.Lock()
		for _, s := range x.counts {
			if !s.began {
				s.began = true
				if _, err := app.Append(0, s.labels, 0, now.Add(-time.Second).UnixMilli(), 0, nil, nil, storage.AOptions{}); err != nil {
					x.mu.Unlock()
					_ = app.Rollback()
					return fmt.Errorf("%s: %w", x.Record, err)
				}
			}
			if _, err := app.Append(0, s.labels, 0, now.UnixMilli(), float64(s.n), nil, nil, storage.AOptions{}); err != nil {
				x.mu.Unlock()
				_ = app.Rollback()
				return fmt.Errorf("%s: %w", x.Record, err)
			}
		}
		x.mu.Unlock()
	}
	return app.Commit()
}
