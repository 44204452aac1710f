package backtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect/objective"
)

// Group is a rule group of a file.
type Group struct {
	File string // "objectives" for what an objective compiles to
	rulefmt.RuleGroup
}

// Declared are all groups of a workspace: its rule files and its objectives.
func Declared(w *declare.Workspace, now time.Time) []Group {
	var out []Group
	for _, f := range w.RuleFiles {
		out = append(out, In(f)...)
	}
	groups, _ := objective.Groups(w, now)
	for _, g := range groups {
		out = append(out, Group{File: "objectives", RuleGroup: g})
	}
	return out
}

// In are the groups of a rule file.
func In(f *declare.RuleFile) []Group {
	var out []Group
	for _, g := range f.Groups.Groups {
		out = append(out, Group{File: f.Path, RuleGroup: g})
	}
	return out
}

// node is a rule with what it needs.
type node struct {
	rulefmt.Rule
	group  *Group
	index  int // in its group
	labels map[string]string
	expr   parser.Expr
	step   time.Duration
	needs  []*node
	span   time.Duration // how far back its own selectors look
	broken string        // why it cannot be replayed
}

// arrange parses the rules of one side and finds what needs what.
func arrange(groups []Group, step time.Duration) []*node {
	var nodes []*node
	records := map[string][]*node{}
	p := parser.NewParser(parser.Options{})
	for i := range groups {
		g := &groups[i]
		for k, r := range g.Rules {
			n := &node{Rule: r, group: g, index: k, step: max(step, time.Duration(g.Interval)), labels: map[string]string{}}
			for name, v := range g.Labels {
				n.labels[name] = v
			}
			for name, v := range r.Labels {
				n.labels[name] = v
			}
			var err error
			if n.expr, err = p.ParseExpr(r.Expr); err != nil {
				n.broken = err.Error()
			}
			nodes = append(nodes, n)
			if r.Record != "" {
				records[r.Record] = append(records[r.Record], n)
			}
		}
	}
	for _, n := range nodes {
		if n.expr != nil {
			n.link(nodes, records)
		}
	}
	return nodes
}

// link finds the recording rules whose series the rule may select.
func (n *node) link(all []*node, records map[string][]*node) {
	need := func(other *node) {
		if !slices.Contains(n.needs, other) {
			n.needs = append(n.needs, other)
		}
	}
	parser.Inspect(n.expr, func(e parser.Node, path []parser.Node) error {
		v, ok := e.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		back := 5 * time.Minute
		for _, above := range path {
			switch x := above.(type) {
			case *parser.MatrixSelector:
				back = x.Range
			case *parser.SubqueryExpr:
				back += x.Range + max(x.OriginalOffset, 0)
			}
		}
		n.span = max(n.span, back+max(v.OriginalOffset, 0))
		for _, m := range v.LabelMatchers {
			if m.Name != labels.MetricName {
				continue
			}
			if m.Type == labels.MatchEqual {
				for _, r := range records[m.Value] {
					if r.mayMatch(v.LabelMatchers) {
						need(r)
					}
				}
				if m.Value == "ALERTS" || m.Value == "ALERTS_FOR_STATE" {
					for _, r := range all {
						if r.Alert != "" && r != n && r.mayMatch(v.LabelMatchers) {
							need(r)
						}
					}
				}
				return nil
			}
		}
		for name, list := range records {
			for _, r := range list {
				if matchesName(v.LabelMatchers, name) && r.mayMatch(v.LabelMatchers) {
					need(r)
				}
			}
		}
		return nil
	})
}

func matchesName(ms []*labels.Matcher, name string) bool {
	for _, m := range ms {
		if m.Name == labels.MetricName && !m.Matches(name) {
			return false
		}
	}
	return true
}

// mayMatch says whether the labels that a rule sets leave it possible that matchers
// select what it makes.
func (n *node) mayMatch(ms []*labels.Matcher) bool {
	for _, m := range ms {
		if m.Name == "alertname" && n.Alert != "" && !m.Matches(n.Alert) {
			return false
		}
		if v, set := n.labels[m.Name]; set && !strings.Contains(v, "{{") && !m.Matches(v) {
			return false
		}
	}
	return true
}

// job is alerts that are replayed together, with everything they need.
type job struct {
	nodes []*node // in the order of evaluation: what is needed comes first
	slow  bool    // one of them sees what is made after it: evaluated tick by tick
}

// key is the same for jobs that do the same.
func (j *job) key() string {
	var b strings.Builder
	for _, n := range j.nodes {
		fmt.Fprintf(&b, "%q %q %q %v %v %v %v %v %v %v %v\n", n.Record, n.Alert, n.Expr, n.For, n.KeepFiringFor, n.labels, n.Annotations, n.step, n.group.Limit, n.group.QueryOffset, n.group.Name+n.group.File)
	}
	return b.String()
}

// jobs divides the rules that alerts need into what can be replayed apart. Recording
// rules that no alert needs are left out.
func jobs(nodes []*node) []*job {
	owner := map[*node]*node{}
	var root func(n *node) *node
	root = func(n *node) *node {
		if owner[n] == n {
			return n
		}
		owner[n] = root(owner[n])
		return owner[n]
	}
	var take func(n *node)
	take = func(n *node) {
		if owner[n] != nil {
			return
		}
		owner[n] = n
		for _, d := range n.needs {
			take(d)
			owner[root(d)] = root(n)
		}
	}
	for _, n := range nodes {
		if n.Alert != "" {
			take(n)
		}
	}
	byRoot := map[*node]*job{}
	var out []*job
	for _, n := range nodes {
		if owner[n] == nil {
			continue
		}
		r := root(n)
		if byRoot[r] == nil {
			byRoot[r] = &job{}
			out = append(out, byRoot[r])
		}
		byRoot[r].nodes = append(byRoot[r].nodes, n)
	}
	for _, j := range out {
		j.order()
	}
	return out
}

// order sorts so that needs come first. Where a rule needs itself, or what comes after
// it in its own group, there is no such order: it sees the values of the tick before.
func (j *job) order() {
	done := map[*node]int{} // 1 under way, 2 done
	var sorted []*node
	var visit func(n *node)
	visit = func(n *node) {
		done[n] = 1
		for _, d := range n.needs {
			if done[d] == 1 || d.group == n.group && d.index >= n.index {
				j.slow = true
			}
			if done[d] == 0 {
				visit(d)
			}
		}
		done[n] = 2
		sorted = append(sorted, n)
	}
	for _, n := range j.nodes {
		if done[n] == 0 {
			visit(n)
		}
	}
	if !j.slow {
		j.nodes = sorted
	}
}

// warm is how long before the first tick a replay must begin so that pending alerts and
// recorded series are what they would have been.
func (j *job) warm() time.Duration {
	var hold, back time.Duration
	for _, n := range j.nodes {
		hold = max(hold, time.Duration(n.For)+time.Duration(n.KeepFiringFor))
		if len(n.needs) > 0 {
			back += n.span
		}
	}
	return min(hold+back, maxWarm)
}

// maxWarm bounds how far before the first tick a replay begins.
const maxWarm = 32 * 24 * time.Hour

// Replace puts rule files in the place of those of the same path, or adds them.
func Replace(groups []Group, files []*declare.RuleFile) []Group {
	out := slices.DeleteFunc(slices.Clone(groups), func(g Group) bool {
		return slices.ContainsFunc(files, func(f *declare.RuleFile) bool { return f.Path == g.File })
	})
	for _, f := range files {
		out = append(out, In(f)...)
	}
	return out
}
