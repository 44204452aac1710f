package shop

import (
	"fmt"
	"net/http"
	"strings"
)

// fault is something that can be done to the shop. It is nothing but a release, or
// a change, that somebody rolls out; it is active while that runs, and ends when
// the good version runs again, whoever brought it back.
type fault struct {
	Name, Title      string
	Service, Version string // the release that has it
}

// noiseName changes two things that hurt nobody, so that there is more than one
// suspect: a flag of the newsletter, and the catalog's hotfix.
const noiseName = "noise"

var faults = []fault{
	{"bad-release", "A bad release of checkout: 4 in 10 orders fail", checkoutName, "1.4.1"},
	{"slow-dependency", "A slow catalog: orders take too long", catalogName, "3.0.1"},
	{"memory-leak", "A memory leak in checkout: it grows to about 300 MB", checkoutName, "1.4.2"},
	{"payments-fault", "A fault in payments that only checkout's customers notice", paymentsName, "2.3.1"},
	{noiseName, "Two harmless changes, to have innocent suspects", catalogName, "3.0.0-hotfix"},
}

// Fault is a fault and whether it is there at present.
type Fault struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Service string `json:"service"`
	Version string `json:"version"`
	Active  bool   `json:"active"`
	Benign  bool   `json:"harmless,omitempty"`
}

// Faults lists them.
func (s *Shop) Faults() []Fault {
	out := make([]Fault, len(faults))
	for i, f := range faults {
		out[i] = Fault{
			Name: f.Name, Title: f.Title, Service: f.Service, Version: f.Version,
			Active: s.units[f.Service].now().version == f.Version, Benign: f.Name == noiseName,
		}
	}
	return out
}

func findFault(name string) (fault, error) {
	var names []string
	for _, f := range faults {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return fault{}, &RequestError{http.StatusNotFound, "not_found", fmt.Sprintf("no fault %q", name), "there are " + strings.Join(names, ", ")}
}

// Inject rolls a fault out. Nothing tells Evenkeel that it is one.
func (s *Shop) Inject(name, actor string) (Done, error) {
	f, err := findFault(name)
	if err != nil {
		return Done{}, err
	}
	if name == noiseName {
		if _, err := s.SetFlag(Order{Service: newsletterName, Flag: digestFlag, Value: "on", Actor: actor}); err != nil {
			return Done{}, err
		}
	}
	return s.Deploy(Order{Service: f.Service, Version: f.Version, Actor: actor})
}

// End brings the good version back, where the fault is there.
func (s *Shop) End(name, actor string) (Done, error) {
	f, err := findFault(name)
	if err != nil {
		return Done{}, err
	}
	u, err := s.find(f.Service)
	if err != nil {
		return Done{}, err
	}
	if name == noiseName {
		if _, err := s.SetFlag(Order{Service: newsletterName, Flag: digestFlag, Value: "off", Actor: actor}); err != nil {
			return Done{}, err
		}
	}
	if v := u.now().version; v != f.Version {
		return Done{Service: f.Service, From: v, To: v, Unchanged: true}, nil
	}
	return s.Rollback(Order{Service: f.Service, Version: goodVersion(f.Service), Actor: actor})
}
