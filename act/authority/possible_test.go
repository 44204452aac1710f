package authority

import (
	"testing"

	"github.com/evenkeel/evenkeel/declare"
)

func TestWhoCouldDoItAtAll(t *testing.T) {
	levels := map[string]declare.Level{}
	for _, l := range declare.DefaultLevels() {
		levels[string(l.Name)] = l
	}
	f := func(class declare.Class, want bool, names ...string) {
		t.Helper()
		var people []Person
		for i, n := range names {
			l, ok := levels[n]
			if !ok {
				t.Fatalf("no level %q", n)
			}
			people = append(people, Person{ID: declare.PersonID(rune('a' + i)), Level: l, Teams: []declare.TeamID{"shop"}})
		}
		if got := Possible(Case{Class: class, Owner: "shop", Service: "checkout"}, people); got != want {
			t.Errorf("%s with %v: got %v", class, names, got)
		}
	}
	f(declare.Look, true, "trainee")
	f(declare.Bounded, false, "trainee")
	f(declare.Bounded, false, "junior", "junior")
	f(declare.Bounded, true, "engineer")
	f(declare.Normal, false, "junior")
	f(declare.Normal, true, "junior", "engineer")
	f(declare.Normal, true, "senior")
	f(declare.Heavy, false, "senior")
	f(declare.Heavy, false, "senior", "senior") // it takes an owner and another
	f(declare.Heavy, true, "senior", "senior", "senior")
	f(declare.Heavy, true, "lead", "senior")
	f(declare.Heavy, false, "junior", "engineer")
	f(declare.Policy, false, "junior", "engineer")
	f(declare.Policy, true, "leader")
}
