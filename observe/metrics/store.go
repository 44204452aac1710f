package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe"
)

// defaultReserve is what the store must be able to grow by, in bytes: a file of chunks
// (128 MiB, allocated at once), a segment of each log, and a small block.
const defaultReserve = 512 << 20

// Options of a Store.
type Options struct {
	Dir        string // the data folder; the store lives in Dir/metrics
	Settings   declare.Settings
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Reserve is how many bytes of disk space must be free for samples to be accepted;
	// 0 means 512 MiB.
	Reserve uint64
}

// Store is the embedded TSDB. Its own AppenderV2 is unguarded: it is for what the program
// itself writes, as rules' results.
type Store struct {
	*tsdb.DB
	to      storage.AppendableV2 // the DB, or whoever follows what is appended to it
	limits  atomic.Pointer[declare.Limits]
	samples *prometheus.CounterVec
	refused *prometheus.CounterVec
	now     func() time.Time

	retention, window time.Duration
	disk              observe.Disk
	quota             observe.Quota
	drops             atomic.Pointer[drops]
	dropped           *prometheus.CounterVec
}

// Open opens or creates the store. After a kill the write-ahead log is replayed.
func Open(o Options) (*Store, error) {
	dir := filepath.Join(o.Dir, "metrics")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot create metrics store %q: %w", dir, err)
	}
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = o.Settings.Metrics.Retention.Milliseconds()
	opts.MaxBytes = o.Settings.Metrics.RetentionSize
	// Blocks are merged as Prometheus has them: up to a tenth of the retention each, so that a
	// query over all of it opens some ten and not some hundred.
	opts.MaxBlockDuration = max(opts.MinBlockDuration, min(31*24*time.Hour, o.Settings.Metrics.Retention/10).Milliseconds())
	opts.OutOfOrderTimeWindow = o.Settings.Metrics.OutOfOrder.Milliseconds()
	opts.EnableExemplarStorage, opts.MaxExemplars = true, 100_000
	opts.WALCompression = compression.Snappy
	// Without the zero at a counter's start its first increase would be lost: a
	// service's first error after a restart would not count.
	opts.EnableSTAsZeroSample = true
	var opened atomic.Pointer[tsdb.DB]
	opts.BlockCompactionExcludeFunc = func(meta *tsdb.BlockMeta) bool { return Early(meta, opened.Load()) }
	db, err := tsdb.Open(dir, o.Logger, o.Registerer, opts, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot open metrics store %q: %w", dir, err)
	}
	opened.Store(db)
	if o.Reserve == 0 {
		o.Reserve = defaultReserve
	}
	s := &Store{
		disk: observe.Disk{Dir: dir, Reserve: o.Reserve},
		DB:   db, to: db, now: time.Now, retention: o.Settings.Metrics.Retention, window: o.Settings.Metrics.OutOfOrder,
		samples: promauto.With(o.Registerer).NewCounterVec(prometheus.CounterOpts{
			Name: "evenkeel_observe_samples_total", Help: "Samples accepted, by receiver.",
		}, []string{"receiver"}),
		refused: promauto.With(o.Registerer).NewCounterVec(prometheus.CounterOpts{
			Name: "evenkeel_observe_refused_total", Help: "Samples, requests and series refused, by receiver and reason.",
		}, []string{"receiver", "reason"}),
	}
	s.dropped = promauto.With(o.Registerer).NewCounterVec(prometheus.CounterOpts{
		Name: "evenkeel_observe_samples_dropped_total", Help: "Samples kept out of the store by a rule.",
	}, []string{"rule"})
	limits := o.Settings.Limits
	s.limits.Store(&limits)
	if err := s.SetDrops(o.Settings.Metrics.Drop); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Early says whether a block of late samples may not be merged with others yet, because
// samples of its time that were not late are still in the head alone. The merged block would
// count as holding them, and the library would drop them from the head and, at the next
// start, from what it reads of the write-ahead log.
func Early(meta *tsdb.BlockMeta, db *tsdb.DB) bool {
	return meta.Compaction.FromOutOfOrder() && (db == nil || meta.MaxTime > db.Head().MinTime())
}

// Follow has everything that is appended pass through another appendable, made of the
// store's own. It is called once, before anything is appended.
func (s *Store) Follow(by func(storage.AppendableV2) storage.AppendableV2) { s.to = by(s.DB) }

// AppenderV2 implements storage.AppendableV2.
func (s *Store) AppenderV2(ctx context.Context) storage.AppenderV2 { return s.to.AppenderV2(ctx) }

// Appender hides the DB's, past which nobody could follow.
func (s *Store) Appender() error { return errors.ErrUnsupported }

// Oldest is the time, in Unix milliseconds, of the oldest block of samples; the lowest
// there is when none has been written yet.
func (s *Store) Oldest() int64 {
	if blocks := s.DB.Blocks(); len(blocks) > 0 {
		return blocks[0].MinTime()
	}
	return math.MinInt64
}

// SetLimits replaces the limits, after the workspace has changed.
func (s *Store) SetLimits(l declare.Limits) { s.limits.Store(&l) }

// Limits are those in force.
func (s *Store) Limits() declare.Limits { return *s.limits.Load() }

// Refused counts a refusal that happened before any sample was seen.
func (s *Store) Refused(receiver, reason string) { s.refused.WithLabelValues(receiver, reason).Inc() }

// RefusedMany counts the refusal of n samples that no batch has seen.
func (s *Store) RefusedMany(receiver, reason string, n int) {
	s.refused.WithLabelValues(receiver, reason).Add(float64(n))
}

// Guarded returns the door for one receiver. When strict, a refused sample is an
// *observe.Refusal from Append and its caller goes on with the next one; otherwise
// refusals are collected, and Append returns nil.
func (s *Store) Guarded(receiver string, strict bool) *Door {
	return &Door{store: s, receiver: receiver, strict: strict}
}

// Door makes guarded appenders.
type Door struct {
	store    *Store
	receiver string
	strict   bool
}

var _ storage.AppendableV2 = (*Door)(nil)

// AppenderV2 implements storage.AppendableV2; the result is a *Guard.
func (d *Door) AppenderV2(ctx context.Context) storage.AppenderV2 { return d.Begin(ctx) }

// lasts are for batches: to grow one for each costs more than to store its samples.
var lasts = sync.Pool{New: func() any { return newNewest() }}

// Begin begins a batch.
func (d *Door) Begin(ctx context.Context) *Guard {
	limits, now := d.store.Limits(), d.store.now()
	g := &Guard{
		AppenderV2: d.store.AppenderV2(ctx), ctx: ctx, door: d, limits: limits,
		newest: now.Add(limits.Future).UnixMilli(), oldest: math.MinInt64, window: d.store.window.Milliseconds(),
		last: lasts.Get().(*newest),
	}
	if d.store.retention > 0 {
		g.oldest = now.Add(-d.store.retention).UnixMilli()
	}
	if d := d.store.drops.Load(); d != nil {
		g.drops = *d
	}
	if err := d.store.disk.Room(now); err != nil {
		g.failure = err
	}
	return g
}
