package trace

// condition is what must hold of one span.
type condition interface {
	holds(*Span, *scene) bool
	filter() string
}

type (
	all struct{}
	and struct{ left, right condition }
	or  struct{ left, right condition }
	not struct{ inner condition }
)

func (all) holds(*Span, *scene) bool         { return true }
func (all) filter() string                   { return "*" }
func (c *and) holds(s *Span, at *scene) bool { return c.left.holds(s, at) && c.right.holds(s, at) }
func (c *and) filter() string                { return "(" + c.left.filter() + " " + c.right.filter() + ")" }
func (c *or) holds(s *Span, at *scene) bool  { return c.left.holds(s, at) || c.right.holds(s, at) }
func (c *or) filter() string                 { return "(" + c.left.filter() + " or " + c.right.filter() + ")" }
func (c *not) holds(s *Span, at *scene) bool { return !c.inner.holds(s, at) }
func (c *not) filter() string                { return "*" }

// spanset finds spans of a trace; its filter finds, among all spans, at least one of each
// trace in which it finds any.
type spanset interface {
	find(*scene) []*Span
	filter() string
}

type (
	matching struct{ condition }
	both     struct{ left, right spanset }
	either   struct{ left, right spanset }
	related  struct {
		left, right spanset
		op          string
	}
)

func (m *matching) find(s *scene) (out []*Span) {
	for _, sp := range s.Spans {
		if m.holds(sp, s) {
			out = append(out, sp)
		}
	}
	return out
}

func (b *both) find(s *scene) []*Span {
	left := b.left.find(s)
	if len(left) == 0 {
		return nil
	}
	right := b.right.find(s)
	if len(right) == 0 {
		return nil
	}
	return union(left, right)
}

func (b *both) filter() string { return narrower(b.left.filter(), b.right.filter()) }

func (e *either) find(s *scene) []*Span { return union(e.left.find(s), e.right.find(s)) }

func (e *either) filter() string { return "(" + e.left.filter() + " or " + e.right.filter() + ")" }

// narrower is one that finds less than everything, if there is one.
func narrower(a, b string) string {
	if a == "*" {
		return b
	}
	return a
}

func union(a, b []*Span) []*Span {
	have := map[*Span]bool{}
	for _, s := range a {
		have[s] = true
	}
	for _, s := range b {
		if !have[s] {
			a = append(a, s)
		}
	}
	return a
}

// find returns the spans on the right that stand to one on the left as the operator says.
func (r *related) find(s *scene) (out []*Span) {
	left := map[*Span]bool{}
	for _, sp := range r.left.find(s) {
		left[sp] = true
	}
	if len(left) == 0 {
		return nil
	}
	above := map[*Span]bool{}   // all ancestors of those on the left
	parents := map[*Span]bool{} // their parents
	siblings := map[*Span]int{} // by parent, how many are on the left
	for sp := range left {
		p := s.parent[sp]
		if p == nil {
			continue
		}
		parents[p] = true
		siblings[p]++
		for ; p != nil && !above[p]; p = s.parent[p] {
			above[p] = true
		}
	}
	under := map[*Span]bool{} // known to stand below one on the left, or not
	var below func(sp *Span) bool
	below = func(sp *Span) bool {
		var path []*Span
		found := false
		for p := sp; ; {
			up := s.parent[p]
			if up == nil {
				break
			}
			if known, ok := under[p]; ok {
				found = known
				break
			}
			path = append(path, p)
			if left[up] {
				found = true
				break
			}
			p = up
		}
		for _, p := range path {
			under[p] = found
		}
		return found
	}
	for _, sp := range r.right.find(s) {
		var ok bool
		switch p := s.parent[sp]; r.op {
		case ">>":
			ok = below(sp)
		case ">":
			ok = p != nil && left[p]
		case "<<":
			ok = above[sp]
		case "<":
			ok = parents[sp]
		case "~":
			n := siblings[p]
			if left[sp] {
				n--
			}
			ok = p != nil && n > 0
		}
		if ok {
			out = append(out, sp)
		}
	}
	return out
}

func (r *related) filter() string { return narrower(r.right.filter(), r.left.filter()) }
