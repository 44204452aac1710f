package web

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
)

// The drawing's size in its own units, and the room for the axes.
const (
	svgWidth, svgHeight              = 720.0, 200.0
	svgLeft, svgRight, svgTop, svgIn = 56.0, 8.0, 16.0, 22.0
)

// SVG draws the chart without any script: on paper, in a text browser with pictures,
// and until the script has put the interactive one in its place.
func (c *Chart) SVG() template.HTML {
	whole := c
	if c.Stack {
		c = c.stacked()
	}
	lo, hi := c.bounds()
	x := func(t float64) float64 {
		return svgLeft + (t-float64(c.From))/math.Max(1, float64(c.To-c.From))*(svgWidth-svgLeft-svgRight)
	}
	y := func(v float64) float64 { return svgTop + (hi-v)/(hi-lo)*(svgHeight-svgTop-svgIn) }
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	esc := template.HTMLEscapeString

	p(`<svg class="drawn" viewBox="0 0 %g %g" role="img" aria-label="%s">`, svgWidth, svgHeight, esc(whole.describe()))
	for _, s := range c.Shades {
		left, right := math.Max(x(s.From), svgLeft), math.Min(x(s.To), svgWidth-svgRight)
		if right > left {
			p(`<rect class="shade" x="%.1f" y="%g" width="%.1f" height="%g"><title>%s</title></rect>`, left, svgTop, right-left, svgHeight-svgTop-svgIn, esc(s.Label))
		}
	}
	for _, v := range ticks(lo, hi, 4) {
		p(`<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="axis" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			svgLeft, svgWidth-svgRight, y(v), y(v), svgLeft-6, y(v)+4, esc(unit(v, c.Unit)))
	}
	span := time.Duration(c.To-c.From) * time.Second
	for i := range 5 {
		at := float64(c.From) + float64(c.To-c.From)*float64(i)/4
		anchor := [...]string{"start", "middle", "middle", "middle", "end"}[i]
		p(`<text class="axis" x="%.1f" y="%g" text-anchor="%s">%s</text>`, x(at), svgHeight-4, anchor, axisTime(at, span))
	}
	for _, l := range c.Limits {
		if l.Value >= lo && l.Value <= hi {
			p(`<line class="limit" x1="%g" x2="%g" y1="%.1f" y2="%.1f"><title>%s</title></line>`, svgLeft, svgWidth-svgRight, y(l.Value), y(l.Value), esc(l.Label))
		}
	}
	for i, s := range c.Series {
		if c.Dots {
			for j, v := range s.Values {
				if f := float64(v); !math.IsNaN(f) {
					p(`<circle class="dot s%d" cx="%.1f" cy="%.1f" r="2.6"><title>%s %s</title></circle>`, i%6, x(c.X[j]), y(f), esc(s.Label), esc(unit(f, c.Unit)))
				}
			}
			continue
		}
		p(`<path class="line s%d t%d" d="%s"><title>%s</title></path>`, i%6, i/6%3, linePath(c.X, s.Values, x, y), esc(s.Label))
	}
	for _, m := range c.Marks {
		if at := x(m.At); at >= svgLeft && at <= svgWidth-svgRight {
			class := "change"
			if m.Far {
				class += " far"
			}
			p(`<a href="%s"><g class="%s"><title>%s</title><line x1="%.1f" x2="%.1f" y1="%g" y2="%g"/><path d="m%.1f %g 5 6-5 6-5-6Z"/></g></a>`,
				esc(m.URL), class, esc(m.Label), at, at, svgTop, svgHeight-svgIn, at, svgTop-12)
		}
	}
	p(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers, and texts that were escaped
}

// linePath draws a line that breaks where there is no value. A value between two gaps
// is a short dash, or nobody would see it.
func linePath(xs []float64, values []Reading, x, y func(float64) float64) string {
	var b strings.Builder
	pen := false
	for i, v := range values {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			pen = false
			continue
		}
		cmd := "L"
		if !pen {
			cmd = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", cmd, x(xs[i]), y(float64(v)))
		if !pen {
			b.WriteString("h.8")
		}
		pen = true
	}
	return b.String()
}

// bounds are the lowest and highest value to show, never the same.
func (c *Chart) bounds() (lo, hi float64) {
	lo, hi = 0, 0
	first := true
	see := func(v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		if first {
			lo, hi, first = math.Min(0, v), math.Max(0, v), false
		}
		lo, hi = math.Min(lo, v), math.Max(hi, v)
	}
	for _, s := range c.Series {
		for _, v := range s.Values {
			see(float64(v))
		}
	}
	if c.Unit == "percent" && lo >= 0 && hi <= 1 && hi > 0.5 {
		hi = 1
	}
	for _, l := range c.Limits { // only where it does not flatten the lines
		if l.Value <= hi*3 && l.Value >= lo*3 || first {
			see(l.Value)
		}
	}
	if c.Min != nil {
		lo = *c.Min
	}
	if c.Max != nil {
		hi = *c.Max
	}
	if lo >= hi {
		hi = lo + 1
	}
	return lo, hi + (hi-lo)*0.04
}

func ticks(lo, hi float64, n int) []float64 {
	raw := (hi - lo) / float64(n)
	mag := math.Pow(10, math.Floor(math.Log10(raw)))
	step := mag * 10
	for _, m := range []float64{1, 2, 2.5, 5} {
		if raw <= m*mag {
			step = m * mag
			break
		}
	}
	var out []float64
	for v := math.Ceil(lo/step) * step; v <= hi && len(out) < 12; v += step {
		out = append(out, v)
	}
	return out
}

// unit writes a value with its unit: percent is a share in [0,1]; hundred is already per
// cent; bytes and bits are scaled; a word that is not known stands behind the number.
func unit(v float64, u string) string {
	v = math.Round(v*1e9) / 1e9
	if math.IsNaN(v) {
		return number(v)
	}
	switch u {
	case "":
		return number(v)
	case "percent":
		return percent(v)
	case "hundred":
		return number(v) + " %"
	case "times":
		return number(v) + "×"
	case "seconds":
		if math.Abs(v) >= 600 && math.Abs(v) < 1e9 { // 15,231 s are 4h14m to people; more than 30 years are a moment
			return duration(time.Duration(v * float64(time.Second)))
		}
		return number(v) + " s"
	case "milliseconds":
		return number(v) + " ms"
	case "bytes", "bytes/s":
		return scaled(v, 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}) + strings.TrimPrefix(u, "bytes")
	case "bits", "bits/s":
		return scaled(v, 1000, []string{"bit", "kbit", "Mbit", "Gbit", "Tbit"}) + strings.TrimPrefix(u, "bits")
	}
	return number(v) + " " + u
}

func scaled(v, by float64, words []string) string {
	i := 0
	for math.Abs(v) >= by && i < len(words)-1 {
		v /= by
		i++
	}
	return number(v) + " " + words[i]
}

// chartUnit is the unit of a dashboard's panel in the words of charts.
func chartUnit(u string) string {
	switch u {
	case "share":
		return "percent"
	case "percent":
		return "hundred"
	}
	return u
}

// stacked is the chart with each line on top of those before it.
func (c *Chart) stacked() *Chart {
	out := *c
	out.Series = make([]ChartLine, len(c.Series))
	sum, there := make([]float64, len(c.X)), make([]bool, len(c.X))
	for _, s := range c.Series {
		for j, v := range s.Values {
			there[j] = there[j] || !math.IsNaN(float64(v))
		}
	}
	for i, s := range c.Series {
		line := ChartLine{Label: s.Label, Values: make([]Reading, len(s.Values))}
		for j, v := range s.Values {
			if f := float64(v); !math.IsNaN(f) {
				sum[j] += f
			}
			line.Values[j] = Reading(math.NaN())
			if there[j] {
				line.Values[j] = Reading(sum[j])
			}
		}
		out.Series[i] = line
	}
	return &out
}

func axisTime(at float64, span time.Duration) string {
	t := time.Unix(int64(at), 0).UTC()
	switch {
	case span <= 10*time.Minute:
		return t.Format("15:04:05")
	case span <= 36*time.Hour:
		return t.Format("15:04")
	}
	return t.Format("01-02 15:04")
}

// describe says for those who do not see it what the chart shows.
func (c *Chart) describe() string {
	if c.Empty() {
		return c.Title + ": no data"
	}
	var b strings.Builder
	b.WriteString(c.Title)
	for i, s := range c.Series {
		if i == 3 {
			fmt.Fprintf(&b, "; and %d more", len(c.Series)-3)
			break
		}
		lo, hi, last := math.Inf(1), math.Inf(-1), math.NaN()
		for _, v := range s.Values {
			if f := float64(v); !math.IsNaN(f) {
				lo, hi, last = math.Min(lo, f), math.Max(hi, f), f
			}
		}
		fmt.Fprintf(&b, "; %s: from %s to %s, last %s", s.Label, unit(lo, c.Unit), unit(hi, c.Unit), unit(last, c.Unit))
	}
	if len(c.Marks) > 0 {
		fmt.Fprintf(&b, "; %d changes are marked", len(c.Marks))
	}
	return b.String()
}
