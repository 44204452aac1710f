package alert

import (
	"container/heap"
	"context"
	"log/slog"
	"runtime"
	"slices"
	"sort"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/common/model"
)

// dispatcher puts alerts into groups and tells their receivers, as Alertmanager does:
//
//	            a new alert, after group_wait      told, or nothing to tell
//	(no group) ──────────────────────► waiting ──► busy ──► waiting (group_interval)
//	                                                 │
//	                                                 └────► gone: its last alert has ended
//
// One heap holds when each group is due; a few goroutines take what is due from it. A group
// is busy until each of its receivers was told or has failed, and what was told is noted.
type dispatcher struct {
	p      *Pipeline
	store  *store
	root   *node
	tmpl   *template.Template
	muters muters
	logger *slog.Logger

	ctx    context.Context //nolint:containedctx // ends with the routing that is in force
	cancel func()
	done   sync.WaitGroup
	wake   chan struct{}

	due   dueHeap // the store's lock guards it
	count int     // of groups
}

// group is what is told together.
type group struct {
	node    *node
	labels  model.LabelSet
	id      model.Fingerprint
	key     string
	members map[model.Fingerprint]*entry
	at      time.Time // when it is due
	slot    int       // in the heap, -1 for none
	busy    bool      // a flush is on its way
	again   bool      // it has become due meanwhile
	gone    bool
}

// muters say what is not told.
type muters struct {
	inhibited  func(ctx context.Context, now time.Time, set model.LabelSet) bool
	silenced   func(ctx context.Context, now time.Time, set model.LabelSet) bool
	intervener *timeinterval.Intervener
	groups     marker.GroupMarker
}

// How long those are waited for who are still telling when a routing ends.
const (
	reloadPatience = time.Second
	endPatience    = 5 * time.Second
)

// flushers is how many goroutines take what is due: deciding is short, and telling is
// done by others.
var flushers = min(max(runtime.GOMAXPROCS(0)/2, 1), 4)

func (d *dispatcher) start() {
	d.wake = make(chan struct{}, 1)
	for range flushers {
		d.done.Go(d.run)
	}
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	now := time.Now()
	for _, e := range d.store.entries {
		e.groups, e.routes = nil, 0
		d.route(e, now)
	}
}

// route finds the groups of an alert that was put into the store, whose lock must be held.
func (d *dispatcher) route(e *entry, now time.Time) {
	if e.routes > 0 && len(e.groups) == e.routes {
		return // known, and still where it belongs
	}
	var buf [8]*node
	nodes := d.root.match(e.alert.Labels, buf[:0])
	e.routes, e.groups = len(nodes), e.groups[:0]
	for _, n := range nodes {
		labels := n.groupLabels(e.alert.Labels)
		id := labels.Fingerprint()
		g := n.groups[id]
		if g == nil {
			g = &group{node: n, labels: labels, id: id, key: n.key + ":" + labels.String(), members: map[model.Fingerprint]*entry{}, slot: -1}
			n.groups[id] = g
			d.count++
			g.at = now.Add(n.RouteOpts.GroupWait)
			if e.alert.StartsAt.Add(n.RouteOpts.GroupWait).Before(now) {
				g.at = now // it has waited elsewhere, or before a restart
			}
			d.schedule(g)
		}
		g.members[e.fp] = e
		e.groups = append(e.groups, g)
	}
}

func (d *dispatcher) schedule(g *group) {
	heap.Push(&d.due, g)
	if g.slot == 0 {
		d.nudge()
	}
}

func (d *dispatcher) nudge() {
	select {
	case d.wake <- struct{}{}:
	default: // somebody will look already
	}
}

// run takes what is due until the routing ends.
func (d *dispatcher) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for d.ctx.Err() == nil {
		g, wait := d.next(time.Now())
		if g != nil {
			d.flush(g)
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-d.wake:
		case <-d.ctx.Done():
			return
		}
	}
}

// next takes a group that is due, or says how long there is none.
func (d *dispatcher) next(now time.Time) (*group, time.Duration) {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	for len(d.due) > 0 {
		g := d.due[0]
		if g.at.After(now) {
			return nil, g.at.Sub(now)
		}
		heap.Pop(&d.due)
		if g.busy {
			g.again = true
			continue
		}
		if len(g.members) == 0 {
			d.drop(g)
			continue
		}
		g.busy = true
		g.at = now.Add(g.node.RouteOpts.GroupInterval)
		heap.Push(&d.due, g)
		if len(d.due) > 1 && !d.due[0].at.After(now) {
			d.nudge()
		}
		return g, 0
	}
	return nil, time.Hour
}

