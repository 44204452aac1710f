package surge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/surge"
	"github.com/evenkeel/evenkeel/observe/pattern"
)

var begin = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// shop takes lines into a real book and judges it.
type shop struct {
	t    *testing.T
	book *pattern.Book
	w    *declare.Workspace
	open map[detect.Fingerprint]detect.Finding
}

func newShop(t *testing.T) *shop {
	return &shop{t: t, book: pattern.NewBook(), open: map[detect.Fingerprint]detect.Finding{}, w: &declare.Workspace{Services: []*declare.Service{
		{ID: "checkout", Owner: "shop"}, {ID: "orphan"},
	}}}
}

func (s *shop) log(service, severity, line string, from time.Time, n int, every time.Duration) {
	for i := range n {
		s.book.Take(service, severity, line, from.Add(time.Duration(i)*every))
	}
}

// judge returns what opened and what was resolved.
func (s *shop) judge(now time.Time) (opened, resolved []detect.Finding) {
	s.t.Helper()
	quiet, window := surge.Spans(now)
	var seen []surge.Seen
	for _, service := range s.book.Services() {
		shifted, err := s.book.Shifted(s.t.Context(), service, quiet, window)
		if err != nil {
			s.t.Fatal(err)
		}
		seen = append(seen, surge.Seen{Service: declare.ServiceID(service), Since: s.book.Since(service), Shifted: shifted, Lines: func(id string) (uint64, bool) {
			return s.book.Lines(service, id, window)
		}})
	}
	var open []detect.Finding
	for _, f := range s.open {
		open = append(open, f)
	}
	for _, f := range surge.Judge(s.w, seen, open, now) {
		_, was := s.open[f.Fingerprint]
		switch {
		case !f.Open():
			delete(s.open, f.Fingerprint)
			resolved = append(resolved, f)
		case !was:
			s.open[f.Fingerprint] = f
			opened = append(opened, f)
		}
	}
	return opened, resolved
}

func TestANewErrorOpensAndCloses(t *testing.T) {
	s := newShop(t)
	s.log("checkout", "info", "order paid", begin, 7200, time.Second)
	at := begin.Add(2 * time.Hour)
	s.log("checkout", "info", "a new line that is no trouble", at.Add(-5*time.Minute), 60, time.Second)
	s.log("checkout", "error", "cannot reach payments: connection refused", at.Add(-5*time.Minute), 60, time.Second)
	s.log("checkout", "error", "seen once or twice", at.Add(-5*time.Minute), 2, time.Second)
	opened, _ := s.judge(at)
	if len(opened) != 1 || opened[0].Name != "NewErrorPattern" || opened[0].Service != "checkout" || opened[0].Team != "shop" || opened[0].Severity != detect.Ticket {
		t.Fatalf("opened %+v", opened)
	}
	if opened, resolved := s.judge(at.Add(time.Minute)); len(opened)+len(resolved) != 0 {
		t.Errorf("a minute later: %d opened, %d resolved", len(opened), len(resolved))
	}
	opened, resolved := s.judge(at.Add(15 * time.Minute))
	if len(opened) != 0 || len(resolved) != 1 || resolved[0].Annotations[detect.AnnotationResolved] == "" {
		t.Errorf("after it ebbed: opened %v, resolved %v", opened, resolved)
	}
}

func TestASurgeOfWarnings(t *testing.T) {
	s := newShop(t)
	s.log("checkout", "warn", "slow query", begin, 120, time.Minute) // one a minute for two hours
	at := begin.Add(2 * time.Hour)
	s.log("checkout", "warn", "slow query", at.Add(-9*time.Minute), 300, time.Second)
	opened, _ := s.judge(at)
	if len(opened) != 1 || opened[0].Name != "SurgingErrorPattern" || opened[0].Severity != detect.Info {
		t.Fatalf("opened %+v", opened)
	}
	if _, resolved := s.judge(at.Add(20 * time.Minute)); len(resolved) != 1 {
		t.Errorf("the surge is over, and %d were resolved", len(resolved))
	}
}

func TestQuietBoundedOwned(t *testing.T) {
	s := newShop(t)
	at := begin.Add(2 * time.Hour)
	s.log("orphan", "info", "order paid", begin, 7200, time.Second)
	s.log("orphan", "error", "cannot go on", at.Add(-5*time.Minute), 60, time.Second)
	s.log("unknown", "info", "order paid", begin, 7200, time.Second)
	s.log("unknown", "error", "cannot go on", at.Add(-5*time.Minute), 60, time.Second)
	s.log("checkout", "error", "cannot go on", at.Add(-5*time.Minute), 60, time.Second) // it has just begun
	if opened, _ := s.judge(at); len(opened) != 0 {
		t.Errorf("nobody owns it, or it is new as a whole: %+v", opened)
	}
	s.log("checkout", "info", "order paid", begin, 7200, time.Second)
	for i := range 12 { // each of another length: none becomes part of another
		s.log("checkout", "error", "it went "+strings.Repeat("very ", i)+"wrong", at.Add(-5*time.Minute), 30+i, time.Second)
	}
	if opened, _ := s.judge(at); len(opened) != surge.MostOf {
		t.Errorf("%d opened, expected %d", len(opened), surge.MostOf)
	}
}
