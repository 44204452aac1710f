package suspect

import (
	"cmp"
	"slices"
	"time"
)

// spanSignals turns spans into signals, so that they are judged as metrics are: of each
// resource and operation the duration and the share that fails, which callers see, and
// the time spent in itself, the failures that no callee had and how many calls it makes,
// which are its own. Time between a client's span and the server's is of the way there:
// the server's, and the client's a little. Parents give the edges.
func spanSignals(spans []Span) ([]Signal, []Edge) {
	if len(spans) == 0 {
		return nil, nil
	}
	type id struct{ trace, span string }
	index := make(map[id]int, len(spans))
	for i, s := range spans {
		index[id{s.Trace, s.ID}] = i
	}
	inside := make([]time.Duration, len(spans)) // time of the children
	calls := make([]int, len(spans))            // number of the children
	only := make([]int, len(spans))             // the last child
	blamed := make([]bool, len(spans))          // a child failed
	nested := make([]bool, len(spans))          // the parent is of the same resource
	edges := map[Edge]bool{}
	for i, s := range spans {
		p, ok := index[id{s.Trace, s.Parent}]
		if s.Parent == "" || !ok || p == i {
			continue
		}
		inside[p] += s.Duration
		calls[p]++
		only[p] = i
		blamed[p] = blamed[p] || s.Failed
		nested[i] = spans[p].Resource == s.Resource
		if !nested[i] {
			edges[Edge{spans[p].Resource, s.Resource}] = true
		}
	}
	// Buckets that hold some spans each, on a scale that people know.
	minutes := map[int64]bool{} // that have any: what is compared may lie days apart
	for _, s := range spans {
		minutes[s.At.Unix()/60] = true
	}
	bucket := 10 * time.Second
	for _, b := range []time.Duration{30 * time.Second, time.Minute, 5 * time.Minute} {
		if time.Duration(len(minutes))*time.Minute/bucket > 240 {
			bucket = b
		}
	}
	type key struct{ resource, operation string }
	type sums struct{ n, took, self, failed, own, calls, ways, way float64 }
	count := map[key]int{}
	for _, s := range spans {
		count[key{s.Resource, s.Operation}]++
	}
	keys := make([]key, 0, len(count))
	for k := range count {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(count[b]-count[a], cmp.Compare(a.resource, b.resource), cmp.Compare(a.operation, b.operation))
	})
	keys = keys[:min(len(keys), 200)]
	type way struct{ from, to string }
	ways := map[way]map[int64]*sums{}
	kept := map[key]map[int64]*sums{}
	for _, k := range keys {
		kept[k] = map[int64]*sums{}
	}
	for i, s := range spans {
		buckets := kept[key{s.Resource, s.Operation}]
		if buckets == nil {
			continue
		}
		t := s.At.Truncate(bucket).UnixMilli()
		x := buckets[t]
		if x == nil {
			x = &sums{}
			buckets[t] = x
		}
		x.n++
		x.took += s.Duration.Seconds()
		x.calls += float64(calls[i])
		rest := max(s.Duration-inside[i], 0).Seconds()
		if nested[i] && calls[i] == 1 && spans[only[i]].Resource != s.Resource {
			// A client's span around a server's: what is left is time on the way.
			to := way{s.Resource, spans[only[i]].Resource}
			if ways[to] == nil {
				ways[to] = map[int64]*sums{}
			}
			y := ways[to][t]
			if y == nil {
				y = &sums{}
				ways[to][t] = y
			}
			y.ways++
			y.way += rest
			rest = 0
		}
		x.self += rest
		if s.Failed {
			x.failed++
			if !blamed[i] {
				x.own++
			}
		}
	}
	var out []Signal
	add := func(s Signal, of map[int64]*sums, value func(*sums) float64) {
		for t := range of {
			s.Times = append(s.Times, t)
		}
		slices.Sort(s.Times)
		for _, t := range s.Times {
			s.Values = append(s.Values, value(of[t]))
		}
		out = append(out, s)
	}
	for _, k := range keys {
		of := func(metric, class string, value func(*sums) float64) {
			add(Signal{Resource: k.resource, Metric: metric + " of " + k.operation, class: class}, kept[k], value)
		}
		of("self time", "self time", func(x *sums) float64 { return x.self / x.n })
		of("duration", "latency", func(x *sums) float64 { return x.took / x.n })
		of("success", "availability", func(x *sums) float64 { return 1 - x.failed/x.n })
		of("failures of its own", "own errors", func(x *sums) float64 { return x.own / x.n })
		of("calls made", "calls made", func(x *sums) float64 { return x.calls / x.n })
	}
	var pairs []way
	for k := range ways {
		pairs = append(pairs, k)
	}
	slices.SortFunc(pairs, func(a, b way) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	for _, k := range pairs[:min(len(pairs), 1000)] {
		add(Signal{Resource: k.to, Metric: "time on the way from " + k.from, class: "way", toward: k.from}, ways[k], func(x *sums) float64 { return x.way / x.ways })
	}
	var list []Edge
	for e := range edges {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Edge) int { return cmp.Or(cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Callee, b.Callee)) })
	return out, list
}
