package evaluate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/evenkeel/evenkeel/detect/window"
)

// A snapshot is a line, and for each group of series a section: its length as a varint, its bytes,
// and their CRC-32C. It holds no samples but the ones windows begin with; Resume holds it
// against the store.
const (
	snapshotHead = "evenkeel windows 2\n"
	maxSection   = 1 << 30
	maxResume    = 24 * 3600_000 // how old, in milliseconds, a section may be
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// section is what a snapshot says of the series of one selector.
type section struct {
	at    int64 // the time the windows stand at
	late  int64 // samples up to this time were all there
	bytes []byte
}

// Snapshot writes all windows, so that Restore need not read all samples again.
func (e *Incremental) Snapshot(w io.Writer) error {
	e.mu.Lock()
	e.kept = nil
	e.mu.Unlock()
	out := bufio.NewWriterSize(w, 1<<16)
	out.WriteString(snapshotHead)
	var b []byte
	for _, s := range e.everything() {
		s.mu.Lock()
		b = s.snapshot(b[:0], e.opts.OutOfOrder.Milliseconds())
		s.mu.Unlock()
		if len(b) > 0 {
			out.Write(binary.AppendUvarint(nil, uint64(len(b))))
			out.Write(b)
			out.Write(binary.BigEndian.AppendUint32(nil, crc32.Checksum(b, castagnoli)))
		}
	}
	return out.Flush()
}

// what says what is kept: of which series which windows.
func (s *states) what() string {
	b := fmt.Appendf(nil, "%s %d %d", s, s.offset, s.spec.Tail)
	for _, w := range s.spec.Windows {
		b = strconv.AppendInt(append(b, ' '), w.Length, 10)
		if w.Sums {
			b = append(b, '+')
		}
	}
	return string(b)
}

// snapshot appends a section's bytes: nothing when they cannot be resumed.
func (s *states) snapshot(b []byte, outOfOrder int64) []byte {
	late := int64(math.MinInt64 / 2)
	for _, row := range s.series {
		late = max(late, row.LastT())
	}
	late = min(late, s.at) - outOfOrder
	by := s.spec.Keeps(s.at, late)
	if !s.loaded || s.wrong != nil || s.dirty || by < 0 || len(s.series) == 0 {
		return b
	}
	b = text(b, s.what())
	b = binary.AppendVarint(b, s.at)
	b = binary.AppendVarint(b, late)
	b = append(b, byte(by))
	b = binary.AppendUvarint(b, uint64(len(s.series)))
	symbols := map[string]uint64{}
	symbol := func(of string) {
		n, known := symbols[of]
		if known {
			b = binary.AppendUvarint(b, n)
			return
		}
		symbols[of] = uint64(len(symbols)) + 1
		b = text(append(b, 0), of)
	}
	for _, row := range s.series {
		b = binary.AppendUvarint(b, uint64(row.Labels.Len()))
		row.Labels.Range(func(l labels.Label) { symbol(l.Name); symbol(l.Value) })
		b = row.Append(b, by, s.at)
	}
	return b
}

func text(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errSnapshot = errors.New("it ends too early or its checksum is wrong")

// Restore reads what Snapshot wrote. Lives that begin to follow the same series use it
// when they are asked first. After an error, what came before it is used.
func (e *Incremental) Restore(r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<16)
	head := make([]byte, len(snapshotHead))
	if _, err := io.ReadFull(in, head); err != nil || string(head) != snapshotHead {
		return fmt.Errorf("cannot read the snapshot of windows: expected it to begin with %q, found %q", snapshotHead, head)
	}
	kept := map[string]section{}
	defer func() {
		e.mu.Lock()
		e.kept = kept
		e.mu.Unlock()
	}()
	for n := 0; ; n++ {
		err := readSection(in, kept)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read section %d of the snapshot of windows: %w", n+1, err)
		}
	}
}

