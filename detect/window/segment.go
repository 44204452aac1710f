package window

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sync"
)

// A segment is some samples of a series that were read at once, packed: each is as many
// bits as the one that needs most. It begins with a head:
//
//	how many samples  uint16
//	bits of a time    uint8
//	bits of a value   uint8, with floatBits added
//	least step        int32, milliseconds
//	least growth      int32, of whole numbers
//
// Then come the samples, each as its step beyond the least, and its growth beyond the
// least; or, in a segment that has other than whole numbers, as the reversed XOR with the
// value before. All follow the sample that the reader stands at when it begins.
const (
	headLen   = 12
	floatBits = 128
	maxPacked = math.MaxUint16
	padding   = 8 // behind the last segment, so that 8 bytes can be read anywhere
)

// scratches are for samples on their way into a segment.
var scratches = sync.Pool{New: func() any { return &[]Point{} }}

// pack appends a segment of the points behind at, at most maxPacked. The padding of the
// segment before is taken for it.
func pack(b []byte, at Point, points []Point) (out []byte, begin int) {
	points = points[:min(len(points), maxPacked)]
	least, most := int64(math.MaxInt64), int64(math.MinInt64)
	down, up := int64(math.MaxInt64), int64(math.MinInt64)
	var diff uint64
	prev := at
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
	timeBits, valueBits, kind := bits.Len64(uint64(most-least)), bits.Len64(diff), byte(floatBits)
	if numbers {
		valueBits, kind = bits.Len64(uint64(up-down)), 0
	} else {
		down = 0
	}
	begin = max(len(b)-padding, 0)
	size := headLen + (len(points)*(timeBits+valueBits)+7)/8 + padding
	if begin+size > cap(b) {
		b = append(make([]byte, 0, begin+size+begin/8), b[:begin]...)
	}
	b = b[:begin+size]
	s := b[begin:]
	clear(s)
	binary.LittleEndian.PutUint16(s, uint16(len(points)))
	s[2], s[3] = byte(timeBits), byte(valueBits)|kind
	binary.LittleEndian.PutUint32(s[4:], uint32(int32(least)))
	binary.LittleEndian.PutUint32(s[8:], uint32(int32(down)))
	bit := headLen * 8
	prev = at
	for _, p := range points {
		bit = putBits(s, bit, timeBits, uint64(p.T-prev.T-least))
		v := bits.Reverse64(math.Float64bits(p.V) ^ math.Float64bits(prev.V))
		if numbers {
			v = uint64(int64(p.V) - int64(prev.V) - down)
		}
		bit = putBits(s, bit, valueBits, v)
		prev = p
	}
	return b, begin
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

// segment is one to read from.
type segment struct {
	b                   []byte // from its head on
	timeBits, valueBits int
	floats              bool
	step, growth        int64
	n                   int
}

func open(b []byte) segment {
	return segment{
		b: b, n: int(binary.LittleEndian.Uint16(b)), timeBits: int(b[2]), valueBits: int(b[3] &^ floatBits), floats: b[3]&floatBits != 0,
		step: int64(int32(binary.LittleEndian.Uint32(b[4:]))), growth: int64(int32(binary.LittleEndian.Uint32(b[8:]))),
	}
}

// next moves on to the k-th sample, when p is the one before it.
func (s *segment) next(k int, p *Point) {
	bit := headLen*8 + k*(s.timeBits+s.valueBits)
	p.T += s.step
	if s.timeBits > 0 {
		p.T += int64(getBits(s.b, bit, s.timeBits))
	}
	v := getBits(s.b, bit+s.timeBits, s.valueBits)
	if s.floats {
		p.V = math.Float64frombits(math.Float64bits(p.V) ^ bits.Reverse64(v))
	} else if d := s.growth + int64(v); d != 0 {
		p.V += float64(d) // exact: these are whole numbers below 1<<52, and so is their sum
	}
}
