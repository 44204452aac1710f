package evaluate

import (
	"math"
	"sync"

	"github.com/evenkeel/evenkeel/detect/window"
)

// box is a batch of arrivals on its way. Nearly all of them hold a few; where many arrive
// between two evaluations there are several, so that none is ever copied into a larger one.
type box struct {
	in   []arrival
	next *box // with what arrived later
}

// maxBox is how many arrivals a box holds.
const maxBox = 1024

// boxes that are empty: few states have arrivals at any one time.
var boxes = sync.Pool{New: func() any { return &box{} }}

// inbox is what has arrived, in that order.
type inbox struct {
	first, last *box
	n           int
	overflow    bool // there was no more room, and what came was left out
}

// put adds an arrival. It returns whether it is the first.
func (i *inbox) put(a arrival) (first bool) {
	if first = i.empty(); first {
		i.first = boxes.Get().(*box)
		i.last = i.first
	}
	if i.overflow || i.n >= maxInbox {
		i.overflow = true
		return first
	}
	if len(i.last.in) >= maxBox {
		b := boxes.Get().(*box)
		i.last.next, i.last = b, b
	}
	i.last.in = append(i.last.in, a)
	i.n++
	return first
}

func (i *inbox) empty() bool { return i.first == nil }

// free gives the boxes back.
func (i *inbox) free() {
	for b := i.first; b != nil; {
		next := b.next
		clear(b.in)
		b.in, b.next = b.in[:0], nil
		boxes.Put(b)
		b = next
	}
	*i = inbox{}
}

// arrive is called by whoever has appended.
func (s *states) arrive(a arrival) {
	s.inMu.Lock()
	first := s.inbox.put(a)
	s.inMu.Unlock()
	if first {
		for _, u := range s.who() {
			u.news.Store(true)
			u.live.wake()
		}
	}
}

// waiting says whether there is something that a family has not seen at a time.
func (s *states) waiting(f *family, now int64) bool {
	s.inMu.Lock()
	arrived := !s.inbox.empty()
	s.inMu.Unlock()
	if arrived {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next <= now || f.user.low <= now && f.fetched != never
}

// collect takes in what has arrived, where its time has come.
func (s *states) collect(now int64) {
	s.inMu.Lock()
	in := s.inbox
	s.inbox = inbox{}
	s.inMu.Unlock()
	defer in.free()
	if in.overflow {
		s.release()
		return
	}
	low := int64(farAway)
	for b := in.first; b != nil; b = b.next {
		low = min(low, s.sortIn(b.in, now))
	}
	if low < farAway {
		s.touch(low)
	}
}

// sortIn takes what may be taken at a time, and keeps for later what may not. It returns the
// earliest time that was taken.
func (s *states) sortIn(in []arrival, now int64) (low int64) {
	low = farAway
	for i := range in {
		a := &in[i]
		switch {
		case s.loaded:
			if s.offset > queued {
				if a.t > s.pulled {
					continue
				}
				a.began = true // its time was read without it
			}
			if a.t <= now && s.next > now {
				s.take(*a)
				low = min(low, a.t)
				continue
			}
			s.later = append(s.later, *a)
			s.next = min(s.next, a.t)
		case a.histogram:
			s.wrong, s.retry = errHistogram, math.MaxInt64
			s.touch(never)
		}
	}
	return low
}

// takeIn takes the samples whose time has come.
func (s *states) takeIn(now int64) {
	s.next = math.MaxInt64
	rest, low := s.later[:0], int64(farAway)
	for _, a := range s.later {
		if a.t > now {
			s.next = min(s.next, a.t)
			rest = append(rest, a)
			continue
		}
		s.take(a)
		low = min(low, a.t)
	}
	if low < farAway {
		s.touch(low)
	}
	clear(s.later[len(rest):])
	if s.later = rest; len(rest) == 0 {
		s.later = nil
	}
}

// take takes one sample in. Those who look at the states have to be told: see touch.
func (s *states) take(a arrival) {
	s.took = true
	s.since = max(s.since, a.t)
	if a.histogram {
		s.wrong, s.retry = errHistogram, math.MaxInt64
		s.touch(never)
		return
	}
	row := a.to.row
	if row == nil || row.gone {
		ls := *a.to.labels.Load()
		row = s.find(ls)
		if row == nil {
			row = s.enter(window.New(&s.spec, ls))
		}
		same := row.Labels
		a.to.labels.Store(&same) // one copy of them is enough
		a.to.row = row
	}
	p := window.Point{T: a.t, V: a.v}
	switch {
	case a.began:
		row.Dirty, s.dirty = true, true
	case a.t > row.LastT():
		row.Push(p)
	case row.Last(p): // it was read before it arrived
	case row.Dirty || !row.Late(p, s.at):
		row.Dirty, s.dirty = true, true
	}
}
