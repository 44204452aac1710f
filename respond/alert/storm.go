package alert

import (
	"context"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
)

const (
	// stormMessages of one incident within stormSpan are as many as a receiver gets. What
	// more groups would say is on the incident's page, to which each of them leads.
	stormMessages = 10
	stormSpan     = 5 * time.Minute
)

// storms bound what one incident sends to one receiver, however its alerts are grouped.
type storms struct {
	mu   sync.Mutex
	sent map[string][]time.Time // receiver and incident → the last messages
	held map[string]time.Time   // receiver and group: it was not told that it fires
}

// hold says whether a message is held back: it is about one incident, of which the
// receiver has been told often enough. A group that was held and ends is not told of
// its end either; one that was told always is.
func (s *storms) hold(ctx context.Context, now time.Time, receiver string, alerts []*amalert.Alert) bool {
	incident := ""
	firing := false
	for _, a := range alerts {
		n := string(a.Annotations["incident"])
		if n == "" || incident != "" && n != incident {
			return false // more than one incident, or none
		}
		incident = n
		firing = firing || !a.ResolvedAt(now)
	}
	if incident == "" {
		return false
	}
	group, _ := notify.GroupKey(ctx)
	key, groupKey := receiver+"\xff"+incident, receiver+"\xff"+group
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == nil {
		s.sent, s.held = map[string][]time.Time{}, map[string]time.Time{}
	}
	if !firing {
		_, was := s.held[groupKey]
		delete(s.held, groupKey)
		return was
	}
	recent := s.sent[key]
	for len(recent) > 0 && now.Sub(recent[0]) >= stormSpan {
		recent = recent[1:]
	}
	if len(recent) >= stormMessages {
		s.sent[key] = recent
		s.held[groupKey] = now
		return true
	}
	s.sent[key] = append(recent, now)
	delete(s.held, groupKey)
	s.prune(now)
	return false
}

// prune forgets what is long over.
func (s *storms) prune(now time.Time) {
	if len(s.sent) < 10_000 && len(s.held) < 100_000 {
		return
	}
	for k, v := range s.sent {
		if now.Sub(v[len(v)-1]) > stormSpan {
			delete(s.sent, k)
		}
	}
	for k, at := range s.held {
		if now.Sub(at) > retention {
			delete(s.held, k)
		}
	}
}
