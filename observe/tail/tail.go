package tail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
)

const (
	receiver  = "file"
	every     = 250 * time.Millisecond
	maxFiles  = 1000
	chunk     = 256 << 10
	maxRecord = 256 << 10 // bytes of one record
	maxJoined = 500       // lines of one record
	quiet     = time.Second
	// backlog is how much of a file is read that nobody has read before.
	backlog = 64 << 20
)

// Options of a Tailer.
type Options struct {
	Store    *logs.Store
	Files    []declare.LogFile
	State    string // file that keeps the positions
	Host     string // host.name of the rows
	Logger   *slog.Logger
	Interval time.Duration // between looks; default 250ms
}

// Tailer follows files.
type Tailer struct {
	o     Options
	files map[string]*file // by path
	saved map[string]position
}

// position is how far a file was read.
type position struct {
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`
	Mark   []byte `json:"mark,omitempty"` // what stands before the offset
}

// New makes a tailer; the positions of an earlier run are read.
func New(o Options) (*Tailer, error) {
	if o.Interval <= 0 {
		o.Interval = every
	}
	t := &Tailer{o: o, files: map[string]*file{}, saved: map[string]position{}}
	data, err := os.ReadFile(o.State)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("cannot read the positions in log files: %w", err)
	default:
		if err := json.Unmarshal(data, &t.saved); err != nil {
			o.Logger.Warn("the positions in log files cannot be read: files are read from their beginning", "file", o.State, "err", err)
			t.saved = map[string]position{}
		}
	}
	return t, nil
}

// Run follows until ctx ends.
func (t *Tailer) Run(ctx context.Context) error {
	tick := time.NewTicker(t.o.Interval)
	defer tick.Stop()
	defer func() {
		for _, f := range t.files {
			f.close()
		}
	}()
	for {
		now := time.Now()
		t.turn(now, false)
		select {
		case <-ctx.Done():
			t.turn(time.Now(), true) // what is gathered of a record is a record
			return nil
		case <-tick.C:
		}
	}
}

// turn looks at every file once.
func (t *Tailer) turn(now time.Time, last bool) {
	for _, decl := range t.o.Files {
		paths, err := filepath.Glob(decl.Path)
		if err != nil {
			continue // checked when the workspace was read
		}
		for _, p := range paths {
			if t.files[p] == nil && len(t.files) < maxFiles {
				if f := t.begin(p, decl); f != nil {
					t.files[p] = f
				}
			}
		}
	}
	moved := false
	for path, f := range t.files {
		gone, progress := t.follow(f, now, last)
		moved = moved || progress
		if gone {
			f.close()
			delete(t.files, path)
			t.saved[path] = position{} // all of it is stored; the path's next file begins at its beginning
			moved = true
		}
	}
	if moved {
		if err := t.save(); err != nil {
			t.o.Logger.Error("a restart would read log files again", "err", err)
		}
	}
}

// begin opens a file where it was left.
func (t *Tailer) begin(path string, decl declare.LogFile) *file {
	saved, known := t.saved[path]
	if known {
		if old := rotated(path, saved.Inode); old != "" { // it was rotated while nobody looked
			if f, err := open(old, decl, saved.Offset); err == nil {
				f.path, f.left = path, true
				return f
			}
		}
	}
	f, err := open(path, decl, 0)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			t.o.Logger.Warn("cannot follow a log file", "err", err)
		}
		return nil
	}
	switch {
	case known && f.inode == saved.Inode && f.size() >= saved.Offset && (saved.Mark == nil || bytes.Equal(f.before(saved.Offset), saved.Mark)):
		f.seek(saved.Offset)
	case !known && f.size() > backlog:
		f.seek(f.size() - backlog)
		f.partial = true
	}
	return f
}

// rotated finds the file that was at a path, by its inode, beside it.
func rotated(path string, inode uint64) string {
	if info, err := os.Stat(path); err == nil && inodeOf(info) == inode {
		return ""
	}
	others, err := filepath.Glob(path + ".*")
	if err != nil {
		return ""
	}
	for _, o := range others {
		if info, err := os.Stat(o); err == nil && info.Mode().IsRegular() && inodeOf(info) == inode {
			return o
		}
	}
	return ""
}

// follow reads what has come. gone says that the file need not be looked at again; the
// path may have another one by now.
func (t *Tailer) follow(f *file, now time.Time, last bool) (gone, progress bool) {
	info, err := os.Stat(f.path)
	replaced := err != nil || f.left || inodeOf(info) != f.inode
	if size := f.size(); size < f.offset || size > f.offset && f.rewritten() { // truncated in place
		f.flush(now, true)
		f.seek(0)
	}
	for {
		batch := t.o.Store.Begin(logs.Origin{Receiver: receiver, Source: f.path, Arrival: true})
		before := f.committed
		more, err := f.read(batch, t.o.Host, now)
		if f.pending() && (replaced && !more || last || now.Sub(f.lastLine) > quiet) {
			f.record(batch, t.o.Host, now)
		}
		if batch.Rows() > 0 || f.position() != before {
			if cerr := batch.Commit(); cerr != nil { // read again later
				t.o.Logger.Error("lines of a log file wait", "file", f.path, "err", cerr)
				f.seek(before)
				return false, progress
			}
			f.committed = f.position()
			progress = true
		}
		if err != nil {
			t.o.Logger.Warn("cannot read a log file", "err", err)
			return true, progress
		}
		if !more {
			return replaced, progress
		}
	}
}

// save writes the positions down, whole or not at all.
func (t *Tailer) save() error {
	for path, f := range t.files {
		t.saved[path] = position{Inode: f.inode, Offset: f.committed, Mark: f.before(f.committed)}
	}
	for path := range t.saved { // of files that are gone
		if _, there := t.files[path]; !there {
			if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
				delete(t.saved, path)
			}
		}
	}
	data, err := json.Marshal(t.saved)
	if err != nil {
		return err
	}
	tmp := t.o.State + ".tmp"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, t.o.State)
}

func inodeOf(info os.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}
