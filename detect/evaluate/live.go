package evaluate

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/evenkeel/evenkeel/detect/window"
)

const (
	// liveTail is how much of the newest samples is kept of each series, in milliseconds.
	liveTail = 30 * 60_000
	// leaving is how many samples that will leave its windows next are kept of a series, of
	// all windows that are longer than the tail together. It is a bargain: more take memory,
	// fewer have chunks read more often.
	leaving = 408
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
	// maxInbox is how many samples wait for a Live that nobody asks. Then it begins anew.
	maxInbox = 1 << 20
)

// errLimit is why a family has no state.
var errLimit = errors.New("the limit on state is reached")

// Incremental is an Engine that keeps the windows of the expressions it is asked again
// and again. Everything else goes to Prometheus' own engine, and so does whatever it is not
// sure about.
type Incremental struct {
	*Prometheus
	opts     Options
	feed     *feed
	followed atomic.Bool
	used     atomic.Int64 // bytes of state
	samples  atomic.Int64 // read to build windows
	metrics  *numbers

	mu    sync.Mutex
	lives map[*Live]bool
	check time.Time          // when the next comparison may be made
	kept  map[string]section // by the key of the family
}

var _ Engine = (*Incremental)(nil)

// New returns an engine over a store.
func New(o Options) *Incremental {
	if o.StateLimit == 0 {
		o.StateLimit = 2 << 30
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Incremental{Prometheus: NewPrometheus(o), opts: o, feed: newFeed(), lives: map[*Live]bool{}}
	e.metrics = newNumbers(o.Registerer, e)
	return e
}

// Live is some expressions that are asked at times that only go forward, as those of a
// group of rules are. Their windows are kept and move on from one time to the next.
type Live struct {
	name string
	e    *Incremental

	mu       sync.Mutex
	prog     *program
	families []*family
	volatile bool  // parts are the inner engine's: what it says may change at any time
	t        int64 // of the last evaluation, milliseconds
	version  int64
	evals    int64
	oldest   int64 // what Options.Oldest said
	swept    int64 // when dead series were dropped
	closed   bool
	plans    plans
	env      env

	loading  atomic.Bool  // the lock is held for long
	next     atomic.Int32 // the expression that is asked next, if they come in their order
	inMu     sync.Mutex
	inbox    *box
	overflow bool
	changed  chan struct{} // holds one element when something has arrived
}

// box is a batch of arrivals on its way.
type box struct{ in []arrival }

// boxes that are empty: few Lives have arrivals at any one time.
var boxes = sync.Pool{New: func() any { return &box{} }}

// following is what a Live keeps of a family.
type following struct {
	loaded bool
	at     int64 // the time the windows stand at
	wrong  error // why the family has no state
	again  int64 // when to try again
	series []*tracked
	index  map[uint64]*tracked // by the hash of the labels
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

// tracked is one series of a family.
type tracked struct {
	window.Series
	next *tracked // with the same hash
	gone bool
}

// Live begins to follow what the expressions need. Close ends it.
func (e *Incremental) Live(name string, exprs ...string) (*Live, error) {
	l := &Live{name: name, e: e, prog: newProgram(e.Prometheus, liveTail), t: never, changed: make(chan struct{}, 1)}
	for _, expr := range exprs {
		if err := l.prog.add(expr); err != nil {
			return nil, fmt.Errorf("cannot follow %q: %w", expr, err)
		}
	}
	asked := l.prog.asked()
	l.families = arrange(asked, liveTail)
	grouped := l.prog.grouped()
	for _, n := range asked {
		// Who groups by labels other than the name does not need it dropped.
		n.bare = !n.keepName && grouped[n] == nil
		n.sel.needsBare = n.sel.needsBare || n.bare
	}
	for n, by := range grouped {
		if len(by) == 1 {
			by[0].leaf = n
		}
	}
	for _, n := range l.prog.nodes {
		if _, ok := n.(*engine); ok {
			l.volatile = true
		}
	}
	l.env = env{inner: e.Prometheus, leaf: l.value, fused: l.aggregate, plans: &l.plans}
	for _, f := range l.families {
		f.owner = l
		f.live = following{until: make([]int64, len(f.spec.Windows)), next: math.MaxInt64}
		e.feed.follow(f)
	}
	e.mu.Lock()
	e.lives[l] = true
	e.mu.Unlock()
	return l, nil
}

// Close stops following.
func (l *Live) Close() {
	l.e.mu.Lock()
	delete(l.e.lives, l)
	l.e.mu.Unlock()
	l.e.feed.leave(l)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, f := range l.families {
		l.release(f)
	}
}

func (l *Live) release(f *family) {
	l.e.used.Add(-f.live.bytes)
	f.live = following{until: f.live.until, next: math.MaxInt64, wrong: f.live.wrong, again: f.live.again}
	for _, s := range f.sels {
		s.rows, s.full, s.bare = nil, &shape{}, &shape{}
	}
}

// Changed receives when samples have arrived that the expressions look at.
func (l *Live) Changed() <-chan struct{} { return l.changed }

// Waiting says whether there are samples that an evaluation at this time would be the
// first to see.
func (l *Live) Waiting(at time.Time) bool {
	l.inMu.Lock()
	arrived := l.inbox != nil || l.overflow
	l.inMu.Unlock()
	if arrived {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.families {
		if f.live.next <= at.UnixMilli()-f.offset {
			return true
		}
	}
	return false
}

// arrive is called by whoever has appended.
func (l *Live) arrive(a arrival) {
	l.inMu.Lock()
	first := l.inbox == nil && !l.overflow
	if first {
		l.inbox = boxes.Get().(*box)
	}
	if l.overflow || len(l.inbox.in) >= maxInbox {
		l.overflow = true
	} else {
		l.inbox.in = append(l.inbox.in, a)
	}
	l.inMu.Unlock()
	if first {
		select {
		case l.changed <- struct{}{}:
		default:
		}
	}
}

// Query is the value of an expression at a time. What is not one of the Live's expressions,
// or of a time before the last one, is the inner engine's.
func (l *Live) Query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	root := l.root(expr)
	if root == nil || !l.e.followed.Load() {
		return l.e.Prometheus.Query(ctx, expr, at)
	}
	v, err := l.query(ctx, root, at.UnixMilli(), false)
	if err != nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.e.metrics.left.WithLabelValues(reason(err)).Inc()
		return l.e.Prometheus.Query(ctx, expr, at)
	}
	l.e.metrics.evaluated.Inc()
	if n := l.e.opts.CheckEvery; n > 0 && l.e.metrics.turn.Add(1)%int64(n) == 0 {
		l.e.compare(ctx, l, expr, at, v)
	}
	return v, nil
}

// root finds the node of an expression: without a look at its text, when the expressions
// are asked in their order.
func (l *Live) root(expr string) node {
	all := l.prog.listed
	if k := int(l.next.Load()); k < len(all) && (all[k].canonical == expr || all[k].expr == expr) {
		l.next.Store(int32((k + 1) % len(all)))
		return all[k].root
	}
	root := l.prog.roots[expr]
	if root != nil {
		k := slices.IndexFunc(all, func(r listed) bool { return r.root == root })
		l.next.Store(int32((k + 1) % len(all)))
	}
	return root
}

// errPast is the reason why a time before the last one is the inner engine's.
var errPast = errors.New("the time is before the last one")

func (l *Live) query(ctx context.Context, root node, t int64, timed bool) (promql.Vector, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t < l.t || l.closed {
		return nil, errPast
	}
	changed, err := l.advance(ctx, t)
	if err != nil {
		return nil, err
	}
	if changed || l.volatile || timed {
		l.version++
	}
	e := &l.env
	e.ctx, e.times, e.version, e.timed = ctx, steps{from: t, step: 1, n: 1}, l.version, timed
	v, err := e.eval(root)
	e.ctx = nil
	if err != nil {
		return nil, err
	}
	l.evals++
	result := v.instant(t)
	if o, ok := root.(orderer); ok {
		o.order(result)
	}
	return result, nil
}

// value is a leaf's.
func (l *Live) value(n *leaf) (vector, error) {
	f := &n.family.live
	if f.wrong != nil {
		return vector{}, f.wrong
	}
	s := n.sel.full
	if n.bare {
		s = n.sel.bare
	}
	out := sized(n.room, s, 1)
	n.room = out.vals
	t := l.t - n.offset
	if n.fn == window.None {
		for i, row := range n.sel.rows {
			v, ok := row.Current(t)
			switch {
			case !ok:
				v = window.Gone
			case n.stamp:
				v = float64(row.LastT()) / 1000
			}
			out.vals[i] = v
		}
		return out, nil
	}
	for i, row := range n.sel.rows {
		v, ok, sure := row.Value(n.fn, n.win, t, n.param)
		if !sure {
			return out, errUnsure
		}
		if !ok {
			v = window.Gone
		}
		out.vals[i] = v
	}
	return out, nil
}

// aggregate is env.fused: an aggregation of a leaf that nobody else asks, without keeping
// the leaf's own values.
func (l *Live) aggregate(a *aggregate) (out vector, ok bool, err error) {
	n := a.leaf
	if n == nil || n.fn == window.None {
		return out, false, nil
	}
	if wrong := n.family.live.wrong; wrong != nil {
		return out, true, wrong
	}
	s := n.sel.full
	if n.bare {
		s = n.sel.bare
	}
	acc := a.prepare(&l.env, s, 1)
	t := l.t - n.offset
	for i, g := range a.groups.row {
		v, ok, sure := n.sel.rows[i].Value(n.fn, n.win, t, n.param)
		if !sure {
			return out, true, errUnsure
		}
		if ok {
			acc[g].add(a.op, v)
		}
	}
	return a.results(acc, 1), true, nil
}

// advance takes in what has arrived and moves all windows on to the time t.
func (l *Live) advance(ctx context.Context, t int64) (changed bool, err error) {
	changed = t != l.t
	before := l.t
	arrived := l.collect(t)
	if !changed && !arrived {
		// Whatever was left undone after an error is done when the time moves on.
		done := true
		for _, f := range l.families {
			done = done && f.settled()
		}
		if done {
			return false, nil
		}
	}
	if l.e.opts.Oldest != nil && changed {
		if oldest := l.e.opts.Oldest(); oldest > l.oldest {
			l.oldest = oldest
			for _, f := range l.families {
				f.expire(oldest)
			}
		}
	}
	for _, f := range l.families {
		now := t - f.offset
		switch {
		case f.live.wrong != nil:
			if t < f.live.again {
				continue
			}
			f.live.wrong, f.live.loaded = nil, false
		}
		if !f.live.loaded {
			changed = true
			if err := l.load(ctx, f, now); err != nil {
				return changed, err
			}
			if f.live.dirty {
				if err := l.mend(ctx, f, now); err != nil {
					return changed, err
				}
			}
			continue
		}
		if f.offset > queued && now > f.live.pulled {
			if err := l.pull(ctx, f, f.live.pulled, now+min(pulledAhead, f.offset-settled)); err != nil {
				return changed, err
			}
		}
		if f.live.next <= now {
			f.takeIn(now)
		}
		if f.live.wrong == nil && (f.live.took || t != before) {
			changed = changed || f.live.took
			if err := l.slide(ctx, f, now); err != nil {
				return changed, err
			}
		}
		if f.live.dirty {
			changed = true
			if err := l.mend(ctx, f, now); err != nil {
				return changed, err
			}
		}
		if f.live.remake {
			f.remake()
			l.plans.clear()
		}
	}
	l.t = t
	if t-l.swept > 300_000 {
		l.swept = t
		for _, f := range l.families {
			l.sweep(f, t-f.offset)
		}
	}
	return changed, nil
}

// settled says whether nothing is left to do for a family at the time it stands at.
func (f *family) settled() bool {
	return f.live.wrong != nil || f.live.loaded && !f.live.took && !f.live.dirty && !f.live.remake && f.live.next > f.live.at
}

// collect gives what has arrived to the families, at once where its time has come.
func (l *Live) collect(t int64) (arrived bool) {
	l.inMu.Lock()
	batch, overflow := l.inbox, l.overflow
	l.inbox, l.overflow = nil, false
	l.inMu.Unlock()
	if overflow {
		for _, f := range l.families {
			l.release(f)
		}
	}
	if batch == nil {
		return overflow
	}
	for i := range batch.in {
		if overflow {
			break
		}
		a := &batch.in[i]
		f := a.to.family
		switch {
		case f.live.loaded:
			if f.offset > queued {
				if a.t > f.live.pulled {
					continue
				}
				a.began = true // its time was read without it
			}
			if a.t <= t-f.offset && f.live.next > t-f.offset {
				f.take(*a)
				continue
			}
			f.live.later = append(f.live.later, *a)
			f.live.next = min(f.live.next, a.t)
		case a.histogram:
			f.live.wrong, f.live.again = errHistogram, math.MaxInt64
		}
	}
	clear(batch.in)
	batch.in = batch.in[:0]
	if cap(batch.in) <= 1<<12 {
		boxes.Put(batch)
	}
	return true
}

// takeIn pushes the samples whose time has come.
func (f *family) takeIn(now int64) {
	f.live.next = math.MaxInt64
	rest := f.live.later[:0]
	for _, a := range f.live.later {
		if a.t > now {
			f.live.next = min(f.live.next, a.t)
			rest = append(rest, a)
			continue
		}
		f.take(a)
	}
	clear(f.live.later[len(rest):])
	if f.live.later = rest; len(rest) == 0 {
		f.live.later = nil
	}
}

func (f *family) take(a arrival) {
	f.live.took = true
	if a.histogram {
		f.live.wrong, f.live.again = errHistogram, math.MaxInt64
		return
	}
	s := a.to.series
	if s == nil || s.gone {
		ls := *a.to.labels.Load()
		s = f.find(ls)
		if s == nil {
			s = f.enter(window.New(&f.spec, ls))
		}
		same := s.Labels
		a.to.labels.Store(&same) // one copy of them is enough
		a.to.series = s
	}
	p := window.Point{T: a.t, V: a.v}
	switch {
	case a.began:
		s.Dirty, f.live.dirty = true, true
	case a.t > s.LastT():
		s.Push(p)
	case s.Last(p): // it was read before it arrived
	default:
		s.Dirty, f.live.dirty = true, true
	}
}

func (f *family) find(ls labels.Labels) *tracked {
	for s := f.live.index[ls.Hash()]; s != nil; s = s.next {
		if labels.Equal(s.Labels, ls) {
			return s
		}
	}
	return nil
}

func (f *family) enter(s *window.Series) *tracked {
	t := &tracked{Series: *s}
	if f.live.index == nil {
		f.live.index = map[uint64]*tracked{}
	}
	h := s.Labels.Hash()
	t.next, f.live.index[h] = f.live.index[h], t
	f.live.series = append(f.live.series, t)
	f.live.remake = true
	return t
}

// leave takes a series out of the index.
func (f *family) leave(s *tracked) {
	h := s.Labels.Hash()
	if first := f.live.index[h]; first == s && s.next == nil {
		delete(f.live.index, h)
	} else if first == s {
		f.live.index[h] = s.next
	} else {
		for ; first != nil; first = first.next {
			if first.next == s {
				first.next = s.next
			}
		}
	}
}

// remake lists the series of each selector in the order of their labels.
func (f *family) remake() {
	f.live.remake = false
	slices.SortFunc(f.live.series, func(a, b *tracked) int { return labels.Compare(a.Labels, b.Labels) })
	for _, sel := range f.sels {
		sel.rows = sel.rows[:0]
		full := make([]labels.Labels, 0, len(sel.full.rows))
		var bare []labels.Labels
		for _, s := range f.live.series {
			if sel.matches(s.Labels) {
				sel.rows = append(sel.rows, s)
				full = append(full, s.Labels)
				if sel.needsBare {
					bare = append(bare, dropName(s.Labels))
				}
			}
		}
		sel.full, sel.bare = &shape{full}, &shape{bare}
	}
}

// expire has series read again that hold samples older than the store's.
func (f *family) expire(oldest int64) {
	for _, s := range f.live.series {
		if s.Begins() < oldest {
			s.Dirty, f.live.dirty = true, true
		}
	}
}

// sweep drops the series of which nothing can be asked any more, and counts the memory.
func (l *Live) sweep(f *family, now int64) {
	if !f.live.loaded {
		return
	}
	var bytes int64
	kept := f.live.series[:0]
	for _, s := range f.live.series {
		if s.Dead(now) {
			s.gone = true
			f.leave(s)
			continue
		}
		bytes += int64(s.Bytes())
		kept = append(kept, s)
	}
	if len(kept) < len(f.live.series) {
		clear(f.live.series[len(kept):])
		f.live.series = kept
		f.remake()
		l.plans.clear()
	}
	bytes += int64(cap(f.live.later))*int64(unsafe.Sizeof(arrival{})) + int64(f.spec.AheadBytes())
	l.e.used.Add(bytes - f.live.bytes)
	f.live.bytes = bytes
}

// load reads a family's series from the store.
func (l *Live) load(ctx context.Context, f *family, now int64) error {
	l.loading.Store(true)
	defer l.loading.Store(false)
	start := time.Now()
	l.release(f)
	f.live.wrong = nil
	resumed, err := l.resume(ctx, f, now)
	if err == nil && !resumed {
		err = l.build(ctx, f, now)
	}
	if err != nil {
		l.release(f)
		return err
	}
	if f.live.wrong != nil {
		return nil
	}
	var bytes int64
	for _, s := range f.live.series {
		bytes += int64(s.Bytes())
	}
	if resumed && bytes > l.e.opts.StateLimit-l.e.used.Load() {
		l.noRoom(f, now)
		return nil
	}
	f.live.loaded, f.live.pulled, f.live.bytes = true, now, bytes
	l.e.used.Add(bytes)
	for i := range f.live.until {
		f.live.until[i] = never
	}
	f.remake()
	l.plans.clear()
	if resumed {
		// The store may have deleted what was there when the snapshot was written.
		f.expire(l.oldest)
		if err := l.slide(ctx, f, now); err != nil {
			l.release(f)
			return err
		}
	}
	// Whatever came in so far is in the store; what is newer than now waits.
	if f.offset <= queued {
		if err := l.pull(ctx, f, now, math.MaxInt64/2); err != nil {
			l.release(f)
			return err
		}
	}
	l.e.metrics.loaded.Add(float64(f.live.read))
	l.e.samples.Add(f.live.read)
	if took := time.Since(start); took > time.Second {
		l.e.opts.Logger.Info("windows are loaded", "of", l.name, "series", f.String(), "count", len(f.live.series), "samples", f.live.read, "took", took.Round(time.Millisecond))
	}
	return nil
}

// build reads all samples of a family's windows.
func (l *Live) build(ctx context.Context, f *family, now int64) error {
	set, err := l.e.selectSeries(ctx, false, now-f.spec.Span()+1, now, f.matchers)
	if err != nil {
		return err
	}
	defer set.Close()
	var bytes int64
	room := l.e.opts.StateLimit - l.e.used.Load()
	for set.Next() {
		s := window.New(&f.spec, set.Labels().Copy())
		n, floats, err := s.Load(set.Iterator(now-f.spec.Span()+1), now)
		if err != nil {
			return err
		}
		f.live.read += int64(n)
		if !floats {
			l.release(f)
			f.live.wrong, f.live.again = errHistogram, now+f.offset+3600_000
			return nil
		}
		if n == 0 || s.Dead(now) {
			continue
		}
		f.enter(s)
		if bytes += int64(s.Bytes()); bytes > room {
			l.noRoom(f, now)
			return nil
		}
	}
	f.live.at = now
	return set.Err()
}

func (l *Live) noRoom(f *family, now int64) {
	l.release(f)
	f.live.wrong, f.live.again = errLimit, now+f.offset+600_000
	l.e.tooMuch(l, f)
}

// slide moves the left sides of the windows on.
func (l *Live) slide(ctx context.Context, f *family, now int64) error {
	var missing window.Missing
	for i := range f.spec.Windows {
		if length := f.spec.Windows[i].Length; length > f.spec.Tail && now-length > f.live.until[i]-margin && f.due(i, now) {
			if err := l.ahead(ctx, f, i, f.live.at, now); err != nil {
				return err
			}
		}
		for _, s := range f.live.series {
			if s.Dirty || !s.Leaves(i, now) {
				continue
			}
			if missing == nil {
				missing = func(s *window.Series, i int, after, until int64) error { return l.missing(ctx, s, i, after, until) }
			}
			if err := s.Advance(i, now, missing); errors.Is(err, window.ErrLost) {
				s.Dirty, f.live.dirty = true, true
			} else if err != nil {
				return err
			}
		}
	}
	f.live.at, f.live.took = now, false
	return nil
}

// due says whether samples leave a window now.
func (f *family) due(i int, now int64) bool {
	for _, s := range f.live.series {
		if s.Leaves(i, now) {
			return true
		}
	}
	return false
}

// ahead reads the samples that will leave a window soon, for all series at once.
func (l *Live) ahead(ctx context.Context, f *family, i int, before, now int64) error {
	length := f.spec.Windows[i].Length
	ahead := f.horizon(i)
	if f.live.until[i] == never {
		ahead -= int64(float64(ahead-2*margin) * f.phase(i)) // not all windows at one time
	}
	until := now - length + ahead
	set, err := l.e.selectSeries(ctx, false, before-length+1, until, f.matchers)
	if err != nil {
		return err
	}
	defer set.Close()
	all := func(yield func(*window.Series) bool) {
		for _, s := range f.live.series {
			if !yield(&s.Series) {
				return
			}
		}
	}
	err = f.spec.ReadAhead(i, all, func() error {
		for set.Next() {
			s := f.find(set.Labels())
			if s == nil || s.Dirty || !s.Wants(i, until) {
				continue
			}
			if err := s.Fill(i, set.Iterator(s.First(i)+1), until); errors.Is(err, window.ErrLost) {
				s.Dirty, f.live.dirty = true, true
			} else if err != nil {
				return err
			}
		}
		return set.Err()
	})
	if err == nil {
		f.live.until[i] = until
	}
	return err
}

// horizon is for how long, in milliseconds, the samples that will leave a window are read
// ahead: such that each window that is longer than the tail has its share of them.
func (f *family) horizon(i int) int64 {
	windows := int64(0)
	for _, w := range f.spec.Windows {
		if w.Length > f.spec.Tail {
			windows++
		}
	}
	var samples, spans int64
	for _, s := range f.live.series {
		n, span := s.Extent(i)
		samples, spans = samples+n, spans+span
	}
	if samples == 0 {
		return minHorizon
	}
	return min(max(spans/samples*(leaving/windows), minHorizon), maxHorizon)
}

// phase is where in the first time that is read ahead a window begins, from 0 to 1: those of
// a family are evenly apart, and so are those of many families.
func (f *family) phase(i int) float64 {
	h := fnv.New32a()
	io.WriteString(h, f.String())
	_, phase := math.Modf(float64(h.Sum32())/(1<<32) + float64(i)/float64(len(f.spec.Windows)))
	return phase
}

// missing reads the samples of one series that leave a window, behind a gap.
func (l *Live) missing(ctx context.Context, s *window.Series, i int, after, until int64) error {
	return l.one(ctx, s.Labels, after+1, until, func(it window.Iterator) error { return s.Fill(i, it, until) })
}

// one reads one series.
func (l *Live) one(ctx context.Context, ls labels.Labels, from, to int64, read func(window.Iterator) error) error {
	var ms []*labels.Matcher
	ls.Range(func(lb labels.Label) { ms = append(ms, labels.MustNewMatcher(labels.MatchEqual, lb.Name, lb.Value)) })
	set, err := l.e.selectSeries(ctx, false, from, to, ms)
	if err != nil {
		return err
	}
	defer set.Close()
	for set.Next() {
		if labels.Equal(set.Labels(), ls) {
			return read(set.Iterator(from))
		}
	}
	if err := set.Err(); err != nil {
		return err
	}
	return read(chunkenc.NewNopIterator())
}

// mend reads the series again that something happened to which they have not seen.
func (l *Live) mend(ctx context.Context, f *family, now int64) error {
	n := 0
	for _, s := range f.live.series {
		if s.Dirty {
			n++
		}
	}
	if n > 64 && n > len(f.live.series)/2 {
		return l.load(ctx, f, now)
	}
	for _, s := range f.live.series {
		if !s.Dirty {
			continue
		}
		err := l.one(ctx, s.Labels, now-f.spec.Span()+1, now, func(it window.Iterator) error {
			read, floats, err := s.Load(it, now)
			f.live.read += int64(read)
			if err == nil && !floats {
				f.live.wrong, f.live.again = errHistogram, now+f.offset+3600_000
			}
			return err
		})
		if err != nil {
			return err
		}
		l.e.metrics.mended.Inc()
	}
	f.live.dirty = false
	return nil
}

// pull reads what is newer than one time, up to another, for when it is its time.
func (l *Live) pull(ctx context.Context, f *family, after, until int64) error {
	set, err := l.e.selectSeries(ctx, false, after+1, until, f.matchers)
	if err != nil {
		return err
	}
	defer set.Close()
	for set.Next() {
		ls := set.Labels()
		to := &subscription{family: f, series: f.find(ls)}
		if to.series == nil {
			ls = ls.Copy()
		}
		to.labels.Store(&ls)
		it := set.Iterator(after + 1)
		for k := it.Next(); k != chunkenc.ValNone; k = it.Next() {
			a := arrival{to: to, t: after + 1, histogram: k != chunkenc.ValFloat}
			if !a.histogram {
				a.t, a.v = it.At()
			}
			if a.t <= after {
				continue
			}
			if a.t > until {
				break
			}
			f.live.later = append(f.live.later, a)
			f.live.next = min(f.live.next, a.t)
		}
		if err := it.Err(); err != nil {
			return err
		}
	}
	f.live.pulled = until
	return set.Err()
}
