package window

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Point is one sample: Unix milliseconds and a value.
type Point struct {
	T int64
	V float64
}

// A stream holds samples one after another, each as its difference to the one before, so
// that a reader that knows one sample can go on from there. A sample is a varint. If its
// lowest bit is 0, the sample comes a step after the one before, like that one, and the
// rest is by how much a whole number has grown. Otherwise the two next bits say what
// follows:
//
//	otherStep:  the time step differs from the one before, a zigzag varint of how much follows
//	floatValue: the value is a float, the varint of its reversed XOR with the one before
//	            follows; otherwise the rest of the varint is the zigzag difference of integers
//
// A counter scraped at regular times takes one to three bytes a sample.
const (
	odd        = 1
	otherStep  = 2
	floatValue = 4
)

// place is where a reader or a writer stands: at a sample, and the step that led to it.
type place struct {
	Point
	step int32 // milliseconds; of longer ones the lowest bits; of a segment the least step
	// Of a reader of a segment: how many of its samples follow, and how many bits they take.
	left                uint16
	timeBits, valueBits uint8
}

// whole returns a float as an integer that has the same bits as a float again. The
// difference of two is one, too.
func whole(v float64) (int64, bool) {
	if !(v > -1<<52 && v < 1<<52) {
		return 0, false
	}
	n := int64(v)
	return n, math.Float64bits(float64(n)) == math.Float64bits(v)
}

func zigzag(n int64) uint64   { return uint64(n<<1) ^ uint64(n>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// put appends the sample after at, and moves at on to it.
func put(b []byte, at *place, p Point) []byte {
	step := p.T - at.T
	turn := step - int64(at.step)
	was, ok1 := whole(at.V)
	is, ok2 := whole(p.V)
	at.step = int32(step)
	if turn == 0 && ok1 && ok2 && is >= was {
		at.Point = p
		return binary.AppendUvarint(b, uint64(is-was)<<1)
	}
	var head uint64 = odd
	if turn != 0 {
		head |= otherStep
	}
	if ok1 && ok2 {
		b = binary.AppendUvarint(b, zigzag(is-was)<<3|head)
	} else {
		b = binary.AppendUvarint(b, head|floatValue)
	}
	if turn != 0 {
		b = binary.AppendUvarint(b, zigzag(turn))
	}
	if !(ok1 && ok2) {
		b = binary.AppendUvarint(b, bits.Reverse64(math.Float64bits(p.V)^math.Float64bits(at.V)))
	}
	at.Point = p
	return b
}

// next moves at on to the sample at b[off:] and returns the offset behind it. The stream
// is our own and in memory, so it is not checked.
func next(b []byte, off int, at *place) int {
	u := uint64(b[off])
	off++
	if u >= 0x80 {
		u, off = long(b, off-1)
	}
	if u&odd == 0 {
		at.T += int64(at.step)
		at.V += float64(u >> 1) // exact: these are whole numbers below 1<<52, and so is their sum
		return off
	}
	step := int64(at.step)
	if u&otherStep != 0 {
		var turn uint64
		turn, off = long(b, off)
		step += unzigzag(turn)
		at.step = int32(step)
	}
	at.T += step
	if u&floatValue == 0 {
		if d := u >> 3; d != 0 {
			at.V += float64(unzigzag(d))
		}
		return off
	}
	var x uint64
	x, off = long(b, off)
	at.V = math.Float64frombits(math.Float64bits(at.V) ^ bits.Reverse64(x))
	return off
}

func long(b []byte, off int) (u uint64, end int) {
	for shift := uint(0); ; shift += 7 {
		c := b[off]
		off++
		u |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return u, off
		}
	}
}
