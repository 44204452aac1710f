package suspect

import "slices"

// flows are signals made of two: what a resource asks of each that it depends on, for
// each request of its own. Where it fails before it gets that far, it goes on being
// asked and asks no longer; where it is asked less itself, the ratio stays.
func flows(signals []Signal, g *graph) []Signal {
	const most = 2000 // pairs
	asked := map[string]*Signal{}
	for i := range signals {
		s := &signals[i]
		if asked[s.Resource] == nil && len(s.Times) >= leastSeen && s.classOf().name == "requests" {
			asked[s.Resource] = s
		}
	}
	callers := make([]string, 0, len(g.callees))
	for name := range g.callees {
		if asked[name] != nil {
			callers = append(callers, name)
		}
	}
	slices.Sort(callers)
	var out []Signal
	for _, name := range callers {
		for _, callee := range g.callees[name] {
			if asked[callee] == nil || len(out) >= most {
				continue
			}
			if s := ratio(asked[name], asked[callee]); len(s.Times) >= leastSeen {
				s.Resource, s.Metric, s.class = name, "requests to "+callee+" for each of its own", "calls made"
				s.toward = callee
				out = append(out, s)
			}
		}
	}
	return out
}

// ratio is b for each of a, at the times of a, of the samples that lie within half a
// step of one another.
func ratio(a, b *Signal) Signal {
	var out Signal
	near := spacing(a.Times) / 2
	j := 0
	for i, t := range a.Times {
		for j+1 < len(b.Times) && abs(b.Times[j+1]-t) <= abs(b.Times[j]-t) {
			j++
		}
		if abs(b.Times[j]-t) > near || a.Values[i] <= 0 || b.Values[j] < 0 {
			continue
		}
		out.Times, out.Values = append(out.Times, t), append(out.Values, b.Values[j]/a.Values[i])
	}
	return out
}

func abs(x int64) int64 {
	if x < 0 {
		return -x
	}
	return x
}
