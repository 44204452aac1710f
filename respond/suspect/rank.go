package suspect

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/respond"
)

// Verdict is what the ranking came to.
type Verdict string

// The verdicts.
const (
	Suspects Verdict = "suspects"
	Nobody   Verdict = "nobody" // nothing stands out
)

// Result of a ranking.
type Result struct {
	Suspects []Suspect
	Weak     []Suspect // where somebody is blamed: who comes next, so that five resources are named; too little to tell people
	Verdict  Verdict
	Onset    time.Time // as given, or as found
	Took     time.Duration
}

// Suspect is a resource, with a change of it that fits.
type Suspect struct {
	Resource string
	Change   *Change
	Score    float64 // 0 to 1
	At       time.Time
	Evidence []Evidence
}

// Evidence is one reason, in words and with the signal to draw.
type Evidence struct {
	Kind   string // metric, change, log, graph
	Text   string
	Signal *Signal // of a metric
	At     time.Time
	Base   float64
	Weight float64
}

const (
	most      = 10
	leastSum  = 0.8  // of strength: below it nobody is blamed
	leastSure = 0.1  // the same where something is wrong for sure
	leastLogs = 0.25 // the same where records are all there is
)

// resource is what is known of one while ranking.
type resource struct {
	name     string
	shifts   []shift
	logs     []surge
	accused  map[string]float64 // by each other resource: strength of what its records say of it
	missed   map[string]float64 // by each caller: strength of its asking this one no longer
	echo     bool               // its records follow from those of others
	shown    float64            // what its signals come to, before changes are weighed
	in, out  float64            // strengths
	loads    float64
	hasIn    bool // it has signals of its own side that could have moved
	hasAny   bool
	outs     []face
	at       int64 // when its strongest signal moved
	change   *Change
	changes  []weighed
	weight   float64 // of the change
	rare     float64 // 1 where nothing else was changed, 0 where all was: then a change tells nothing
	score    float64
	hint     float64 // deviations of the signal that strays most, however little that means
	distance int
	reached  bool
}

// face is one class of what callers see of a resource.
type face struct {
	class     string
	strength  float64
	explained float64 // share of it that the callees account for
	lost      float64 // share of what the target lost of it that passes through here
}

func (f face) left() float64 { return f.strength * (1 - expl*f.explained) * (0.15 + 0.85*f.lost) }

type weighed struct {
	*Change
	weight float64
}

// Rank returns the suspects of a case, best first.
func Rank(c Case) Result {
	start := time.Now()
	r := rank(&c)
	r.Took = time.Since(start)
	return r
}

func rank(c *Case) Result {
	spans, edges := spanSignals(c.Spans)
	if len(spans) > 0 {
		c.Signals = append(slices.Clone(c.Signals), spans...)
		c.Edges = append(slices.Clone(c.Edges), edges...)
	}
	w, comparable := frame(c)
	if !comparable {
		w = bare(c)
	}
	k := newKnown(c)
	g := newGraph(c.Edges, k.of)
	c.Signals = append(slices.Clip(c.Signals), flows(c.Signals, g)...)
	scale := newYardstick(c, w)
	if w.cleanse(c, k, g, scale) {
		scale = newYardstick(c, w)
	}
	scored := score(c, k, g, w, scale, true)
	res := Result{Verdict: Nobody, Onset: at(w.onset)}
	best := 0.0
	for _, r := range scored { // what is explained by another counts for the verdict in full, a change does not
		best = math.Max(best, math.Max(r.score/(1+wchange*r.moved()), r.shown))
	}
	bar := leastSum
	switch {
	case c.Sure:
		bar = leastSure
	case !comparable && len(c.Logs) > 0:
		bar = leastLogs
	case comparable && !suffers(c, k, scored):
		bar = calmBar(quietScores(c, k, g, w, scale))
	}
	if best < bar {
		return res
	}
	res.Verdict = Suspects
	res.Suspects = list(c, scored, w, bar)
	res.Weak = fill(c, scored, w, res.Suspects)
	return res
}

// newKnown collects the names that the parts of a case use.
func newKnown(c *Case) *names {
	k := newNames()
	for i := range c.Signals {
		k.add(c.Signals[i].Resource)
	}
	for _, l := range c.Logs {
		k.add(k.of(l.Resource))
	}
	for _, e := range c.Edges {
		k.add(k.of(e.Caller))
		k.add(k.of(e.Callee))
	}
	for _, ch := range c.Changes {
		for _, r := range ch.Resources {
			k.add(k.of(r))
		}
	}
	return k
}

// yardstick is what the size of a shift is held against.
type yardstick struct {
	level map[string]float64 // of each metric, over all resources
	asked map[string]float64 // requests that a sample of a resource stands for
	usual map[string]tails   // how far the samples of each metric stray, over all resources
}

func newYardstick(c *Case, w window) yardstick {
	y := yardstick{level: levels(c.Signals, w), asked: counts(c.Signals, w)}
	y.usual = strayings(c.Signals, w, y.level)
	return y
}

