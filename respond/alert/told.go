package alert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/client_golang/prometheus"
)

// told is the notification log: what each receiver was told of each group. Its file is a
// snapshot with what came since appended, in Alertmanager's own format for both, so that
// the cost of noting does not grow with what was noted before.
type told struct {
	log  *nflog.Log
	p    *Pipeline
	past []past // of before the start

	mu      sync.Mutex
	pending []byte // noted, and not in the file yet

	disk  sync.Mutex // guards what follows; it is taken before mu
	file  logFile    // nil: to be opened
	size  int64      // of the file, in whole entries
	grown int        // bytes behind the snapshot
}

// logFile is an *os.File, or in a test one whose disk is full.
type logFile interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// compactAt is how much may lie behind the snapshot before there is a new one.
const compactAt = 8 << 20

// openTold reads the log. What a kill has left of a last entry is cut off.
func openTold(p *Pipeline) (*told, error) {
	t := &told{p: p}
	path := filepath.Join(p.dir, "nflog")
	if data, err := os.ReadFile(path); err == nil {
		if n := wholeEntries(data); n < len(data) {
			p.o.Logger.Warn("the notification log ends within an entry, as after a kill; the rest is read", "file", path, "cut_bytes", len(data)-n)
			if err := os.Truncate(path, int64(n)); err != nil {
				return nil, fmt.Errorf("cannot cut %q: %w", path, err)
			}
		}
		t.past = readPast(data)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot read %q: %w", path, err)
	}
	var err error
	if t.log, err = openSnapshot(p, "nflog", func(file string) (*nflog.Log, error) {
		return nflog.New(nflog.Options{SnapshotFile: file, Retention: retention, Logger: p.o.Logger, Metrics: prometheus.NewRegistry()})
	}); err != nil {
		return nil, err
	}
	t.log.SetBroadcast(func(entry []byte) {
		t.mu.Lock()
		t.pending = append(t.pending, entry...)
		t.mu.Unlock()
	})
	return t, nil
}

// wholeEntries is how many bytes of a log are whole entries: each is its length, as a
// varint, and so many bytes.
func wholeEntries(data []byte) int {
	at := 0
	for at < len(data) {
		size, n := binary.Uvarint(data[at:])
		if n <= 0 || size > uint64(len(data)-at-n) {
			return at
		}
		at += n + int(size)
	}
	return at
}

// Log implements notify.NotificationLog.
func (t *told) Log(r *nflogpb.Receiver, group string, firing, resolved []uint64, store *nflog.Store, expiry time.Duration) error {
	return t.log.Log(r, group, firing, resolved, store, expiry)
}

// Query implements notify.NotificationLog.
func (t *told) Query(params ...nflog.QueryParam) ([]*nflogpb.Entry, error) {
	return t.log.Query(params...)
}

// write puts what was noted into the file, where a kill of this program leaves it alone;
// sync makes it survive the machine. What cannot be written, because the disk is full, waits
// for the next time.
func (t *told) write() error {
	t.disk.Lock()
	defer t.disk.Unlock()
	t.mu.Lock()
	pending := t.pending
	t.pending = nil
	t.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	if t.file == nil {
		f, err := os.OpenFile(filepath.Join(t.p.dir, "nflog"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			t.keep(pending)
			return fmt.Errorf("cannot open the notification log: %w", err)
		}
		info, err := f.Stat()
		if err != nil {
			_ = f.Close()
			t.keep(pending)
			return fmt.Errorf("cannot open the notification log: %w", err)
		}
		t.file, t.size = f, info.Size()
	}
	n, err := t.file.Write(pending)
	if err == nil {
		t.size += int64(n)
		t.grown += n
		return nil
	}
	// Part of an entry may be in the file, and what is behind it could not be read.
	if e := t.file.Truncate(t.size); e != nil {
		_ = t.file.Close()
		t.file, t.grown = nil, compactAt // only a snapshot mends it
		return fmt.Errorf("cannot write the notification log: %w", errors.Join(err, e))
	}
	t.keep(pending)
	return fmt.Errorf("cannot write the notification log: %w", err)
}

// keep has what could not be written wait, before what came since.
func (t *told) keep(pending []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending = append(pending, t.pending...)
}

// waits says whether something waits to be written.
func (t *told) waits() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.pending) > 0
}

func (t *told) sync() error {
	t.disk.Lock()
	f := t.file
	t.disk.Unlock()
	if f == nil {
		return nil
	}
	// Without the lock: what is noted meanwhile need not wait.
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("cannot keep the notification log: %w", err)
	}
	return nil // a closed one has become a snapshot, which was synced
}

// compact writes a snapshot without what has expired, where much lies behind the last one.
func (t *told) compact(always bool) error {
	t.disk.Lock()
	defer t.disk.Unlock()
	if !always && t.grown < compactAt {
		return nil
	}
	if _, err := t.log.GC(); err != nil {
		return fmt.Errorf("cannot clean the notification log: %w", err)
	}
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
	}
	err := t.p.snapshot("nflog", func(w io.Writer) (int64, error) {
		// What is noted from here on is in the snapshot, or pending, or both: the same entry
		// twice is one.
		t.mu.Lock()
		t.pending = nil
		t.mu.Unlock()
		return t.log.Snapshot(w)
	})
	if t.grown = 0; err != nil {
		t.grown = compactAt
	}
	return err
}
