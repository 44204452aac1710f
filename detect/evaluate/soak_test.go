package evaluate_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/observe/metrics"
)

// soaking is a server over months, in simulated time: samples come, some late; blocks are
// compacted and, when they are too old, deleted; the program stops, or is killed and finds
// an older snapshot or none.
type soaking struct {
	*world
	dir   string
	opts  *tsdb.Options
	live  *evaluate.Live
	other *evaluate.Live // another group with some of the same rules
	exprs []string
	image []byte // the last snapshot
	// What happened, so that a soak in which nothing did is no success.
	checks, values, restarts, cold, reopened, compactions, deleted int
	mended, incremental                                            float64
}

// longer are expressions over windows from which blocks are deleted, and some of each
// kind of function.
var longer = append([]string{
	`sum by (service) (rate(requests_total{code=~"5.."}[30d])) / sum by (service) (rate(requests_total[30d]))`,
	`increase(requests_total[3d])`, `sum(rate(requests_total[7d]))`, `max_over_time(temperature[1d])`, `avg_over_time(temperature[6h])`,
	`sum_over_time(temperature[3d])`, `changes(temperature[1d])`, `quantile_over_time(0.9, temperature[1h])`, `absent_over_time(requests_total{service="a",code="500"}[10m])`,
	`rate(requests_total[10m] offset 3h)`, `topk(2, rate(requests_total[30m]))`, `deriv(temperature[30m])`, `stddev_over_time(temperature[4h])`, `rate(wild[1d])`,
	`requests_total > bool 500`, `max(temperature) - min(temperature)`,
	`bottomk by (service) (1, rate(requests_total[6h]))`, `quantile by (service) (0.9, rate(requests_total[1d]))`, `count_values("v", round(temperature))`,
	`histogram_quantile(0.9, sum by (le) (rate(latency_bucket[1d])))`, `histogram_fraction(0, 0.5, sum by (le) (rate(latency_bucket[3d])))`,
	`sum by (x) (label_replace(rate(requests_total[1h]), "x", "$1", "pod", "p(.).*"))`, `time() - max by (service) (timestamp(requests_total))`,
}, burns...)

