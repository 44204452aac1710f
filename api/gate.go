package api

import (
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/act/verify"
	"github.com/evenkeel/evenkeel/declare"
)

// GateQuestion asks whether a change may go now.
type GateQuestion struct {
	Service   declare.ServiceID      `json:"service,omitempty" doc:"Whose change it is; it may stand in the change instead."`
	Change    NewChange              `json:"change,omitzero" doc:"As it would be recorded."`
	Ref       string                 `json:"ref,omitempty" doc:"The ID of a change on record, instead of a change."`
	Artefacts []string               `json:"artefacts,omitempty" doc:"What evenkeel check was run on."`
	Problems  []gate.ArtefactProblem `json:"problems,omitempty" doc:"What it found."`
	Override  string                 `json:"override,omitempty" doc:"Why it should go all the same; only for whom the policy lets."`
}

func (s *server) askGate(c *call, in GateQuestion) (gate.Decision, error) {
	if s.Gate == nil {
		return gate.Decision{}, unknown("part", "gate", "This server has no gate.")
	}
	q := gate.Question{Ref: in.Ref, Artefacts: in.Artefacts, Problems: in.Problems, Override: strings.TrimSpace(in.Override)}
	switch {
	case len(in.Artefacts) > 1000:
		return gate.Decision{}, invalid("artefacts", strconv.Itoa(len(in.Artefacts)), "at most 1,000")
	case len(in.Problems) > 10_000:
		return gate.Decision{}, invalid("problems", strconv.Itoa(len(in.Problems)), "at most 10,000")
	}
	if err := tooLong("override", in.Override); err != nil {
		return gate.Decision{}, err
	}
	if in.Ref == "" {
		if in.Change.Service == "" {
			in.Change.Service = in.Service
		}
		if in.Change.Kind == "" {
			in.Change.Kind = act.Deploy
		}
		if in.Service != "" && in.Change.Service != in.Service {
			return gate.Decision{}, invalid("change.service", string(in.Change.Service), "the service that is asked for, "+string(in.Service))
		}
		if r := in.Change.Risk; r != "" && r.Rank() < 1 {
			return gate.Decision{}, invalid("change.risk", string(r), "low, medium or high")
		}
		if err := tooLong("change.summary", in.Change.Summary); err != nil {
			return gate.Decision{}, err
		}
		q.Change = in.Change.change(c)
		if q.Change.StartedAt.IsZero() {
			q.Change.StartedAt = c.now.UTC()
		}
	}
	d, err := s.Gate(c.Context(), c.now, c.me, q)
	d.Reasons = filled(d.Reasons)
	return d, err
}

type gateQuery struct {
	Service declare.ServiceID `query:"service"`
	page
}

func (s *server) gateAnswers(c *call, q gateQuery) (List[gate.Decision], error) {
	if s.Gates == nil {
		return listOf[gate.Decision](nil), nil
	}
	found, err := s.Gates(c.Context(), q.Service, q.Offset+q.limit()+1)
	return cutList(q.page, found[min(q.Offset, len(found)):]), err
}

func (s *server) verification(c *call, _ none) (verify.Verification, error) {
	v, err := s.Verification(c.Context(), c.PathValue("change"))
	v.Findings = filled(v.Findings)
	return v, err
}
