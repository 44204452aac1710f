package authority

import (
	"slices"

	"github.com/evenkeel/evenkeel/declare"
)

// Possible says whether anybody could do something at all, were all others to approve and
// all checks to pass.
func Possible(c Case, people []Person) bool {
	c.Checks = Passed
	for _, who := range people {
		c.Who, c.Approvals, c.OwnersUnable = who, nil, c.Owner != "" && c.Class.Rank() >= declare.Normal.Rank()
		for _, other := range people {
			if other.ID != who.ID {
				c.Approvals = append(c.Approvals, Approval{By: other})
				if slices.Contains(other.Teams, c.Owner) && other.Level.Rank >= declare.Engineer && !other.Level.Leader {
					c.OwnersUnable = false
				}
			}
		}
		if Decide(c).OK() {
			return true
		}
	}
	return false
}

// PeopleOf are those of the catalogue, with nothing lent.
func PeopleOf(w *declare.Workspace) []Person {
	teams := map[declare.PersonID][]declare.TeamID{}
	for _, t := range w.Teams {
		for _, m := range t.Members {
			teams[m] = append(teams[m], t.ID)
		}
	}
	out := make([]Person, 0, len(w.People))
	for _, p := range w.People {
		out = append(out, Person{ID: p.ID, Level: w.LevelOf(p.ID), Teams: teams[p.ID]})
	}
	return out
}