func (s *soaking) open() {
	s.t.Helper()
	db, err := tsdb.Open(s.dir, nil, nil, s.opts, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	db.DisableCompactions() // they come when the soak wants them
	s.db = db
	s.oracle = evaluate.NewPrometheus(evaluate.Options{Queryable: db})
	for _, a := range s.series {
		a.ref = 0
	}
}

// oldest is what the store of the program says.
func (s *soaking) oldest() int64 {
	if blocks := s.db.Blocks(); len(blocks) > 0 {
		return blocks[0].MinTime()
	}
	return math.MinInt64
}

// start is a new process, with a snapshot or without one.
func (s *soaking) start(snapshot []byte) {
	s.t.Helper()
	s.reg = prometheus.NewRegistry()
	s.engine = evaluate.New(evaluate.Options{Queryable: s.db, Registerer: s.reg, OutOfOrder: 10 * time.Minute, Oldest: s.oldest})
	s.to = s.engine.Follow(s.db)
	if snapshot != nil {
		if err := s.engine.Restore(bytes.NewReader(snapshot)); err != nil {
			s.t.Fatal(err)
		}
	}
	live, err := s.engine.Live("soak", s.exprs...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.live = live
	if s.other, err = s.engine.Live("other", s.exprs[len(s.exprs)/2:]...); err != nil {
		s.t.Fatal(err)
	}
}

// stop ends the process, orderly or not.
func (s *soaking) stop() {
	ours, left := s.shares()
	s.incremental += ours
	s.mended += left["(mended series)"]
	s.live.Close()
	s.other.Close()
}

func (s *soaking) check() {
	s.t.Helper()
	at := time.UnixMilli(s.now)
	first := s.r.IntN(2) == 0 // it may come before or after, a few milliseconds apart
	if later := at.Add(time.Duration(s.r.IntN(20)) * time.Millisecond); first {
		s.answers(s.other, later, s.exprs[len(s.exprs)-3:]...)
	} else {
		defer func() { s.answers(s.other, later, s.exprs[len(s.exprs)-3:]...) }()
	}
	for _, expr := range s.exprs {
		// The 30 days are read in full by the oracle, which takes a while.
		got, err := s.live.Query(s.t.Context(), expr, at)
		if err != nil {
			s.t.Fatalf("%s: %v", expr, err)
		}
		if s.r.IntN(3) > 0 {
			continue
		}
		want, err := s.oracle.Query(s.t.Context(), expr, at)
		if err != nil {
			s.t.Fatalf("%s: %v", expr, err)
		}
		s.values += len(want)
		same(s.t, fmt.Sprintf("%s at %s", expr, at.UTC()), got, want)
	}
	s.checks++
}

func (s *soaking) compact() {
	s.t.Helper()
	before := map[string]bool{}
	for _, b := range s.db.Blocks() {
		before[b.Meta().ULID.String()] = true
	}
	first := int64(math.MaxInt64)
	for _, b := range s.db.Blocks() {
		first = min(first, b.MinTime())
	}
	if err := s.db.Compact(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	then := int64(math.MaxInt64)
	for _, b := range s.db.Blocks() {
		then = min(then, b.MinTime())
	}
	if len(before) > 0 && then > first {
		s.deleted++
	}
	s.compactions++
}

// TestSoak runs for some days of simulated time; for a year when EVENKEEL_SOAK_DAYS says
// so, as make soak-year does.
func TestSoak(t *testing.T) {
	days, seed := 2, uint64(7)
	if text := os.Getenv("EVENKEEL_SOAK_DAYS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("EVENKEEL_SOAK_DAYS is %q, expected a number of days", text)
		}
		days, seed = n, uint64(time.Now().UnixNano())
	}
	if text := os.Getenv("EVENKEEL_SOAK_SEED"); text != "" { // to see again what one soak has found
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("EVENKEEL_SOAK_SEED is %q, expected a number", text)
		}
		seed = n
	}
	t.Logf("seed %d", seed)
	w := newWorld(t, seed, true)
	dir := w.db.Dir()
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	opts := tsdb.DefaultOptions()
	opts.OutOfOrderTimeWindow = 10 * 60_000
	opts.MinBlockDuration, opts.MaxBlockDuration = 2*3600_000, 8*3600_000
	opts.RetentionDuration = int64(min(20*24, days*8)) * 3600_000
	s := &soaking{world: w, dir: dir, opts: opts, exprs: longer}
	opts.BlockCompactionExcludeFunc = func(meta *tsdb.BlockMeta) bool { return metrics.Early(meta, s.db) } // as the program's store
	s.pace = 15_000
	s.open()
	defer func() { s.db.Close() }()
	s.start(nil)
	end := s.now + int64(days)*24*3600_000
	for s.now < end {
		s.run([]time.Duration{time.Second, 15 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour}[s.r.IntN(6)], true)
		switch s.r.IntN(12) {
		case 0, 1:
			s.compact()
		case 2:
			var image bytes.Buffer
			if err := s.engine.Snapshot(&image); err != nil {
				t.Fatal(err)
			}
			s.image = image.Bytes()
		case 3:
			s.stop()
			s.restarts++
			switch s.r.IntN(4) {
			case 0: // it finds nothing
				s.cold++
				s.image = nil
			case 1: // the store is opened anew as well
				s.reopened++
				if err := s.db.Close(); err != nil {
					t.Fatal(err)
				}
				s.open()
			}
			s.to = s.db
			s.run(time.Duration(s.r.IntN(600))*time.Second, true) // others write while it is away
			s.start(s.image)
		}
		if days < 30 || s.r.IntN(8) == 0 {
			s.check()
		} else if _, err := s.live.Query(t.Context(), s.exprs[0], time.UnixMilli(s.now)); err != nil {
			t.Fatal(err)
		}
	}
	s.check()
	s.stop()
	t.Logf("%d days: %d checks of %d values, %.0f incremental evaluations, %.0f series mended, %d restarts (%d without a snapshot, %d with the store opened anew), %d compactions, %d times blocks were deleted",
		days, s.checks, s.values, s.incremental, s.mended, s.restarts, s.cold, s.reopened, s.compactions, s.deleted)
	if s.values < 100*days || s.restarts == 0 || s.compactions == 0 || s.deleted == 0 || s.mended == 0 || s.incremental < float64(20*days) {
		t.Error("too little has happened")
	}
}
