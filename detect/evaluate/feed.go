package evaluate

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// feed tells those who follow a series what was appended to it, after it was committed.
type feed struct {
	mu    sync.RWMutex
	pages map[uint64]*page // by the higher bits of the series' references
	none  *entry           // of all series that nobody follows
	// Followers, by the name of the metric and one more label that they ask to be equal,
	// so that a new series is not held against each of ten thousand objectives.
	names map[string]*followers
	gen   atomic.Int64 // goes up when followers change; entries of an older one are looked at again
}

// page holds the entries of neighbouring references: the store counts them up, so that the
// series of one request are likely to be on few pages.
type page [1 << pageBits]atomic.Pointer[entry]

const (
	pageBits = 8
	maxPages = 1 << 14 // of 2 KiB; then they begin anew, and what is known is found again
)

type followers struct {
	by   map[labels.Label][]*states
	rest []*states
}

// entry is what is known of one series of the store.
type entry struct {
	gen  int64
	subs []*subscription
	st   atomic.Int64 // the start timestamp that came last
}

// subscription is one series of some states.
type subscription struct {
	*states
	labels atomic.Pointer[labels.Labels]
	row    *tracked // under the lock of the states
}

// arrival is one sample on its way to states.
type arrival struct {
	to *subscription
	t  int64
	v  float64
	// began: the series has a new start timestamp, for which the store may have added a
	// zero of its own. histogram: not a float.
	began, histogram bool
}

func newFeed() *feed {
	return &feed{pages: map[uint64]*page{}, names: map[string]*followers{}}
}

func (f *feed) follow(w *states) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.names[w.name]
	if n == nil {
		n = &followers{by: map[labels.Label][]*states{}}
		f.names[w.name] = n
	}
	if k, ok := w.anchor(); ok {
		n.by[k] = append(n.by[k], w)
	} else {
		n.rest = append(n.rest, w)
	}
	f.gen.Add(1)
}

func (f *feed) leave(w *states) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.names[w.name]
	of := func(o *states) bool { return o == w }
	if k, ok := w.anchor(); ok {
		n.by[k] = slices.DeleteFunc(n.by[k], of)
		if len(n.by[k]) == 0 {
			delete(n.by, k)
		}
	} else {
		n.rest = slices.DeleteFunc(n.rest, of)
	}
	if len(n.by) == 0 && len(n.rest) == 0 {
		delete(f.names, w.name)
	}
	f.gen.Add(1)
}

// page returns the page of a reference.
func (f *feed) page(ref storage.SeriesRef) *page {
	no := uint64(ref) >> pageBits
	f.mu.RLock()
	p := f.pages[no]
	f.mu.RUnlock()
	if p != nil {
		return p
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if p = f.pages[no]; p == nil {
		if len(f.pages) >= maxPages {
			clear(f.pages)
		}
		p = &page{}
		f.pages[no] = p
	}
	return p
}

// lookup returns the entry of a series on its page, made or brought up to date if need be.
func (f *feed) lookup(on *page, ref storage.SeriesRef, ls labels.Labels) *entry {
	slot := &on[ref&(1<<pageBits-1)]
	if e := slot.Load(); e != nil && e.gen == f.gen.Load() {
		return e
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old := slot.Load()
	if old != nil && old.gen == f.gen.Load() {
		return old
	}
	e := &entry{gen: f.gen.Load()}
	if old != nil {
		e.st.Store(old.st.Load())
	}
	if f.match(e, old, ls); len(e.subs) == 0 {
		if f.none == nil || f.none.gen != e.gen {
			f.none = &entry{gen: e.gen}
		}
		e = f.none
	}
	slot.Store(e)
	return e
}

func (f *feed) match(e, old *entry, ls labels.Labels) {
	n := f.names[ls.Get(labels.MetricName)]
	if n == nil {
		return
	}
	var kept *labels.Labels
	take := func(ws []*states) {
		for _, w := range ws {
			if !w.matches(ls) {
				continue
			}
			if old != nil {
				if at := slices.IndexFunc(old.subs, func(s *subscription) bool { return s.states == w }); at >= 0 {
					e.subs = append(e.subs, old.subs[at])
					kept = old.subs[at].labels.Load()
					continue
				}
			}
			if kept == nil {
				c := ls.Copy()
				kept = &c
			}
			s := &subscription{states: w}
			s.labels.Store(kept)
			e.subs = append(e.subs, s)
		}
	}
	take(n.rest)
	if len(n.by) > 0 {
		ls.Range(func(l labels.Label) { take(n.by[l]) })
	}
}

// Follow returns an appendable that tells the engine what was committed through it. Until
// there is one, the engine reads every sample from the store.
func (e *Incremental) Follow(to storage.AppendableV2) storage.AppendableV2 {
	e.followed.Store(true)
	return followedAppendable{to, e.feed}
}

type followedAppendable struct {
	storage.AppendableV2
	feed *feed
}

func (a followedAppendable) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &transaction{AppenderV2: a.AppendableV2.AppenderV2(ctx), feed: a.feed}
}

// transaction passes samples on and remembers those that somebody follows.
type transaction struct {
	storage.AppenderV2
	feed    *feed
	page    *page // that was looked at last
	pageNo  uint64
	pending *[]told // nil when there are none
}

// lists of what is told that are empty: each request is a transaction.
var lists = sync.Pool{New: func() any { return &[]told{} }}

type told struct {
	entry     *entry
	st, t     int64
	v         float64
	histogram bool
}

var _ storage.ExemplarAppenderV2 = (*transaction)(nil)

func (a *transaction) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AppendV2Options) (storage.SeriesRef, error) {
	got, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	if got == 0 { // not taken; an error beside a reference is about exemplars only
		return got, err
	}
	if no := uint64(got) >> pageBits; a.page == nil || a.pageNo != no {
		a.page, a.pageNo = a.feed.page(got), no
	}
	if e := a.feed.lookup(a.page, got, ls); len(e.subs) > 0 {
		if a.pending == nil {
			a.pending = lists.Get().(*[]told)
		}
		*a.pending = append(*a.pending, told{e, st, t, v, h != nil || fh != nil})
	}
	return got, err
}

// AppendExemplars implements storage.ExemplarAppenderV2.
func (a *transaction) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, es []exemplar.Exemplar) (storage.SeriesRef, error) {
	if x, ok := a.AppenderV2.(storage.ExemplarAppenderV2); ok {
		return x.AppendExemplars(ref, ls, es)
	}
	return ref, nil
}

func (a *transaction) Commit() error {
	err := a.AppenderV2.Commit()
	if a.pending == nil {
		return err
	}
	for i := range *a.pending {
		p := &(*a.pending)[i]
		began := p.st != 0 && p.entry.st.Swap(p.st) != p.st
		for _, s := range p.entry.subs {
			// After a failed commit nobody knows what was stored.
			s.arrive(arrival{to: s, t: p.t, v: p.v, began: began || err != nil, histogram: p.histogram})
		}
	}
	a.forget()
	return err
}

func (a *transaction) Rollback() error {
	a.forget()
	return a.AppenderV2.Rollback()
}

func (a *transaction) forget() {
	if a.pending == nil {
		return
	}
	clear(*a.pending)
	if *a.pending = (*a.pending)[:0]; cap(*a.pending) <= 1<<14 {
		lists.Put(a.pending)
	}
	a.pending = nil
}
