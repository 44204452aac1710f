package suspect

import (
	"cmp"
	"slices"
	"time"
)

// spanSignals turns spans into signals, so that they are judged as metrics are: of each
// resource and operation the duration and the share that fails, which callers see, and
// the time spent in itself and the failures that no callee had, which are its own.
// Parents give the edges.
func spanSignals(spans []Span) ([]Signal, []Edge) {
	if len(spans) == 0 {
		return nil, nil
	}
	type id struct{ trace, span string }
	index := make(map[id]int, len(spans))
	first, last := spans[0].At, spans[0].At
	for i, s := range spans {
		index[id{s.Trace, s.ID}] = i
		if s.At.Before(first) {
			first = s.At
		}
		if s.At.After(last) {
			last = s.At
		}
	}
	inside := make([]time.Duration, len(spans)) // time of the children
	blamed := make([]bool, len(spans))          // a child failed
	edges := map[Edge]bool{}
	for _, s := range spans {
		p, ok := index[id{s.Trace, s.Parent}]
		if s.Parent == "" || !ok {
			continue
		}
		inside[p] += s.Duration
		blamed[p] = blamed[p] || s.Failed
		if spans[p].Resource != s.Resource {
			edges[Edge{spans[p].Resource, s.Resource}] = true
		}
	}
	// Buckets that hold some spans each, on a scale that people know.
	bucket := 10 * time.Second
	for _, b := range []time.Duration{30 * time.Second, time.Minute, 5 * time.Minute} {
		if last.Sub(first)/bucket > 240 {
			bucket = b
		}
	}
	type key struct{ resource, operation string }
	type sums struct{ n, took, self, failed, own float64 }
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
		x.self += max(s.Duration-inside[i], 0).Seconds()
		if s.Failed {
			x.failed++
			if !blamed[i] {
				x.own++
			}
		}
	}
	var out []Signal
	for _, k := range keys {
		times := make([]int64, 0, len(kept[k]))
		for t := range kept[k] {
			times = append(times, t)
		}
		slices.Sort(times)
		of := func(metric, class string, value func(*sums) float64) {
			s := Signal{Resource: k.resource, Metric: metric + " of " + k.operation, Times: slices.Clone(times), class: class}
			for _, t := range times {
				s.Values = append(s.Values, value(kept[k][t]))
			}
			out = append(out, s)
		}
		of("self time", "self time", func(x *sums) float64 { return x.self / x.n })
		of("duration", "latency", func(x *sums) float64 { return x.took / x.n })
		of("success", "availability", func(x *sums) float64 { return 1 - x.failed/x.n })
		of("failures of its own", "own errors", func(x *sums) float64 { return x.own / x.n })
	}
	var list []Edge
	for e := range edges {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Edge) int { return cmp.Or(cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Callee, b.Callee)) })
	return out, list
}
