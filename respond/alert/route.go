package alert

import (
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/common/model"
)

// node is a route, compiled: which of its children take an alert is looked up, not tried
// one after the other.
type node struct {
	*dispatch.Route
	id, key  string // as Alertmanager names it
	children []*node
	index    index
	groups   map[model.Fingerprint]*group // by the labels that they group by; the dispatcher's lock guards it
	senders  []*sender                    // of its receiver
}

// compile makes the tree of a configuration.
func compile(r *dispatch.Route, senders map[string][]*sender) *node {
	n := &node{Route: r, id: r.ID(), key: r.Key(), groups: map[model.Fingerprint]*group{}, senders: senders[r.RouteOpts.Receiver]}
	for i, c := range r.Routes {
		n.children = append(n.children, compile(c, senders))
		n.index.add(i, c.Matchers)
	}
	return n
}

// match appends the routes that take an alert: of the children the first, and those after
// it as long as the one before says continue; where none does, the route itself.
func (n *node) match(set model.LabelSet, found []*node) []*node {
	if !n.Matchers.Matches(set) {
		return found
	}
	had := len(found)
	var buf [16]int
	for _, i := range n.index.candidates(set, buf[:]) {
		c, before := n.children[i], len(found)
		if found = c.match(set, found); len(found) > before && !c.Continue {
			return found
		}
	}
	if len(found) == had {
		found = append(found, n)
	}
	return found
}

// walk visits every route.
func (n *node) walk(visit func(*node)) {
	visit(n)
	for _, c := range n.children {
		c.walk(visit)
	}
}

// groupLabels are the labels by which a route puts an alert with others.
func (n *node) groupLabels(set model.LabelSet) model.LabelSet {
	if n.RouteOpts.GroupByAll {
		return set.Clone()
	}
	out := make(model.LabelSet, len(n.RouteOpts.GroupBy))
	for name := range n.RouteOpts.GroupBy {
		if v, ok := set[name]; ok {
			out[name] = v
		}
	}
	return out
}
