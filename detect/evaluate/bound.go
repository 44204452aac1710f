package evaluate

import "unsafe"

// crowd is how many states share the memory, when they take more than they may; 0 when they
// do not. Nobody who holds the lock of states may ask.
func (e *Incremental) crowd() int64 {
	if e.used.Load() <= e.opts.StateLimit {
		return 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return int64(len(e.states))
}

// bound counts the memory again when series came or went, and gives it back when all of it
// is more than there is: the states go that take more than their equal part of it, one by
// one as they are asked, so that what grows makes room and not what is small. The caller
// holds the lock.
func (s *states) bound(now int64, changed bool, crowd int64) {
	if changed && s.loaded {
		s.count()
	}
	used := s.e.used.Load()
	if crowd > 0 && used > s.e.opts.StateLimit && s.bytes*crowd >= used {
		s.noRoom(now)
	}
}

// count counts the memory.
func (s *states) count() {
	var bytes int64
	for _, row := range s.series {
		bytes += int64(row.Bytes())
	}
	bytes += int64(cap(s.later))*int64(unsafe.Sizeof(arrival{})) + int64(s.spec.AheadBytes())
	s.e.used.Add(bytes - s.bytes)
	s.bytes = bytes
}
