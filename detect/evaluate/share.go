package evaluate

import (
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/evenkeel/evenkeel/detect/window"
)

// Groups of rules that ask for the same windows of the same series have them once: their
// families look at the same states. Times differ a little from group to group, and the
// states go forward only, but they are good for every time since which nothing has entered
// or left a window; so who comes a bit late still gets its own values. Who is late again and
// again gets states of its own.

// patience is how often a family may find the states ahead of it.
const patience = 3

// user is a family that looks at states.
type user struct {
	live *Live
	low  int64 // the earliest sample taken in since the last fetch; under the lock of the states
	// news is set when something has arrived or changed, so that nobody has to take the lock
	// to find out that there is nothing.
	news atomic.Bool
}

// join gives the leaves of a Live their families: of states that there are, as far as they
// keep what is asked, and of new ones.
func (e *Incremental) join(l *Live, leaves []*leaf, alone bool) []*family {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []*family
	for len(leaves) > 0 {
		var rest []*leaf
		for _, f := range arrange(leaves, liveTail) {
			var shared []*family
			if !alone {
				shared = e.shared(f)
			}
			if len(shared) == 0 {
				f.of = e.keep(f, alone)
				shared = append(shared, f)
			} else if len(f.leaves) > 0 {
				rest = append(rest, f.leaves...) // they may be of another family now
			}
			for _, f := range shared {
				f.live = l
				f.begin()
			}
			out = append(out, shared...)
		}
		leaves = rest
	}
	return out
}

// shared takes the leaves from a family that some states already keep, and returns
// families of these. The caller holds the lock of the engine.
func (e *Incremental) shared(f *family) (out []*family) {
	for _, s := range e.pool[f.selector.key()] {
		g := &family{selector: f.selector, of: s}
		f.leaves = slices.DeleteFunc(f.leaves, func(l *leaf) bool {
			if !s.keeps(l) {
				return false
			}
			g.take(l)
			if l.fn != window.None {
				l.win = s.spec.Index(l.length)
			}
			return true
		})
		if len(g.leaves) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// keeps says whether what a leaf asks is kept.
func (s *states) keeps(l *leaf) bool {
	if l.fn == window.None {
		return true
	}
	i := s.spec.Index(l.length)
	if i < 0 {
		return false
	}
	sums, walks, ok := l.fn.Needs(l.length, s.spec.Tail)
	return ok && (!sums || s.spec.Windows[i].Sums) && (!walks || l.length <= s.spec.Tail)
}

// keep makes new states for a family. The caller holds the lock of the engine.
func (e *Incremental) keep(f *family, alone bool) *states {
	spec := window.Spec{Windows: f.spec.Windows, Tail: f.spec.Tail, Lookback: f.spec.Lookback}
	s := &states{selector: f.selector, spec: spec, e: e}
	s.clear()
	e.states[s] = true
	if !alone {
		key := f.selector.key()
		e.pool[key] = append(e.pool[key], s)
	}
	// From now on they are told what arrives: before anybody reads the store for them.
	e.feed.follow(s)
	return s
}

// part gives a family states of its own.
func (e *Incremental) part(f *family) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop(f)
	f.spec.Windows, f.spec.Tail, f.spec.Lookback = f.of.spec.Windows, f.of.spec.Tail, f.of.spec.Lookback
	f.of = e.keep(f, true)
	f.begin()
}

// leave ends what a family looks at.
func (e *Incremental) leave(f *family) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop(f)
}

// drop takes a family from its states, which go with the last one. The caller holds the
// lock of the engine.
func (e *Incremental) drop(f *family) {
	s := f.of
	if s.dismiss(f) > 0 {
		return
	}
	delete(e.states, s)
	key := s.selector.key()
	e.pool[key] = slices.DeleteFunc(e.pool[key], func(o *states) bool { return o == s })
	if len(e.pool[key]) == 0 {
		delete(e.pool, key)
	}
	e.feed.leave(s)
	s.mu.Lock() // nobody waits for the engine with it: loading does not take the engine's lock for long
	defer s.mu.Unlock()
	s.release()
}

// begin has a family look at its states. The caller holds the lock of the engine.
func (f *family) begin() {
	f.user = &user{live: f.live, low: never}
	f.fetched, f.shapes, f.behind = never, 0, 0
	users := append(slices.Clone(f.of.who()), f.user)
	f.of.users.Store(&users)
}

// dismiss takes a family away again, and says how many are left.
func (s *states) dismiss(f *family) int {
	users := slices.DeleteFunc(slices.Clone(s.who()), func(o *user) bool { return o == f.user })
	s.users.Store(&users)
	return len(users)
}

// who looks at the states.
func (s *states) who() []*user {
	if p := s.users.Load(); p != nil {
		return *p
	}
	return nil
}

// names of who looks at the states.
func (s *states) names() string {
	users := s.who()
	if len(users) == 0 {
		return ""
	}
	if len(users) == 1 {
		return users[0].live.name
	}
	return users[0].live.name + " and " + strconv.Itoa(len(users)-1) + " more"
}
