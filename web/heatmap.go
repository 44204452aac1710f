package web

import (
	"context"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// heatColumns is how many columns a heatmap has at most.
const heatColumns = 90

// heat fills a heatmap: how much fell into each bucket of a histogram, over time. Series
// that have the label le count all below it, as those of Prometheus; others are buckets
// of their own.
func (p painter) heat(ctx context.Context, v *panelView) error {
	p.step = max(p.step, (p.Span() / (heatColumns - 1)).Truncate(time.Second))
	all, err := p.over(ctx, v)
	if err != nil {
		return err
	}
	type bucket struct {
		le     float64
		label  string
		values []float64
	}
	first := p.To.Add(-p.Span().Truncate(p.step))
	n := int(p.To.Sub(first)/p.step) + 1
	by := map[string]*bucket{}
	cumulative := len(all) > 0
	var buckets []*bucket
	for _, f := range all {
		edge, err := strconv.ParseFloat(f.Labels["le"], 64)
		ok := err == nil && !math.IsNaN(edge)
		cumulative = cumulative && ok
		key := f.label
		if ok { // some write 1 and others 1.0
			key = strconv.FormatFloat(edge, 'g', -1, 64)
		}
		b := by[key]
		if b == nil {
			if !ok {
				edge = float64(len(buckets))
			}
			b = &bucket{edge, key, make([]float64, n)}
			if ok {
				b.label = "up to " + unit(edge, chartUnit(v.Unit))
			}
			by[key] = b
			buckets = append(buckets, b)
		}
		for _, x := range f.Points {
			if i := int(math.Round(float64(x.At.Sub(first)) / float64(p.step))); i >= 0 && i < n && !math.IsNaN(x.Value) {
				b.values[i] += x.Value
			}
		}
	}
	if len(buckets) > 100 {
		return fmt.Errorf("%d buckets: a heatmap has 100 at most; aggregate them by le", len(buckets))
	}
	slices.SortStableFunc(buckets, func(a, b *bucket) int {
		if a.le < b.le {
			return -1
		}
		return map[bool]int{true: 1}[a.le > b.le]
	})
	if cumulative {
		for i := len(buckets) - 1; i > 0; i-- {
			for j := range buckets[i].values {
				buckets[i].values[j] = math.Max(0, buckets[i].values[j]-buckets[i-1].values[j])
			}
		}
	}
	most := 0.0
	for _, b := range buckets {
		most = math.Max(most, slices.Max(b.values))
	}
	if most == 0 {
		return nil
	}
	width := svgWidth
	if v.Width <= 6 { // or its words would be too small to read
		width = 480
	}
	var svg strings.Builder
	out := func(format string, args ...any) { fmt.Fprintf(&svg, format, args...) }
	esc := template.HTMLEscapeString
	out(`<svg class="drawn heat" viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, svgHeight, esc(v.Heading+fmt.Sprintf(": %d buckets over time, at most %s in one", len(buckets), number(most))))
	w, h := (width-svgLeft-svgRight)/float64(n), (svgHeight-svgTop-svgIn)/float64(len(buckets))
	every := max(1, len(buckets)/6)
	for i, b := range buckets {
		y := svgHeight - svgIn - float64(i+1)*h
		if i%every == 0 {
			edge := b.label
			if cumulative {
				edge = unit(b.le, chartUnit(v.Unit))
			}
			out(`<text class="axis" x="%g" y="%.1f" text-anchor="end">%s</text>`, svgLeft-6, y+h/2+4, esc(edge))
		}
		for j, x := range b.values {
			if x > 0 {
				out(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill-opacity="%.2f"><title>%s, %s UTC: %s</title></rect>`,
					svgLeft+float64(j)*w, y, math.Max(1, w-.5), math.Max(1, h-.5), 0.12+0.88*math.Sqrt(x/most), esc(b.label), first.Add(time.Duration(j)*p.step).UTC().Format("15:04:05"), number(x))
			}
		}
	}
	for i := range 5 {
		at := float64(first.Unix()) + p.Span().Seconds()*float64(i)/4
		anchor := [...]string{"start", "middle", "middle", "middle", "end"}[i]
		out(`<text class="axis" x="%.1f" y="%g" text-anchor="%s">%s</text>`, svgLeft+(width-svgLeft-svgRight)*float64(i)/4, svgHeight-4, anchor, axisTime(at, p.Span()))
	}
	out(`</svg>`)
	v.Heat = template.HTML(svg.String()) //nolint:gosec // numbers, and texts that were escaped
	return nil
}
