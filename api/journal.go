package api

import (
	"github.com/evenkeel/evenkeel/journal"
)

// Order of a list of facts.
type Order string

// The orders.
const (
	Newest Order = "newest"
	Oldest Order = "oldest"
)

type journalQuery struct {
	Ref    journal.Ref   `query:"ref" doc:"What it speaks of, as incident/7 or service/checkout."`
	Actor  journal.Actor `query:"actor" doc:"As person:alice or system:detect."`
	Kind   journal.Kind  `query:"kind" doc:"As incident.opened; all of a kind when it ends in a dot, as incident."`
	After  int64         `query:"after" doc:"Only facts with a greater ID."`
	Before int64         `query:"before" doc:"Only facts with a smaller ID."`
	Order  Order         `query:"order" doc:"newest (default) or oldest first."`
	Text   string        `query:"text" doc:"A part of the text, in upper or lower case."`
	Limit  int           `query:"limit" max:"5000" doc:"At most so many; default 100."`
}

// journal lists facts; "before" and "after" walk through more of them.
func (s *server) journal(c *call, q journalQuery) (List[journal.Fact], error) {
	p := page{Limit: q.Limit}
	facts, err := s.Journal.Facts(c.Context(), journal.Query{
		Ref: q.Ref, Actor: q.Actor, Kind: q.Kind, After: journal.ID(q.After), Before: journal.ID(q.Before),
		Oldest: q.Order == Oldest, Text: q.Text, Limit: p.limit() + 1,
	})
	return cutList(p, facts), err
}

func (s *server) causes(c *call, _ none) (List[journal.Fact], error) {
	id, err := c.number("fact")
	if err != nil {
		return List[journal.Fact]{}, err
	}
	chain, err := s.Journal.Causes(c.Context(), journal.ID(id))
	if err == nil && len(chain) == 0 {
		err = unknown("fact", c.PathValue("fact"), "")
	}
	return listOf(chain), err
}
