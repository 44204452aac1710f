package alert

import (
	"context"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/provider"
	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/journal"
)

// entry is an alert that is known, and the groups that hold it.
type entry struct {
	fp     model.Fingerprint
	alert  *amalert.Alert // replaced as a whole, never changed
	groups []*group
	routes int        // how many groups it belongs to by its labels
	fact   journal.ID // of its finding
}

// store is every alert that fires, or has ended and was not told yet. Its lock is that of
// the groups too.
type store struct {
	mu      sync.Mutex
	entries map[model.Fingerprint]*entry
	gone    func(model.Fingerprints) // is told of what was forgotten
}

// put takes an alert over the one that was known, and returns its entry. The store's lock
// must be held.
func (s *store) put(a *amalert.Alert) *entry {
	fp := a.Fingerprint()
	e := s.entries[fp]
	if e == nil {
		e = &entry{fp: fp, alert: a}
		s.entries[fp] = e
		return e
	}
	// As in Alertmanager: what overlaps is one episode.
	old := e.alert
	if (a.EndsAt.After(old.StartsAt) && a.EndsAt.Before(old.EndsAt)) || (a.StartsAt.After(old.StartsAt) && a.StartsAt.Before(old.EndsAt)) {
		a = old.Merge(a)
	}
	e.alert = a
	return e
}

// sweep forgets what has ended and no group holds any more.
func (s *store) sweep(now time.Time) {
	s.mu.Lock()
	var gone model.Fingerprints
	for fp, e := range s.entries {
		if len(e.groups) == 0 && e.alert.ResolvedAt(now) {
			delete(s.entries, fp)
			gone = append(gone, fp)
		}
	}
	s.mu.Unlock()
	if len(gone) > 0 {
		s.gone(gone)
	}
}

// list is every alert that is known.
func (s *store) list() []*amalert.Alert {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*amalert.Alert, 0, len(s.entries))
	for _, e := range s.entries {
		out = append(out, e.alert)
	}
	return out
}

// GetPending implements provider.Alerts for the API.
func (s *store) GetPending() provider.AlertIterator {
	all := s.list()
	ch := make(chan *provider.Alert, len(all))
	for _, a := range all {
		ch <- &provider.Alert{Data: a}
	}
	close(ch)
	return provider.NewAlertIterator(ch, make(chan struct{}), nil)
}

// Subscribe implements provider.Alerts. Nobody here follows the store.
func (s *store) Subscribe(string) provider.AlertIterator { return s.GetPending() }

// SlurpAndSubscribe implements provider.Alerts.
func (s *store) SlurpAndSubscribe(string) ([]*amalert.Alert, provider.AlertIterator) {
	return s.list(), s.GetPending()
}

// Get implements provider.Alerts.
func (s *store) Get(fp model.Fingerprint) (*amalert.Alert, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[fp]; e != nil {
		return e.alert, nil
	}
	return nil, provider.ErrNotFound
}

// factOf is the fact of an alert's finding, 0 where it is not known.
func (s *store) factOf(fp model.Fingerprint) journal.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[fp]; e != nil {
		return e.fact
	}
	return 0
}

// Put implements provider.Alerts: what the API posts goes another way, see external.
func (s *store) Put(context.Context, ...*amalert.Alert) error { return nil }
