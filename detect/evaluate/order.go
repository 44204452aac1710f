package evaluate

import (
	"slices"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// orderer is a node whose result has an order, when it is the whole expression.
type orderer interface{ order(promql.Vector) }

// sorted is sort and sort_desc as a whole expression. Within another one they may decide
// what limitk takes, so there they are the inner engine's.
type sorted struct {
	same
	h ranking
}

func (s *sorted) order(v promql.Vector) {
	slices.SortStableFunc(v, func(a, b promql.Sample) int {
		switch {
		case s.h.worse(b.F, a.F):
			return -1
		case s.h.worse(a.F, b.F):
			return 1
		}
		return 0
	})
}

// root returns the node of a whole expression.
func (p *program) root(e parser.Expr) node {
	text := e.String()
	e = bare(e)
	if c, ok := e.(*parser.Call); ok && (c.Func.Name == "sort" || c.Func.Name == "sort_desc") {
		n := &sorted{same: same{of: p.node(c.Args[0])}, h: ranking{down: c.Func.Name == "sort"}}
		n.text = text
		return n
	}
	return p.node(e)
}
