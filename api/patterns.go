package api

import (
	"context"
	"errors"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/observe/pattern"
)

// Patterns is what the API reads of the book of log patterns; *pattern.Book is one.
type Patterns interface {
	List(service string, from, to time.Time) []pattern.Pattern
	// Get MUST return pattern.ErrNotFound for a pattern that is not there.
	Get(id string, from, to time.Time, every time.Duration) (pattern.Pattern, []pattern.Point, error)
	Shifted(ctx context.Context, service string, quiet, window pattern.Span) ([]pattern.Anomaly, error)
}

type patternQuery struct {
	page
	Service string    `query:"service" doc:"Only of this service."`
	From    time.Time `query:"from" doc:"Lines from then; default an hour before to."`
	To      time.Time `query:"to" doc:"Lines before then; default now."`
}

func (q patternQuery) span(now time.Time, otherwise time.Duration) (pattern.Span, error) {
	s := pattern.Span{From: q.From, To: q.To}
	if s.To.IsZero() {
		s.To = now
	}
	if s.From.IsZero() {
		s.From = s.To.Add(-otherwise)
	}
	if !s.From.Before(s.To) {
		return s, invalid("from", s.From.Format(time.RFC3339), "a time before to")
	}
	return s, nil
}

func (s *server) patterns(c *call, q patternQuery) (List[pattern.Pattern], error) {
	span, err := q.span(c.now, time.Hour)
	if err != nil || s.Patterns == nil {
		return listOf[pattern.Pattern](nil), err
	}
	found := s.Patterns.List(q.Service, span.From, span.To)
	found = found[min(q.Offset, len(found)):]
	return cutList(q.page, found[:min(len(found), q.limit()+1)]), nil
}

// PatternDetail is a pattern with its counts over time.
type PatternDetail struct {
	pattern.Pattern
	Points []pattern.Point `json:"points"`
}

type patternTime struct {
	From time.Time `query:"from" doc:"Counts from then; default a day before to."`
	To   time.Time `query:"to" doc:"Counts before then; default now."`
}

func (s *server) pattern(c *call, q patternTime) (PatternDetail, error) {
	span, err := patternQuery{From: q.From, To: q.To}.span(c.now, 24*time.Hour)
	if err != nil {
		return PatternDetail{}, err
	}
	if s.Patterns == nil {
		return PatternDetail{}, act.ErrNotFound
	}
	p, points, err := s.Patterns.Get(c.PathValue("pattern"), span.From, span.To, span.To.Sub(span.From)/288)
	if errors.Is(err, pattern.ErrNotFound) {
		err = act.ErrNotFound
	}
	return PatternDetail{Pattern: p, Points: filled(points)}, err
}

type patternShiftQuery struct {
	Service string    `query:"service" doc:"Only of this service."`
	From    time.Time `query:"from" doc:"The window begins; default ten minutes before to."`
	To      time.Time `query:"to" doc:"The window ends; default now."`
	Quiet   string    `query:"quiet" doc:"How long before the window it is compared with, as 1h; default an hour."`
}

func (s *server) patternShifts(c *call, q patternShiftQuery) (List[pattern.Anomaly], error) {
	window, err := patternQuery{From: q.From, To: q.To}.span(c.now, 10*time.Minute)
	if err != nil || s.Patterns == nil {
		return listOf[pattern.Anomaly](nil), err
	}
	length := time.Hour
	if q.Quiet != "" {
		if length, err = time.ParseDuration(q.Quiet); err != nil || length < time.Minute || length > 48*time.Hour {
			return listOf[pattern.Anomaly](nil), invalid("quiet", q.Quiet, "a duration from 1m to 48h")
		}
	}
	found, err := s.Patterns.Shifted(c.Context(), q.Service, pattern.Span{From: window.From.Add(-length), To: window.From}, window)
	return listOf(found), err
}
