package api

import (
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
)

type runQuery struct {
	Active   bool   `query:"active" doc:"Only those that have not ended."`
	Waiting  bool   `query:"waiting" doc:"Only those that wait for an approval or a decision."`
	Incident int64  `query:"incident"`
	Runbook  string `query:"runbook"`
	page
}

// run makes lists and maps of what may be nil.
func run(r act.Run) act.Run {
	r.Steps = filled(r.Steps)
	if r.Params == nil {
		r.Params = map[string]string{}
	}
	return r
}

func (s *server) runs(c *call, q runQuery) (List[act.Run], error) {
	found, err := s.Runs.List(c.Context(), act.RunFilter{
		Active: q.Active, Waiting: q.Waiting, Incident: q.Incident, Runbook: q.Runbook, Limit: q.limit() + 1, Offset: q.Offset,
	})
	return cutList(q.page, each(found, run)), err
}

func (s *server) run(c *call, _ none) (act.Run, error) {
	r, err := s.Runs.Get(c.Context(), c.PathValue("run"))
	return run(r), err
}

// NewRun asks for a run.
type NewRun struct {
	Runbook  string            `json:"runbook" doc:"Its name."`
	Params   map[string]string `json:"params,omitempty" doc:"By name; every value as a string, checked against its declared type."`
	Incident int64             `json:"incident,omitempty" doc:"The incident that it is for: its objective verifies the run."`
	Mode     act.RunMode       `json:"mode,omitempty" doc:"dry: say what it would do; rehearsal: practise it; absent: really."`
	// BreakGlass is for few, and owes a review.
	BreakGlass string `json:"break_glass,omitempty" doc:"The reason not to wait for approvals: for L5 and above, with a review after."`
}

func (s *server) startRun(c *call, in NewRun) (act.Run, error) {
	if may, why := account.MayRun(c.me, in.Runbook); !may {
		return act.Run{}, &act.DeniedError{Why: why}
	}
	r, err := s.Runs.Start(c.Context(), c.now, c.me.Person, act.StartRun{
		Runbook: in.Runbook, Params: in.Params, Incident: in.Incident, Mode: in.Mode, BreakGlass: in.BreakGlass, Token: c.me.Token, Service: c.me.Service,
	})
	return run(r), err
}

// Approving is a yes to a step as it was shown.
type Approving struct {
	ShownHash string `json:"shown_hash" doc:"That of the approval that you saw: what you approve is what runs."`
	Reason    string `json:"reason,omitempty"`
}

// Refusing is a no to a step, with the reason.
type Refusing struct {
	ShownHash string `json:"shown_hash" doc:"That of the approval that you saw."`
	Reason    string `json:"reason" doc:"Why, for the person who asked."`
}

func (s *server) approve(c *call, in Approving) (act.Run, error) {
	return s.decide(c, true, in.ShownHash, in.Reason)
}

func (s *server) refuse(c *call, in Refusing) (act.Run, error) {
	if strings.TrimSpace(in.Reason) == "" {
		return act.Run{}, invalid("reason", in.Reason, "a reason for the person who asked")
	}
	return s.decide(c, false, in.ShownHash, in.Reason)
}

func (s *server) decide(c *call, yes bool, hash, reason string) (act.Run, error) {
	step, err := c.number("step")
	if err != nil {
		return act.Run{}, err
	}
	if err := tooLong("reason", reason); err != nil {
		return act.Run{}, err
	}
	r, err := s.Runs.Decide(c.Context(), c.now, c.me.Person, c.PathValue("run"), int(step), yes, hash, reason)
	return run(r), err
}

// proceed returns the handler that runs an interrupted step again, or skips it.
func (s *server) proceed(retry bool) func(*call, none) (act.Run, error) {
	return func(c *call, _ none) (act.Run, error) {
		step, err := c.number("step")
		if err != nil {
			return act.Run{}, err
		}
		r, err := s.Runs.Continue(c.Context(), c.now, c.me.Person, c.PathValue("run"), int(step), retry)
		return run(r), err
	}
}

// Cancelling ends a run.
type Cancelling struct {
	Reason string `json:"reason,omitempty"`
}

func (s *server) cancelRun(c *call, in Cancelling) (act.Run, error) {
	if err := tooLong("reason", in.Reason); err != nil {
		return act.Run{}, err
	}
	r, err := s.Runs.Cancel(c.Context(), c.now, c.me.Person, c.PathValue("run"), in.Reason)
	return run(r), err
}
