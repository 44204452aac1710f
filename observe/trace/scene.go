package trace

import "time"

// scene is a trace that is looked at, with what conditions on the whole of it need.
type scene struct {
	*Trace
	root   *Span
	took   int64
	parent map[*Span]*Span
}

func newScene(t *Trace) *scene {
	s := &scene{Trace: t, root: t.Root(), took: int64(t.Summary().Took / time.Nanosecond), parent: map[*Span]*Span{}}
	var walk func(n *Node)
	walk = func(n *Node) {
		for _, c := range n.Children {
			s.parent[c.Span] = n.Span
			walk(c)
		}
	}
	for _, r := range t.Tree() {
		walk(r)
	}
	return s
}
