package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/detect/window"
)

// Live is some expressions that are asked at times that only go forward, as those of a
// group of rules are. Their windows are kept and move on from one time to the next.
type Live struct {
	name string
	e    *Incremental

	mu       sync.Mutex
	prog     *program
	families []*family
	volatile bool  // parts are the inner engine's: what it says may change at any time
	timed    bool  // what is asked may be another although no sample has arrived
	t        int64 // of the last evaluation, milliseconds
	version  int64
	evals    int64
	closed   bool
	plans    plans
	env      env
	left     map[node]leftRun // the last evaluations that the inner engine did

	next    atomic.Int32  // the expression that is asked next, if they come in their order
	changed chan struct{} // holds one element when something has arrived
}

// leftRun is what an evaluation by the inner engine took, and how many series it gave.
type leftRun struct {
	took   time.Duration
	series int
	why    string
	at     int64
}

// Live begins to follow what the expressions need. Close ends it.
func (e *Incremental) Live(name string, exprs ...string) (*Live, error) {
	return e.follow(name, false, exprs...)
}

// follow is Live; alone, it shares no windows with others.
func (e *Incremental) follow(name string, alone bool, exprs ...string) (*Live, error) {
	l := &Live{name: name, e: e, prog: newProgram(e.Prometheus, liveTail), t: never, left: map[node]leftRun{}, changed: make(chan struct{}, 1)}
	for _, expr := range exprs {
		if err := l.prog.add(expr); err != nil {
			return nil, fmt.Errorf("cannot follow %q: %w", expr, err)
		}
	}
	asked := l.prog.asked()
	grouped := l.prog.grouped()
	for n, by := range grouped {
		if len(by) == 1 {
			by[0].leaf = n
		}
	}
	l.families = e.join(l, asked, alone)
	for _, f := range l.families {
		for _, n := range f.leaves {
			// Who groups by labels other than the name does not need it dropped.
			n.bare = !n.keepName && grouped[n] == nil
			n.sel.needsBare = n.sel.needsBare || n.bare
			if by := grouped[n]; len(by) == 1 && n.fn != window.None {
				f.sums = append(f.sums, by[0])
			} else {
				f.plain = append(f.plain, n)
			}
		}
	}
	for _, n := range l.prog.nodes {
		switch n.(type) {
		case *engine:
			l.volatile, l.timed = true, true
		case *clock:
			l.timed = true
		}
	}
	l.prog.pack()
	l.env = env{inner: e.Prometheus, leaf: l.value, fused: l.aggregate, plans: &l.plans}
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
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	for _, f := range l.families {
		l.e.leave(f)
	}
}

// Written is one of the Live's expressions as PromQL writes it, and what it is; "" of another.
func (l *Live) Written(expr string) (string, parser.ValueType) {
	for i := range l.prog.listed {
		if of := &l.prog.listed[i]; of.expr == expr || of.canonical == expr {
			return of.canonical, of.is
		}
	}
	return "", parser.ValueTypeNone
}

// Changed receives when samples have arrived that the expressions look at.
func (l *Live) Changed() <-chan struct{} { return l.changed }

// wake has Changed receive.
func (l *Live) wake() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// Timed says whether an expression asks for the time, or has a part of which nobody here knows
// when it changes: it is worth an evaluation although no sample has arrived.
func (l *Live) Timed() bool { return l.timed }

// Waiting says whether there are samples that an evaluation at this time would be the
// first to see.
func (l *Live) Waiting(at time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.families {
		if f.of.waiting(f, at.UnixMilli()-f.offset) {
			return true
		}
	}
	return false
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
		why := reason(err)
		l.e.metrics.left.WithLabelValues(why).Inc()
		start := time.Now()
		v, err := l.e.Prometheus.Query(ctx, expr, at)
		l.mu.Lock()
		l.left[root] = leftRun{time.Since(start), len(v), why, at.UnixMilli()}
		l.mu.Unlock()
		return v, err
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
	if k := int(l.next.Load()); k < len(all) && (all[k].expr == expr || all[k].canonical == expr) {
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
	if changed || l.volatile || timed || t != l.t {
		l.version++
	}
	if err != nil {
		return nil, err
	}
	l.t = t
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

// advance brings all families to the time t and fetches their values.
func (l *Live) advance(ctx context.Context, t int64) (changed bool, err error) {
	oldest := int64(never)
	if l.e.opts.Oldest != nil && t != l.t {
		oldest = l.e.opts.Oldest()
	}
	for _, f := range l.families {
		fetched, err := f.bring(ctx, t, oldest)
		if err == errPast && f.behind >= patience {
			l.e.part(f)
			fetched, err = f.bring(ctx, t, oldest)
		}
		changed = changed || fetched
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// value is a leaf's, as it was fetched; of an evaluation that is timed, computed again.
func (l *Live) value(n *leaf) (vector, error) {
	f := n.family
	if f.wrong != nil {
		return vector{}, f.wrong
	}
	if l.env.timed {
		f.again(l.env.times.from, func() { n.fetch(l.env.times.from) })
	}
	return n.now, n.err
}

// aggregate is env.fused: an aggregation of a leaf that nobody else asks, without keeping
// the leaf's own values.
func (l *Live) aggregate(a *aggregate) (out vector, ok bool, err error) {
	if a.leaf == nil || a.leaf.fn == window.None {
		return out, false, nil
	}
	f := a.leaf.family
	if f.wrong != nil {
		return out, true, f.wrong
	}
	if l.env.timed {
		f.again(l.env.times.from, func() { a.fetch(&l.env, l.env.times.from) })
	}
	return a.now, true, a.err
}
