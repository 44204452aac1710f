package tail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// file is one that is open. offset is how far it was read; the buffer holds the line
// that has no end yet, joined the record that may go on.
type file struct {
	decl   declare.LogFile
	path   string
	left   bool // the path has another file by now
	handle *os.File
	inode  uint64

	offset    int64
	committed int64  // everything before it is stored
	mark      []byte // the bytes before offset, as they were read
	buffer    []byte
	joined    []byte
	lines     int
	cut       int // bytes left out of the record or line
	skipping  bool
	partial   bool // begin behind the first line end
	lastLine  time.Time
}

func open(path string, decl declare.LogFile, offset int64) (*file, error) {
	h, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := h.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = h.Close()
		return nil, errors.Join(err, fmt.Errorf("%q is not a file of lines", path))
	}
	f := &file{decl: decl, path: path, handle: h, inode: inodeOf(info)}
	f.seek(min(offset, info.Size()))
	return f, nil
}

func (f *file) close() { _ = f.handle.Close() }

func (f *file) size() int64 {
	info, err := f.handle.Stat()
	if err != nil {
		return f.offset
	}
	return info.Size()
}

func (f *file) seek(to int64) {
	f.offset, f.committed = to, to
	f.mark = f.before(to)
	f.buffer, f.joined, f.lines, f.cut, f.skipping = f.buffer[:0], f.joined[:0], 0, 0, false
}

// markBytes is by how many bytes a file is known again.
const markBytes = 64

// before are the bytes that stand in the file before a place, at most markBytes.
func (f *file) before(at int64) []byte {
	buf := make([]byte, min(at, markBytes))
	n, err := f.handle.ReadAt(buf, at-int64(len(buf)))
	if err != nil {
		return buf[:n]
	}
	return buf
}

// rewritten says whether something else stands where the file was read: it was truncated, and
// is as long again already.
func (f *file) rewritten() bool { return !bytes.Equal(f.mark, f.before(f.offset)) }

// position is where the first byte stands that is in no row yet.
func (f *file) position() int64 {
	return f.offset - int64(len(f.buffer)) - int64(f.held())
}

// held is how many bytes of the file the record that may go on takes.
func (f *file) held() int {
	if f.lines == 0 {
		return 0
	}
	return len(f.joined) + 1 + f.cut
}

func (f *file) pending() bool { return f.lines > 0 }

// flush forgets what was gathered, for a file that begins anew.
func (f *file) flush(time.Time, bool) {
	f.buffer, f.joined, f.lines, f.cut, f.skipping = f.buffer[:0], f.joined[:0], 0, 0, false
}

// read reads a chunk and adds the records in it. more says that there is more.
func (f *file) read(batch *logs.Batch, host string, now time.Time) (more bool, err error) {
	buf := make([]byte, chunk)
	n, err := f.handle.ReadAt(buf, f.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	f.offset += int64(n)
	data := buf[:n]
	f.mark = append(f.mark, data[max(0, n-markBytes):]...)
	f.mark = f.mark[max(0, len(f.mark)-markBytes):]
	for {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			f.keep(data)
			return n == chunk, nil
		}
		f.keep(data[:end])
		data = data[end+1:]
		line := bytes.TrimSuffix(f.buffer, []byte("\r"))
		if f.partial {
			f.partial = false
		} else {
			f.line(batch, line, len(f.buffer)-len(line), host, now)
		}
		f.buffer = f.buffer[:0]
		f.lastLine = now
	}
}

// keep gathers a line; what is over the limit is left out.
func (f *file) keep(part []byte) {
	room := max(0, maxRecord-len(f.buffer))
	f.buffer = append(f.buffer, part[:min(len(part), room)]...)
	if over := len(part) - room; over > 0 {
		// Positions count it as read.
		f.cut += over
	}
}