// score judges every resource in one window. Changes and logs are left out for the
// windows that only serve as a yardstick.
func score(c *Case, k *names, g *graph, w window, scale yardstick, all bool) []*resource {
	byName := map[string]*resource{}
	var out []*resource
	get := func(name string) *resource {
		r := byName[name]
		if r == nil {
			r = &resource{name: name, at: w.onset}
			byName[name] = r
			out = append(out, r)
		}
		return r
	}
	for i := range c.Signals {
		s := &c.Signals[i]
		sh := measure(s, w, scale.level[s.family()], scale.asked[s.Resource], scale.usual[s.family()])
		if sh.quiet < leastSeen {
			continue
		}
		r := get(s.Resource)
		r.hasAny = true
		if sh.class.side == inward && sh.class.name != "calls made" {
			r.hasIn = true
		}
		r.shifts = append(r.shifts, sh)
		if s.toward != "" {
			o := get(s.toward)
			by := &o.accused
			if sh.class.name == "calls made" {
				by = &o.missed
			}
			tell(by, s.Resource, sh.strength())
		}
	}
	if all {
		for _, x := range surges(c.Logs, w, k.of, k.known) {
			r := get(x.resource)
			r.logs = append(r.logs, x)
			for _, other := range x.about[:min(2, len(x.about))] {
				tell(&get(other).accused, x.resource, strength(x.z))
			}
		}
	}
	for _, r := range out {
		r.sum()
	}
	passedOn(out, byName, g)
	target, distances := "", map[string]int{}
	if c.Target != "" {
		target = k.of(c.Target)
		distances = g.distances(target)
	}
	if g.edges > 0 && !slices.ContainsFunc(out, func(r *resource) bool { _, below := distances[r.name]; return below && r.hasAny && g.known[r.name] }) {
		target, distances = "", nil // the graph tells nothing of what it depends on
	}
	relate(out, byName, g, target)
	accuse(out, byName, g)
	if all {
		for i := range c.Changes {
			ch := &c.Changes[i]
			for _, name := range ch.Resources {
				r := get(k.of(name))
				x := weighed{ch, weigh(ch, r, w, c.Past)}
				if x.weight > 0 {
					r.changes = append(r.changes, x)
				}
			}
		}
	}
	shifted := 0.0
	for _, r := range out {
		if d, ok := distances[r.name]; ok {
			r.reached, r.distance = true, d
		}
		r.shown = r.base()
		shifted = math.Max(shifted, r.shown)
		if g.edges > 0 && target != "" && !r.reached {
			r.shown = 0
		}
	}
	for _, r := range out {
		r.weighChanges()
	}
	rarity(out)
	for _, r := range out { // what nobody watches and was just changed may be why its callers suffer
		if r.in > 0 {
			continue
		}
		for _, name := range g.callees[r.name] {
			if o := byName[name]; o != nil && !o.hasAny && o.weight > 0 {
				for i := range r.outs {
					r.outs[i].explained = math.Max(r.outs[i].explained, 0.6*o.weight*o.rare)
				}
			}
		}
	}
	for _, r := range out {
		r.finish(c, g, target, shifted)
	}
	slices.SortStableFunc(out, func(a, b *resource) int {
		return cmp.Or(cmpDown(a.score, b.score), cmpDown(a.hint, b.hint), cmp.Compare(a.at, b.at), cmp.Compare(a.name, b.name))
	})
	return out
}

// sum takes the strongest of each side. Of three and more statistics of one metric the
// second counts: they measure the same thing, and one alone is an outlier.
func (r *resource) sum() {
	byMetric := map[string][]*shift{}
	var order []string
	for i := range r.shifts {
		s := &r.shifts[i]
		k := s.class.name + " " + stem(s.signal.Metric)
		if byMetric[k] == nil {
			order = append(order, k)
		}
		byMetric[k] = append(byMetric[k], s)
	}
	faces := map[string]int{}
	top := 0.0
	for _, k := range order {
		group := byMetric[k]
		slices.SortStableFunc(group, func(a, b *shift) int { return cmpDown(a.z, b.z) })
		s := group[0]
		if len(group) >= 3 {
			s = group[1]
		}
		v := s.strength() * s.class.weight
		if s.class.side == inward || s.class.side == outward {
			r.hint = math.Max(r.hint, s.z*s.fresh*s.class.weight)
		}
		switch s.class.side {
		case inward:
			r.in = math.Max(r.in, v)
		case outward:
			r.out = math.Max(r.out, v)
			if n, there := faces[s.class.name]; there {
				r.outs[n].strength = math.Max(r.outs[n].strength, v)
			} else if v > 0 {
				faces[s.class.name] = len(r.outs)
				r.outs = append(r.outs, face{class: s.class.name, strength: v, lost: 1})
			}
		default:
			r.loads = math.Max(r.loads, v)
		}
		if v > top {
			top, r.at = v, s.at
		}
	}
}

