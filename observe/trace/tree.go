package trace

import (
	"cmp"
	"slices"
)

// Node is a span in the tree of its trace.
type Node struct {
	*Span
	Children []*Node
	Depth    int
	Self     int64 // nanoseconds in which no child ran
	Critical []Section
}

// Section is a part of the critical path, in Unix nanoseconds.
type Section struct{ From, To int64 }

// maxDepthShown is how deep a tree is shown; a span more than twice as deep begins
// another one.
const maxDepthShown = 500

// Tree puts the spans of a trace below each other and marks the critical path: the spans,
// and the parts of them, that would have to be faster for the trace to be faster. Spans
// whose parent is not there are roots, and so is the span of every cycle that began first.
func (t *Trace) Tree() []*Node {
	nodes := make([]*Node, len(t.Spans))
	byID := make(map[string]*Node, len(t.Spans))
	for i, s := range t.Spans {
		nodes[i] = &Node{Span: s}
		if _, twice := byID[s.SpanID]; !twice {
			byID[s.SpanID] = nodes[i]
		}
	}
	var roots []*Node
	parent := make(map[*Node]*Node, len(nodes))
	for _, n := range nodes {
		p := byID[n.ParentID]
		if n.ParentID == "" || p == nil || p == n {
			roots = append(roots, n)
			continue
		}
		root, deep := first(n, p, parent)
		if deep {
			root = n
		}
		if root != nil {
			roots = append(roots, root)
		}
		if root == n {
			continue
		}
		if root != nil {
			above := parent[root]
			above.Children = slices.DeleteFunc(above.Children, func(c *Node) bool { return c == root })
			delete(parent, root)
		}
		parent[n] = p
		p.Children = append(p.Children, n)
	}
	for _, r := range roots {
		r.finish(0)
	}
	slices.SortStableFunc(roots, func(a, b *Node) int { return cmp.Compare(a.Start, b.Start) })
	if len(roots) > 0 { // several roots have one path: what runs beside it is not waited for
		all := &Node{Span: &Span{Start: roots[0].Start}, Children: roots}
		for _, r := range roots {
			all.Duration = max(all.Duration, r.End()-all.Start)
		}
		all.critical(all.Start, all.End())
	}
	return roots
}

// first is the span that began first of a cycle that n below p would close; nil where it
// closes none. Deep says that p is too deep for another child.
func first(n, p *Node, parent map[*Node]*Node) (root *Node, deep bool) {
	began := n
	for up, steps := p, 0; up != nil; up, steps = parent[up], steps+1 {
		if up == n {
			return began, false
		}
		if steps > maxDepthShown*2 {
			return nil, true
		}
		if up.Start < began.Start {
			began = up
		}
	}
	return nil, false
}

func (n *Node) finish(depth int) {
	n.Depth = min(depth, maxDepthShown)
	slices.SortStableFunc(n.Children, func(a, b *Node) int { return cmp.Compare(a.Start, b.Start) })
	covered, until := int64(0), n.Start
	for _, c := range n.Children {
		from, to := max(c.Start, until), min(c.End(), n.End())
		if to > from {
			covered += to - from
			until = to
		}
		c.finish(depth + 1)
	}
	n.Self = n.Duration - covered
}

// critical walks back from the end to the beginning of what was waited for: the child that ended last before a moment is what
// was waited for until then. Children that outlive their parent were not waited for past
// its end.
func (n *Node) critical(from, until int64) {
	from, until = max(from, n.Start), min(until, n.End())
	byEnd := slices.Clone(n.Children)
	slices.SortStableFunc(byEnd, func(a, b *Node) int { return cmp.Compare(b.End(), a.End()) })
	for _, c := range byEnd {
		end := min(c.End(), until)
		if c.Start >= until || end <= from || c.End() > n.End() && c.Start >= n.End() {
			continue
		}
		if c.End() > until && c.End() <= n.End() {
			continue // it ran beside what was waited for
		}
		if until > end {
			n.Critical = append(n.Critical, Section{end, until})
		}
		c.critical(from, end)
		until = max(c.Start, from)
	}
	if until > from {
		n.Critical = append(n.Critical, Section{from, until})
	}
	slices.Reverse(n.Critical)
}

// Walk calls f with every node, parents first.
func Walk(nodes []*Node, f func(*Node)) {
	for _, n := range nodes {
		f(n)
		Walk(n.Children, f)
	}
}
