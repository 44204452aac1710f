package rule

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// seldom is a log in which the same warning of the same rule stands once a minute: a rule
// that fails does so at each evaluation, every second. Warnings are the same that have the
// logger's attributes (file, group, name of the rule) and their message in common; what the
// error is now, the API and the page of the rule say.
type seldom struct {
	next slog.Handler
	of   string // the attributes
	said *said
}

// said is when warnings were written last.
type said struct {
	mu sync.Mutex
	at map[string]time.Time
}

const (
	sayAgain = time.Minute
	maxSaid  = 10_000 // then it begins anew
)

func newSeldom(next slog.Handler) *seldom {
	return &seldom{next: next, said: &said{at: map[string]time.Time{}}}
}

// Enabled implements slog.Handler.
func (s *seldom) Enabled(ctx context.Context, l slog.Level) bool { return s.next.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (s *seldom) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn && !s.said.due(s.of+"\xff"+r.Message, r.Time) {
		return nil
	}
	return s.next.Handle(ctx, r)
}

func (s *said) due(what string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.at[what]; ok && now.Sub(last) < sayAgain {
		return false
	}
	if len(s.at) >= maxSaid {
		clear(s.at)
	}
	s.at[what] = now
	return true
}

// WithAttrs implements slog.Handler.
func (s *seldom) WithAttrs(attrs []slog.Attr) slog.Handler {
	of := s.of
	for _, a := range attrs {
		of += "\xff" + a.String()
	}
	return &seldom{next: s.next.WithAttrs(attrs), of: of, said: s.said}
}

// WithGroup implements slog.Handler.
func (s *seldom) WithGroup(name string) slog.Handler {
	return &seldom{next: s.next.WithGroup(name), of: s.of + "\xff" + name, said: s.said}
}
