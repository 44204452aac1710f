package runbook

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// person is somebody as authority sees them, now.
func (r *Runner) person(ctx context.Context, id declare.PersonID, now time.Time) authority.Person {
	if r.o.Person != nil {
		return r.o.Person(ctx, id, now)
	}
	return authority.Person{ID: id, Level: r.o.Level(id)}
}

// caseOf is everything that decides on a step of a run.
func (r *Runner) caseOf(ctx context.Context, run *act.Run, book *declare.Runbook, i int, now time.Time) (authority.Case, error) {
	step := &book.Steps[i]
	doer := run.Doer()
	c := authority.Case{
		Who: r.person(ctx, doer, now), What: fmt.Sprintf("step %s of %s", step.Name, book.Name), Class: step.Class,
		Service: run.Service, BreakGlass: run.BreakGlass,
	}
	if lost := destroys(run, book, step); lost != "" {
		c.Destroys = "its plan destroys " + lost
	}
	if run.Mode != act.ModeReal {
		c.Destroys = ""
		// Nothing real is altered; what looks stays a look.
		c.Class = min(step.Class, declare.Test)
		if c.Who.Level.Rank == declare.Trainee {
			c.Class = declare.Note // practice is what a trainee is here for
		}
	}
	for _, p := range []declare.PersonID{declare.PersonID(run.Actor.Name()), run.Asked} {
		if p != "" && p != doer {
			c.AskedBy = append(c.AskedBy, p)
		}
	}
	if r.o.Owner != nil && run.Service != "" {
		c.Owner = r.o.Owner(run.Service)
	}
	if r.o.Blast != nil {
		c.Blast = r.o.Blast(services(book, run.Params)...)
	}
	var err error
	if run.Incident != 0 && r.o.Commander != nil {
		var active bool
		if c.Commander, active, err = r.o.Commander(ctx, run.Incident); err != nil {
			return c, err
		}
		if active {
			c.Incident = run.Incident
		}
	}
	if c.Class == declare.Bounded {
		if c.Certified, c.Uncertified, err = r.certified(ctx, doer, book, now); err != nil {
			return c, err
		}
	}
	c.Checks, c.CheckFailed = checks(run, book, i)
	if i < len(run.Steps) {
		hash := shownHash(&run.Steps[i])
		for _, a := range run.Approvals {
			if a.Step == i && a.Decision == "approved" && a.ShownHash == hash && authority.Holds(a.DecidedAt, now) {
				c.Approvals = append(c.Approvals, authority.Approval{By: r.person(ctx, declare.PersonID(a.DecidedBy.Name()), now), Voice: a.Voice})
			}
		}
	}
	if r.o.People != nil && c.Owner != "" && c.Class.Rank() >= declare.Normal.Rank() {
		c.OwnersUnable = true
		for _, p := range r.o.People(ctx, now) {
			for _, t := range p.Teams {
				if t == c.Owner && p.ID != doer && p.Level.Rank >= declare.Engineer && !p.Level.Leader {
					c.OwnersUnable = false
				}
			}
		}
	}
	return c, nil
}

// services are those that a run touches itself: every parameter of that type, else the
// runbook's first.
func services(book *declare.Runbook, params map[string]string) []declare.ServiceID {
	var out []declare.ServiceID
	for _, p := range book.Params {
		if p.Type == declare.ParamService && params[p.Name] != "" {
			out = append(out, declare.ServiceID(params[p.Name]))
		}
	}
	if len(out) == 0 && len(book.Services) > 0 {
		out = book.Services[:1]
	}
	return out
}

// checks says how what was expected before a step has turned out.
func checks(run *act.Run, book *declare.Runbook, before int) (authority.Checks, string) {
	out := authority.Unchecked
	for i := range before {
		s := &book.Steps[i]
		test := s.Class == declare.Test && (s.Language == "sh" || s.Language == "ssh") // expects exit code 0
		if s.Rollback || s.Expect == "" && !test || s.Class.Rank() > declare.Test.Rank() || i >= len(run.Steps) {
			continue
		}
		switch run.Steps[i].Status {
		case act.StepDone:
			out = authority.Passed
		case act.StepFailed:
			return authority.Failed, s.Name
		default:
			return authority.Unchecked, ""
		}
	}
	return out, ""
}

