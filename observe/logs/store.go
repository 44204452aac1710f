package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/evenkeel/evenkeel/observe"
)

// Options of a Store.
type Options struct {
	Dir           string        // the data folder
	Name          string        // of the store: it lives in Dir/Name; default "logs"
	Retention     time.Duration // default 7 days; the engine deletes by the day
	RetentionSize int64         // bytes on disk, 0 no limit; the oldest days go first
	Limits        Limits
	Reserve       uint64 // bytes of disk space that must be free; default 256 MiB
	Logger        *slog.Logger
	Registerer    prometheus.Registerer // may be nil
	// Tap sees every row that was stored, after its commit. See Rows.
	Tap func(Rows)
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Rows are stored rows as a Tap sees them. They are valid during the call only.
type Rows struct {
	Receiver, Source string
	Bytes            int // of names and values
	Each             func(func(Row))
}

// Row is one row. The first Streams of the fields are those of its stream. The message
// has the name "".
type Row struct {
	Time    int64 // Unix nanoseconds
	Fields  []Field
	Streams int
}

// Field is a name and a value.
type Field = logstorage.Field

// Message is the row's message.
func (r Row) Message() string { return r.Field("") }

// Field is the value of a field, or nothing.
func (r Row) Field(name string) string {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return r.Fields[i].Value
		}
	}
	return ""
}

const (
	defaultReserve = 256 << 20
	// flushEvery is how long the engine may hold rows in memory.
	flushEvery = 2 * time.Second
	// day is what the engine keeps and deletes at a time.
	day = 24 * time.Hour
)

// Store holds rows.
type Store struct {
	o      Options
	limits atomic.Pointer[Limits]
	disk   observe.Disk
	log    *slog.Logger

	engine *logstorage.Storage
	wal    *wal
	gate   sync.RWMutex // writers hold it for reading; a new segment of the log begins while it is held for writing
	closed bool         // guarded by gate

	streams streamBook
	quota   observe.Quota
	rows    *prometheus.CounterVec
	bytes   *prometheus.CounterVec
	refused *prometheus.CounterVec
	changed *prometheus.CounterVec
	tap     atomic.Pointer[func(Rows)]
	drop    atomic.Pointer[func(Row) bool]
}

// Take takes n bytes of a sender's share (limits.log_bytes_per_source), for a receiver
// whose batches hold rows of many senders. It says how long until there is room; 0 when
// they are taken.
func (s *Store) Take(now time.Time, source string, n int) time.Duration {
	if r := s.quota.Take(now, source, int64(n), s.Limits().PerSource, "bytes", "limits.log_bytes_per_source"); r != nil {
		return max(r.After, time.Millisecond)
	}
	return 0
}

// Open opens or creates a store, and puts back what a kill left in its write-ahead log.
func Open(o Options) (*Store, error) {
	if o.Name == "" {
		o.Name = "logs"
	}
	if o.Retention <= 0 {
		o.Retention = 7 * day
	}
	o.Retention = max(o.Retention, day)
	if o.Reserve == 0 {
		o.Reserve = defaultReserve
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	dir := filepath.Join(o.Dir, o.Name)
	if err := writable(dir); err != nil { // the engine would end the process
		return nil, fmt.Errorf("cannot open the %s store: %w", o.Name, err)
	}
	reg := o.Registerer
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	f := promauto.With(prometheus.WrapRegistererWith(prometheus.Labels{"store": o.Name}, reg))
	s := &Store{
		o: o, disk: observe.Disk{Dir: dir, Reserve: o.Reserve}, log: o.Logger.With("store", o.Name),
		rows:    f.NewCounterVec(prometheus.CounterOpts{Name: "evenkeel_observe_rows_total", Help: "Rows stored, by receiver."}, []string{"receiver"}),
		bytes:   f.NewCounterVec(prometheus.CounterOpts{Name: "evenkeel_observe_row_bytes_total", Help: "Bytes of names and values stored, by receiver."}, []string{"receiver"}),
		refused: f.NewCounterVec(prometheus.CounterOpts{Name: "evenkeel_observe_rows_refused_total", Help: "Rows and requests refused, by receiver and reason."}, []string{"receiver", "reason"}),
		changed: f.NewCounterVec(prometheus.CounterOpts{Name: "evenkeel_observe_rows_changed_total", Help: "Rows stored other than they were sent, by receiver and reason."}, []string{"receiver", "reason"}),
	}
	s.SetLimits(o.Limits)
	if o.Tap != nil {
		s.tap.Store(&o.Tap)
	}
	prepareEngine()
	s.engine = logstorage.MustOpenStorage(filepath.Join(dir, "data"), &logstorage.StorageConfig{
		Retention: o.Retention, MaxDiskSpaceUsageBytes: o.RetentionSize, FlushInterval: flushEvery,
		FutureRetention: 2 * day, MinFreeDiskSpaceBytes: int64(min(o.Reserve/4, 64<<20)),
	})
	var err error
	if s.wal, err = openWAL(filepath.Join(dir, "wal")); err == nil {
		err = s.replay()
	}
	if err != nil {
		s.engine.MustClose()
		return nil, fmt.Errorf("cannot open the %s store: %w", o.Name, err)
	}
	gauges(f, s)
	return s, nil
}

// writable says whether a folder can be made and written to.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	probe := filepath.Join(dir, ".probe")
	if err := os.WriteFile(probe, []byte("probe"), 0o600); err != nil {
		return err
	}
	return os.Remove(probe)
}

