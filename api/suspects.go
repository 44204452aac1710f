package api

import (
	"github.com/evenkeel/evenkeel/respond"
)

// SuspectVerdict is what somebody says of a suspect.
type SuspectVerdict struct {
	Verdict respond.Verdict `json:"verdict" doc:"confirmed or rejected."`
	Note    string          `json:"note,omitempty" doc:"Why, for the timeline."`
}

func (s *server) judgeSuspect(c *call, in SuspectVerdict) (List[respond.Suspect], error) {
	none := List[respond.Suspect]{}
	n, err := c.number("incident")
	if err != nil {
		return none, err
	}
	rank, err := c.number("rank")
	if err != nil {
		return none, err
	}
	if err := tooLong("note", in.Note); err != nil {
		return none, err
	}
	i, err := s.Incidents.Judge(c.Context(), c.now, c.me.Actor(), respond.Number(n), int(rank), in.Verdict, in.Note)
	return listOf(suspects(i.Suspects)), err
}
