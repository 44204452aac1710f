package shop

import (
	"context"
	"sync"
	"time"
)

// Status is the shop at one moment.
type Status struct {
	Services      []ServiceStatus `json:"services"`
	Faults        []Fault         `json:"faults"`
	Load          Load            `json:"load"`
	Announcements Announcements   `json:"announcements"`
	Evenkeel      string          `json:"evenkeel,omitempty"`
}

// ServiceStatus is one service.
type ServiceStatus struct {
	Name     string            `json:"name"`
	Version  string            `json:"version"`
	Previous string            `json:"previous,omitempty"` // where a rollback goes
	PID      int               `json:"pid"`
	Healthy  bool              `json:"healthy"`
	Detail   string            `json:"detail,omitempty"` // why it is not
	URL      string            `json:"url"`
	Since    time.Time         `json:"since"`
	Restarts int               `json:"restarts"` // by the deployer, because it ended by itself
	Flags    map[string]string `json:"flags,omitempty"`
	Versions []string          `json:"versions"`
}

// Status asks every service how it is.
func (s *Shop) Status(ctx context.Context) Status {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	out := Status{
		Services: make([]ServiceStatus, len(services)), Faults: s.Faults(),
		Announcements: s.announce.status(), Evenkeel: s.o.EvenkeelURL,
	}
	s.mu.Lock()
	if s.load != nil {
		if l := s.load.load.Load(); l != nil {
			out.Load = *l
		}
	}
	s.mu.Unlock()
	var all sync.WaitGroup
	for i, name := range services {
		all.Go(func() { out.Services[i] = s.statusOf(ctx, name) })
	}
	all.Wait()
	return out
}

func (s *Shop) statusOf(ctx context.Context, name string) ServiceStatus {
	n := s.units[name].now()
	st := ServiceStatus{
		Name: name, Version: n.version, Previous: n.previous, URL: s.url(name),
		Restarts: n.restarts, Flags: n.flags, Versions: versionsOf(name),
	}
	if n.child == nil {
		st.Detail = "not started yet"
		return st
	}
	st.PID, st.Since = n.child.pid, n.child.started.UTC()
	if !n.child.alive() {
		st.Detail = "it has ended"
		return st
	}
	if err := s.probe(ctx, n.child); err != nil {
		st.Detail = err.Error()
		return st
	}
	st.Healthy = true
	return st
}