func (r *resource) logStrength() float64 {
	v := 0.0
	for _, x := range r.logs {
		s := strength(x.z)
		if len(x.about) > 0 { // it complains of another
			s *= 0.5
		}
		v = math.Max(v, s)
	}
	return v
}

// base is the strength of a resource's own evidence, before changes and the graph.
func (r *resource) base() float64 {
	out := 0.0
	for _, f := range r.outs {
		out = math.Max(out, f.left())
	}
	if r.hasIn && r.in < clear*out { // its own signals are calm, or nearly: it suffers
		out *= calm + (1-calm)*r.in/(clear*out)
	}
	logs := 0.6
	if !r.hasAny { // they are all there is
		logs = 1
	}
	if r.echo {
		logs *= 0.5
	}
	// That it is asked less is one fact, whether it shows it or its callers do.
	asked := math.Max(wload*r.loads, wtold*agreed(r.missed))
	return math.Max(r.in, out) + both*math.Min(r.in, out) + asked + logs*r.logStrength() + wtold*agreed(r.accused)
}

// passedOn marks whose records only follow from those of others: a complaint, where what
// it calls complains as loudly; work that is missing, where it is missing at who calls it.
func passedOn(all []*resource, byName map[string]*resource, g *graph) {
	const asLoud = 0.7
	loud := func(r *resource, gone bool) float64 {
		if len(r.logs) == 0 || r.logs[0].gone != gone {
			return 0
		}
		return r.logStrength()
	}
	for _, r := range all {
		for _, callee := range g.callees[r.name] {
			o := byName[callee]
			if o == nil {
				continue
			}
			if x := loud(r, false); x > 0 && loud(o, false) >= asLoud*x {
				r.echo = true
			}
			if x := loud(o, true); x > 0 && loud(r, true) >= asLoud*x {
				o.echo = true
			}
		}
	}
}

// weigh is how well a change fits what its resource did.
func weigh(ch *Change, r *resource, w window, p respond.Past) float64 {
	onset := at(w.onset)
	fresh := ch.freshness(onset, tolerance)
	if r.in+r.out > 0 { // its own signals say when
		fresh = ch.freshness(at(r.at), tolerance)
	}
	return fresh * ch.prior(p)
}

// weighChanges finds the change that fits best.
func (r *resource) weighChanges() {
	slices.SortStableFunc(r.changes, func(a, b weighed) int {
		return cmp.Or(cmpDown(a.weight, b.weight), b.At.Compare(a.At), cmp.Compare(a.ID, b.ID))
	})
	if len(r.changes) > 0 {
		r.change, r.weight = r.changes[0].Change, r.changes[0].weight
	}
}

// rarity says of each resource how little the others were changed lately.
func rarity(all []*resource) {
	n, sum := 0, 0.0
	for _, r := range all {
		if r.hasAny {
			n, sum = n+1, sum+r.weight
		}
	}
	for _, r := range all {
		others, changed := n, sum
		if r.hasAny {
			others, changed = n-1, sum-r.weight
		}
		left := 1 - changed/float64(max(others, 1))
		r.rare = left * left * left * left
	}
}

// moved is the weight of the change of a resource whose signals moved.
func (r *resource) moved() float64 {
	if r.base() == 0 {
		return 0
	}
	return r.weight * r.rare
}

// finish joins the evidence to one score.
func (r *resource) finish(c *Case, g *graph, target string, shifted float64) {
	r.score = r.base() * (1 + wchange*r.moved())
	apart := 0.0 // what a change says by itself
	switch {
	case r.base() > 0:
	case len(c.Signals)+len(c.Logs) == 0: // changes are all there is
		apart = 2 * leastSum
	case r.hasAny: // it was changed, and its signals did not move: a bystander
		apart = 0.1 * math.Min(shifted, 1)
	default: // nobody watches it: it can be what moved the others
		apart = 0.8 * math.Min(shifted, 4)
	}
	if c.Sure && r.base() == 0 { // something is wrong, though no signal that is read says what
		apart = math.Max(apart, leastSum)
	}
	r.score += apart * r.weight
	if g.edges > 0 && target != "" {
		if !r.reached {
			r.score *= 0.3
		} else if !r.hasAny || r.base() == 0 {
			r.score *= math.Pow(perStep, float64(r.distance))
		}
	}
	r.score *= c.Past.Resources[r.name].Factor()
}

// The weights of the kinds of evidence.
const (
	expl    = 0.85 // of an outward shift that callees account for in full
	calm    = 0.6  // of an outward shift where the resource's own signals are calm
	clear   = 0.1  // of its outward shift: from so much on its own signals have moved as well
	wload   = 0.3  // of a shift in what is asked of it
	both    = 0.4  // of the weaker side, where both its own and its outward signals moved; of what a second witness says
	wtold   = 0.2  // of what others say of it
	wchange = 0.5  // of a change that fits perfectly
	listcut = 0.1  // of the bar: below it a suspect is not told
)
