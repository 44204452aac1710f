package window

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Keeps says which window a series can be resumed by, after Append: the shortest of those
// that hold every sample newer than the time late, and all of the tail, when they stand at
// the time t. It is -1 when there is none, or when sums are kept, which cannot be resumed.
func (s *Spec) Keeps(t, late int64) int {
	by := -1
	for i, w := range s.Windows {
		if w.Sums {
			return -1
		}
		if by < 0 && w.Length >= s.Tail && t-w.Length <= late {
			by = i
		}
	}
	return by
}

// Append writes what Resume needs of the state at the time t: everything but the samples
// themselves. The labels are not in it. All windows must have been moved on to t.
func (s *Series) Append(b []byte, by int, t int64) []byte {
	flags := byte(0)
	if s.stale {
		flags |= 1
	}
	if s.broken {
		flags |= 2
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(s.seq))
	b = binary.AppendVarint(b, t-s.rawT)
	if s.seq == 0 {
		return b
	}
	b = binary.AppendVarint(b, t-s.at.T)
	b = putValue(b, 0, s.at.V)
	b = binary.AppendVarint(b, s.at.T-s.prev.T)
	b = putValue(b, s.at.V, s.prev.V)
	for i := by; i < len(s.wins); i++ {
		w := &s.wins[i]
		if w.seq == 0 {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(s.seq-w.seq)+1)
		b = binary.AppendVarint(b, t-w.T)
		b = putValue(b, s.at.V, w.V)
		b = binary.AppendUvarint(b, uint64(s.resetBase)+uint64(len(s.resets))-uint64(w.reset))
	}
	b = binary.AppendUvarint(b, uint64(len(s.resets)))
	for _, r := range s.resets {
		b = binary.AppendUvarint(b, uint64(s.seq-r.seq))
		b = putValue(b, s.at.V, r.before)
	}
	return b
}

// putValue writes a value as a whole difference to another, or in full.
func putValue(b []byte, from, v float64) []byte {
	was, ok1 := whole(from)
	is, ok2 := whole(v)
	if ok1 && ok2 {
		return binary.AppendUvarint(b, zigzag(is-was)<<1)
	}
	return binary.LittleEndian.AppendUint64(append(b, 1), math.Float64bits(v))
}

// errCut is returned for a state that was not written by Append.
var errCut = errors.New("cannot read the state of a window: it ends too early or holds a number out of range")

// cursor reads what Append wrote. After a mistake it gives zeros.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uint(most uint64) uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 || v > most {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) int() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) value(from float64) float64 {
	head := c.uint(math.MaxUint64)
	if head&1 == 0 {
		was, _ := whole(from)
		return float64(was + unzigzag(head>>1))
	}
	if len(c.b) < 8 {
		c.bad, c.b = true, nil
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(c.b))
	c.b = c.b[8:]
	return v
}

// Read takes what Append wrote, with the same window and time, and returns the rest of
// the bytes. The series is of no use until Resume has given it the samples.
func (s *Series) Read(b []byte, by int, t int64) ([]byte, error) {
	s.clear()
	c := cursor{b: b}
	flags := c.uint(3)
	s.stale, s.broken = flags&1 != 0, flags&2 != 0
	s.seq = uint32(c.uint(math.MaxUint32))
	s.rawT = t - c.int()
	if s.seq > 0 {
		s.at = place{Point: Point{T: t - c.int(), V: c.value(0)}}
		s.prev = Point{T: s.at.T - c.int(), V: c.value(s.at.V)}
		back := make([]uint64, len(s.wins))
		for i := by; i < len(s.wins); i++ {
			n := c.uint(uint64(s.seq))
			if n == 0 {
				continue
			}
			w := &s.wins[i]
			w.seq = s.seq - uint32(n-1)
			w.place = place{Point: Point{T: t - c.int(), V: c.value(s.at.V)}}
			back[i] = c.uint(math.MaxUint32)
		}
		n := c.uint(uint64(len(c.b)))
		for range n {
			s.resets = append(s.resets, reset{seq: s.seq - uint32(c.uint(uint64(s.seq)-1)), before: c.value(s.at.V)})
		}
		for i := by; i < len(s.wins); i++ {
			if back[i] > n {
				return nil, errCut
			}
			s.wins[i].reset = uint32(n - back[i])
		}
	}
	if c.bad {
		return nil, errCut
	}
	return c.b, nil
}

// ErrChanged is returned when the store does not hold the samples that a state was made of.
var ErrChanged = errors.New("the samples in the store are not those that the state was made of")

// Resume goes on from a state that Read took, which was at the time was, to the time t. The
// iterator gives the samples from the window's beginning at the time was; those up to was
// must be the ones that the state has counted. All windows longer than the tail still
// stand at the time was. It returns how many samples were read.
func (s *Series) Resume(it Iterator, by int, was, t int64) (read int, err error) {
	w := s.wins[by]
	then, seq := s.at.Point, s.seq
	if w.seq != 0 {
		s.seq, s.at = w.seq, w.place
		for n := len(s.resets); n > 0 && s.resets[n-1].seq > w.seq; n-- {
			s.resets = s.resets[:n-1]
		}
		s.forgetSums()
	}
	first := w.seq != 0 // the next sample is the window's first
	check := func() error {
		if first || s.seq != seq || seq > 0 && (s.at.T != then.T || math.Float64bits(s.at.V) != math.Float64bits(then.V)) {
			return ErrChanged
		}
		return nil
	}
	passed := false
	if s.short(by) {
		s.wins[by] = edge{} // it is opened again like the shorter ones
	}
	open := func() {
		for i := range s.wins {
			if s.wins[i].seq == 0 && (s.short(i) && s.at.T > t-s.spec.Windows[i].Length || !s.short(i) && s.at.T > was) {
				s.open(i)
			}
		}
	}
	for k := it.Next(); k != chunkenc.ValNone; k = it.Next() {
		if k != chunkenc.ValFloat {
			return read, ErrChanged
		}
		at, v := it.At()
		if at > t {
			break
		}
		if at <= was-s.spec.Windows[by].Length {
			continue
		}
		read++
		if at > was && !passed {
			if err := check(); err != nil {
				return read, err
			}
			passed = true
		}
		if value.IsStaleNaN(v) {
			if at > was {
				s.rawT, s.stale = at, true
			}
			continue
		}
		switch {
		case first:
			if at != w.T || math.Float64bits(v) != math.Float64bits(w.V) {
				return read, ErrChanged
			}
			first = false
		case w.seq == 0 && at <= was:
			return read, ErrChanged
		default:
			s.add(Point{at, v}, at > t-s.spec.Tail)
			if at > was {
				s.rawT, s.stale = at, false
			}
		}
		open()
	}
	if err := it.Err(); err != nil {
		return read, err
	}
	if !passed {
		return read, check()
	}
	return read, nil
}
