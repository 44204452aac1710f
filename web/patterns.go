package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/observe/pattern"
)

// Patterns is what pages read of the book of log patterns; *pattern.Book is one.
type Patterns interface {
	Services() []string
	List(service string, from, to time.Time) []pattern.Pattern
	// Get MUST return pattern.ErrNotFound for a pattern that is not there.
	Get(id string, from, to time.Time, every time.Duration) (pattern.Pattern, []pattern.Point, error)
	Shifted(ctx context.Context, service string, quiet, window pattern.Span) ([]pattern.Anomaly, error)
}

// patternsView lists patterns.
type patternsView struct {
	Page
	Service  string
	Services []string
	Range    string
	Ranges   []string
	Rows     []pattern.Pattern
	More     int
	Shifted  []pattern.Anomaly
}

const (
	maxPatternRows  = 200
	shiftWindow     = 10 * time.Minute
	shiftQuiet      = time.Hour
	maxShiftedShown = 20
)

func (s *site) patterns(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	q := r.URL.Query()
	v := patternsView{Page: s.page(r, me, "Log patterns", "patterns"), Service: q.Get("service"), Range: q.Get("range"), Ranges: ranges}
	span, chosen := rangeOf(v.Range, time.Hour)
	if !chosen {
		v.Range = "1h"
	}
	if s.Patterns != nil {
		v.Services = s.Patterns.Services()
		v.Rows = s.Patterns.List(v.Service, v.Now.Add(-span), v.Now)
		if n := len(v.Rows); n > maxPatternRows {
			v.Rows, v.More = v.Rows[:maxPatternRows], n-maxPatternRows
		}
		begin := v.Now.Add(-shiftWindow)
		var err error
		if v.Shifted, err = s.Patterns.Shifted(r.Context(), v.Service, pattern.Span{From: begin.Add(-shiftQuiet), To: begin}, pattern.Span{From: begin, To: v.Now}); err != nil {
			return err
		}
		v.Shifted = v.Shifted[:min(len(v.Shifted), maxShiftedShown)]
	}
	return s.show(w, "patterns", v)
}

// patternView is one pattern.
type patternView struct {
	Page
	pattern.Pattern
	Chart   *Chart
	Range   string
	Ranges  []string
	LogsURL string // its lines
}

func (s *site) pattern(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if s.Patterns == nil {
		return act.ErrNotFound
	}
	v := patternView{Page: s.page(r, me, "Log pattern", "patterns"), Range: r.URL.Query().Get("range"), Ranges: ranges}
	span, chosen := rangeOf(v.Range, 6*time.Hour)
	if !chosen {
		v.Range = "6h"
	}
	from := v.Now.Add(-span)
	step := max(span/200, time.Minute).Truncate(time.Minute)
	p, points, err := s.Patterns.Get(r.PathValue("id"), from, v.Now, step)
	if errors.Is(err, pattern.ErrNotFound) {
		return act.ErrNotFound
	}
	if err != nil {
		return err
	}
	v.Pattern = p
	series := Series{Labels: map[string]string{"service": p.Service}}
	for _, x := range points {
		series.Points = append(series.Points, Point{At: x.At, Value: float64(x.N)})
	}
	v.Chart = newChart([]Series{series}, from.Truncate(step), v.Now, step)
	v.Chart.ID, v.Chart.Title = "pattern", "Lines every "+step.String()
	v.LogsURL = withQuery("/explore", "logs", patternQuery(p), "from", stampURL(from), "to", stampURL(v.Now))
	return s.show(w, "pattern", v)
}

// patternQuery finds lines like those of a pattern: its longest part that does not vary.
func patternQuery(p pattern.Pattern) string {
	longest := ""
	for _, part := range strings.Split(p.Template, "<*>") {
		if part = strings.TrimSpace(part); len(part) > len(longest) {
			longest = part
		}
	}
	query := ""
	if p.Service != pattern.Others {
		query = "service.name:=" + strconv.Quote(p.Service)
	}
	if longest != "" {
		query = strings.TrimSpace(query + " " + strconv.Quote(longest))
	}
	if query == "" {
		return "*"
	}
	return query
}
