package metrics

import (
	"math/bits"

	"github.com/prometheus/prometheus/storage"
)

// newest is the newest sample of each series of a batch: a table with open addressing, for
// it is looked into and written to once a sample.
type newest struct {
	slots []slot // a power of two, at most half full
	used  int
	batch uint32 // slots of another one are empty
	holds bool   // there are histograms in them
}

type slot struct {
	series storage.SeriesRef
	batch  uint32
	sample
}

// maxNewest is the size of a table that is worth its memory after its batch.
const maxNewest = 1 << 15

func newNewest() *newest { return &newest{slots: make([]slot, 1<<10), batch: 1} }

// begin empties the table, for the next batch.
func (n *newest) begin() {
	n.used = 0
	if n.batch++; n.batch == 0 || n.holds { // after 2^32 batches, or so that it keeps nothing alive
		clear(n.slots)
		n.batch, n.holds = 1, false
	}
}

// at is where a series stands, or where it would.
func (n *newest) at(id storage.SeriesRef) *slot {
	// Fibonacci hashing: references are counted up, and the high bits of the product spread them.
	i := int(uint64(id) * 0x9E3779B97F4A7C15 >> (64 - bits.Len(uint(len(n.slots)-1))))
	for s := &n.slots[i]; ; s = &n.slots[i] {
		if s.batch != n.batch || s.series == id {
			return s
		}
		i = (i + 1) & (len(n.slots) - 1)
	}
}

// of is the newest sample of a series, nil when it has none.
func (n *newest) of(id storage.SeriesRef) *sample {
	if s := n.at(id); s.batch == n.batch {
		return &s.sample
	}
	return nil
}

// put remembers a sample of a series.
func (n *newest) put(id storage.SeriesRef, of sample) {
	s := n.at(id)
	if s.batch != n.batch {
		if n.used++; n.used > len(n.slots)/2 {
			n.grow()
			s = n.at(id)
		}
	}
	*s = slot{series: id, batch: n.batch, sample: of}
	n.holds = n.holds || of.h != nil || of.fh != nil
}

func (n *newest) grow() {
	old := n.slots
	n.slots = make([]slot, 2*len(old))
	for i := range old {
		if s := &old[i]; s.batch == n.batch {
			*n.at(s.series) = *s
		}
	}
}
