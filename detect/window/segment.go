package window

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sync"
)

// A segment is some samples of a series that were read at once, packed: each is as many
// bits as the one that needs most. They are its step beyond the least one, and its growth
// beyond the least one; or, in a segment that has other than whole numbers, the reversed XOR
// with the value before. Where all steps are multiples of the least one, as where scrapes
// were missed, it is how many more than one. All follow the sample that the reader stands at
// when it begins.
//
// What there is to know of a segment stands in the edge that reads it, so that a window
// that moves on touches one place of the segment and no head of it.
const (
	floatBits = 128 // is added to valueBits of a segment that has other than whole numbers
	timesBits = 128 // is added to timeBits of a segment whose steps are multiples of the least
	maxPacked = math.MaxUint16
	padding   = 8       // behind the last segment, so that 8 bytes can be read anywhere
	maxAhead  = 1 << 28 // bytes from the first segment of a window to its last
)

// scratches are for samples on their way into a segment.
var scratches = sync.Pool{New: func() any { return &[]Point{} }}

// pack appends a segment of the points behind the edge, at most maxPacked, and has the edge
// read it, from b[from:]. The padding of the segment before is taken for it.
func (w *edge) pack(b []byte, from int, points []Point) []byte {
	points = points[:min(len(points), maxPacked)]
	least, most := int64(math.MaxInt64), int64(math.MinInt64)
	down, up := int64(math.MaxInt64), int64(math.MinInt64)
	var diff uint64
	prev := w.Point
	was, numbers := whole(prev.V)
	for _, p := range points {
		least, most = min(least, p.T-prev.T), max(most, p.T-prev.T)
		diff |= bits.Reverse64(math.Float64bits(p.V) ^ math.Float64bits(prev.V))
		if numbers {
			var is int64
			if is, numbers = whole(p.V); numbers {
				down, up = min(down, is-was), max(up, is-was)
				was = is
			}
		}
		prev = p
	}
	numbers = numbers && down >= math.MinInt32
	least, down = min(least, math.MaxInt32), min(down, math.MaxInt32)
	unit, times := int64(1), uint8(0)
	if most > least && multiples(w.T, points, least) {
		unit, times = least, timesBits
	}
	timeBits, valueBits, kind := bits.Len64(uint64((most-least)/unit)), bits.Len64(diff), uint8(floatBits)
	if numbers {
		valueBits, kind = bits.Len64(uint64(up-down)), 0
	} else {
		down = 0
	}
	begin := max(len(b)-padding, 0)
	size := (len(points)*(timeBits+valueBits)+7)/8 + padding
	if begin+size > cap(b) {
		b = append(make([]byte, 0, begin+size+begin/8), b[:begin]...)
	}
	b = b[:begin+size]
	s := b[begin:]
	clear(s)
	bit := 0
	prev = w.Point
	for _, p := range points {
		bit = putBits(s, bit, timeBits, uint64((p.T-prev.T-least)/unit))
		v := bits.Reverse64(math.Float64bits(p.V) ^ math.Float64bits(prev.V))
		if numbers {
			v = uint64(int64(p.V) - int64(prev.V) - down)
		}
		bit = putBits(s, bit, valueBits, v)
		prev = p
	}
	w.step, w.growth, w.timeBits, w.valueBits = int32(least), int32(down), uint8(timeBits)|times, uint8(valueBits)|kind
	w.off, w.left = uint32(begin-from)*8, uint16(len(points))
	return b
}

// multiples says whether every step, the first one from a time, is a multiple of one.
func multiples(from int64, points []Point, step int64) bool {
	for _, p := range points {
		if (p.T-from)%step != 0 {
			return false
		}
		from = p.T
	}
	return true
}

func putBits(b []byte, bit, n int, v uint64) int {
	at, shift := bit>>3, bit&7
	w := binary.LittleEndian.Uint64(b[at:])
	binary.LittleEndian.PutUint64(b[at:], w|v<<shift)
	if shift+n > 64 {
		b[at+8] |= byte(v >> (64 - shift))
	}
	return bit + n
}

func getBits(b []byte, bit, n int) uint64 {
	at, shift := bit>>3, bit&7
	v := binary.LittleEndian.Uint64(b[at:]) >> shift
	if shift+n > 64 {
		v |= uint64(b[at+8]) << (64 - shift)
	}
	return v & (1<<n - 1)
}

// rest is the bytes of an edge's segment that it has not read yet.
func (w *edge) rest(b []byte) []byte {
	bits := int(w.left) * (int(w.timeBits&^timesBits) + int(w.valueBits&^floatBits))
	return b[w.off>>3 : (int(w.off)+bits+7)>>3]
}

// next moves the edge on to the next sample of its segment.
func (w *edge) next(b []byte) {
	timeBits, valueBits := int(w.timeBits&^timesBits), int(w.valueBits&^floatBits)
	bit := int(w.off)
	w.T += int64(w.step)
	if timeBits > 0 {
		more := int64(getBits(b, bit, timeBits))
		if w.timeBits&timesBits != 0 {
			more *= int64(w.step)
		}
		w.T += more
	}
	v := getBits(b, bit+timeBits, valueBits)
	if w.valueBits&floatBits != 0 {
		w.V = math.Float64frombits(math.Float64bits(w.V) ^ bits.Reverse64(v))
	} else if d := int64(w.growth) + int64(v); d != 0 {
		w.V += float64(d) // exact: these are whole numbers below 1<<52, and so is their sum
	}
	w.off = uint32(bit + timeBits + valueBits)
	w.left--
}
