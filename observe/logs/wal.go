package logs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/klauspost/compress/s2"
)

const (
	segmentAge   = 5 * time.Second
	segmentBytes = 64 << 20
	// settled is how long after its end a segment is kept. The engine writes what it
	// holds in memory within flushEvery, twice that when a merge is under way, and a
	// merge of what is in memory takes well under a second; this is many times more.
	settled  = 30 * time.Second
	maxFrame = 256 << 20
	header   = 8 // length and checksum
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// wal is the write-ahead log: the rows that the engine may not have on disk yet. Frames
// of length, checksum and compressed rows in numbered segments. What is appended is
// handed to the kernel: a killed process loses nothing, a machine that loses power can
// lose the last moments, as with the metrics.
type wal struct {
	dir string

	mu     sync.Mutex
	file   *os.File
	number int
	size   int64
	began  time.Time
	rows   uint64 // appended since the start
	old    []segment
	broken error // a torn frame that could not be taken back
}

// segment is one that is not appended to any more.
type segment struct {
	path  string
	ended time.Time
	rows  uint64 // that had been appended by its end
}

func openWAL(dir string) (*wal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot create the write-ahead log: %w", err)
	}
	w := &wal{dir: dir}
	paths, err := w.segments()
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		var n int
		if _, err := fmt.Sscanf(filepath.Base(p), "%08d.wal", &n); err == nil {
			w.number = max(w.number, n)
		}
	}
	return w, w.begin(time.Now())
}

// segments are the files that are there, in order.
func (w *wal) segments() ([]string, error) {
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return nil, fmt.Errorf("cannot list the write-ahead log: %w", err)
	}
	var out []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".wal") {
			out = append(out, filepath.Join(w.dir, e.Name()))
		}
	}
	slices.Sort(out)
	return out, nil
}

// begin begins a segment.
func (w *wal) begin(now time.Time) error {
	w.number++
	f, err := os.OpenFile(filepath.Join(w.dir, fmt.Sprintf("%08d.wal", w.number)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot begin a segment of the write-ahead log: %w", err)
	}
	w.file, w.size, w.began, w.broken = f, 0, now, nil
	return nil
}

// frames are the memory of frames on their way to the file.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// append writes one frame. When it returns nil the rows survive a kill.
func (w *wal) append(rows []byte, n int) error {
	memory := frames.Get().(*[]byte)
	if most := header + s2.MaxEncodedLen(len(rows)); cap(*memory) < most {
		*memory = make([]byte, most)
	}
	defer func() {
		if cap(*memory) <= mostKept { // not of one huge request
			frames.Put(memory)
		}
	}()
	buf := (*memory)[:cap(*memory)]
	body := s2.Encode(buf[header:], rows)
	binary.LittleEndian.PutUint32(buf, uint32(len(body)))
	binary.LittleEndian.PutUint32(buf[4:], crc32.Checksum(body, castagnoli))
	return w.write(buf[:header+len(body)], n)
}

// write appends a frame with n rows in it.
func (w *wal) write(frame []byte, n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return w.broken
	}
	if w.file == nil {
		return errClosed
	}
	if _, err := w.file.Write(frame); err != nil {
		// Half a frame would hide the frames behind it.
		if terr := w.file.Truncate(w.size); terr == nil {
			_, terr = w.file.Seek(w.size, io.SeekStart)
			if terr == nil {
				return fmt.Errorf("cannot write ahead: %w", err)
			}
		}
		w.broken = fmt.Errorf("cannot write ahead: %w", err)
		return w.broken
	}
	w.size += int64(len(frame))
	w.rows += uint64(n)
	return nil
}

// due says whether a new segment should begin.
func (w *wal) due(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken != nil || w.size > 0 && (w.size >= segmentBytes || now.Sub(w.began) >= segmentAge)
}

