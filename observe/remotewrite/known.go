package remotewrite

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
)

// knownMax is how many series a generation of what is known holds.
const knownMax = 1 << 18

// name stands for the labels of a series as a message writes them: two hashes that have
// nothing to do with each other, of which one has a secret seed. That two names of a
// million series are equal by chance has a probability of 1 in 10^26, and nobody can make
// them equal on purpose.
type name struct{ a, b uint64 }

var seed = maphash.MakeSeed()

func nameOf(written []byte) name { return name{xxhash.Sum64(written), maphash.Bytes(seed, written)} }

// with is the name of a sequence that goes on with another name.
func (n name) with(o name) name {
	const prime = 0x9E3779B185EBCA87
	return name{bits.RotateLeft64(n.a^o.a, 27)*prime + 1, bits.RotateLeft64(n.b^o.b, 31)*prime + 1}
}

// known remembers the series that senders have written: one that comes again costs a hash
// of the bytes that name it, and no string is made of its labels. Only series that were
// checked and stored are in it. It holds two generations: a series that nobody writes any
// more is forgotten with the older one.
type known struct {
	mu         sync.RWMutex
	limits     declare.Limits // under which its series were checked
	young, old map[name]*called
}

type called struct {
	name   name
	labels labels.Labels
	ref    atomic.Uint64          // the store may give a series another one after a while
	next   atomic.Pointer[called] // that came after it the last time: senders keep an order
}

func (c *called) is(ref storage.SeriesRef) {
	if c.ref.Load() != uint64(ref) {
		c.ref.Store(uint64(ref))
	}
}

// under forgets everything when the limits are others than before.
func (k *known) under(limits declare.Limits) {
	k.mu.RLock()
	same := k.limits == limits
	k.mu.RUnlock()
	if same {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.limits, k.young, k.old = limits, map[name]*called{}, nil
}

// after returns the series of a name that follows another one in a message, nil when it is
// not known. The other is nil for the first.
func (k *known) after(last *called, n name) *called {
	if last == nil {
		return k.get(n)
	}
	next := last.next.Load()
	if next != nil && next.name == n {
		return next
	}
	c := k.get(n)
	if c != nil {
		last.next.Store(c)
	}
	return c
}

// get returns the series of a name, nil when it is not known.
func (k *known) get(n name) *called {
	k.mu.RLock()
	c, young := k.young[n], true
	if c == nil {
		c, young = k.old[n], false
	}
	k.mu.RUnlock()
	if c != nil && !young {
		k.put(n, c)
	}
	return c
}

func (k *known) put(n name, c *called) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.young) >= knownMax {
		k.old, k.young = k.young, make(map[name]*called, knownMax/4)
	}
	k.young[n] = c
}
