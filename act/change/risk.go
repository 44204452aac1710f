package change

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

// Touched is what a change touches, from the catalogue and from what it says itself.
type Touched struct {
	Tier       int      // of its service, 1 the most important; 0 unknown
	Dependants int      // how many services depend on what it touches
	Stateful   []string // databases, volumes, queues among its resources
	Outside    bool     // it touches things of more than one team
	Production bool     // false only where another environment is named
}

// Risk says how much a change can harm, and why: the highest of what speaks for a
// risk, in words. It is pure.
func Risk(c act.Change, t Touched) (declare.Risk, []string) {
	risk, why := declare.RiskLow, []string{}
	raise := func(to declare.Risk, text string) {
		why = append(why, text)
		if to.Rank() > risk.Rank() {
			risk = to
		}
	}
	switch c.Kind {
	case act.Network:
		raise(declare.RiskHigh, "a network change reaches everything behind it")
	case act.Infrastructure:
		raise(declare.RiskMedium, "infrastructure carries more than one service")
	case act.Deploy, act.Config, act.Patch:
		raise(declare.RiskMedium, fmt.Sprintf("a %s alters what runs", c.Kind))
	case act.Rollback:
		raise(declare.RiskLow, "a rollback goes back to what ran before")
	case act.Flag, act.Scale:
		raise(declare.RiskLow, fmt.Sprintf("a %s change is undone as fast as it is made", c.Kind))
	}
	if !t.Production {
		return declare.RiskLow, append(why, fmt.Sprintf("it is for %s, not for production", c.Evidence.Environment))
	}
	if t.Tier == 1 {
		if c.Kind == act.Deploy || c.Kind == act.Config || c.Kind == act.Infrastructure {
			raise(declare.RiskHigh, fmt.Sprintf("%s is of tier 1", c.Service))
		} else {
			raise(declare.RiskMedium, fmt.Sprintf("%s is of tier 1", c.Service))
		}
	}
	if t.Dependants >= 5 {
		raise(declare.RiskHigh, fmt.Sprintf("%d services depend on it", t.Dependants))
	} else if t.Dependants > 0 {
		raise(declare.RiskMedium, fmt.Sprintf("%d %s on it", t.Dependants, plural(t.Dependants, "service depends", "services depend")))
	}
	if len(t.Stateful) > 0 {
		raise(declare.RiskHigh, "it touches what keeps data: "+strings.Join(t.Stateful, ", "))
	}
	if t.Outside {
		raise(declare.RiskHigh, "it touches things of more than one team")
	}
	if strings.Contains(strings.ToLower(c.Summary), "destroy") {
		raise(declare.RiskHigh, "it destroys something")
	}
	return risk, why
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// classify fills in the risk where the sender named none.
func (b *Book) classify(c *act.Change) {
	if c.Risk != "" {
		if len(c.RiskWhy) == 0 {
			c.RiskWhy = []string{"as its sender says"}
		}
		return
	}
	t := Touched{Production: Production(c.Evidence.Environment)}
	if b.o.Touched != nil {
		t = b.o.Touched(*c)
	}
	c.Risk, c.RiskWhy = Risk(*c, t)
}

// Production says whether an environment's name means production; where none is named,
// it does.
func Production(environment string) bool {
	switch name := strings.ToLower(environment); {
	case name == "", name == "live", strings.HasPrefix(name, "prod"), strings.HasSuffix(name, "-prod"), strings.HasSuffix(name, "production"):
		return true
	}
	return false
}

// TouchedIn reads the catalogue.
func TouchedIn(w *declare.Workspace, c act.Change) Touched {
	t := Touched{Production: Production(c.Evidence.Environment)}
	touched := map[declare.ResourceID]bool{}
	owners := map[declare.TeamID]bool{}
	if s := w.Service(c.Service); s != nil {
		t.Tier = s.Tier
		touched[s.Resource()] = true
		owners[s.Owner] = true
	}
	for _, name := range c.Resources {
		id := declare.ResourceID(name)
		touched[id] = true
		kind := ""
		for _, r := range w.Resources {
			if r.ID == id {
				kind = strings.ToLower(r.Type)
				owners[r.Owner] = true
			}
		}
		for _, s := range w.Services {
			if s.Resource() == id {
				owners[s.Owner] = true
			}
		}
		if stateful(kind) || stateful(name) {
			t.Stateful = append(t.Stateful, name)
		}
	}
	delete(owners, "")
	t.Outside = len(owners) > 1
	for _, s := range w.Services {
		if touched[s.Resource()] {
			continue
		}
		for id, steps := range w.Distances(s.ID) {
			if steps > 0 && touched[id] {
				t.Dependants++
				break
			}
		}
	}
	return t
}

// stateful knows things that keep data by the words that the field uses for them.
func stateful(text string) bool {
	text = strings.ToLower(text)
	for _, word := range []string{"database", "postgres", "mysql", "volume", "bucket", "queue", "kafka", "storage", "statefulset", "db_instance", "persistentvolume"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return strings.HasSuffix(text, "-db") || strings.HasSuffix(text, "/db")
}
