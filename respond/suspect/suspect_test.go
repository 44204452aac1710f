package suspect

import (
	"slices"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

var onset = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func change(id, kind, service string, before time.Duration) Change {
	return Change{ID: id, Kind: kind, Service: declare.ServiceID(service), From: "1", To: "2", Actor: "ci", StartedAt: onset.Add(-before)}
}

func TestRank(t *testing.T) {
	graph := map[declare.ResourceID]int{"component/default/checkout": 0, "component/default/payments": 1, "resource/default/ledger": 2}
	f := func(name string, changes []Change, want ...string) {
		t.Helper()
		var got []string
		for _, s := range Rank(Input{Service: "checkout", Onset: onset, Detected: onset.Add(time.Minute), Distances: graph, Changes: changes}) {
			got = append(got, s.Change)
			if s.Reason == "" || len(s.Evidence) == 0 || s.Score <= 0 || s.Score > 1 {
				t.Errorf("%s: %+v", name, s)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	f("nothing changed", nil)
	f("the service itself", []Change{change("a", "deploy", "checkout", 10*time.Second)}, "a")
	f("an unrelated service", []Change{change("a", "deploy", "newsletter", 10*time.Second)})
	f("itself before a dependency, at the same time", []Change{change("p", "deploy", "payments", 20*time.Second), change("c", "deploy", "checkout", 20*time.Second)}, "c", "p")
	f("a fresh one of a dependency before an old one of its own", []Change{change("c", "deploy", "checkout", 40*time.Minute), change("p", "deploy", "payments", 20*time.Second)}, "p", "c")
	f("a very old one is nobody", []Change{change("c", "deploy", "checkout", 3*time.Hour)})
	f("after the detection", []Change{change("c", "deploy", "checkout", -2*time.Minute)})
	f("just after the onset: clocks differ", []Change{change("c", "deploy", "checkout", -20*time.Second)}, "c")
	f("a run weighs less than a deploy", []Change{change("r", "run", "checkout", 10*time.Second), change("d", "deploy", "checkout", time.Minute)}, "d", "r")
	ledger := change("l", "config", "", time.Minute)
	ledger.Resources = []declare.ResourceID{"resource/default/ledger"}
	f("a resource two steps away", []Change{ledger}, "l")
	long := change("slow", "deploy", "checkout", 2*time.Hour)
	long.EndedAt = onset.Add(-time.Minute)
	f("a long one counts from its end", []Change{long}, "slow")
	f("ties by time and name", []Change{change("b", "deploy", "checkout", time.Minute), change("a", "deploy", "checkout", time.Minute)}, "a", "b")
}
