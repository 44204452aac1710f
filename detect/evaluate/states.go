package evaluate

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/evenkeel/evenkeel/detect/window"
)

const (
	// liveTail is how much of the newest samples is kept of each series, in milliseconds.
	liveTail = 30 * 60_000
	// leaving is how many samples that will leave its windows next are kept of a series, of
	// all windows that are longer than the tail together. It is a bargain: more take memory,
	// fewer have chunks read more often.
	leaving = 540
	// minHorizon and maxHorizon are the shortest and the longest time, in milliseconds, for
	// which the samples that will leave a window are read ahead.
	minHorizon = 8 * 60_000
	maxHorizon = 6 * 3600_000
	// margin is how long, in milliseconds, before these samples are used up the next are read:
	// a window has to know its first sample, which is behind those that have left.
	margin = 2 * 60_000
	// queued is the longest offset, in milliseconds, for which samples wait in memory until
	// it is their time. For longer ones they are read from the store again.
	queued = 3600_000
	// pulledAhead is how much is read at a time for a longer offset, in milliseconds.
	pulledAhead = 17 * 60_000
	// settled is how old, in milliseconds, a sample has to be for the store to be asked for
	// it: those that arrive late have then arrived.
	settled = 30 * 60_000
	// never is a time before all others, with room to reckon.
	never = math.MinInt64 / 2
	// farAway is a time after all others.
	farAway = math.MaxInt64
	// maxInbox is how many samples wait for states that nobody asks for. Then they begin anew.
	maxInbox = 1 << 20
)

// errLimit is why the states of some series are not kept.
var errLimit = errors.New("the limit on state is reached")

// states are what is kept of the series that one selector finds: of each series one state
// for all of its windows, for all Lives that ask for them. Times only go forward.
type states struct {
	selector
	spec    window.Spec
	e       *Incremental
	users   atomic.Pointer[[]*user] // changed under the lock of the engine
	loading atomic.Bool             // the lock is held for long

	inMu  sync.Mutex
	inbox inbox

	mu      sync.Mutex // guards what follows
	resumed bool       // a snapshot was tried
	oldest  int64      // what Options.Oldest said
	swept   int64      // when dead series were dropped
	shapes  int64      // goes up when series came or went
	mover   *user      // who has moved them on last
	following
}

// following is what is forgotten when there is no room.
type following struct {
	loaded bool
	at     int64 // the time the windows stand at
	since  int64 // the windows are as they are since then: nothing has entered or left them
	wrong  error // why there is no state
	retry  int64 // when to try again
	series []*tracked
	index  map[uint64]*tracked // by the hash of the labels; nil while the series are few
	later  []arrival           // not yet their time
	next   int64               // the earliest of them
	took   bool                // something was taken in that the windows have not moved on over
	dirty  bool                // a series is
	remake bool                // series came or went
	until  []int64             // for each window, up to what time the samples that will leave are there
	pulled int64               // of a long offset: up to what time samples were read
	bytes  int64
	read   int64 // samples, by the last load
}

// tracked is one series.
type tracked struct {
	window.Series
	next *tracked // with the same hash
	gone bool
}

// clear forgets everything but why there is nothing.
func (s *states) clear() {
	for _, row := range s.series {
		row.gone = true // whoever told of it looks for it anew
	}
	s.spec.Forget()
	s.following = following{until: make([]int64, len(s.spec.Windows)), next: math.MaxInt64, wrong: s.wrong, retry: s.retry}
}

// release gives the memory back.
func (s *states) release() {
	s.e.used.Add(-s.bytes)
	s.clear()
	s.shapes++
	s.touch(never)
}

// touch tells those who look at the states that they have changed since a time.
func (s *states) touch(t int64) {
	for _, u := range s.who() {
		u.low = min(u.low, t)
		if u != s.mover { // who moves the states on looks at them next
			u.news.Store(true)
		}
	}
}

