package authority

import (
	"cmp"
	"slices"

	"github.com/evenkeel/evenkeel/declare"
)

// Candidate is somebody who could approve, and how near they are to the work.
type Candidate struct {
	Person declare.PersonID  `json:"person"`
	Level  declare.LevelName `json:"level"`
	OnCall bool              `json:"on_call,omitempty"`
	Owner  bool              `json:"owner,omitempty"` // of the team that owns the service
	Why    string            `json:"why"`
}

// Nearest are those who may approve a case, nearest to the work first: on call for it, of
// the team that owns it, of the asker's own team, and of no higher a rank than it takes.
// An approval is a peer's: leaders come last.
func Nearest(c Case, people []Person, onCall func(declare.PersonID) bool) []Candidate {
	type scored struct {
		Candidate
		far int
	}
	var all []scored
	for _, p := range people {
		v := Approve(p, c)
		if !v.OK() {
			continue
		}
		s := scored{Candidate: Candidate{Person: p.ID, Level: p.Level.Name, Why: v.Why}, far: p.Level.Rank}
		s.OnCall = onCall != nil && onCall(p.ID)
		s.Owner = c.Owner != "" && slices.Contains(p.Teams, c.Owner)
		if !s.OnCall {
			s.far += 10
		}
		if !s.Owner {
			s.far += 20
		}
		if !slices.ContainsFunc(p.Teams, func(t declare.TeamID) bool { return slices.Contains(c.Who.Teams, t) }) {
			s.far += 15
		}
		if p.Level.Leader {
			s.far += 100
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b scored) int { return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.Person, b.Person)) })
	out := make([]Candidate, len(all))
	for i, s := range all {
		out[i] = s.Candidate
	}
	return out
}