// SetLimits replaces the limits, after the workspace has changed.
func (s *Store) SetLimits(l Limits) {
	l = l.filled()
	s.limits.Store(&l)
}

// SetTap replaces the tap.
func (s *Store) SetTap(tap func(Rows)) { s.tap.Store(&tap) }

// SetDrop keeps rows out of the store that drop says yes to. They are acknowledged.
func (s *Store) SetDrop(drop func(Row) bool) { s.drop.Store(&drop) }

// Limits are those in force.
func (s *Store) Limits() Limits { return *s.limits.Load() }

// Retention is how long rows are kept.
func (s *Store) Retention() time.Duration { return s.o.Retention }

// Refused counts n rows that were refused before a batch saw them.
func (s *Store) Refused(receiver, reason string, n int) {
	s.refused.WithLabelValues(receiver, reason).Add(float64(n))
}

// Changed counts rows that the receiver itself stores other than they were sent.
func (s *Store) Changed(receiver, reason string, n int) {
	s.changed.WithLabelValues(receiver, reason).Add(float64(n))
}

// Flush makes what was committed readable at once. It is for tests and for closing
// reports: what is committed can be read within a second anyway.
func (s *Store) Flush() { s.engine.DebugFlush() }

// Run keeps the write-ahead log short until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.trim(time.Now()); err != nil {
				s.log.Error("cannot shorten the write-ahead log", "err", err)
			}
		}
	}
}

// trim begins a new segment when it is time, and removes those whose rows the engine
// has on disk.
func (s *Store) trim(now time.Time) error {
	if s.wal.due(now) {
		s.gate.Lock()
		err := s.wal.rotate(now)
		s.gate.Unlock()
		if err != nil {
			return err
		}
	}
	return s.wal.remove(now, func() uint64 { return s.Stats().InMemory })
}

// Stats is how much there is.
type Stats struct {
	Rows     uint64 `json:"rows"`
	Bytes    uint64 `json:"bytes_on_disk"`
	Raw      uint64 `json:"bytes_before_compression"`
	InMemory uint64 `json:"rows_in_memory"` // not on disk yet but for the write-ahead log
	Days     int    `json:"days"`
	Oldest   int64  `json:"oldest"` // Unix nanoseconds; 0 when there is nothing
}

// Stats looks.
func (s *Store) Stats() Stats {
	var ss logstorage.StorageStats
	s.engine.UpdateStats(&ss)
	out := Stats{
		Rows: ss.RowsCount(), Bytes: ss.CompressedSmallPartSize + ss.CompressedBigPartSize + ss.IndexdbSizeBytes,
		Raw:      ss.UncompressedInmemorySize + ss.UncompressedSmallPartSize + ss.UncompressedBigPartSize,
		InMemory: ss.InmemoryRowsCount + ss.PendingRows, Days: int(ss.PartitionsCount),
	}
	if out.Rows > 0 && ss.MinTimestamp > 0 {
		out.Oldest = ss.MinTimestamp
	}
	return out
}

func gauges(f promauto.Factory, s *Store) {
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: "evenkeel_observe_rows_stored", Help: "Rows that are stored."}, func() float64 { return float64(s.Stats().Rows) })
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: "evenkeel_observe_rows_disk_bytes", Help: "Bytes that stored rows take on disk."}, func() float64 { return float64(s.Stats().Bytes) })
}

// Close writes everything to disk.
func (s *Store) Close() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.settle()
	s.engine.MustClose()
	return s.wal.close(true)
}

// settle waits until the engine merges nothing: when it closes it takes its index away
// from merges that are still under way.
func (s *Store) settle() {
	s.engine.DebugFlush()
	for quiet, tries := 0, 0; quiet < 3 && tries < 400; tries++ {
		time.Sleep(5 * time.Millisecond) // of the engine's own goroutines nothing can be awaited
		var ss logstorage.StorageStats
		s.engine.UpdateStats(&ss)
		if quiet++; ss.ActiveInmemoryMerges+ss.ActiveSmallMerges+ss.ActiveBigMerges > 0 {
			quiet = 0
		}
	}
}

var errClosed = errors.New("the store is closed")
