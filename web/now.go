package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// nowView is the first page: what needs this person now.
type nowView struct {
	Page
	Incidents []incidentLine
	Approvals []approvalLine
	Decisions []act.Run // interrupted runs that wait for a person's decision
	Running   []act.Run
	Burning   []objectiveState
	Tickets   []detect.Finding
	More      int // tickets that are not shown
	Duties    []duty
	Objective int // how many there are
}

// Calm says whether nothing at all asks for anybody.
func (v nowView) Calm() bool {
	return len(v.Incidents)+len(v.Approvals)+len(v.Decisions)+len(v.Running)+len(v.Burning)+len(v.Tickets) == 0
}

// incidentLine is an incident in a list.
type incidentLine struct {
	respond.Incident
	Mine bool
}

// Top is the first suspect, or nil.
func (i incidentLine) Top() *respond.Suspect {
	if len(i.Suspects) == 0 {
		return nil
	}
	return &i.Suspects[0]
}

// Began is when users began to suffer, as far as known.
func (i incidentLine) Began() time.Time {
	if i.Clocks.Impact.IsZero() {
		return i.Clocks.Detected
	}
	return i.Clocks.Impact
}

// approvalLine is a question that this person may answer.
type approvalLine struct {
	Run      act.Run
	Step     act.RunStep
	Approval act.Approval
	Why      string
}

// duty is one schedule's present turn.
type duty struct {
	declare.Schedule
	Person declare.PersonID
	Next   declare.PersonID
	Until  time.Time // zero: no hand-over within the coming two weeks
	Mine   bool
}

func (s *site) now(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	ctx, now, ws := r.Context(), s.Now(), s.Workspace()
	v := nowView{Page: s.page(r, me, "What needs me now", "now"), Objective: len(ws.Objectives)}

	active, err := s.Incidents.List(ctx, respond.IncidentFilter{Active: true})
	if err != nil {
		return err
	}
	for _, i := range active {
		v.Incidents = append(v.Incidents, incidentLine{Incident: i, Mine: i.Assignee == me.Person})
	}
	slices.SortStableFunc(v.Incidents, func(a, b incidentLine) int { return urgency(a, v.Me) - urgency(b, v.Me) })

	waiting, err := s.Runs.List(ctx, act.RunFilter{Active: true})
	if err != nil {
		return err
	}
	for _, run := range waiting {
		if run.Status == act.RunWaiting {
			if run, err = s.Runs.Get(ctx, run.ID); err != nil {
				return err
			}
		}
		v.Approvals = append(v.Approvals, s.approvable(r.Context(), run, me)...)
		if slices.ContainsFunc(run.Steps, func(st act.RunStep) bool { return st.Status == act.StepInterrupted }) {
			v.Decisions = append(v.Decisions, run)
		} else {
			v.Running = append(v.Running, run)
		}
	}

	states, err := s.objectiveStates(ctx, ws, now)
	if err != nil { // the store may be what is broken: incidents still have to show
		s.Logger.Error("cannot read objectives", "error", err)
		v.Problem = "The objectives cannot be read: " + err.Error()
	}
	for _, o := range ws.Objectives {
		if st, ok := states[o.Name]; ok && st.troubled() {
			v.Burning = append(v.Burning, st)
		}
	}

	open := true
	tickets, _, err := s.Findings.List(ctx, detect.Filter{Open: &open, Severity: detect.Ticket, Limit: 500})
	if err != nil {
		return err
	}
	for _, f := range tickets {
		if f.Team == "" || slices.Contains(v.Me.Teams, f.Team) {
			v.Tickets = append(v.Tickets, f)
		}
	}
	if len(v.Tickets) > 20 {
		v.More, v.Tickets = len(v.Tickets)-20, v.Tickets[:20]
	}
	v.Duties = duties(ws, now, me.Person)
	return s.show(w, "now", v)
}

// urgency orders incidents: nobody has it, mine, my team's, the others'.
func urgency(i incidentLine, me *Me) int {
	switch {
	case i.Status == respond.Open:
		return 0
	case i.Mine:
		return 1
	case slices.Contains(me.Teams, i.Team):
		return 2
	}
	return 3
}

// approvable are the open questions of a run that this person may answer.
func (s *site) approvable(ctx context.Context, run act.Run, me act.Identity) []approvalLine {
	var out []approvalLine
	for _, a := range run.Approvals {
		if a.Decision != "" || a.Step >= len(run.Steps) {
			continue
		}
		if may := s.Guide.MayApprove(ctx, s.Now(), me.Person, &run, a.Step); may.OK() {
			out = append(out, approvalLine{Run: run, Step: run.Steps[a.Step], Approval: a, Why: may.Why})
		}
	}
	return out
}

// duties are all schedules with who has the duty now and until when, one's own first.
func duties(w *declare.Workspace, now time.Time, me declare.PersonID) []duty {
	var out []duty
	for _, sched := range w.Schedules {
		d := duty{Schedule: *sched, Person: sched.OnCall(now)}
		d.Mine = d.Person != "" && d.Person == me
		d.Until, d.Next = sched.HandOver(now, 15*24*time.Hour)
		out = append(out, d)
	}
	slices.SortStableFunc(out, func(a, b duty) int {
		switch {
		case a.Mine && !b.Mine:
			return -1
		case b.Mine && !a.Mine:
			return 1
		}
		return 0
	})
	return out
}

// onCall is who has the duty of a team now, over all of its schedules.
func onCall(w *declare.Workspace, team declare.TeamID, now time.Time) []declare.PersonID {
	var out []declare.PersonID
	for _, s := range w.Schedules {
		if s.Team != team {
			continue
		}
		if p := s.OnCall(now); p != "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}
