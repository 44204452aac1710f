package rule

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

const (
	// prompt is the longest interval of groups that are evaluated when samples arrive that
	// they look at, and not only when it is their time. Longer ones keep their times, as
	// Prometheus does.
	prompt = time.Second
	// quiet is for how long such a group is not evaluated when no sample arrives.
	quiet = 15 * time.Second
	// breath is the shortest time between two evaluations of a group.
	breath = 20 * time.Millisecond
	// share of one core that evaluations on arrival may take: one part in so many.
	share = 16
	// atOnce is how many groups are evaluated at one time: each holds on to a part of the
	// store meanwhile, and keeps a list of all others that do.
	atOnce = 64
)

// paces are the groups' own: what each follows and when it was evaluated.
type paces struct {
	engine *evaluate.Incremental
	// together collects what one evaluation of a group hands on, until done is called.
	together func(ctx context.Context) (_ context.Context, done func())

	mu        sync.Mutex
	groups    map[string]*pace
	interrupt chan struct{} // closed when groups are about to change

	// written are the expressions of the groups that the manager is about to be given, by how
	// they are declared: it need not parse what was parsed.
	written map[string]written
	turns   chan struct{} // holds one element for each evaluation
}

func newPaces(engine *evaluate.Incremental) *paces {
	return &paces{engine: engine, turns: make(chan struct{}, atOnce)}
}

// pace is one group's.
type pace struct {
	live  *evaluate.Live
	exprs []string
	evals int
	last  time.Time     // the time that was evaluated
	took  time.Duration // by the last evaluation
}

// set follows what the groups of all files need. It returns what to call once the groups
// have changed.
func (p *paces) set(files map[string]*rulefmt.RuleGroups) (done func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.interrupt != nil {
		close(p.interrupt)
	}
	p.interrupt = make(chan struct{})
	old := p.groups
	next := map[string]*pace{}
	p.written = map[string]written{}
	for file, groups := range files {
		for _, g := range groups.Groups {
			key := rules.GroupKey(file, g.Name)
			exprs := make([]string, len(g.Rules))
			for i, r := range g.Rules {
				exprs[i] = r.Expr
			}
			if was := old[key]; was != nil && sameTexts(was.exprs, exprs) {
				next[key] = was
				p.note(was)
				continue
			}
			live, err := p.engine.Live(g.Name, exprs...)
			if err != nil {
				for key, n := range next {
					if n != old[key] {
						n.live.Close()
					}
				}
				return nil, err
			}
			next[key] = &pace{live: live, exprs: exprs}
			p.note(next[key])
		}
	}
	p.groups = next
	return func() {
		p.written = nil
		for key, was := range maps.All(old) {
			if next[key] != was {
				was.live.Close()
			}
		}
	}, nil
}

// note remembers how the expressions of a group are written.
func (p *paces) note(of *pace) {
	for _, expr := range of.exprs {
		if text, is := of.live.Written(expr); text != "" {
			p.written[expr] = written{text: text, is: is}
		}
	}
}

func sameTexts(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (p *paces) of(g *rules.Group) (mine *pace, groups int, interrupt <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.groups[rules.GroupKey(g.File(), g.Name())], len(p.groups), p.interrupt
}

// stop lets no group wait for samples any more.
func (p *paces) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.interrupt != nil {
		close(p.interrupt)
		p.interrupt = nil
	}
}

type liveKey struct{}

// query is a rules.QueryFunc.
func (p *paces) query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	if l, ok := ctx.Value(liveKey{}).(*evaluate.Live); ok {
		return l.Query(ctx, expr, at)
	}
	return p.engine.Query(ctx, expr, at)
}

// iterate is a rules.GroupEvalIterationFunc: it is called when it is a group's time.
func (p *paces) iterate(ctx context.Context, g *rules.Group, at time.Time) {
	mine, groups, interrupt := p.of(g)
	if mine == nil {
		p.turns <- struct{}{}
		defer func() { <-p.turns }()
		ctx, done := p.together(ctx)
		defer done()
		rules.DefaultEvalIterationFunc(ctx, g, at)
		return
	}
	ctx = context.WithValue(ctx, liveKey{}, mine.live)
	eval := func(at time.Time) {
		select {
		case <-mine.live.Changed(): // it is taken in now
		default:
		}
		p.turns <- struct{}{}
		defer func() { <-p.turns }()
		start := time.Now()
		ctx, done := p.together(ctx)
		rules.DefaultEvalIterationFunc(ctx, g, at)
		done()
		mine.took, mine.last = time.Since(start), at
		mine.evals++
	}
	if g.Interval() > prompt {
		eval(at)
		return
	}
	end := at.Add(g.Interval() - breath)
	if !at.After(mine.last) {
		// An evaluation on arrival, or a slow one, has passed this time: the manager makes up
		// for ticks that it has missed. Windows and what is recorded only go forward.
		if at = time.Now().Truncate(time.Millisecond); !at.After(mine.last) {
			return
		}
	}
	// Prometheus restores alerts after a group's second evaluation, which must be two.
	if mine.evals < 3 || mine.live.Timed() || mine.live.Waiting(at) || at.Sub(mine.last) >= quiet || counting(g) {
		eval(at)
	}
	for {
		wait := time.Until(end)
		if wait <= 0 {
			return
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-interrupt:
		case <-t.C:
		case <-mine.live.Changed():
			t.Stop()
			// Others want to be evaluated too.
			pause := max(breath, time.Duration(share*groups)*mine.took)
			next := mine.last.Add(pause)
			if next.After(end) {
				p.rest(ctx, interrupt, time.Until(end))
				return
			}
			if !p.rest(ctx, interrupt, time.Until(next)) {
				return
			}
			if now := time.Now().Truncate(time.Millisecond); now.After(mine.last) {
				eval(now)
			}
			continue
		}
		t.Stop()
		return
	}
}

// rest waits; it is false when there is no more reason to.
func (p *paces) rest(ctx context.Context, interrupt <-chan struct{}, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-interrupt:
	}
	return false
}

// counting says whether an alert of the group waits for time to pass.
func counting(g *rules.Group) bool {
	found := false
	for _, r := range g.AlertingRules() {
		r.ForEachActiveAlert(func(a *rules.Alert) {
			if a.State == rules.StatePending || !a.KeepFiringSince.IsZero() {
				found = true
			}
		})
	}
	return found
}
