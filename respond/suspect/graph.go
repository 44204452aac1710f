package suspect

import (
	"regexp"
	"strings"
)

// graph is who calls whom.
type graph struct {
	callees map[string][]string
	known   map[string]bool // callers and callees
	edges   int
}

func newGraph(edges []Edge, name func(string) string) *graph {
	g := &graph{callees: map[string][]string{}, known: map[string]bool{}}
	seen := map[Edge]bool{}
	for _, e := range edges {
		e = Edge{name(e.Caller), name(e.Callee)}
		if e.Caller == e.Callee || seen[e] {
			continue
		}
		seen[e], g.known[e.Caller], g.known[e.Callee] = true, true, true
		g.edges++
		g.callees[e.Caller] = append(g.callees[e.Caller], e.Callee)
	}
	return g
}

// distances are the steps from a resource down to what it depends on.
func (g *graph) distances(from string) map[string]int {
	out := map[string]int{from: 0}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, c := range g.callees[queue[0]] {
			if _, seen := out[c]; !seen {
				out[c] = out[queue[0]] + 1
				queue = append(queue, c)
			}
		}
	}
	return out
}

// observed are the nearest callees that have signals: those without are looked through.
func (g *graph) observed(of string, has func(string) bool) []string {
	var out []string
	seen := map[string]bool{of: true}
	for queue := []string{of}; len(queue) > 0; queue = queue[1:] {
		for _, c := range g.callees[queue[0]] {
			if seen[c] {
				continue
			}
			seen[c] = true
			if has(c) {
				out = append(out, c)
			} else {
				queue = append(queue, c)
			}
		}
	}
	return out
}

// pod is the end of a Kubernetes pod's name: replica set and pod, or ordinal.
var pod = regexp.MustCompile(`-[0-9a-f]{8,10}-[0-9a-z]{5}$`)

// names joins the ways in which files name the same thing: as it is, without the tail
// of a pod, without kind and namespace, in small letters.
type names struct {
	known map[string]bool
	plain map[string]string // plain name → the first known one
}

func newNames() *names { return &names{known: map[string]bool{}, plain: map[string]string{}} }

func (n *names) add(s string) {
	if n.known[s] {
		return
	}
	n.known[s] = true
	for _, p := range plainer(s) {
		if _, ok := n.plain[p]; !ok {
			n.plain[p] = s
		}
	}
}

// of is the known name for one, or itself.
func (n *names) of(s string) string {
	if n.known[s] {
		return s
	}
	for _, p := range plainer(s) {
		if k, ok := n.plain[p]; ok {
			return k
		}
	}
	return s
}

func plainer(s string) []string {
	l := strings.ToLower(s)
	out := []string{l}
	if p := pod.ReplaceAllString(l, ""); p != l {
		out = append(out, p)
		l = p
	}
	if i := strings.LastIndexByte(l, '/'); i > 0 && i < len(l)-1 && strings.Count(l, "/") <= 2 && !strings.Contains(l, ":") {
		out = append(out, l[i+1:])
	}
	return out
}
