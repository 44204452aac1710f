package logs

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/evenkeel/evenkeel/observe"
)

// Origin is where rows come from.
type Origin struct {
	Receiver string // a counter's label: otlp, loki, syslog, …
	Source   string // who sent them, as an address or a file
	// Arrival gives rows with an impossible time that of their arrival, for senders that
	// cannot be told. Others' are refused.
	Arrival bool
}

// Batch collects the rows of one request. It is used by one goroutine, and once.
type Batch struct {
	store  *Store
	origin Origin
	limits Limits
	now    time.Time

	oldest, newest int64
	sets           []*logstorage.LogRows
	encoded        []byte
	memory         *[]byte // where encoded goes back to
	scratch        []Field
	rows, bytes    int
	refused        map[string]int
	first          *observe.Refusal
	changed        map[string]int
}

// Begin begins a batch.
func (s *Store) Begin(o Origin) *Batch {
	now := s.o.Now()
	l := s.Limits()
	return &Batch{store: s, origin: o, limits: l, now: now, oldest: now.Add(-s.o.Retention).UnixNano(), newest: now.Add(l.Future).UnixNano()}
}

// Add adds a row whose first streams fields are those of its stream. A time of 0 is
// the time of arrival. The fields are copied. The refusal is that of this row; others
// are not affected.
func (b *Batch) Add(at int64, fields []Field, streams int) *observe.Refusal {
	if at == 0 {
		at = b.now.UnixNano()
	}
	b.scratch = append(b.scratch[:0], fields...)
	if at > b.newest || at < b.oldest {
		if !b.origin.Arrival {
			return b.refuse(at)
		}
		b.change(ChangedTime)
		b.scratch = append(b.scratch, Field{Name: "time.sent", Value: time.Unix(0, at).UTC().Format(time.RFC3339Nano)})
		at = b.now.UnixNano()
	}
	row, n := b.limits.clean(b.scratch, streams, b.change)
	b.scratch = row
	if len(row) == 0 {
		return b.count(&observe.Refusal{Status: http.StatusBadRequest, Reason: "empty", Got: "a row without a value", Want: "a message or a field"})
	}
	if drop := b.store.drop.Load(); drop != nil && (*drop)(Row{Time: at, Fields: row, Streams: n}) {
		return nil
	}
	if kept := b.store.streams.admit(b.now, row[:n], b.limits.Streams); kept < n {
		n = kept // the fields stay, as fields; the row's stream is its service's
		b.change(ChangedStreams)
	}
	if b.memory == nil {
		b.memory = encodings.Get().(*[]byte)
		b.encoded = (*b.memory)[:0]
	}
	start := len(b.encoded)
	b.encoded = appendRow(b.encoded, at, row, n)
	b.bytes += len(b.encoded) - start
	b.rows++
	b.keep(at, row, n)
	return nil
}

// keep puts a row into the set that the engine will be given.
func (b *Batch) keep(at int64, row []Field, streams int) {
	if len(b.sets) == 0 || b.sets[len(b.sets)-1].NeedFlush() {
		b.sets = append(b.sets, logstorage.GetLogRows(nil, nil, nil, nil, ""))
	}
	b.sets[len(b.sets)-1].MustAdd(logstorage.TenantID{}, at, row, streams)
}

func (b *Batch) refuse(at int64) *observe.Refusal {
	got := time.Unix(0, at).UTC().Format(time.RFC3339Nano)
	if at > b.newest {
		return b.count(&observe.Refusal{Status: http.StatusBadRequest, Reason: "future", Got: "time " + got, Want: fmt.Sprintf("at most %s ahead of this clock, which says %s", b.limits.Future, b.now.UTC().Format(time.RFC3339))})
	}
	return b.count(&observe.Refusal{Status: http.StatusBadRequest, Reason: "too_old", Got: "time " + got, Want: fmt.Sprintf("within the retention of %s", b.store.o.Retention)})
}

func (b *Batch) count(r *observe.Refusal) *observe.Refusal {
	if b.refused == nil {
		b.refused, b.first = map[string]int{}, r
	}
	b.refused[r.Reason]++
	return r
}