// reach takes in what has arrived and moves all windows on to the time t, unless they stand
// at a later one. The caller holds the lock.
func (s *states) reach(ctx context.Context, t, oldest int64) error {
	now := t - s.offset
	if s.loaded {
		now = max(now, s.at)
	}
	s.collect(now)
	if oldest > s.oldest {
		s.oldest = oldest
		s.expire()
	}
	if s.wrong != nil {
		if t < s.retry {
			return nil
		}
		s.wrong, s.loaded = nil, false
	}
	if !s.loaded {
		if err := s.load(ctx, now); err != nil {
			return err
		}
		if !s.dirty {
			return nil
		}
	}
	if s.offset > queued && now > s.pulled {
		if err := s.pull(ctx, s.pulled, now+min(pulledAhead, s.offset-settled)); err != nil {
			return err
		}
	}
	if s.next <= now {
		s.takeIn(now)
	}
	if s.wrong == nil && (s.took || now != s.at) {
		if err := s.slide(ctx, now); err != nil {
			return err
		}
	}
	if s.dirty {
		if err := s.mend(ctx, now); err != nil {
			return err
		}
	}
	if s.remake {
		s.sort()
	}
	if now-s.swept > 300_000 {
		s.swept = now
		s.sweep(now)
	}
	return nil
}

// few series are found by a look at each.
const few = 8

func (s *states) find(ls labels.Labels) *tracked {
	if s.index == nil {
		for _, row := range s.series {
			if labels.Equal(row.Labels, ls) {
				return row
			}
		}
		return nil
	}
	for row := s.index[ls.Hash()]; row != nil; row = row.next {
		if labels.Equal(row.Labels, ls) {
			return row
		}
	}
	return nil
}

func (s *states) enter(of *window.Series) *tracked {
	row := &tracked{Series: *of}
	s.series = append(s.series, row)
	s.remake = true
	switch {
	case s.index != nil:
		s.list(row)
	case len(s.series) > few:
		s.index = map[uint64]*tracked{}
		for _, row := range s.series {
			s.list(row)
		}
	}
	return row
}

// list puts a series into the index.
func (s *states) list(row *tracked) {
	h := row.Labels.Hash()
	row.next, s.index[h] = s.index[h], row
}

// leave takes a series out of the index.
func (s *states) leave(row *tracked) {
	if s.index == nil {
		return
	}
	h := row.Labels.Hash()
	if first := s.index[h]; first == row && row.next == nil {
		delete(s.index, h)
	} else if first == row {
		s.index[h] = row.next
	} else {
		for ; first != nil; first = first.next {
			if first.next == row {
				first.next = row.next
			}
		}
	}
}

// sort keeps the series in the order of their labels, and says that some came or went.
func (s *states) sort() {
	s.remake = false
	slices.SortFunc(s.series, func(a, b *tracked) int { return labels.Compare(a.Labels, b.Labels) })
	s.shapes++
	s.touch(never)
}

// expire has series read again that hold samples older than the store's.
func (s *states) expire() {
	for _, row := range s.series {
		if row.Begins() < s.oldest {
			row.Dirty, s.dirty = true, true
		}
	}
}

// sweep drops the series of which nothing can be asked any more, and counts the memory.
func (s *states) sweep(now int64) {
	if !s.loaded {
		return
	}
	var bytes int64
	kept := s.series[:0]
	for _, row := range s.series {
		if row.Dead(now) {
			row.gone = true
			s.leave(row)
			continue
		}
		bytes += int64(row.Bytes())
		kept = append(kept, row)
	}
	if len(kept) < len(s.series) {
		clear(s.series[len(kept):])
		s.series, s.since = kept, now
		s.sort()
	}
	bytes += int64(cap(s.later))*int64(unsafe.Sizeof(arrival{})) + int64(s.spec.AheadBytes())
	s.e.used.Add(bytes - s.bytes)
	s.bytes = bytes
}
