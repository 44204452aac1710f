package alert

import (
	"sync"
	"time"
)

// atOnce is how much is stored together at most.
const atOnce = 1000

// ledger stores in one transaction what many have to record: while one is on its way to
// the disk, the next ones gather. The first after a while is stored at once.
type ledger[T any] struct {
	store func([]T) error // all of them or none
	done  func(T, error)  // is called for each, once it is stored or cannot be
	// gather is how long what is to be stored gathers after the last time: storing many
	// together costs little more than storing one.
	gather time.Duration

	mu      sync.Mutex
	waiting []T
	writing bool
	last    time.Time
	busy    sync.WaitGroup
}

// add has something stored. It does not wait.
func (l *ledger[T]) add(x T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, x)
	if !l.writing {
		l.writing = true
		l.busy.Go(l.drain)
	}
}

func (l *ledger[T]) drain() {
	for {
		l.mu.Lock()
		pause := l.gather - time.Since(l.last)
		if len(l.waiting) == 0 {
			l.writing = false
			l.mu.Unlock()
			return
		}
		if pause > 0 && len(l.waiting) < atOnce {
			l.mu.Unlock()
			time.Sleep(pause)
			l.mu.Lock()
		}
		n := min(len(l.waiting), atOnce)
		all := l.waiting[:n:n]
		l.waiting = l.waiting[n:]
		l.mu.Unlock()
		l.flush(all)
		l.mu.Lock()
		l.last = time.Now()
		l.mu.Unlock()
	}
}

// flush stores all of them; where that cannot be each alone, so that one that is refused
// takes no other with it.
func (l *ledger[T]) flush(all []T) {
	err := l.store(all)
	for i := range all {
		if err != nil && len(all) > 1 {
			l.done(all[i], l.store(all[i:i+1]))
			continue
		}
		l.done(all[i], err)
	}
}

// wait returns when nothing is left to store.
func (l *ledger[T]) wait() { l.busy.Wait() }
