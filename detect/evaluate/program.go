package evaluate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"
)

// program is the nodes of some expressions. Parts that are the same are one node.
type program struct {
	inner *Prometheus
	tail  int64           // see window.Spec
	nodes map[string]node // nil once it is packed
	roots map[string]node // by expression
	// The same in the order in which they were added.
	listed []listed

	matchers map[string]*labels.Matcher
}

// listed is an expression: as it was given, and as PromQL writes it, which is what rule
// managers ask.
type listed struct {
	expr, canonical string
	is              parser.ValueType
	root            node
}

// pack lets go of what only compiling needs. The text of a part is one within the text of the
// whole, wherever it stands there.
func (p *program) pack() {
	seen := map[node]bool{}
	for _, l := range p.listed {
		walk(l.root, func(n node) {
			if seen[n] {
				return
			}
			seen[n] = true
			if s := n.st(); s.text != "" {
				if i := strings.Index(l.canonical, s.text); i >= 0 {
					s.text = l.canonical[i : i+len(s.text)]
				}
			}
		})
	}
	p.nodes, p.matchers = nil, nil
}

func newProgram(inner *Prometheus, tail int64) *program {
	return &program{inner: inner, tail: tail, nodes: map[string]node{}, roots: map[string]node{}, matchers: map[string]*labels.Matcher{}}
}

// add compiles an expression. Every expression that parses has a node, even if it is the
// inner engine's.
func (p *program) add(expr string) error {
	if p.roots[expr] != nil {
		return nil
	}
	e, err := p.inner.parser.ParseExpr(expr)
	if err != nil {
		return err
	}
	switch e.Type() {
	case parser.ValueTypeVector, parser.ValueTypeScalar:
	default:
		return notAVector(expr, e.Type())
	}
	canonical := e.String() // before the expression is taken apart
	if canonical == expr {
		canonical = expr // one text is enough
	}
	root := p.root(e)
	p.roots[expr], p.roots[canonical] = root, root
	p.listed = append(p.listed, listed{expr, canonical, e.Type(), root})
	return nil
}

func notAVector(expr string, is parser.ValueType) error {
	return fmt.Errorf("cannot evaluate %q: the result is a %s, expected a vector or scalar", expr, is)
}

// asked are the leaves of all expressions.
func (p *program) asked() []*leaf {
	var out []*leaf
	seen := map[node]bool{}
	for _, root := range p.roots {
		walk(root, func(n node) {
			if l, ok := n.(*leaf); ok && !seen[n] {
				seen[n] = true
				out = append(out, l)
			}
		})
	}
	slices.SortFunc(out, func(a, b *leaf) int { return strings.Compare(a.text, b.text) })
	return out
}

// grouped are the leaves that nobody asks but aggregations, which do not look at names.
func (p *program) grouped() map[*leaf][]*aggregate {
	out := map[*leaf][]*aggregate{}
	others := map[*leaf]bool{}
	seen := map[node]bool{}
	visit := func(n node) {
		if seen[n] {
			return
		}
		seen[n] = true
		if a, ok := n.(*aggregate); ok {
			if l, ok := a.of.(*leaf); ok && (l.keepName || a.without || !slices.ContainsFunc(a.names, schema.IsMetadataLabel)) {
				out[l] = append(out[l], a)
				return
			}
		}
		for _, c := range children(n) {
			if l, ok := c.(*leaf); ok {
				others[l] = true
			}
		}
	}
	for _, root := range p.roots {
		if l, ok := root.(*leaf); ok {
			others[l] = true
		}
		walk(root, visit)
	}
	for l := range others {
		delete(out, l)
	}
	return out
}

// follows says whether a node has leaves.
func follows(n node) bool {
	found := false
	walk(n, func(n node) {
		if _, ok := n.(*leaf); ok {
			found = true
		}
	})
	return found
}

// walk visits a node and what it is made of.
func walk(n node, visit func(node)) {
	visit(n)
	for _, c := range children(n) {
		walk(c, visit)
	}
}

func children(n node) []node {
	switch n := n.(type) {
	case *same:
		return []node{n.of}
	case *mapped:
		return append([]node{n.of}, n.args...)
	case *aggregate:
		return []node{n.of}
	case *scalars:
		return []node{n.l, n.r}
	case *mixed:
		return []node{n.vec, n.num}
	case *pairs:
		return []node{n.l, n.r}
	case *sets:
		return []node{n.l, n.r}
	case *toScalar:
		return []node{n.of}
	case *absent:
		return []node{n.of}
	case *sorted:
		return []node{n.of}
	case *chosen:
		return []node{n.of, n.param}
	case *quantile:
		return []node{n.of, n.param}
	case *counts:
		return []node{n.of}
	case *buckets:
		return append([]node{n.of}, n.params...)
	case *relabelled:
		return []node{n.of}
	case *engine:
		return n.nodes
	}
	return nil
}
