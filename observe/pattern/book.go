package pattern

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxServices = 500
	// Others is the service of lines of which no service is known, or of those beyond
	// the first 500.
	Others = "(other)"
)

// ErrNotFound is returned for a pattern that is not there.
var ErrNotFound = errors.New("no such pattern")

// Pattern is a template as others see it.
type Pattern struct {
	ID       string    `json:"id"` // of the service and the template
	Service  string    `json:"service"`
	Template string    `json:"template"`
	Severity string    `json:"severity,omitempty"`
	Count    uint64    `json:"count"` // since it was first seen, or since two days
	First    time.Time `json:"first_seen"`
	Last     time.Time `json:"last_seen"`
	Examples []string  `json:"examples,omitempty"`
}

// Point is a count of one step of time.
type Point struct {
	At time.Time `json:"at"`
	N  uint64    `json:"n"`
}

// Book keeps the patterns of all services and their counts over time.
type Book struct {
	mu       sync.RWMutex
	services map[string]*shelf
}

// shelf is one service's.
type shelf struct {
	mu    sync.Mutex
	miner *Miner
	since time.Time // of the first line
}

// NewBook makes an empty book.
func NewBook() *Book { return &Book{services: map[string]*shelf{}} }

func (b *Book) shelf(service string) *shelf {
	if service == "" {
		service = Others
	}
	b.mu.RLock()
	s := b.services[service]
	b.mu.RUnlock()
	if s != nil {
		return s
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s = b.services[service]; s != nil {
		return s
	}
	if len(b.services) >= maxServices && service != Others {
		service = Others
		if s = b.services[service]; s != nil {
			return s
		}
	}
	s = &shelf{miner: NewMiner()}
	b.services[strings.Clone(service)] = s
	return s
}

// Take counts a line. It is safe for several goroutines; lines of one service wait for
// each other.
func (b *Book) Take(service, severity, line string, at time.Time) {
	if line == "" {
		return
	}
	s := b.shelf(service)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() || at.Before(s.since) {
		s.since = at
	}
	t := s.miner.Add(line)
	if t.seen == nil {
		t.seen = &history{}
	}
	t.seen.count(at)
	t.seen.severity(severity, 1)
	if len(t.seen.Examples) < examples {
		t.seen.example(strings.ToValidUTF8(line[:min(len(line), exampleOf)], "\uFFFD"))
	}
}

// id names a template of a service.
func id(service, template string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(service + "\x00" + template))
	return fmt.Sprintf("%016x", h.Sum64())
}

func (t *Template) pattern(service string) Pattern {
	text := strings.ToValidUTF8(t.String(), "\uFFFD")
	p := Pattern{ID: id(service, text), Service: service, Template: text, Count: t.Count}
	if h := t.seen; h != nil {
		p.First, p.Last, p.Severity, p.Examples = h.First, h.Last, h.Severity, slices.Clone(h.Examples)
	}
	return p
}

// Services are those with patterns.
func (b *Book) Services() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := make([]string, 0, len(b.services))
	for s := range b.services {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func (b *Book) shelves(service string) map[string]*shelf {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := map[string]*shelf{}
	for name, s := range b.services {
		if service == "" || name == service {
			out[name] = s
		}
	}
	return out
}

// List is the patterns of a service, or of all, with lines between two times, most
// frequent first. The counts are of that time.
func (b *Book) List(service string, from, to time.Time) []Pattern {
	out := []Pattern{}
	for name, s := range b.shelves(service) {
		s.mu.Lock()
		for _, t := range s.miner.Templates() {
			if t.seen == nil {
				continue
			}
			if n := t.seen.between(from, to); n > 0 {
				p := t.pattern(name)
				p.Count = n
				out = append(out, p)
			}
		}
		s.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b Pattern) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Template, b.Template))
	})
	return out
}

// Get finds a pattern by its ID, with its counts over time in steps. A pattern that has
// become part of another is found under its old ID too.
func (b *Book) Get(which string, from, to time.Time, every time.Duration) (Pattern, []Point, error) {
	every = max(every, step).Truncate(step)
	for name, s := range b.shelves("") {
		s.mu.Lock()
		for _, t := range s.miner.templates {
			if id(name, strings.ToValidUTF8(t.String(), "\uFFFD")) != which {
				continue
			}
			t = t.Canonical()
			p := t.pattern(name)
			var points []Point
			if t.seen != nil {
				for at := from.Truncate(every); at.Before(to); at = at.Add(every) {
					points = append(points, Point{at, t.seen.between(at, at.Add(every))})
				}
			}
			s.mu.Unlock()
			return p, points, nil
		}
		s.mu.Unlock()
	}
	return Pattern{}, nil, fmt.Errorf("cannot find pattern %q: %w", which, ErrNotFound)
}