// rotate begins a new segment. No append may be under way between the log and the engine.
func (w *wal) rotate(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	old := w.file
	if err := w.begin(now); err != nil {
		return err
	}
	w.old = append(w.old, segment{path: old.Name(), ended: now, rows: w.rows})
	return old.Close()
}

// remove removes segments whose rows the engine has on disk: it had the time for it, and
// holds no more rows in memory than came after.
func (w *wal) remove(now time.Time, inMemory func() uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.old) > 0 && now.Sub(w.old[0].ended) >= settled {
		if inMemory() > w.rows-w.old[0].rows {
			return nil
		}
		if err := os.Remove(w.old[0].path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		w.old = w.old[1:]
	}
	return nil
}

// close ends the log; with everything on disk it is not needed any more.
func (w *wal) close(stored bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	if !stored {
		return err
	}
	paths, lerr := w.segments()
	err = errors.Join(err, lerr)
	for _, p := range paths {
		err = errors.Join(err, os.Remove(p))
	}
	return err
}

// readSegment calls f with the rows of each whole frame. A torn end is where a kill
// struck: what is behind it was never acknowledged.
func readSegment(path string, f func(rows []byte) error) (torn bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	var head [header]byte
	var body, rows []byte
	for {
		if _, err := io.ReadFull(file, head[:]); err != nil {
			return !errors.Is(err, io.EOF), nil
		}
		n := binary.LittleEndian.Uint32(head[:])
		if n > maxFrame {
			return true, nil
		}
		if uint32(cap(body)) < n {
			body = make([]byte, n)
		}
		body = body[:n]
		if _, err := io.ReadFull(file, body); err != nil {
			return true, nil
		}
		if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
			return true, nil
		}
		size, err := s2.DecodedLen(body)
		if err != nil || size > 2*maxFrame {
			return true, nil
		}
		if rows, err = s2.Decode(rows[:cap(rows)], body); err != nil {
			return true, nil
		}
		if err := f(rows); err != nil {
			return false, err
		}
	}
}

// appendRow encodes a row: its time, how many fields, how many of them are its stream's,
// then names and values.
func appendRow(to []byte, at int64, fields []Field, streams int) []byte {
	to = binary.LittleEndian.AppendUint64(to, uint64(at))
	to = binary.AppendUvarint(to, uint64(len(fields)))
	to = binary.AppendUvarint(to, uint64(streams))
	for i := range fields {
		to = binary.AppendUvarint(to, uint64(len(fields[i].Name)))
		to = append(to, fields[i].Name...)
		to = binary.AppendUvarint(to, uint64(len(fields[i].Value)))
		to = append(to, fields[i].Value...)
	}
	return to
}

var errRows = errors.New("cannot read rows of the write-ahead log")

// eachRow decodes rows. What it hands on points into the buffer.
func eachRow(from []byte, f func(Row)) error {
	var fields []Field
	number := func() (uint64, bool) {
		v, n := binary.Uvarint(from)
		if n <= 0 {
			return 0, false
		}
		from = from[n:]
		return v, true
	}
	text := func() (string, bool) {
		n, ok := number()
		if !ok || n > uint64(len(from)) {
			return "", false
		}
		if n == 0 {
			return "", true
		}
		s := unsafe.String(&from[0], int(n))
		from = from[n:]
		return s, true
	}
	for len(from) > 0 {
		if len(from) < 8 {
			return errRows
		}
		at := int64(binary.LittleEndian.Uint64(from))
		from = from[8:]
		n, ok := number()
		streams, ok2 := number()
		if !ok || !ok2 || n > uint64(len(from)) || streams > n {
			return errRows
		}
		fields = fields[:0]
		for range n {
			name, ok := text()
			value, ok2 := text()
			if !ok || !ok2 {
				return errRows
			}
			fields = append(fields, Field{Name: name, Value: value})
		}
		f(Row{Time: at, Fields: fields, Streams: int(streams)})
	}
	return nil
}
