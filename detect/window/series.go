package window

import (
	"errors"
	"math"
	"slices"
	"unsafe"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Window is one window to keep of each series.
type Window struct {
	Length int64 // milliseconds
	Sums   bool  // also sums, extremes and changes: what the functions over time need
}

// Spec says what to keep of the series of one kind.
type Spec struct {
	Windows []Window // shortest first, each length once
	// Tail is the length, in milliseconds, up to which windows are read from the samples
	// themselves, which are kept for as long. Longer ones are read from the store again
	// when their samples leave.
	Tail int64
	// Lookback is how long, in milliseconds, a sample stays the current one.
	Lookback int64

	// The samples that will leave the windows next that are longer than the tail.
	ahead ahead
}

// Index of a window's length, -1 when it is not kept.
func (s *Spec) Index(length int64) int {
	return slices.IndexFunc(s.Windows, func(w Window) bool { return w.Length == length })
}

// Series is the state of one series. Times only go forward. Not for concurrent use.
type Series struct {
	Labels    labels.Labels
	Dirty     bool   // something was stored that the state has not seen: load it again
	stale     bool   // the last sample was a stale marker
	broken    bool   // a reset was not of a whole number: sums of them are not exact
	seq       uint32 // how many samples there were; the first has number 1
	spec      *Spec
	at        place   // the last sample
	prev      Point   // the one before
	rawT      int64   // time of the last sample, stale markers included
	wins      []edge  // as in the spec
	tail      []byte  // stream of the last samples; the writer stands at at
	resets    []reset // oldest first
	tailBase  uint32  // how many bytes were dropped before tail[0], modulo 1<<32
	resetBase uint32  // how many resets were dropped before resets[0]
	rare      *rare   // nil for most series
}

// rare is what only some series have.
type rare struct {
	sums []*sums   // as in the spec; nil when no window needs them
	upTo []float64 // for each of many resets the sum of those up to it; exact as long as broken is false
}

// reset is a counter that began again.
type reset struct {
	before float64 // the sample before
	seq    uint32  // the one that is less
}

// edge is where a window begins: its first sample. The place knows how many samples after
// it have been read ahead, when the window is longer than the tail.
type edge struct {
	place
	seq    uint32 // 0 when the window is empty
	off    uint32 // where the next sample stands: bytes of the tail (absolute), or bits of what is read ahead for the window
	reset  uint32 // the first reset behind the sample, counted from the first one ever
	growth int32  // of a segment the least one
}

// ErrLost is returned when samples that the state has counted are not in the store any
// more. The state has to be built again.
var ErrLost = errors.New("samples are not in the store any more")

// New returns the state of a series without samples.
func New(spec *Spec, ls labels.Labels) *Series {
	s := &Series{Labels: ls, spec: spec}
	s.clear()
	return s
}

// clear forgets all samples.
func (s *Series) clear() {
	*s = Series{Labels: s.Labels, spec: s.spec, rawT: math.MinInt64, wins: make([]edge, len(s.spec.Windows))}
	for i := range s.wins {
		if s.spec.Windows[i].Sums {
			if s.rare == nil {
				s.rare = &rare{sums: make([]*sums, len(s.wins))}
			}
			s.rare.sums[i] = &sums{}
		}
	}
}

// LastT is the time of the last sample or stale marker.
func (s *Series) LastT() int64 { return s.rawT }

// Last says whether p is the last sample.
func (s *Series) Last(p Point) bool {
	if p.T != s.rawT {
		return false
	}
	if s.stale {
		return value.IsStaleNaN(p.V)
	}
	return math.Float64bits(p.V) == math.Float64bits(s.at.V)
}

// Current is the value of the series at the time t: its last sample, unless that is too
// old or a stale marker.
func (s *Series) Current(t int64) (float64, bool) {
	return s.at.V, s.seq > 0 && !s.stale && s.rawT > t-s.spec.Lookback
}

// Resets is how many resets of the counter are remembered.
func (s *Series) Resets() int { return len(s.resets) }

// Dead says whether nothing can be asked of the series any more: all windows are empty
// and the last sample is too old to be the current one.
func (s *Series) Dead(t int64) bool {
	if s.rawT > t-s.spec.Lookback {
		return false
	}
	for i := range s.wins {
		if s.wins[i].seq != 0 && s.at.T > t-s.spec.Windows[i].Length {
			return false
		}
	}
	return true
}

// Push adds a sample that is newer than all others.
func (s *Series) Push(p Point) {
	s.rawT, s.stale = p.T, value.IsStaleNaN(p.V)
	if s.stale {
		return
	}
	s.add(p, s.spec.Tail > 0)
	for i := range s.wins {
		if s.wins[i].seq == 0 {
			s.open(i)
		}
		if x := s.sum(i); x != nil {
			x.push(s.seq, p, s.prev)
		}
	}
}

// add moves the right edge on.
func (s *Series) add(p Point, keep bool) {
	if s.seq > 0 && p.V < s.at.V {
		if !exact(s.at.V) {
			s.broken = true
		}
		if n := len(s.resets); n == cap(s.resets) { // most counters are seldom reset
			s.resets = append(make([]reset, 0, n+n/8+2), s.resets...)
		}
		s.resets = append(s.resets, reset{seq: s.seq + 1, before: s.at.V})
		if !s.broken && len(s.resets) > manyResets {
			s.sumUp()
		}
	}
	s.prev = s.at.Point
	s.seq++
	switch {
	case s.seq == 1:
		s.at = place{Point: p}
	case keep:
		if len(s.tail)+24 > cap(s.tail) {
			s.makeRoom()
		}
		s.tail = put(s.tail, &s.at, p)
	default:
		s.at = place{Point: p, step: int32(p.T - s.at.T)}
	}
}

// manyResets are so many that they are not added one by one where their sum is known to
// be the same.
const manyResets = 16

// sumUp sums the resets up, those that have come since the last time.
func (s *Series) sumUp() {
	if s.rare == nil {
		s.rare = &rare{}
	}
	for i := len(s.rare.upTo); i < len(s.resets); i++ {
		sum := s.resets[i].before
		if i > 0 {
			sum += s.rare.upTo[i-1]
		}
		if math.Abs(sum) >= 1<<52 {
			s.broken = true
			s.forgetSums()
			return
		}
		s.rare.upTo = append(s.rare.upTo, sum)
	}
}

func (s *Series) forgetSums() {
	if s.rare != nil {
		s.rare.upTo = nil
	}
}

// largeTail is from how many bytes on a tail is given more room than it needs: the copying
// costs more than the memory, because few series have samples so often.
const largeTail = 4096

// makeRoom drops what no window reads any more, and grows the tail a little.
func (s *Series) makeRoom() {
	first := uint32(len(s.tail))
	for i := range s.wins {
		if w := &s.wins[i]; w.seq != 0 && s.short(i) {
			first = min(first, w.off-s.tailBase)
		}
	}
	rest := s.tail[first:]
	if len(rest)+32 > cap(s.tail) {
		more := len(rest) / 32
		if len(rest) >= largeTail {
			more = len(rest) / 8
		}
		s.tail = append(make([]byte, 0, len(rest)+more+32), rest...)
	} else {
		s.tail = s.tail[:copy(s.tail[:cap(s.tail)], rest)]
	}
	s.tailBase += first
}

// open begins a window with the last sample.
func (s *Series) open(i int) {
	w := &s.wins[i]
	w.place, w.seq, w.off = s.at, s.seq, s.tailBase+uint32(len(s.tail))
	w.reset = s.resetBase + uint32(len(s.resets))
	s.forget(i)
}

func (s *Series) sum(i int) *sums {
	if s.rare == nil || s.rare.sums == nil {
		return nil
	}
	return s.rare.sums[i]
}

func (s *Series) forget(i int) {
	if x := s.sum(i); x != nil {
		*x = sums{}
	}
}

func (s *Series) short(i int) bool { return s.spec.Windows[i].Length <= s.spec.Tail }

// Iterator goes through the samples of a series in order. A chunkenc.Iterator is one.
type Iterator interface {
	Next() chunkenc.ValueType
	At() (t int64, v float64)
	Err() error
}

// Load forgets everything and builds the state for time t from the stored samples of
// (t - span, t]. It returns how many were read, and false when the series
// holds histograms, which this package does not keep.
func (s *Series) Load(it Iterator, t int64) (read int, floats bool, err error) {
	s.clear()
	open, first := len(s.wins), t-s.spec.Span()+1
	for k := it.Next(); k != chunkenc.ValNone; k = it.Next() {
		if k != chunkenc.ValFloat {
			return read, false, it.Err()
		}
		at, v := it.At()
		if at > t {
			break
		}
		if at < first {
			continue
		}
		read++
		s.rawT, s.stale = at, value.IsStaleNaN(v)
		if s.stale {
			continue
		}
		s.add(Point{at, v}, at > t-s.spec.Tail)
		for open > 0 && at > t-s.spec.Windows[open-1].Length {
			open--
			s.open(open)
		}
		for i := open; i < len(s.wins); i++ {
			if x := s.sum(i); x != nil {
				x.push(s.seq, s.at.Point, s.prev)
			}
		}
		if len(s.resets) > 64 && open < len(s.wins) && s.wins[len(s.wins)-1].reset > s.resetBase+32 {
			s.trim()
		}
	}
	return read, true, it.Err()
}

// Span is how far back, in milliseconds, samples are looked at.
func (s *Spec) Span() int64 {
	if n := len(s.Windows); n > 0 {
		return max(s.Lookback, s.Windows[n-1].Length)
	}
	return s.Lookback
}

// Missing is asked for more samples of a window's left side: it must call Fill with an
// iterator, for samples up to at least the time until, if there are any.
type Missing func(s *Series, window int, after, until int64) error

// Advance moves the left side of one window on to the time t. It returns the time of the
// last sample that has left, one before all others when none has.
func (s *Series) Advance(i int, t int64, missing Missing) (gone int64, err error) {
	w, left := &s.wins[i], t-s.spec.Windows[i].Length
	gone = math.MinInt64 / 2
	if w.seq == 0 || w.T > left {
		return gone, nil
	}
	x := s.sum(i)
	short := s.short(i)
	ahead := s.spec.ahead.of(i)
	for w.T <= left {
		gone = w.T
		if w.seq == s.seq {
			w.seq, w.left = 0, 0
			s.forget(i)
			return gone, nil
		}
		was := w.V
		if short {
			w.off = s.tailBase + uint32(next(s.tail, int(w.off-s.tailBase), &w.place))
		} else {
			if w.left == 0 {
				if err := s.more(i, left, missing); err != nil {
					return gone, err
				}
				ahead = s.spec.ahead.of(i)
			}
			w.next(ahead)
		}
		w.seq++
		if x != nil {
			x.pop(w.seq-1, was, w.V)
		}
	}
	for w.reset < s.resetBase+uint32(len(s.resets)) && s.resets[w.reset-s.resetBase].seq <= w.seq {
		w.reset++
	}
	if len(s.resets) > 16 {
		s.trim()
	}
	return gone, nil
}

// Leaves says whether Advance to the time t moves a window on.
func (s *Series) Leaves(i int, t int64) bool {
	w := &s.wins[i]
	return w.seq != 0 && w.T <= t-s.spec.Windows[i].Length
}

// more gets the next samples of a window, which are behind a gap or were not fetched.
func (s *Series) more(i int, left int64, missing Missing) error {
	w := &s.wins[i]
	for span := int64(20 * 60_000); ; span *= 8 {
		until := max(left, w.T) + span
		if err := missing(s, i, w.T, min(until, s.at.T)); err != nil {
			return err
		}
		if w.left > 0 {
			return nil
		}
		if until >= s.at.T {
			return ErrLost
		}
	}
}

// trim forgets resets that no window looks at.
func (s *Series) trim() {
	first := s.resetBase + uint32(len(s.resets))
	for i := range s.wins {
		if s.wins[i].seq != 0 {
			first = min(first, s.wins[i].reset)
		}
	}
	if n := first - s.resetBase; n > 8 {
		s.resets = append(s.resets[:0], s.resets[n:]...)
		s.resetBase = first
		if s.forgetSums(); !s.broken && len(s.resets) > manyResets {
			s.sumUp()
		}
	}
}

// Wants says whether a window takes samples of times up to until by Fill.
func (s *Series) Wants(i int, until int64) bool {
	w := &s.wins[i]
	return w.seq != 0 && !s.short(i) && w.T < until && w.seq < s.seq
}

// Extent is how many samples follow a window's first one, and over how many milliseconds.
func (s *Series) Extent(i int) (samples, span int64) {
	w := &s.wins[i]
	if w.seq == 0 {
		return 0, 0
	}
	return int64(s.seq - w.seq), s.at.T - w.T
}

// First is the time of a window's first sample.
func (s *Series) First(i int) int64 { return s.wins[i].T }

// Begins is the time of the oldest sample in any window, the latest time there is when
// all are empty.
func (s *Series) Begins() int64 {
	first := int64(math.MaxInt64)
	for i := range s.wins {
		if s.wins[i].seq != 0 {
			first = min(first, s.wins[i].T)
		}
	}
	return first
}

// WindowBytes is how much of Bytes is one window's own: the rest is what all windows share.
func (s *Series) WindowBytes(i int) int {
	n := int(unsafe.Sizeof(edge{}))
	if x := s.sum(i); x != nil {
		n += x.bytes()
	}
	return n
}

// Bytes is about how much memory the state takes, its labels included. What is read
// ahead is the Spec's.
func (s *Series) Bytes() int {
	n := int(unsafe.Sizeof(*s)) + int(s.Labels.ByteSize()) + cap(s.resets)*int(unsafe.Sizeof(reset{})) + cap(s.wins)*int(unsafe.Sizeof(edge{})) + cap(s.tail)
	if s.rare == nil {
		return n
	}
	n += int(unsafe.Sizeof(rare{})) + cap(s.rare.upTo)*8
	for _, x := range s.rare.sums {
		if x != nil {
			n += x.bytes()
		}
	}
	return n
}