// Span is a time from, and before to.
type Span struct{ From, To time.Time }

func (s Span) minutes() float64 { return max(s.To.Sub(s.From).Minutes(), 1) }

// How a pattern has changed.
const (
	New     = "new"     // was never seen before
	Surging = "surging" // far more frequent
	Gone    = "gone"    // was frequent, is not seen any more
)

// Anomaly is a pattern that came otherwise in a window than in the quiet time before.
type Anomaly struct {
	Pattern
	Kind   string  `json:"kind"`
	Before float64 `json:"before_per_minute"`
	During float64 `json:"during_per_minute"`
	Score  float64 `json:"score"` // how surprising: standard deviations, more for errors
}

// Sentence says it in words.
func (s Anomaly) Sentence() string {
	switch s.Kind {
	case New:
		return fmt.Sprintf("new log pattern, %d lines: %s", s.Count, s.Template)
	case Gone:
		return fmt.Sprintf("log pattern gone, %.3g lines a minute before: %s", s.Before, s.Template)
	}
	return fmt.Sprintf("log pattern surging, %.3g lines a minute, %.3g before: %s", s.During, s.Before, s.Template)
}

const (
	surprise  = 5.0 // standard deviations
	surge     = 3.0 // times as many
	leastSeen = 10  // lines
)

// Shifted compares a window with the quiet time before it: patterns of a service that
// are new, surging or gone, the most surprising first. Nothing is new of a service that
// was not heard of during the quiet time.
func (b *Book) Shifted(ctx context.Context, service string, quiet, window Span) ([]Anomaly, error) {
	out := []Anomaly{}
	for name, s := range b.shelves(service) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.mu.Lock()
		if !s.since.IsZero() && s.since.Before(quiet.To) {
			for _, t := range s.miner.Templates() {
				if sh, ok := t.shifted(name, quiet, window); ok {
					out = append(out, sh)
				}
			}
		}
		s.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b Anomaly) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Template, b.Template))
	})
	return out, nil
}

func (t *Template) shifted(service string, quiet, window Span) (Anomaly, bool) {
	if t.seen == nil {
		return Anomaly{}, false
	}
	was, is := t.seen.between(quiet.From, quiet.To), t.seen.between(window.From, window.To)
	if was == 0 && is == 0 {
		return Anomaly{}, false
	}
	expected := float64(was) / quiet.minutes() * window.minutes()
	sh := Anomaly{Pattern: t.pattern(service), Before: float64(was) / quiet.minutes(), During: float64(is) / window.minutes()}
	sh.Count = is
	sh.Score = (float64(is) - expected) / math.Sqrt(expected+1)
	switch {
	case was == 0 && is > 0 && !t.seen.First.Before(window.From):
		sh.Kind = New
		sh.Score = max(sh.Score, surprise)
	case is >= leastSeen && float64(is) >= surge*expected && sh.Score >= surprise:
		sh.Kind = Surging
	case is == 0 && expected >= 2*leastSeen:
		sh.Kind = Gone
		sh.Score = math.Sqrt(expected)
	default:
		return Anomaly{}, false
	}
	switch t.seen.Severity {
	case "error", "fatal":
		sh.Score *= 3
	case "warn":
		sh.Score *= 1.5
	}
	return sh, true
}

// Sweep drops what was not seen for two days.
func (b *Book) Sweep(now time.Time) {
	for _, s := range b.shelves("") {
		s.mu.Lock()
		s.miner.forget(func(t *Template) bool { return t.seen == nil || now.Sub(t.seen.Last) > remember })
		s.mu.Unlock()
	}
}

// Since is the time of a service's first line; zero when there was none.
func (b *Book) Since(service string) time.Time {
	for _, s := range b.shelves(service) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.since
	}
	return time.Time{}
}

// Lines is how many lines of one of a service's patterns came in a time; no, when there
// is no such pattern or it has become part of another.
func (b *Book) Lines(service, which string, in Span) (uint64, bool) {
	for name, s := range b.shelves(service) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, t := range s.miner.templates {
			if t.into == nil && t.seen != nil && id(name, strings.ToValidUTF8(t.String(), "\uFFFD")) == which {
				return t.seen.between(in.From, in.To), true
			}
		}
	}
	return 0, false
}