// allowed asks authority, and for an approval where one is needed. Levels, certificates
// and loans are those of now, not of when the run began.
func (t *turn) allowed(now time.Time, i int) (bool, error) {
	s := &t.run.Steps[i]
	c, err := t.r.caseOf(t.ctx, t.run, t.source(), i, now)
	if err != nil {
		return false, err
	}
	v := authority.Decide(c)
	if v.OK() {
		if v.Review {
			return true, t.owe(now, act.DutyReview, i, "", t.run.Doer(), fmt.Sprintf("%s broke the glass for step %s of %s: %s", t.run.Doer(), s.Name, t.run.Runbook, t.run.BreakGlass), reviewWithin)
		}
		return true, nil
	}
	if s.Rollback && s.Risk.Rank() <= t.granted().Rank() {
		// Undoing is granted with the doing: whoever approved a step of this risk has
		// seen the runbook with its rollback, and waiting would prolong the harm.
		return true, nil
	}
	open := t.open(i)
	if open != nil && authority.Expired(open.RequestedAt, now) {
		open.Decision, open.DecidedBy, open.DecidedAt = "expired", system, now
		if err := t.answer(open); err != nil {
			return false, err
		}
		s.Status, s.EndedAt, s.Detail = act.StepRefused, now, "nobody answered within a day: much may have changed since; start it again"
		return false, t.record(now, system, "run.approval.expired", fmt.Sprintf("the question on step %s has expired", s.Name))
	}
	waits := func(why string) {
		s.Status = act.StepWaiting
		if t.run.Status != act.RunRollingBack {
			t.status(act.RunWaiting, why)
		}
	}
	if v.Answer == authority.Deny {
		if s.Status == act.StepWaiting && open == nil {
			return false, nil // said already
		}
		waits(fmt.Sprintf("step %s waits for somebody who may run it to take the run: %s", s.Name, v.Why))
		return false, t.record(now, t.run.Actor, "run.handed-up", t.run.Reason)
	}
	if open != nil {
		return false, nil // asked already
	}
	part := v.Missing[0]
	waits(fmt.Sprintf("step %s waits for an approval: %s", s.Name, v.Why))
	if _, err := t.tx.ExecContext(t.ctx, `INSERT INTO approvals (run, step, risk, shown_hash, requested_by, requested_ms, class, part) VALUES (?,?,?,?,?,?,?,?)`,
		t.run.ID, i, s.Risk, shownHash(s), journal.Person(string(t.run.Doer())), now.UnixMilli(), v.Class, part.What); err != nil {
		return false, fmt.Errorf("cannot ask for an approval: %w", err)
	}
	return false, t.record(now, t.run.Actor, "run.approval.requested", fmt.Sprintf("approval asked for step %s: %s", s.Name, v.Why))
}

// open is the question on a step that nobody has answered yet.
func (t *turn) open(i int) *act.Approval {
	for j := range t.run.Approvals {
		if a := &t.run.Approvals[j]; a.Step == i && a.Decision == "" {
			return a
		}
	}
	return nil
}

// answer stores what became of a question.
func (t *turn) answer(a *act.Approval) error {
	_, err := t.tx.ExecContext(t.ctx, `UPDATE approvals SET decision=?, decided_by=?, decided_ms=?, reason=?, voice=?, recorded_by=? WHERE id=? AND decision=''`,
		a.Decision, a.DecidedBy, a.DecidedAt.UnixMilli(), a.Reason, a.Voice, a.RecordedBy, a.ID)
	if err != nil {
		return fmt.Errorf("cannot store the decision: %w", err)
	}
	return nil
}