// drop forgets a group. The store's lock must be held.
func (d *dispatcher) drop(g *group) {
	if g.gone {
		return
	}
	g.gone = true
	if g.slot >= 0 {
		heap.Remove(&d.due, g.slot)
	}
	if g.node.groups[g.id] == g {
		delete(g.node.groups, g.id)
	}
	d.count--
	d.muters.groups.DeleteByGroupKey(g.node.id, g.key)
}

// flight is one flush of a group, until all of its receivers are done with it.
type flight struct {
	d        *dispatcher
	g        *group
	resolved []ended

	mu     sync.Mutex
	left   int // receivers that are not done
	failed bool
	again  time.Time // when the group is asked again at the latest; zero for its own time
}

// ended is an alert that the flush tells the end of.
type ended struct {
	e     *entry
	alert *amalert.Alert // as it was known then
}

// flush decides what the receivers of a group are to be told, and hands it to them.
func (d *dispatcher) flush(g *group) {
	now := time.Now()
	f := &flight{d: d, g: g}
	d.store.mu.Lock()
	alerts := make(amalert.AlertSlice, 0, len(g.members))
	for _, e := range g.members {
		a := *e.alert
		if a.ResolvedAt(now) {
			f.resolved = append(f.resolved, ended{e, e.alert})
		}
		alerts = append(alerts, &a)
	}
	d.store.mu.Unlock()
	if len(alerts) > 1 {
		sort.Stable(alerts)
	}
	ctx := d.about(g, now, alerts)
	left, err := d.unmuted(ctx, g, now, alerts)
	if err != nil {
		d.logger.Error("cannot decide about a group", "group", g.key, "err", err)
		f.finish(false)
		return
	}
	var jobs []*job
	for _, s := range g.node.senders {
		if len(left) == 0 {
			break
		}
		jctx, tell, err := s.dedup.Exec(ctx, d.logger, left...)
		if err != nil {
			d.logger.Error("cannot ask what was told before", "group", g.key, "receiver", s.receiver, "err", err)
			f.failed = true
			continue
		}
		if len(tell) > 0 {
			jobs = append(jobs, &job{f: f, s: s, ctx: jctx, alerts: tell})
		}
	}
	if len(jobs) == 0 {
		f.finish(!f.failed)
		return
	}
	f.left = len(jobs)
	for _, j := range jobs {
		j.s.take(j)
	}
}

// about is the context that Alertmanager's notifiers and stages read.
func (d *dispatcher) about(g *group, now time.Time, alerts amalert.AlertSlice) context.Context {
	o := &g.node.RouteOpts
	ctx := notify.WithNow(d.ctx, now)
	ctx = notify.WithGroupKey(ctx, g.key)
	ctx = notify.WithGroupLabels(ctx, g.labels)
	ctx = notify.WithReceiverName(ctx, o.Receiver)
	ctx = notify.WithRepeatInterval(ctx, o.RepeatInterval)
	return notify.WithRouteLabels(ctx, d.routeLabels(g, alerts))
}

// routeLabels are a route's own labels, which may be templates.
func (d *dispatcher) routeLabels(g *group, alerts amalert.AlertSlice) model.LabelSet {
	o := &g.node.RouteOpts
	if len(o.Labels) == 0 || len(alerts) == 0 {
		return model.LabelSet{}
	}
	out := make(model.LabelSet, len(o.Labels))
	render := d.tmpl.RouteLabelRenderer(d.tmpl.Data(o.Receiver, g.labels, o.Labels, notify.ReasonUnknown.String(), alerts...))
	for name, value := range o.Labels {
		text, err := render(string(name))
		if err != nil {
			d.logger.Error("cannot render a route's label", "label", name, "value", string(value), "err", err)
			continue
		}
		out[name] = model.LabelValue(text)
	}
	return out
}

// unmuted are the alerts that are neither inhibited nor silenced, at a time when the route
// tells at all.
func (d *dispatcher) unmuted(ctx context.Context, g *group, now time.Time, alerts amalert.AlertSlice) ([]*amalert.Alert, error) {
	left := slices.DeleteFunc([]*amalert.Alert(alerts), func(a *amalert.Alert) bool {
		return d.muted(suppressedByInhibition, d.muters.inhibited(ctx, now, a.Labels))
	})
	if len(left) == 0 {
		return nil, nil
	}
	o := &g.node.RouteOpts
	if len(o.ActiveTimeIntervals) > 0 {
		active, _, err := d.muters.intervener.Mutes(o.ActiveTimeIntervals, now)
		if err != nil {
			return nil, err
		}
		if !active {
			d.muters.groups.SetMuted(g.node.id, g.key, o.ActiveTimeIntervals)
			d.p.counters.suppressed.WithLabelValues(notify.SuppressedReasonActiveTimeInterval).Add(float64(len(left)))
			return nil, nil
		}
		d.muters.groups.SetMuted(g.node.id, g.key, nil)
	}
	if len(o.MuteTimeIntervals) > 0 {
		muted, by, err := d.muters.intervener.Mutes(o.MuteTimeIntervals, now)
		if err != nil {
			return nil, err
		}
		d.muters.groups.SetMuted(g.node.id, g.key, by)
		if muted {
			d.p.counters.suppressed.WithLabelValues(notify.SuppressedReasonMuteTimeInterval).Add(float64(len(left)))
			return nil, nil
		}
	}
	return slices.DeleteFunc(left, func(a *amalert.Alert) bool {
		return d.muted(suppressedBySilence, d.muters.silenced(ctx, now, a.Labels))
	}), nil
}

