package web

import (
	"context"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/declare"
)

// guideBook answers by the real table, for people of the estate's workspace.
type guideBook struct{ e *estate }

func (g guideBook) person(id declare.PersonID) authority.Person {
	p := authority.Person{ID: id, Level: g.e.ws.LevelOf(id)}
	if c := g.e.ws.Person(id); c != nil {
		p.Teams = c.Teams
	}
	return p
}

func (g guideBook) caseOf(who declare.PersonID, name string, class declare.Class) authority.Case {
	return authority.Case{Who: g.person(who), What: "step " + name, Class: class}
}

func (g guideBook) Can(_ context.Context, _ time.Time, who declare.PersonID, s act.StartRun) ([]runbook.StepVerdict, error) {
	rb := g.e.ws.Runbook(s.Runbook)
	if rb == nil {
		return nil, act.ErrNotFound
	}
	var out []runbook.StepVerdict
	for _, st := range rb.Steps {
		out = append(out, runbook.StepVerdict{Step: st.Index, Name: st.Name, Verdict: authority.Decide(g.caseOf(who, st.Name, st.Class))})
	}
	return out, nil
}

func (g guideBook) MayApprove(_ context.Context, _ time.Time, who declare.PersonID, run *act.Run, step int) authority.Verdict {
	st := run.Steps[step]
	return authority.Approve(g.person(who), g.caseOf(run.Doer(), st.Name, declare.ClassOf(st.Risk)))
}

func (g guideBook) MayRun(_ context.Context, _ time.Time, who declare.PersonID, run *act.Run, step int) authority.Verdict {
	st := run.Steps[step]
	return authority.Decide(g.caseOf(who, st.Name, declare.ClassOf(st.Risk)))
}

func (g guideBook) Take(_ context.Context, _ time.Time, who declare.PersonID, id string) (act.Run, error) {
	return runBook{g.e}.change(id, func(r *act.Run) error {
		if r.Status != act.RunWaiting {
			return &act.ConflictError{Why: "only a run that waits is taken"}
		}
		r.TakenBy = who
		return nil
	})
}

func (g guideBook) Voice(_ context.Context, now time.Time, _, commander declare.PersonID, id string, step int, hash, words string) (act.Run, error) {
	return runBook{g.e}.Decide(context.Background(), now, commander, id, step, true, hash, words)
}

func (g guideBook) Tick(_ context.Context, _ time.Time, _ declare.PersonID, id string, step int, done bool, minutes int, _ string) (act.Run, error) {
	return runBook{g.e}.change(id, func(r *act.Run) error {
		if step < 0 || step >= len(r.Steps) || r.Steps[step].Language != "manual" {
			return &act.ConflictError{Why: "this step is not done by hand"}
		}
		r.Minutes += minutes
		return nil
	})
}

func (g guideBook) Duties(context.Context, bool) ([]act.Duty, error) { return g.e.duties, nil }

func (g guideBook) Fulfil(_ context.Context, now time.Time, who declare.PersonID, id int64, verdict, text string) (act.Duty, error) {
	for i := range g.e.duties {
		if d := &g.e.duties[i]; d.ID == id {
			d.DoneAt, d.Verdict, d.Text = now, verdict, text
			return *d, nil
		}
	}
	return act.Duty{}, act.ErrNotFound
}

func (g guideBook) Certificate(_ context.Context, _ declare.PersonID, _ *declare.Runbook, now time.Time) (authority.Certificate, error) {
	return authority.Certify(nil, "", now), nil
}

func (g guideBook) Upkeep(_ context.Context, now time.Time, books []*declare.Runbook, _ []runbook.Paging) ([]runbook.Upkeep, error) {
	var out []runbook.Upkeep
	for _, b := range books {
		if !b.VerifyBy.IsZero() && now.After(b.VerifyBy) {
			out = append(out, runbook.Upkeep{Runbook: b.Name, Title: b.Title, Kind: "overdue", Why: "somebody should have read it again", Since: b.VerifyBy})
		}
	}
	return append(out, runbook.Upkeep{Kind: "uncovered", Why: "alert DiskFull pages, and names no runbook"}), nil
}

func (g guideBook) Answered(context.Context, time.Time, time.Time) ([]act.Answer, error) {
	if !slices.ContainsFunc(g.e.runs, func(r act.Run) bool { return r.ID == "r-9f2" }) {
		return nil, nil
	}
	var out []act.Answer
	for i := range 12 {
		asked := night.Add(-time.Duration(i) * time.Hour)
		out = append(out, act.Answer{
			Run: "r-9f2", Runbook: "checkout-rollback", Service: "checkout", Step: 2, Name: "roll-back", Class: declare.Normal, AskedAt: asked,
			Decision: map[bool]string{true: "refused", false: "approved"}[i == 7], DecidedAt: asked.Add(time.Duration(i+1) * 30 * time.Second), Reason: map[bool]string{true: "it is the catalogue"}[i == 7],
		})
	}
	return out, nil
}

func (g guideBook) Read(_ context.Context, _ time.Time, _ declare.PersonID, name string) error {
	if g.e.ws.Runbook(name) == nil {
		return act.ErrNotFound
	}
	return nil
}

func (g guideBook) Vote(context.Context, time.Time, declare.PersonID, string, bool, string) error {
	return nil
}

func (g guideBook) CloseBreaker(_ context.Context, _ time.Time, _ declare.PersonID, _, why string) error {
	if why == "" {
		return &act.InvalidError{Field: "why", Want: "what was found"}
	}
	return nil
}
