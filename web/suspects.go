package web

import (
	"fmt"
	"html/template"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/respond"
)

// The size of a spark in its own units.
const (
	sparkWidth, sparkHeight = 220.0, 46.0
	sparkTop, sparkBottom   = 3.0, 3.0
)

func init() { functions["spark"] = spark }

// spark draws a signal that shifted, small: its line, its quiet level dashed, the onset
// as an upright. It needs no script; the words beside it say the same.
func spark(p respond.Picture) template.HTML {
	if len(p.Points) < 2 {
		return ""
	}
	lo, hi := p.Base, p.Base
	for _, v := range p.Points {
		lo, hi = math.Min(lo, v.Value), math.Max(hi, v.Value)
	}
	if hi == lo {
		hi, lo = hi+1, lo-1
	}
	from, to := p.Points[0].At, p.Points[len(p.Points)-1].At
	span := math.Max(to.Sub(from).Seconds(), 1)
	x := func(s float64) float64 { return s / span * sparkWidth }
	y := func(v float64) float64 { return sparkTop + (hi-v)/(hi-lo)*(sparkHeight-sparkTop-sparkBottom) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="spark" viewBox="0 0 %g %g" role="img" aria-label="%s, quiet level %.4g, from %.4g to %.4g">`,
		sparkWidth, sparkHeight, template.HTMLEscapeString(p.Metric), p.Base, lo, hi)
	fmt.Fprintf(&b, `<line class="base" x1="0" x2="%g" y1="%.1f" y2="%.1f"/>`, sparkWidth, y(p.Base), y(p.Base))
	if at := x(p.Onset.Sub(from).Seconds()); at >= 0 && at <= sparkWidth {
		fmt.Fprintf(&b, `<line class="onset" x1="%.1f" x2="%.1f" y1="0" y2="%g"><title>onset %s</title></line>`, at, at, sparkHeight, p.Onset.UTC().Format("15:04:05"))
	}
	b.WriteString(`<path d="`)
	gap := 0.0
	if n := len(p.Points); n > 2 {
		gap = 4 * span / float64(n-1)
	}
	for i, v := range p.Points {
		op := "L"
		if i == 0 || gap > 0 && v.At.Sub(p.Points[i-1].At).Seconds() > gap {
			op = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", op, x(v.At.Sub(from).Seconds()), y(v.Value))
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers, and a text that was escaped
}

// judgeSuspect takes the verdict on a suspect from its form.
func (s *site) judgeSuspect(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		err = form(r)
	}
	if err != nil {
		return err
	}
	return s.afterIncident(w, r, me, n, "suspect", "", func() error {
		rank, err := strconv.Atoi(r.PathValue("rank"))
		if err != nil {
			return &act.InvalidError{Field: "rank", Got: r.PathValue("rank"), Want: "the rank of a suspect"}
		}
		_, err = s.Incidents.Judge(r.Context(), s.Now(), me.Actor(), n, rank, respond.Verdict(r.PostFormValue("verdict")), strings.TrimSpace(r.PostFormValue("note")))
		return err
	})
}