func (f *file) line(batch *logs.Batch, line []byte, trimmed int, host string, now time.Time) {
	if f.decl.Multiline == nil {
		f.joined = append(f.joined[:0], line...)
		f.lines = 1
		f.record(batch, host, now)
		return
	}
	if f.lines > 0 && (f.decl.Multiline.Match(line) || f.lines >= maxJoined || len(f.joined)+len(line) > maxRecord) {
		f.record(batch, host, now)
	}
	if f.lines > 0 {
		f.joined = append(f.joined, '\n')
	}
	f.joined = append(f.joined, line...)
	f.cut += trimmed
	f.lines++
}

// record adds what was gathered as one row.
func (f *file) record(batch *logs.Batch, host string, now time.Time) {
	text := f.joined
	cut := f.cut
	defer func() { f.joined, f.lines, f.cut = f.joined[:0], 0, 0 }()
	if len(bytes.TrimSpace(text)) == 0 {
		return
	}
	service := string(f.decl.Service)
	if service == "" {
		service = strings.TrimSuffix(baseName(f.path), ".log")
	}
	row := []logs.Field{{Name: logs.ServiceField, Value: service}, {Name: "host.name", Value: host}, {Name: "log.file.path", Value: f.path}}
	at := int64(0)
	if f.decl.Format == "json" {
		if fields, t, ok := parseJSON(text); ok {
			batch.Add(t, append(row, fields...), 3)
			return
		}
	}
	if t, ok := leadingTime(string(text[:min(len(text), 40)]), now); ok {
		at = t.UnixNano()
	}
	row = append(row, logs.Field{Value: string(text)})
	if cut > 1 {
		row = append(row, logs.Field{Name: "cut_bytes", Value: strconv.Itoa(cut)})
	}
	batch.Add(at, row, 3)
}

func baseName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func parseJSON(text []byte) (fields []logs.Field, at int64, ok bool) {
	p := logstorage.GetJSONParser()
	defer logstorage.PutJSONParser(p)
	if p.ParseLogMessage(text, nil, "") != nil {
		return nil, 0, false
	}
	message := false
	for _, f := range p.Fields {
		name := f.Name
		switch name {
		case "time", "ts", "timestamp", "@timestamp", "_time":
			if at == 0 {
				if t, ok := logstorage.TryParseTimestampRFC3339Nano(f.Value); ok {
					at = t
					continue
				}
			}
		case "message", "msg", "log", "_msg":
			if !message {
				name, message = "", true
			}
		case logs.ServiceField, "host.name", "log.file.path":
			name = "log." + name
		}
		fields = append(fields, logs.Field{Name: strings.Clone(name), Value: strings.Clone(f.Value)})
	}
	return fields, at, true
}

// leadingTime reads the time that a line begins with, in the forms that are common.
// Times without a zone are this machine's.
func leadingTime(s string, now time.Time) (time.Time, bool) {
	s = strings.TrimLeft(s, "[")
	if len(s) < 15 {
		return time.Time{}, false
	}
	local := time.Local //nolint:gosmopolitan // a file on this machine
	if s[0] >= '0' && s[0] <= '9' {
		first, _, _ := strings.Cut(s, " ")
		if t, err := time.Parse(time.RFC3339Nano, strings.TrimRight(first, "]")); err == nil {
			return t, true
		}
		for _, layout := range []string{"2006-01-02 15:04:05.000", "2006-01-02 15:04:05,000", "2006-01-02T15:04:05.000", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006/01/02 15:04:05"} {
			if len(s) >= len(layout) {
				if t, err := time.ParseInLocation(layout, s[:len(layout)], local); err == nil {
					return t, true
				}
			}
		}
		return time.Time{}, false
	}
	if t, err := time.ParseInLocation("Jan _2 15:04:05", s[:15], local); err == nil {
		t = t.AddDate(now.Year(), 0, 0)
		if t.Sub(now) > 31*24*time.Hour {
			t = t.AddDate(-1, 0, 0)
		}
		return t, true
	}
	return time.Time{}, false
}
