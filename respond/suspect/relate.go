package suspect

import (
	"math"
	"slices"
	"strings"
)

// relate works out, along the call graph, how much of what a resource shows outward is
// its callees' doing, and how much of what the target lost passes through it. Losses
// are compared as totals where requests are counted: seconds or failures added per
// request, times requests.
func relate(all []*resource, byName map[string]*resource, g *graph, target string) {
	if g.edges == 0 {
		return
	}
	has := func(name string) bool { r := byName[name]; return r != nil && r.hasAny }
	for _, r := range all {
		if len(r.outs) == 0 {
			continue
		}
		callees := g.observed(r.name, has)
		for i := range r.outs {
			o := &r.outs[i]
			for _, name := range callees {
				o.explained = math.Max(o.explained, explains(byName[name], r, o))
			}
		}
	}
	if target == "" {
		return
	}
	below := g.distances(target)
	worst := map[string]float64{} // of each metric, the largest loss on the target's paths
	for _, r := range all {
		if _, ok := below[r.name]; !ok {
			continue
		}
		for i := range r.shifts {
			if s := &r.shifts[i]; s.class.side == outward && s.strength() >= plain {
				worst[s.signal.Metric] = math.Max(worst[s.signal.Metric], r.loss(s))
			}
		}
	}
	t := byName[target]
	for _, r := range all {
		for i := range r.outs {
			r.outs[i].lost = account(r, t, r.outs[i].class, worst)
		}
	}
}

// accuse tells of each resource that calls others and waits longer for them, though
// none of them says that it takes longer: the time is lost on the way to one of them.
func accuse(all []*resource, byName map[string]*resource, g *graph) {
	for _, r := range all {
		for _, o := range r.outs {
			if o.class != "client latency" {
				continue
			}
			for _, name := range g.observed(r.name, func(n string) bool { return byName[n] != nil && byName[n].hasAny }) {
				tell(&byName[name].accused, r.name, o.strength*(1-o.explained))
			}
		}
	}
}

// account is the share of the target's loss of a class that passes through a resource;
// where the target shows none of it, the share of the largest loss below it.
func account(r, t *resource, class string, worst map[string]float64) float64 {
	if t != nil && slices.ContainsFunc(t.outs, func(o face) bool { return o.class == class }) {
		if x := passes(r, t, class); x >= 0 {
			return x
		}
		return 0.7
	}
	var means, others []float64
	for i := range r.shifts {
		s := &r.shifts[i]
		if s.class.name != class || s.strength() == 0 || worst[s.signal.Metric] == 0 {
			continue
		}
		x := math.Min(1, r.loss(s)/worst[s.signal.Metric])
		if mean(s.signal.Metric) {
			means = append(means, x)
		} else {
			others = append(others, x)
		}
	}
	share := 1.0
	switch slices.Sort(others); {
	case len(means) > 0:
		share = slices.Max(means)
	case len(others) > 0:
		share = quantile(others, 0.5)
	}
	if t != nil && t.out > 0 {
		share *= otherwise // the target suffers, but not of this
	}
	return share
}

// plain is the strength from which a shift is sure enough to be the measure of others.
const plain = 1.0

// otherwise is what a shift counts that the target does not show.
const otherwise = 0.3

// loss is what a shift amounts to over all requests.
func (r *resource) loss(s *shift) float64 {
	if n := r.requests(); n > 0 {
		return s.delta() * n
	}
	return s.delta()
}

// explains is the share of one outward shift of a caller that a callee accounts for.
func explains(callee, caller *resource, o *face) float64 {
	share := passes(callee, caller, o.class)
	if share < 0 { // nothing comparable is measured: by strength
		share = 0.7 * math.Min(1, math.Max(callee.in, callee.out)/o.strength)
	}
	return share
}

// passes is the share of one's loss of a class that is another's as well, or -1 where
// nothing comparable is measured of both. Means say it best: times requests, a mean is a
// total, and a percentile is not.
func passes(inner, outer *resource, class string) float64 {
	var means, others, alike []float64
	x, y := inner.requests(), outer.requests()
	for i := range outer.shifts {
		o := &outer.shifts[i]
		if o.class.name != class || o.z < 1 {
			continue
		}
		for j := range inner.shifts {
			s := &inner.shifts[j]
			same := s.signal.Metric == o.signal.Metric
			if class == "client latency" { // what one waits for is what the other takes
				same = false
				if s.class.name != "latency" || statistic(s.signal.Metric) != statistic(o.signal.Metric) || unit(s) != unit(o) {
					continue
				}
			} else if !same && (s.class.name != class || unit(s) == "" || unit(s) != unit(o)) {
				continue
			}
			a, b, share := s.delta(), o.delta(), 0.0
			if same && x > 0 && y > 0 {
				a, b = a*x, b*y
			}
			if s.strength() > 0 && b > 0 {
				share = math.Min(1, a/b)
			}
			switch {
			case !same:
				alike = append(alike, share)
			case mean(o.signal.Metric):
				means = append(means, share)
			default:
				others = append(others, share)
			}
		}
	}
	switch slices.Sort(others); {
	case len(means) > 0:
		return slices.Max(means)
	case len(others) > 0:
		return quantile(others, 0.5)
	case len(alike) > 0: // metrics that have only the unit in common
		return slices.Max(alike)
	}
	return -1
}

// unit is in what a shift is measured, where that makes two metrics comparable.
func unit(s *shift) string {
	if s.class.share {
		return "share"
	}
	for _, w := range words(s.signal.Metric) {
		switch w {
		case "s", "seconds":
			return "seconds"
		case "ms", "milliseconds":
			return "milliseconds"
		case "us", "microseconds":
			return "microseconds"
		}
	}
	return ""
}

// statistic is the percentile that a metric is, by its name.
func statistic(metric string) string {
	for _, w := range words(metric) {
		if p, ok := strings.CutPrefix(w, "p"); ok && p != "" && strings.Trim(p, "0123456789") == "" {
			return p
		}
	}
	return ""
}

// mean says that a metric is a mean, by its name.
func mean(metric string) bool {
	have := words(metric)
	return hasWord(have, "average") || hasWord(have, "avg") || hasWord(have, "mean") || hasWord(have, "availab*") || hasWord(have, "success*")
}

// requests is how much a resource is asked, 0 when that is not measured.
func (r *resource) requests() float64 {
	for i := range r.shifts {
		if s := &r.shifts[i]; s.class.name == "requests" && s.base > 0 {
			return s.base
		}
	}
	return 0
}
