package web

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/observe/contrast"
	"github.com/evenkeel/evenkeel/observe/trace"
)

// tracesPanel is what the span store says to a query.
type tracesPanel struct {
	Query  string
	Rows   []trace.Summary
	Chart  *Chart // the traces' durations over time
	More   bool
	Broken string
}

func (s *site) tracesOf(ctx context.Context, query string, from, to time.Time) *tracesPanel {
	p := &tracesPanel{Query: query}
	ctx, cancel := context.WithTimeout(ctx, linesWait)
	defer cancel()
	search, err := trace.ParseQuery(query)
	if err != nil {
		p.Broken = err.Error()
		return p
	}
	search.From, search.To, search.Limit = from, to, shownTraces
	found, err := s.Traces.Search(ctx, search)
	if err != nil {
		p.Broken = err.Error()
		return p
	}
	p.More = found.More || len(found.Traces) == shownTraces
	fine, bad := Series{Labels: map[string]string{"__name__": "without errors"}}, Series{Labels: map[string]string{"__name__": "with errors"}}
	for _, t := range found.Traces {
		sum := t.Summary()
		p.Rows = append(p.Rows, sum)
		one := Point{At: sum.Start, Value: sum.Took.Seconds()}
		if sum.Errors > 0 {
			bad.Points = append(bad.Points, one)
		} else {
			fine.Points = append(fine.Points, one)
		}
	}
	if len(p.Rows) > 1 {
		p.Chart = newChart([]Series{fine, bad}, from, to, max(time.Second, to.Sub(from)/(MaxPoints-1)))
		p.Chart.ID, p.Chart.Title, p.Chart.Unit, p.Chart.Dots = "traces", "Duration of each trace", "seconds", true
	}
	return p
}

// differPanel says what is different about the rows that a query finds.
type differPanel struct {
	Of           string // lines or spans
	Selected     int
	Baseline     int
	Differences  []differenceLine
	Broken       string
	BaselineText string
}

type differenceLine struct {
	contrast.Difference
	Text   string // the value, a duration in its unit
	Narrow string // the page with this value added to the query
}

// differ compares the lines that a query finds in a time with those that it does not find.
func (s *site) differ(ctx context.Context, filter string, from, to time.Time) *differPanel {
	return differ(ctx, "lines", func(ctx context.Context) (*contrast.Result, error) {
		return contrast.Rows(ctx, s.Logs, contrast.Selection{Filter: filter}, from, to, s.Now())
	})
}

// differSpans does so with the very spans that a query in TraceQL finds.
func (s *site) differSpans(ctx context.Context, search trace.Search, from, to time.Time) *differPanel {
	return differ(ctx, "spans", func(ctx context.Context) (*contrast.Result, error) {
		search.From, search.To = from, to
		chosen, err := s.Traces.Select(ctx, search)
		if err != nil {
			return nil, err
		}
		return contrast.Rows(ctx, s.Traces.Rows(), contrast.Selection{Filter: chosen.Filter, Others: chosen.Others, Keep: chosen.Has}, from, to, s.Now())
	})
}

func differ(ctx context.Context, of string, compare func(context.Context) (*contrast.Result, error)) *differPanel {
	p := &differPanel{Of: of, BaselineText: "other " + of + " of the same time, and all of the four times as long before"}
	ctx, cancel := context.WithTimeout(ctx, linesWait)
	defer cancel()
	found, err := compare(ctx)
	if err != nil {
		p.Broken = err.Error()
		return p
	}
	p.Selected, p.Baseline = found.Selected, found.Baseline
	for _, d := range found.Differences {
		p.Differences = append(p.Differences, differenceLine{Difference: d, Text: inWords(d)})
	}
	return p
}

// inWords is a difference's value as people read it.
func inWords(d contrast.Difference) string {
	sign, text := "", d.Value
	if cut := strings.IndexByte(text, ' '); cut > 0 && d.Field == "duration" {
		sign, text = text[:cut+1], text[cut+1:]
	}
	if ns, err := strconv.ParseFloat(text, 64); err == nil && d.Field == "duration" {
		return sign + took(time.Duration(ns))
	}
	return d.Value
}
