//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

// generation goes up when Data makes other samples: what was kept is then made anew.
const generation = 1

// kept returns a folder of the cache, which make fills when it is not there.
func (b *bench) kept(name string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(b.Cache, fmt.Sprintf("%s-%d-%d-services-%d-days", name, generation, b.Services, b.Days))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	b.say("making %s, once", name)
	part, err := os.MkdirTemp(b.dir, name)
	if err != nil {
		return "", err
	}
	if err := fill(part); err != nil {
		return "", fmt.Errorf("cannot make %s: %w", name, err)
	}
	return dir, os.Rename(part, dir)
}

// samples is the folder with the blocks of the data.
func (b *bench) samples(ctx context.Context) (string, error) {
	return b.kept("samples", func(dir string) error {
		return b.Scale.Write(ctx, dir, func(part, of int) { b.say("block %d of %d", part+1, of) })
	})
}

// recorded is the folder with blocks of the ratios over five minutes, one a minute, as a
// recording rule would have left them.
func (b *bench) recorded(ctx context.Context) (string, error) {
	from, err := b.samples(ctx)
	if err != nil {
		return "", err
	}
	return b.kept("recorded", func(dir string) error {
		db, err := b.open(from)
		if err != nil {
			return err
		}
		eng := evaluate.New(evaluate.Options{Queryable: db})
		err = WriteBlock(ctx, dir, func(app func() storage.AppenderV2) error {
			for _, o := range b.Objectives() {
				m, err := eng.Ranges(ctx, []string{o.Ratio(Windows[0])}, Begin, b.End().Add(-time.Minute), time.Minute)
				if err != nil {
					return err
				}
				a, ref, ls := app(), storage.SeriesRef(0), o.series(Windows[0])
				for _, p := range points(m[0]) {
					if ref, err = a.Append(ref, ls, 0, p.T, p.F, nil, nil, storage.AOptions{}); err != nil {
						return errors.Join(err, a.Rollback())
					}
				}
				if err := a.Commit(); err != nil {
					return err
				}
			}
			return nil
		})
		return errors.Join(err, db.Close())
	})
}

// series are the labels of the recorded ratio over a window.
func (o Objective) series(w time.Duration) labels.Labels {
	m := maps.Clone(o.Labels(w))
	m["__name__"] = "slo:sli_error:ratio_rate" + span(w)
	return labels.FromMap(m)
}

// open makes a store with the blocks of some folders.
func (b *bench) open(from ...string) (*tsdb.DB, error) {
	dir, err := os.MkdirTemp(b.dir, "store")
	if err != nil {
		return nil, err
	}
	if err := Link(dir, from...); err != nil {
		return nil, err
	}
	return Open(dir)
}

// engine is Prometheus' own, as Prometheus configures it.
func engine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		Logger: slog.New(slog.DiscardHandler), MaxSamples: 50_000_000, Timeout: 30 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		LookbackDelta: 5 * time.Minute, NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 }, Parser: parser.NewParser(parser.Options{}),
	})
}

// instant asks Prometheus' engine.
func instant(ctx context.Context, e *promql.Engine, q storage.Queryable, expr string, at time.Time) (promql.Vector, error) {
	query, err := e.NewInstantQuery(ctx, q, nil, expr, at)
	if err != nil {
		return nil, err
	}
	defer query.Close()
	v, err := query.Exec(ctx).Vector()
	return append(promql.Vector(nil), v...), err // it is reused after Close
}

// scraped is one sample on its way into a store.
type scraped struct {
	series int
	t      int64
	v      float64
}

// live are the counters after the stored data, at the speed that we want.
type live struct {
	db       *tsdb.DB
	counters []*Counter
	refs     []storage.SeriesRef
}

func (b *bench) live(db *tsdb.DB) (*live, error) {
	l := &live{db: db, counters: b.Counters()}
	l.refs = make([]storage.SeriesRef, len(l.counters))
	for _, c := range l.counters {
		if err := c.Emit(b.End().UnixMilli(), func(int64, float64) error { return nil }); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// until stores the samples up to a time and returns them.
func (l *live) until(ctx context.Context, at time.Time) ([]scraped, error) {
	var out []scraped
	for i, c := range l.counters {
		_ = c.Emit(at.UnixMilli()+1, func(t int64, v float64) error {
			out = append(out, scraped{i, t, v})
			return nil
		})
	}
	return out, l.append(ctx, l.db, out, true)
}

// append gives samples to whom they concern, in one batch as a scrape is.
func (l *live) append(ctx context.Context, to storage.AppendableV2, samples []scraped, learn bool) error {
	app := to.AppenderV2(ctx)
	for _, s := range samples {
		ref, err := app.Append(l.refs[s.series], l.counters[s.series].Labels, 0, s.t, s.v, nil, nil, storage.AOptions{})
		if err != nil {
			return errors.Join(err, app.Rollback())
		}
		if learn {
			l.refs[s.series] = ref
		}
	}
	return app.Commit()
}

// nowhere takes samples and forgets them, so that what follows them can be measured
// without the store.
type nowhere struct{}

func (nowhere) AppenderV2(context.Context) storage.AppenderV2 { return nothing{} }

type nothing struct{ storage.AppenderV2 }

func (nothing) Append(ref storage.SeriesRef, _ labels.Labels, _, _ int64, _ float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	return ref, nil
}
func (nothing) Commit() error   { return nil }
func (nothing) Rollback() error { return nil }

// subject is our engine with the objectives in it, one group each.
type subject struct {
	engine *evaluate.Incremental
	feed   storage.AppendableV2
	lives  []*evaluate.Live
}

func follow(db *tsdb.DB, objectives []Objective, exprs func(Objective) []string) (*subject, error) {
	s := &subject{engine: evaluate.New(evaluate.Options{Queryable: db})}
	s.feed = s.engine.Follow(nowhere{})
	for _, o := range objectives {
		l, err := s.engine.Live(o.id(), exprs(o)...)
		if err != nil {
			return nil, err
		}
		s.lives = append(s.lives, l)
	}
	return s, nil
}

// ask evaluates expressions of every objective, and keeps each one's single value.
func (s *subject) ask(ctx context.Context, exprs [][]string, at time.Time, into [][]result) error {
	for i, l := range s.lives {
		for k, expr := range exprs[i] {
			v, err := l.Query(ctx, expr, at)
			if err != nil {
				return err
			}
			into[i][k] = single(v)
		}
	}
	return nil
}

// result is that of an expression with one result at most.
type result struct {
	f  float64
	ok bool
}

func single(v promql.Vector) result {
	if len(v) != 1 {
		return result{}
	}
	return result{v[0].F, true}
}

func values(n, m int) [][]result {
	out := make([][]result, n)
	for i := range out {
		out[i] = make([]result, m)
	}
	return out
}

func (d *Difference) all(got, want [][]result) {
	for i := range want {
		for k := range want[i] {
			d.Value(got[i][k].f, got[i][k].ok, want[i][k].f, want[i][k].ok)
		}
	}
}
