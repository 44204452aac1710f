package evaluate

import (
	"math"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/schema"
)

// grouped is what a node keeps that makes something of groups of rows at a price: which
// rows are in which group, and the values that each group was last made of. A group is made
// again only when one of them has changed.
type grouped struct {
	from    *shape
	to      *shape    // a row a group
	members [][]int32 // of each group its rows, in their order
	seen    []float64 // by row
	args    []float64
	made    bool
}

// regroup puts the rows of a shape into groups, if it is not the one from the last time.
func (g *grouped) regroup(p *projection) {
	if g.from == p.from && g.to == p.to {
		return
	}
	*g = grouped{from: p.from, to: p.to, members: make([][]int32, len(p.to.rows)), seen: make([]float64, len(p.from.rows))}
	size := make([]int, len(p.to.rows))
	for _, to := range p.row {
		size[to]++
	}
	all := make([]int32, 0, len(p.row))
	for k, n := range size {
		g.members[k] = all[len(all) : len(all) : len(all)+n]
		all = all[:len(all)+n]
	}
	for i, to := range p.row {
		g.members[to] = append(g.members[to], int32(i))
	}
}

// each calls f for each group that has changed since it was made last: for all of them when
// one of the arguments has. It then remembers what they were made of. When f fails,
// everything is made again the next time.
func (g *grouped) each(in vector, k int, args []float64, f func(group int, rows []int32) error) error {
	all := !g.made || !sameBits(g.args, args)
	g.args, g.made = append(g.args[:0], args...), false
	for n, rows := range g.members {
		changed := all
		for _, i := range rows {
			v := in.vals[int(i)*in.n+k]
			if math.Float64bits(v) != math.Float64bits(g.seen[i]) {
				g.seen[i] = v
				changed = true
			}
		}
		if changed {
			if err := f(n, rows); err != nil {
				return err
			}
		}
	}
	g.made = true
	return nil
}

func sameBits(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Float64bits(a[i]) != math.Float64bits(b[i]) {
			return false
		}
	}
	return true
}

// room returns the vector of the last result, changed groups to be written over, and says if
// need be that there is none.
func (g *grouped) room(last []float64, s *shape, n int) vector {
	if n > 1 || len(last) != len(s.rows) {
		g.made = false
	}
	return sized(last, s, n)
}

// carry copies the step before to the step k.
func (v vector) carry(k int) {
	if k == 0 {
		return
	}
	for at := k; at < len(v.vals); at += v.n {
		v.vals[at] = v.vals[at-1]
	}
}

// grouping says by which labels groups are made.
type grouping struct {
	without bool
	names   []string // sorted
	key     string   // says both
}

func newGrouping(names []string, without bool) grouping {
	names = slices.Clone(names)
	slices.Sort(names)
	key := "by\xff"
	if without {
		key = "without\xff"
	}
	return grouping{without: without, names: names, key: key + strings.Join(names, "\xff")}
}

// of returns the labels of the group of a series.
func (g *grouping) of(ls labels.Labels) labels.Labels {
	if !g.without {
		if len(g.names) == 0 {
			return labels.EmptyLabels()
		}
		return labels.NewBuilder(ls).Keep(g.names...).Labels()
	}
	b := labels.NewBuilder(ls).Del(g.names...)
	schema.Metadata{}.SetToLabels(b)
	return b.Labels()
}