// granted is the highest risk that somebody has approved in this run.
func (t *turn) granted() declare.Risk {
	out := declare.RiskNone
	for _, a := range t.run.Approvals {
		if a.Decision == "approved" && a.Risk.Rank() > out.Rank() {
			out = a.Risk
		}
	}
	return out
}

// StepVerdict is what authority says to one step of a runbook.
type StepVerdict struct {
	Step    int               `json:"step"`
	Name    string            `json:"name"`
	Verdict authority.Verdict `json:"verdict"`
	// Approvers are those who could give what is missing, nearest to the work first.
	Approvers []authority.Candidate `json:"approvers,omitempty"`
}

// Can says what somebody may do of a runbook with these parameters, were it started now.
// Checks that stand before a step count as passed: the sentence says so.
func (r *Runner) Can(ctx context.Context, now time.Time, who declare.PersonID, s act.StartRun) ([]StepVerdict, error) {
	book := r.o.Runbook(s.Runbook)
	if book == nil {
		return nil, fmt.Errorf("runbook %q: %w", s.Runbook, act.ErrNotFound)
	}
	params := s.Params
	if params == nil {
		params = map[string]string{}
	}
	run := &act.Run{
		Runbook: book.Name, Params: params, Service: service(book, params), Incident: s.Incident, Actor: journal.Person(string(who)),
		Mode: s.Mode, BreakGlass: s.BreakGlass, Asked: s.Asked,
	}
	for _, st := range book.Steps {
		run.Steps = append(run.Steps, act.RunStep{Index: st.Index, Name: st.Name, Status: act.StepDone})
	}
	var out []StepVerdict
	for i := range book.Steps {
		c, err := r.caseOf(ctx, run, book, i, now)
		if err != nil {
			return nil, err
		}
		sv := StepVerdict{Step: i, Name: book.Steps[i].Name, Verdict: authority.Decide(c)}
		if c.Checks == authority.Passed && sv.Verdict.Class == declare.Normal && sv.Verdict.OK() {
			sv.Verdict.Why = strings.Replace(sv.Verdict.Why, ", as here", ": those before it have to", 1)
		}
		if sv.Verdict.Answer == authority.Ask && r.o.People != nil {
			sv.Approvers = authority.Nearest(c, r.o.People(ctx, now), r.onCall(run.Service, now))
		}
		out = append(out, sv)
	}
	return out, nil
}

// MayApprove says whether somebody may answer the open question of a step.
func (r *Runner) MayApprove(ctx context.Context, now time.Time, who declare.PersonID, run *act.Run, step int) authority.Verdict {
	book := reread(run)
	if step < 0 || step >= len(book.Steps) {
		return authority.Verdict{Answer: authority.Deny, Why: "there is no such step"}
	}
	c, err := r.caseOf(ctx, run, book, step, now)
	if err != nil {
		return authority.Verdict{Answer: authority.Deny, Why: "cannot tell: " + err.Error()}
	}
	return authority.Approve(r.person(ctx, who, now), c)
}

// MayRun says whether somebody may run a step of a run, were they its doer.
func (r *Runner) MayRun(ctx context.Context, now time.Time, who declare.PersonID, run *act.Run, step int) authority.Verdict {
	book := reread(run)
	if step < 0 || step >= len(book.Steps) {
		return authority.Verdict{Answer: authority.Deny, Why: "there is no such step"}
	}
	as := *run
	as.TakenBy = who
	c, err := r.caseOf(ctx, &as, book, step, now)
	if err != nil {
		return authority.Verdict{Answer: authority.Deny, Why: "cannot tell: " + err.Error()}
	}
	return authority.Decide(c)
}

func (r *Runner) onCall(s declare.ServiceID, now time.Time) func(declare.PersonID) bool {
	who := declare.PersonID("")
	if r.o.OnCall != nil && s != "" {
		who = r.o.OnCall(s, now)
	}
	return func(p declare.PersonID) bool { return p == who && p != "" }
}
