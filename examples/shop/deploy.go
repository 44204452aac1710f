package shop

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// RequestError is a wish that the deployer does not grant, and why.
type RequestError struct {
	Status  int // for HTTP
	Code    string
	Message string
	Hint    string
}

func (e *RequestError) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

// Order asks the deployer for something. Which fields count depends on what.
type Order struct {
	Service string `json:"service"`
	Version string `json:"version,omitempty"`
	Flag    string `json:"flag,omitempty"`
	Value   string `json:"value,omitempty"`
	Actor   string `json:"actor,omitempty"` // who asks; default "deployer"
}

// Done is what the deployer did.
type Done struct {
	Service   string  `json:"service"`
	From      string  `json:"from"`
	To        string  `json:"to"`
	Unchanged bool    `json:"unchanged,omitempty"` // it ran already: nothing was done, and nothing announced
	Change    string  `json:"change,omitempty"`    // the ID under which it was announced
	Seconds   float64 `json:"seconds"`
}

// Deploy lets a version take over. It returns when that is healthy. Errors are
// *RequestError where the order is wrong.
func (s *Shop) Deploy(o Order) (Done, error) {
	u, err := s.find(o.Service)
	if err != nil {
		return Done{}, err
	}
	if err := known(o.Service, o.Version); err != nil {
		return Done{}, err
	}
	u.deploying.Lock()
	defer u.deploying.Unlock()
	was := u.now()
	if o.Version == was.version {
		return Done{Service: o.Service, From: was.version, To: was.version, Unchanged: true}, nil
	}
	r, _ := findRelease(o.Service, o.Version)
	done, err := s.change(u, Change{
		Kind: "deploy", From: was.version, To: o.Version, Actor: o.Actor, Summary: fmt.Sprintf("%s %s: %s", o.Service, o.Version, r.Notes),
	}, o.Version, was.flags)
	if err == nil {
		u.mu.Lock()
		u.before = append(u.before, was.version)
		if len(u.before) > 50 {
			u.before = u.before[1:]
		}
		u.mu.Unlock()
	}
	return done, err
}

// Rollback returns to the version before, or to the one that the order names.
func (s *Shop) Rollback(o Order) (Done, error) {
	u, err := s.find(o.Service)
	if err != nil {
		return Done{}, err
	}
	u.deploying.Lock()
	defer u.deploying.Unlock()
	was := u.now()
	to := o.Version
	if to == "" {
		to = was.previous
	}
	if to == "" {
		return Done{}, &RequestError{http.StatusConflict, "conflict", fmt.Sprintf("cannot roll %s back: %s is the first version that ran", o.Service, was.version), "name a version"}
	}
	if err := known(o.Service, to); err != nil {
		return Done{}, err
	}
	if to == was.version {
		return Done{Service: o.Service, From: to, To: to, Unchanged: true}, nil
	}
	done, err := s.change(u, Change{
		Kind: "rollback", From: was.version, To: to, Actor: o.Actor, Summary: fmt.Sprintf("%s back from %s to %s", o.Service, was.version, to),
	}, to, was.flags)
	if err == nil {
		u.mu.Lock()
		for i := len(u.before) - 1; i >= 0; i-- {
			if u.before[i] == to {
				u.before = u.before[:i]
				break
			}
		}
		u.mu.Unlock()
	}
	return done, err
}

// Restart lets a fresh process of the same version take over.
func (s *Shop) Restart(o Order) (Done, error) {
	u, err := s.find(o.Service)
	if err != nil {
		return Done{}, err
	}
	u.deploying.Lock()
	defer u.deploying.Unlock()
	was := u.now()
	return s.change(u, Change{
		Kind: "restart", From: was.version, To: was.version, Actor: o.Actor, Summary: o.Service + " restarted",
	}, was.version, was.flags)
}

// SetFlag switches a flag of a service, which is restarted for it.
func (s *Shop) SetFlag(o Order) (Done, error) {
	u, err := s.find(o.Service)
	if err != nil {
		return Done{}, err
	}
	u.deploying.Lock()
	defer u.deploying.Unlock()
	was := u.now()
	old, ok := was.flags[o.Flag]
	if !ok {
		return Done{}, &RequestError{http.StatusUnprocessableEntity, "invalid", fmt.Sprintf("flag: got %q, expected a flag of %s", o.Flag, o.Service), "newsletter has " + digestFlag}
	}
	if o.Value != "on" && o.Value != "off" {
		return Done{}, &RequestError{http.StatusUnprocessableEntity, "invalid", fmt.Sprintf("value: got %q, expected on or off", o.Value), ""}
	}
	from, to := o.Flag+"="+old, o.Flag+"="+o.Value
	if old == o.Value {
		return Done{Service: o.Service, From: from, To: to, Unchanged: true}, nil
	}
	was.flags[o.Flag] = o.Value
	return s.change(u, Change{
		Kind: "flag", From: from, To: to, Actor: o.Actor, Summary: fmt.Sprintf("%s: %s switched %s", o.Service, o.Flag, o.Value),
	}, was.version, was.flags)
}

// change announces, replaces, and announces the end. Whoever calls holds
// u.deploying. The shop's own life bounds it, not the caller's: half a deployment
// helps nobody.
func (s *Shop) change(u *unit, c Change, version string, flags map[string]string) (Done, error) {
	c.ID, c.Service, c.Source, c.StartedAt = newID("deployer"), u.name, "deployer", time.Now().UTC()
	if c.Actor = strings.TrimSpace(c.Actor); c.Actor == "" {
		c.Actor = "deployer"
	}
	told := s.announce.tell(c)
	// The record comes before the traffic, as long as who keeps it is there.
	err := u.replace(s.running, s, version, flags, func() { within(2*time.Second, told) })
	c.EndedAt = time.Now().UTC()
	if err != nil {
		c.Verdict = "failed"
	}
	s.announce.tell(c)
	s.o.Logger.Info(c.Kind, "service", u.name, "from", c.From, "to", c.To, "actor", c.Actor, "err", err)
	if err != nil {
		return Done{}, fmt.Errorf("cannot %s %s: %w", c.Kind, u.name, err)
	}
	return Done{Service: u.name, From: c.From, To: c.To, Change: c.ID, Seconds: c.EndedAt.Sub(c.StartedAt).Seconds()}, nil
}

// find returns the unit of a service, once the shop is open.
func (s *Shop) find(service string) (*unit, error) {
	select {
	case <-s.ready:
	default:
		return nil, &RequestError{http.StatusServiceUnavailable, "starting", "the shop is not open yet", "try again in a moment"}
	}
	u, ok := s.units[service]
	if !ok {
		return nil, &RequestError{http.StatusUnprocessableEntity, "invalid", fmt.Sprintf("service: got %q, expected one of %s", service, strings.Join(services, ", ")), ""}
	}
	return u, nil
}

func known(service, version string) error {
	if all := versionsOf(service); !slices.Contains(all, version) {
		return &RequestError{http.StatusUnprocessableEntity, "invalid", fmt.Sprintf("version: got %q, expected one of %s", version, strings.Join(all, ", ")), ""}
	}
	return nil
}
