package window

import "math"

// sums is what the functions over time need of a window besides its ends. Values are
// added and taken away again in twice the precision of a float64, so that nothing drifts.
type sums struct {
	sum         pair    // of the finite values
	abs         float64 // of their absolute values: how much of the sum may have cancelled
	shift       float64 // near the values: squares are taken of the distance to it
	squares     pair
	nan         int64
	inf         [2]int64 // positive, negative
	finite      int64
	changes     int64
	resets      int64
	least, most deque
}

// pair is the unevaluated sum of two floats, the second much smaller than the first.
type pair struct{ hi, lo float64 }

// add is Knuth's two-sum with the lower parts carried along.
func (p *pair) add(v float64) {
	s := p.hi + v
	b := s - p.hi
	e := (p.hi - (s - b)) + (v - b) + p.lo
	p.hi = s + e
	p.lo = e - (p.hi - s)
}

func (p *pair) value() float64 { return p.hi + p.lo }

func (x *sums) bytes() int { return 200 + 24*(cap(x.least.q)+cap(x.most.q)) }

func (x *sums) push(seq uint32, p, prev Point) {
	if x.empty() && !math.IsInf(p.V, 0) && !math.IsNaN(p.V) {
		x.shift = p.V
	}
	first := x.empty()
	x.take(p.V, 1)
	if !math.IsNaN(p.V) {
		x.least.push(seq, p.V, func(a, b float64) bool { return a <= b })
		x.most.push(seq, p.V, func(a, b float64) bool { return a >= b })
	}
	if !first {
		x.step(prev.V, p.V, 1)
	}
}

func (x *sums) empty() bool { return x.finite+x.nan+x.inf[0]+x.inf[1] == 0 }

// pop takes the first value away; then is the one after it.
func (x *sums) pop(seq uint32, v, then float64) {
	x.take(v, -1)
	x.least.pop(seq)
	x.most.pop(seq)
	x.step(v, then, -1)
	if x.finite == 0 {
		x.sum, x.squares, x.abs = pair{}, pair{}, 0
	}
}

func (x *sums) take(v float64, n int64) {
	switch {
	case math.IsNaN(v):
		x.nan += n
	case math.IsInf(v, 1):
		x.inf[0] += n
	case math.IsInf(v, -1):
		x.inf[1] += n
	default:
		x.finite += n
		sign := float64(n)
		x.sum.add(sign * v)
		x.abs += sign * math.Abs(v)
		d := v - x.shift
		sq := d * d
		x.squares.add(sign * sq)
		x.squares.add(sign * math.FMA(d, d, -sq))
	}
}

func (x *sums) step(v, then float64, n int64) {
	if v != then && !(math.IsNaN(v) && math.IsNaN(then)) {
		x.changes += n
	}
	if then < v {
		x.resets += n
	}
}

// deque holds the values that may still become the extreme of the window.
type deque struct {
	q    []extreme
	head int
}

type extreme struct {
	seq uint32
	v   float64
}

func (d *deque) push(seq uint32, v float64, beats func(a, b float64) bool) {
	for len(d.q) > d.head && beats(v, d.q[len(d.q)-1].v) {
		d.q = d.q[:len(d.q)-1]
	}
	d.q = append(d.q, extreme{seq, v})
}

func (d *deque) pop(seq uint32) {
	for d.head < len(d.q) && d.q[d.head].seq <= seq {
		d.head++
	}
	if d.head > 64 && d.head*2 > len(d.q) {
		d.q = append(d.q[:0], d.q[d.head:]...)
		d.head = 0
	}
}

// first is the extreme, NaN when there are only NaNs.
func (d *deque) first() float64 {
	if d.head == len(d.q) {
		return math.NaN()
	}
	return d.q[d.head].v
}
