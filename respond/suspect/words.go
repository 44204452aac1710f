package suspect

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// evidence puts what speaks for a suspect in words, the weightiest first.
func (r *resource) evidence(c *Case, ch *Change, w window) []Evidence {
	var out []Evidence
	if ch != nil {
		out = append(out, Evidence{Kind: "change", Text: r.changeText(ch, w), At: ch.At, Weight: r.weight})
	}
	shifts := slices.Clone(r.shifts)
	value := func(s *shift) float64 { return s.strength() * s.class.weight }
	slices.SortStableFunc(shifts, func(a, b shift) int { return cmpDown(value(&a), value(&b)) })
	drawn := map[string]int{} // a class is told twice at most
	for i := range shifts {
		s := &shifts[i]
		if value(s) == 0 || len(drawn) == 4 {
			break
		}
		if drawn[s.class.name]++; drawn[s.class.name] <= 2 {
			out = append(out, Evidence{Kind: "metric", Text: s.text(), Signal: s.signal, At: at(s.at), Base: s.base, Weight: s.z})
		}
	}
	for _, x := range r.logs[:min(3, len(r.logs))] {
		out = append(out, Evidence{Kind: "log", Text: x.text(), At: at(x.at), Weight: x.z})
	}
	return append(out, r.graphText(c)...)
}

// text says how a signal moved.
func (s *shift) text() string {
	way := "rose"
	if s.peak < s.base {
		way = "fell"
	}
	deviations := fmt.Sprintf("%.0f", s.z)
	if s.z >= 1000 {
		deviations = "over 1000"
	}
	return fmt.Sprintf("%s %s from %s to %s by %s, %s deviations off its quiet self", s.signal.Metric, way, short(s.base), short(s.peak), clock(at(s.at)), deviations)
}

func (x *surge) text() string {
	body := strings.Join(strings.Fields(x.example), " ")
	if r := []rune(body); len(r) > 160 {
		body = string(r[:160]) + "…"
	}
	if x.gone {
		return fmt.Sprintf("log pattern missing since %s, %d came where %.0f are usual: %s", clock(at(x.at)), x.count, x.usual, body)
	}
	if x.usual < 0.5 {
		return fmt.Sprintf("new log pattern, %d since %s: %s", x.count, clock(at(x.at)), body)
	}
	return fmt.Sprintf("log pattern %d times since %s, %.0f are usual: %s", x.count, clock(at(x.at)), x.usual, body)
}

func (r *resource) changeText(ch *Change, w window) string {
	s := ch.Kind
	if s == "" {
		s = "change"
	}
	s += " of " + r.name[strings.LastIndexByte(r.name, '/')+1:]
	if ch.To != "" {
		s += " " + ch.To
	}
	if ch.From != "" {
		s += fmt.Sprintf(" (was %s)", ch.From)
	}
	if ch.Actor != "" {
		s += " by " + ch.Actor
	}
	onset, what := at(w.onset), "the impact"
	if r.in+r.out > 0 {
		onset, what = at(r.at), "its signals moved"
	}
	if before := onset.Sub(ch.At); before > 0 {
		s += fmt.Sprintf(" began %s before %s", span(before), what)
	} else {
		s += " began as " + what
		if what == "the impact" {
			s += " began"
		}
	}
	if ch.Summary != "" && !strings.HasPrefix(s, ch.Summary) && !strings.HasPrefix(ch.Summary, ch.Kind+" of ") {
		s += ": " + ch.Summary
	}
	return s
}

// graphText says what the call graph adds.
func (r *resource) graphText(c *Case) []Evidence {
	var out []Evidence
	say := func(format string, args ...any) {
		out = append(out, Evidence{Kind: "graph", Text: fmt.Sprintf(format, args...)})
	}
	for _, told := range []struct {
		by   map[string]float64
		what string
	}{{r.missed, "asks it less for each request of its own"}, {r.accused, "has signals or records that speak against it"}} {
		by := slices.Sorted(maps.Keys(told.by))
		slices.SortStableFunc(by, func(a, b string) int { return cmpDown(told.by[a], told.by[b]) })
		for _, name := range by[:min(2, len(by))] {
			say("%s %s", name[strings.LastIndexByte(name, '/')+1:], told.what)
		}
	}
	var top *face
	for i := range r.outs {
		if top == nil || r.outs[i].left() > top.left() {
			top = &r.outs[i]
		}
	}
	if top != nil && top.explained >= 0.3 {
		say("what it calls accounts for %.0f %% of its %s", 100*top.explained, top.class)
	}
	if c.Target != "" && r.reached && r.distance > 0 {
		steps := "step"
		if r.distance > 1 {
			steps = "steps"
		}
		say("%s depends on it, over %d %s", c.Target[strings.LastIndexByte(c.Target, '/')+1:], r.distance, steps)
		if top != nil && top.lost >= 0.3 {
			say("%.0f %% of the %s that was lost passes through it", 100*top.lost, top.class)
		}
	}
	if r.in > 0 && r.out > 0 {
		say("both its own signals and what its callers see moved, as a cause's do")
	}
	return out
}

func short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e9:
		return fmt.Sprintf("%.3gG", v/1e9)
	case a >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case a >= 1e4:
		return fmt.Sprintf("%.3gk", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}

func clock(t time.Time) string { return t.Format("15:04:05") }

// span writes a duration the way people say it.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}
