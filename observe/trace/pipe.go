package trace

import "strings"

// pipe is what must hold of all the spans that were found in a trace.
type pipe struct {
	of, op string
	value  float64 // nanoseconds of a duration
}

func (p *parser) pipe() (pipe, error) {
	out := pipe{of: p.now().text}
	if p.now().kind != tokenWord || !strings.Contains(" count avg min max sum ", " "+out.of+" ") {
		return out, p.want("count(), avg(duration), min(duration), max(duration) or sum(duration)")
	}
	p.at++
	if !p.mark("(") {
		return out, p.want("(")
	}
	if out.of != "count" {
		if p.now().text != "duration" {
			return out, p.want("duration")
		}
		p.at++
	}
	if !p.mark(")") {
		return out, p.want(")")
	}
	out.op = p.now().text
	if p.now().kind != tokenMark || !strings.Contains(" = != > >= < <= ", " "+out.op+" ") {
		return out, p.want("a comparison as > 3")
	}
	p.at++
	switch v := p.now(); v.kind {
	case tokenNumber:
		out.value = v.num
	case tokenDuration:
		out.value = float64(v.dur)
	default:
		return out, p.want("a number or a duration")
	}
	p.at++
	return out, nil
}

func (p pipe) holds(spans []*Span) bool {
	v := float64(len(spans))
	if p.of != "count" {
		v = float64(spans[0].Duration)
		for _, s := range spans[1:] {
			d := float64(s.Duration)
			switch p.of {
			case "min":
				v = min(v, d)
			case "max":
				v = max(v, d)
			default:
				v += d
			}
		}
		if p.of == "avg" {
			v /= float64(len(spans))
		}
	}
	return compare(v, p.op, p.value)
}

func compare(a float64, op string, b float64) bool {
	switch op {
	case "=":
		return a == b
	case "!=":
		return a != b
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	}
	return a <= b
}
