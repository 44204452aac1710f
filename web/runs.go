package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

type runsView struct {
	Page
	State string
	Runs  []act.Run
	Pager pager
}

func (s *site) runs(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	v := runsView{Page: s.page(r, me, "Runs", "runs"), State: r.URL.Query().Get("state")}
	f := act.RunFilter{Active: v.State == "active", Waiting: v.State == "waiting", Limit: perPage + 1, Offset: pageOf(r)}
	found, err := s.Runs.List(r.Context(), f)
	if err != nil {
		return err
	}
	v.Runs = found[:min(len(found), perPage)]
	v.Pager = newPager(v.Here, f.Offset, len(v.Runs), -1, len(found) > perPage)
	return s.show(w, "runs", v)
}

type runView struct {
	Page
	Run      act.Run
	Steps    []runStepView
	Params   [][2]string
	Timeline []journal.Fact
	Reason   string // as typed
	Runbook  bool   // it is still in the workspace
	// Command is who may approve by voice: whoever commands the run's incident.
	Command declare.PersonID
	// Takes says that this person may go on with it in their own name.
	Takes bool
}

// runStepView is a step with the question that is open on it, if there is one.
type runStepView struct {
	act.RunStep
	Approval *act.Approval // open, or the last that was answered
	Waiting  bool
	May      bool
	Why      string
}

func (s *site) run(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.showRun(w, r, me, http.StatusOK, "", "")
}

func (s *site) showRun(w http.ResponseWriter, r *http.Request, me act.Identity, status int, problem, reason string) error {
	run, err := s.Runs.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	v := runView{Page: s.page(r, me, run.Title, "runs"), Run: run, Reason: reason, Runbook: s.Workspace().Runbook(run.Runbook) != nil}
	v.Problem = problem
	for _, k := range sortedKeys(run.Params) {
		v.Params = append(v.Params, [2]string{k, run.Params[k]})
	}
	for _, st := range run.Steps {
		sv := runStepView{RunStep: st}
		for i := range run.Approvals {
			if a := &run.Approvals[i]; a.Step == st.Index {
				sv.Approval = a // the last one counts: a retry asks again
			}
		}
		if sv.Approval != nil && sv.Approval.Decision == "" && !run.Status.Ended() {
			sv.Waiting = true
			may := s.Guide.MayApprove(r.Context(), s.Now(), me.Person, &run, st.Index)
			sv.May, sv.Why = may.OK(), may.Why
		}
		if st.Status == act.StepInterrupted {
			may := s.Guide.MayRun(r.Context(), s.Now(), me.Person, &run, st.Index)
			sv.May, sv.Why = may.OK(), may.Why
		}
		v.Steps = append(v.Steps, sv)
	}
	if run.Incident != 0 && !run.Status.Ended() {
		if i, err := s.Incidents.Get(r.Context(), respond.Number(run.Incident)); err == nil && !i.Ended() {
			if v.Command = i.Roles[respond.Commander]; v.Command == "" {
				v.Command = i.Assignee
			}
		}
	}
	for _, st := range run.Steps {
		if run.Status == act.RunWaiting && st.Status == act.StepWaiting && me.Person != run.Doer() {
			v.Takes = s.Guide.MayRun(r.Context(), s.Now(), me.Person, &run, st.Index).Answer != authority.Deny
		}
	}
	if v.Timeline, err = s.timeline(r.Context(), run.Ref()); err != nil {
		return err
	}
	s.render(w, status, "run", v)
	return nil
}

func (s *site) decideStep(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.actOnStep(w, r, me, func(run string, step int, reason string) (string, error) {
		approve := r.PostFormValue("decision") == "approve"
		if !approve && r.PostFormValue("decision") != "refuse" {
			return "", &act.InvalidError{Field: "decision", Got: r.PostFormValue("decision"), Want: "approve or refuse"}
		}
		if !approve && reason == "" {
			return "", &act.InvalidError{Field: "reason", Want: "why it is refused: the one who asked has to know"}
		}
		_, err := s.Runs.Decide(r.Context(), s.Now(), me.Person, run, step, approve, r.PostFormValue("shown_hash"), reason)
		return map[bool]string{true: "approved", false: "refused"}[approve], err
	})
}

func (s *site) continueStep(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.actOnStep(w, r, me, func(run string, step int, _ string) (string, error) {
		retry := r.PostFormValue("how") == "retry"
		if !retry && r.PostFormValue("how") != "skip" {
			return "", &act.InvalidError{Field: "how", Got: r.PostFormValue("how"), Want: "retry or skip"}
		}
		_, err := s.Runs.Continue(r.Context(), s.Now(), me.Person, run, step, retry)
		return map[bool]string{true: "retried", false: "skipped"}[retry], err
	})
}

// actOnStep does an act on one step of a run; refused, it shows the run as it is now.
func (s *site) actOnStep(w http.ResponseWriter, r *http.Request, me act.Identity, do func(run string, step int, reason string) (string, error)) error {
	if err := form(r); err != nil {
		return err
	}
	id, reason := r.PathValue("id"), strings.TrimSpace(r.PostFormValue("reason"))
	step, err := strconv.Atoi(r.PostFormValue("step"))
	if err != nil {
		return &act.InvalidError{Field: "step", Got: r.PostFormValue("step"), Want: "a step's number"}
	}
	done, err := do(id, step, reason)
	if err == nil {
		return after(w, r, local(r.PostFormValue("next"), "/runs/"+url.PathEscape(id)), done)
	}
	return s.refusedRun(w, r, me, err, reason)
}

func (s *site) cancelRun(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	id, reason := r.PathValue("id"), strings.TrimSpace(r.PostFormValue("reason"))
	if _, err := s.Runs.Cancel(r.Context(), s.Now(), me.Person, id, reason); err != nil {
		return s.refusedRun(w, r, me, err, reason)
	}
	return after(w, r, "/runs/"+url.PathEscape(id), "cancelled")
}

func (s *site) refusedRun(w http.ResponseWriter, r *http.Request, me act.Identity, err error, reason string) error {
	status, _, message, _ := explainError(err)
	if status == http.StatusNotFound || status >= 500 || status == 0 {
		return err
	}
	return s.showRun(w, r, me, status, message, reason)
}
