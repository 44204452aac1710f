package evaluate

import (
	"math"
	"sync"

	"github.com/evenkeel/evenkeel/detect/window"
)

// box is a batch of arrivals on its way.
type box struct{ in []arrival }

// boxes that are empty: few states have arrivals at any one time.
var boxes = sync.Pool{New: func() any { return &box{} }}

// arrive is called by whoever has appended.
func (s *states) arrive(a arrival) {
	s.inMu.Lock()
	first := s.inbox == nil && !s.overflow
	if first {
		s.inbox = boxes.Get().(*box)
	}
	if s.overflow || len(s.inbox.in) >= maxInbox {
		s.overflow = true
	} else {
		s.inbox.in = append(s.inbox.in, a)
	}
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
	arrived := s.inbox != nil || s.overflow
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
	batch, overflow := s.inbox, s.overflow
	s.inbox, s.overflow = nil, false
	s.inMu.Unlock()
	if overflow {
		s.release()
	}
	if batch == nil {
		return
	}
	low := int64(farAway)
	for i := range batch.in {
		if overflow {
			break
		}
		a := &batch.in[i]
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
	if low < farAway {
		s.touch(low)
	}
	clear(batch.in)
	batch.in = batch.in[:0]
	if cap(batch.in) <= 1<<14 {
		boxes.Put(batch)
	}
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
