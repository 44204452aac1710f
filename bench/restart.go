//go:build bench

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// build makes an engine with the eight ratios of each objective and asks all of them
// once, from a snapshot or else from the store. It returns the CPU seconds of it all.
func (t *ticking) build(ctx context.Context, snapshot io.Reader) (s *subject, out [][]result, cpu float64, err error) {
	out = values(len(t.objectives), len(Windows))
	name := "cold"
	if snapshot != nil {
		name = "restore"
	}
	cpu, err = t.ours(name, func() (err error) {
		if s, err = follow(t.db, t.objectives, Objective.Ratios); err != nil {
			return err
		}
		if snapshot != nil {
			if err := s.restore(snapshot); err != nil {
				return err
			}
		}
		return s.ask(ctx, t.ratios, t.at, out)
	})
	return s, out, cpu, err
}

// restarts is what the windows take in memory and in a snapshot, and what they cost to
// build.
func (t *ticking) restarts(ctx context.Context) error {
	t.main, t.long, t.short = nil, nil, nil
	t.Section("Memory, snapshot, restart")
	empty := heap()
	s, err := follow(t.db, t.objectives, Objective.Ratios)
	if err != nil {
		return err
	}
	compiled := heap() - empty
	want := values(len(t.objectives), len(Windows))
	for range 2 * t.Ticks { // so that it is as it lives, not as it was born
		samples, err := t.step(ctx)
		if err != nil {
			return err
		}
		if err := errors.Join(t.live.append(ctx, s.feed, samples, false), s.ask(ctx, t.ratios, t.at, want)); err != nil {
			return err
		}
	}
	t.unsent = nil
	series, reported := 0.0, 0.0
	for _, state := range s.engine.States() {
		series += float64(state.Series)
		reported += float64(state.Bytes)
	}
	var image bytes.Buffer
	writing, unable := t.ours("snapshot", func() error { return s.snapshot(&image) })
	with := heap()
	if err := t.heapProfile("heap"); err != nil {
		return err
	}
	for _, l := range s.lives {
		l.Close()
	}
	s = nil
	held := with - heap()
	windows := (held - compiled) / series
	t.Text("After %d ticks the engine holds %s of heap, which was let go to find out. %s of it were there before any series: the compiled expressions, %s for each objective. The rest is %s for each of %s series in all %d windows; the engine itself counts %s.", 2*t.Ticks, size(held), size(compiled), size(compiled/float64(len(t.objectives))), size(windows), number(series), len(Windows), size(reported/series))
	t.Goal("memory a series, eight windows", windows/1024, true, 2, " KiB")
	if unable != nil {
		t.Missed("snapshot and restart", unable.Error())
		return nil
	}
	snapshot := image.Bytes()
	var p Pairs
	var same Difference
	for range t.Pairs {
		_, restored, fast, err := t.build(ctx, bytes.NewReader(snapshot))
		if err != nil {
			return err
		}
		_, cold, slow, err := t.build(ctx, nil)
		if err != nil {
			return err
		}
		p.Add(fast, slow)
		same.all(restored, want)
		same.all(cold, want)
	}
	t.Text("A snapshot of it takes %s, %s a series, and %s CPU to write. To be ready again, with all ratios asked once, takes %s CPU from the snapshot and %s from the samples: %s. Restarted beside what went on: %s.", size(float64(len(snapshot))), size(float64(len(snapshot))/series), seconds(writing), seconds(median(p.Ours)), seconds(median(p.Theirs)), p.times(), &same)
	t.Goal("snapshot a series", float64(len(snapshot))/series, true, 256, " B")
	m, _, _ := p.Ratio()
	t.Goal("restart from samples, times from a snapshot", m, false, 50, "")
	if !same.Equal(1e-9) {
		t.Missed("the same numbers after a restart", same.String())
	}
	return nil
}

// errNoSnapshots is why a restart is not measured.
var errNoSnapshots = errors.New("the engine has no snapshots")

type snapshots interface {
	Snapshot(io.Writer) error
	Restore(io.Reader) error
}

func (s *subject) snapshot(w io.Writer) error {
	if e, ok := any(s.engine).(snapshots); ok {
		return e.Snapshot(w)
	}
	return errNoSnapshots
}

func (s *subject) restore(r io.Reader) error {
	if e, ok := any(s.engine).(snapshots); ok {
		return e.Restore(r)
	}
	return errNoSnapshots
}

// limit is how fast what cannot be left out could be done.
func (t *ticking) limit(ctx context.Context) error {
	q, err := t.db.ChunkQuerier(math.MinInt64, math.MaxInt64)
	if err != nil {
		return err
	}
	defer q.Close()
	samples := 0
	cpu, err := measure(func() error {
		set := q.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "http_requests_total"))
		var it chunkenc.Iterator
		for set.Next() {
			for chunks := set.At().Iterator(nil); chunks.Next(); {
				it = chunks.At().Chunk.Iterator(it)
				for it.Next() != chunkenc.ValNone {
					samples++
				}
			}
		}
		return set.Err()
	})
	if err != nil {
		return err
	}
	t.decode = cpu / float64(samples)
	// Every sample enters the windows once, and leaves each of them once.
	perTick := 4 * float64(60_000/scrape) * float64(1+len(Windows)) * t.decode
	ours := median(t.eight)
	t.Section("What is left")
	t.Text("Decoding a chunk, and nothing else, takes %s a sample on this machine. In a tick each of an objective's four series gets %d samples, and each window loses as many: decoding them takes %s, %s of our %s. The rest, %s for each of %d rates over a window and each of %d sums and ratios, is reading and writing the state of a window (a cache line or two each), the arithmetic, and the result's memory.",
		seconds(t.decode), 60_000/scrape, seconds(perTick), percent(perTick/ours), seconds(ours), seconds((ours-perTick)/float64((6+3)*len(Windows))), 6*len(Windows), 3*len(Windows))
	return nil
}

func percent(f float64) string { return fmt.Sprintf("%.0f %%", f*100) }
