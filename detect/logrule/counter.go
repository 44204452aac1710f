package logrule

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// Counter counts rows by filters as they are stored.
type Counter struct {
	To     storage.AppendableV2
	Every  time.Duration // between samples; default 5s
	Logger *slog.Logger

	counts atomic.Pointer[[]*count]
	mu     sync.Mutex // guards Apply
}

type count struct {
	id    string
	text  string
	match *logs.Matcher
	n     atomic.Uint64
	began bool
}

// Apply counts what the objectives of a workspace count. What was counted before goes on.
func (c *Counter) Apply(w *declare.Workspace) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := map[string]*count{}
	if old := c.counts.Load(); old != nil {
		for _, k := range *old {
			was[k.id] = k
		}
	}
	var out []*count
	add := func(o *declare.Objective) error {
		if o == nil || o.Ratio == nil {
			return nil
		}
		for _, l := range o.Ratio.Logs {
			if slices.ContainsFunc(out, func(k *count) bool { return k.id == l.ID }) {
				continue
			}
			if k := was[l.ID]; k != nil && k.text == l.Filter {
				out = append(out, k)
				continue
			}
			m, err := logs.NewMatcher(l.Filter)
			if err != nil {
				return fmt.Errorf("cannot count log lines for objective %q: %w", o.Name, err)
			}
			out = append(out, &count{id: l.ID, text: l.Filter, match: m})
		}
		return nil
	}
	for _, o := range w.Objectives {
		if err := add(o); err != nil {
			return err
		}
		for _, p := range o.Parts {
			if err := add(p.Objective); err != nil {
				return err
			}
		}
	}
	c.counts.Store(&out)
	return nil
}

// Take counts a row.
func (c *Counter) Take(r logs.Row) {
	counts := c.counts.Load()
	if counts == nil || len(*counts) == 0 {
		return
	}
	for _, k := range *counts {
		if k.match.Match(r) {
			k.n.Add(1)
		}
	}
}

// Run writes the counts down until ctx ends, and once more then.
func (c *Counter) Run(ctx context.Context) error {
	every := c.Every
	if every <= 0 {
		every = 5 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := c.write(ctx, time.Now()); err != nil && ctx.Err() == nil {
			c.Logger.Error("counts of log lines are not recorded", "err", err)
		}
		select {
		case <-ctx.Done():
			return c.write(context.WithoutCancel(ctx), time.Now())
		case <-tick.C:
		}
	}
}

// write appends one sample for each count. The first one is zero, a moment earlier: the
// first lines would not count otherwise.
func (c *Counter) write(ctx context.Context, now time.Time) error {
	counts := c.counts.Load()
	if counts == nil || len(*counts) == 0 {
		return nil
	}
	app := c.To.AppenderV2(ctx)
	for _, k := range *counts {
		ls := labels.FromStrings("__name__", declare.LogEvents, "filter", k.id)
		v := float64(k.n.Load())
		if !k.began {
			k.began = true
			if v > 0 {
				if _, err := app.Append(0, ls, 0, now.Add(-time.Second).UnixMilli(), 0, nil, nil, storage.AOptions{}); err != nil {
					_ = app.Rollback()
					return err
				}
			}
		}
		if _, err := app.Append(0, ls, 0, now.UnixMilli(), v, nil, nil, storage.AOptions{}); err != nil {
			_ = app.Rollback()
			return err
		}
	}
	return app.Commit()
}