const (
	suppressedByInhibition = notify.SuppressedReasonInhibition
	suppressedBySilence    = notify.SuppressedReasonSilence
)

func (d *dispatcher) muted(why string, is bool) bool {
	if is {
		d.p.counters.suppressed.WithLabelValues(why).Inc()
	}
	return is
}

// receiverDone notes that one receiver has been told, or could not be.
func (f *flight) receiverDone(ok bool) {
	f.mu.Lock()
	f.failed = f.failed || !ok
	f.left--
	last := f.left == 0
	ok = !f.failed
	f.mu.Unlock()
	if last {
		f.finish(ok)
	}
}

// askAgain has the group flushed again at a time, where it would be later.
func (f *flight) askAgain(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !at.IsZero() && (f.again.IsZero() || at.Before(f.again)) {
		f.again = at
	}
}

// finish frees the group for its next flush. What was told of its end leaves it, unless it
// fires again.
func (f *flight) finish(ok bool) {
	d, g := f.d, f.g
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	g.busy = false
	if ok {
		for _, x := range f.resolved {
			if x.e.alert != x.alert {
				continue
			}
			delete(g.members, x.e.fp)
			x.e.groups = slices.DeleteFunc(x.e.groups, func(o *group) bool { return o == g })
		}
	}
	switch {
	case g.gone:
	case len(g.members) == 0:
		d.drop(g)
	case g.again:
		g.again = false
		g.at = time.Now()
		d.schedule(g)
	case !f.again.IsZero() && g.slot >= 0 && f.again.Before(g.at):
		g.at = f.again
		heap.Fix(&d.due, g.slot)
		d.nudge()
	}
}

// stop ends the routing: nothing new is told, and what is on its way is broken off.
// It waits a while for those who are telling.
func (d *dispatcher) stop(patience time.Duration) {
	if d == nil {
		return
	}
	d.cancel()
	ended := make(chan struct{})
	go func() { d.done.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(patience):
		d.logger.Warn("a receiver does not let go of a message; going on without it")
	}
}

// Groups is what /api/v2/alerts/groups shows.
func (d *dispatcher) Groups(ctx context.Context, routes func(*dispatch.Route) bool, alerts func(*amalert.Alert, time.Time) bool) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
	type seen struct {
		g      *group
		alerts amalert.AlertSlice
	}
	var all []seen
	d.store.mu.Lock()
	d.root.walk(func(n *node) {
		if !routes(n.Route) {
			return
		}
		for _, g := range n.groups {
			s := seen{g: g, alerts: make(amalert.AlertSlice, 0, len(g.members))}
			for _, e := range g.members {
				s.alerts = append(s.alerts, e.alert)
			}
			all = append(all, s)
		}
	})
	d.store.mu.Unlock()
	now := time.Now()
	out, receivers := dispatch.AlertGroups{}, map[model.Fingerprint][]string{}
	for _, s := range all {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		o := &s.g.node.RouteOpts
		list := slices.DeleteFunc(s.alerts, func(a *amalert.Alert) bool { return !alerts(a, now) })
		if len(list) == 0 {
			continue
		}
		for i, a := range list {
			list[i] = d.p.external.shown(a, now)
		}
		sort.Sort(list)
		x := &dispatch.AlertGroup{
			Alerts: list, Labels: s.g.labels, RouteLabels: d.routeLabels(s.g, list), Receiver: o.Receiver,
			GroupKey: s.g.key, RouteID: s.g.node.id, AlertStatuses: map[model.Fingerprint]amalert.AlertStatus{},
		}
		for _, a := range list {
			fp := a.Fingerprint()
			receivers[fp] = append(receivers[fp], o.Receiver)
		}
		out = append(out, x)
	}
	sort.Sort(out)
	for _, r := range receivers {
		sort.Strings(r)
	}
	return out, receivers, nil
}

// dueHeap has the group that is due first on top.
type dueHeap []*group

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i, j
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	g := x.(*group)
	g.slot = len(*h)
	*h = append(*h, g)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	old := *h
	g := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	g.slot = -1
	return g
}