func readSection(in *bufio.Reader, kept map[string]section) error {
	n, err := binary.ReadUvarint(in)
	if err == io.EOF {
		return err
	}
	if err != nil || n > maxSection {
		return errSnapshot
	}
	var b bytes.Buffer // grows with what is there, not with what is claimed
	if m, err := io.CopyN(&b, in, int64(n)+4); err != nil || m != int64(n)+4 {
		return errSnapshot
	}
	all := b.Bytes()
	body := all[:n]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(all[n:]) {
		return errSnapshot
	}
	d := decoder{b: body}
	key := d.text()
	s := section{at: d.int(), late: d.int()}
	if d.bad {
		return errSnapshot
	}
	s.bytes = d.b
	kept[key] = s
	return nil
}

// decoder reads numbers and texts; after a mistake, zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

// resume builds the states from a snapshot and the samples since. It is false when there is
// none that fits.
func (s *states) resume(ctx context.Context, now int64) (bool, error) {
	if s.resumed {
		return false, nil
	}
	s.resumed = true
	s.e.mu.Lock()
	kept, ok := s.e.kept[s.what()]
	s.e.mu.Unlock()
	if !ok || kept.at > now || kept.at < now-maxResume {
		return false, nil
	}
	late := min(kept.late, kept.at-s.e.opts.OutOfOrder.Milliseconds())
	d := decoder{b: kept.bytes}
	by := int(d.uint())
	if by < 0 || by >= len(s.spec.Windows) || by < s.spec.Keeps(kept.at, late) || s.spec.Keeps(kept.at, late) < 0 {
		return false, nil
	}
	first := kept.at - s.spec.Windows[by].Length + 1
	if now-first > s.spec.Span()/2 {
		return false, nil // it would not be much cheaper
	}
	if err := s.decode(&d, by, kept.at); err != nil {
		s.e.opts.Logger.Warn("cannot use the snapshot of windows: they are built from the samples", "of", s.names(), "series", s.String(), "error", err)
		s.release()
		return false, nil
	}
	set, err := s.e.selectSeries(ctx, false, first, now, s.matchers)
	if err != nil {
		return false, err
	}
	defer set.Close()
	seen := make(map[*tracked]bool, len(s.series))
	for set.Next() {
		row := s.find(set.Labels())
		if row != nil {
			seen[row] = true
			n, err := row.Resume(set.Iterator(first), by, kept.at, now)
			s.read += int64(n)
			if errors.Is(err, window.ErrChanged) {
				row.Dirty, s.dirty = true, true
			} else if err != nil {
				return false, err
			}
			continue
		}
		row = s.enter(window.New(&s.spec, set.Labels().Copy()))
		seen[row] = true
		n, floats, err := row.Load(set.Iterator(first), now)
		s.read += int64(n)
		if err != nil {
			return false, err
		}
		if !floats {
			s.release()
			return false, nil
		}
	}
	if err := set.Err(); err != nil {
		return false, err
	}
	for _, row := range s.series {
		if seen[row] {
			continue
		}
		if _, err := row.Resume(chunkenc.NewNopIterator(), by, kept.at, now); err != nil {
			row.Dirty, s.dirty = true, true
		}
	}
	s.at = kept.at
	return true, nil
}

// decode makes the series of a section.
func (s *states) decode(d *decoder, by int, at int64) error {
	n := d.uint()
	var symbols []string
	symbol := func() string {
		k := d.uint()
		if k == 0 {
			symbols = append(symbols, d.text())
			k = uint64(len(symbols))
		}
		if k > uint64(len(symbols)) {
			d.bad = true
			return ""
		}
		return symbols[k-1]
	}
	var b labels.ScratchBuilder
	for range n {
		b.Reset()
		count := d.uint()
		for range count {
			name := symbol()
			b.Add(name, symbol())
			if d.bad {
				return errSnapshot
			}
		}
		row := window.New(&s.spec, b.Labels())
		rest, err := row.Read(d.b, by, at)
		if err != nil {
			return err
		}
		if d.b = rest; d.bad {
			return errSnapshot
		}
		s.enter(row)
	}
	return nil
}