// Refuse counts n rows that the receiver itself does not take.
func (b *Batch) Refuse(r *observe.Refusal, n int) {
	b.count(r)
	b.refused[r.Reason] += n - 1
}

func (b *Batch) change(reason string) {
	if b.changed == nil {
		b.changed = map[string]int{}
	}
	b.changed[reason]++
}

// Changed counts what the receiver itself found to be worth telling of n rows.
func (b *Batch) Changed(reason string, n int) {
	if n > 0 {
		b.change(reason)
		b.changed[reason] += n - 1
	}
}

// Rows is how many were added and not refused.
func (b *Batch) Rows() int { return b.rows }

// Refused is how many rows were refused, and what the sender should be told of them
// and of those that were changed.
func (b *Batch) Refused() (n int, text string) {
	var parts []string
	for _, c := range b.refused {
		n += c
	}
	if n > 0 {
		parts = append(parts, fmt.Sprintf("%d refused, the first: %v", n, b.first))
	}
	var changes []string
	for reason, c := range b.changed {
		if reason != ChangedTwice {
			changes = append(changes, fmt.Sprintf("%d %s", c, changeWords[reason]))
		}
	}
	slices.Sort(changes)
	return n, strings.Join(append(parts, changes...), "; ")
}

var changeWords = map[string]string{
	ChangedCut: "values were cut (limits.log_value_bytes)", ChangedFields: "fields were left out (limits.log_fields)",
	ChangedName: "field names were changed", ChangedUTF8: "values were not UTF-8", ChangedTime: "times were replaced by that of arrival",
	ChangedStreams: "rows were put into their service's stream (limits.log_streams)",
	ChangedLarge:   "traces have more spans than are read at once: they are stored, and read in pieces",
}

// encodings are the memory of encoded rows, for the next batch.
var encodings = sync.Pool{New: func() any { return new([]byte) }}

// mostKept is the largest encoding whose memory is kept.
const mostKept = 8 << 20

// Commit stores the rows that were added. Its error is ours: nothing is stored, and the
// sender should try again.
func (b *Batch) Commit() error {
	s, receiver := b.store, b.origin.Receiver
	for reason, n := range b.refused {
		s.refused.WithLabelValues(receiver, reason).Add(float64(n))
	}
	defer func() {
		for _, set := range b.sets {
			logstorage.PutLogRows(set)
		}
		b.sets = nil
		if b.memory != nil && cap(b.encoded) <= mostKept {
			*b.memory = b.encoded[:0]
			encodings.Put(b.memory)
		}
		b.memory, b.encoded = nil, nil
	}()
	if b.rows == 0 {
		return nil
	}
	if r := s.quota.Take(b.now, b.origin.Source, int64(b.bytes), b.limits.PerSource, "bytes", "limits.log_bytes_per_source"); r != nil {
		s.refused.WithLabelValues(receiver, r.Reason).Add(float64(b.rows))
		return r
	}
	if err := s.write(b); err != nil {
		s.refused.WithLabelValues(receiver, "store").Add(float64(b.rows))
		return &observe.Refusal{Status: http.StatusServiceUnavailable, Reason: "store", Want: "a store that can write: " + err.Error()}
	}
	for reason, n := range b.changed {
		s.changed.WithLabelValues(receiver, reason).Add(float64(n))
	}
	s.rows.WithLabelValues(receiver).Add(float64(b.rows))
	s.bytes.WithLabelValues(receiver).Add(float64(b.bytes))
	if tap := s.tap.Load(); tap != nil {
		(*tap)(Rows{Receiver: receiver, Source: b.origin.Source, Bytes: b.bytes, Each: func(f func(Row)) { _ = eachRow(b.encoded, f) }})
	}
	return nil
}

func (s *Store) write(b *Batch) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return errClosed
	}
	if err := s.disk.Room(b.now); err != nil {
		return err
	}
	if s.engine.IsReadOnly() {
		return fmt.Errorf("the disk is full")
	}
	if err := s.wal.append(b.encoded, b.rows); err != nil {
		return err
	}
	for _, set := range b.sets {
		s.engine.MustAddRows(set)
	}
	return nil
}
