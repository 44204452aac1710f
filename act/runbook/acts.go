package runbook

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// Start implements act.Runs.
func (r *Runner) Start(ctx context.Context, now time.Time, who declare.PersonID, s act.StartRun) (act.Run, error) {
	return r.start(ctx, now, who, s, nil, 0)
}

// start starts a run, as a step of another where there is a parent.
func (r *Runner) start(ctx context.Context, now time.Time, who declare.PersonID, s act.StartRun, parent *act.Run, parentStep int) (act.Run, error) {
	book := r.o.Runbook(s.Runbook)
	if book == nil {
		return act.Run{}, fmt.Errorf("runbook %q: %w", s.Runbook, act.ErrNotFound)
	}
	params, err := r.params(book, s.Params)
	if err != nil {
		return act.Run{}, err
	}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return act.Run{}, fmt.Errorf("cannot name a run: %w", err)
	}
	run := act.Run{
		ID: cmp.Or(s.ID, "r-"+hex.EncodeToString(id)), Runbook: book.Name, Title: book.Title, Service: service(book, params), Incident: s.Incident,
		Objective: book.Verify.Objective, Params: params, Actor: journal.Person(string(who)), Status: act.RunRunning, StartedAt: now,
		Mode: s.Mode, BreakGlass: strings.TrimSpace(s.BreakGlass), Token: s.Token, Asked: s.Asked, Print: r.print(book), Source: book.Source,
	}
	if s.Service {
		run.Actor = act.Program(who)
	}
	if parent != nil {
		run.Parent, run.ParentStep, run.Incident = parent.ID, parentStep, parent.Incident
	}
	if err := r.startable(ctx, now, who, &run); err != nil {
		return act.Run{}, err
	}
	if parent != nil { // it is against the fault that is there already
		run.Fault, run.ShownAt = parent.Fault, parent.ShownAt
	} else {
		run.Fault = r.against(run.Mode, book.Fault)
	}
	if run.Mode != act.ModeReal && (run.Fault == "" || parent != nil) {
		run.Objective = "" // nothing is altered that it could tell
	} else if run.Objective == "" && s.Incident != 0 {
		if run.Objective, err = r.o.ObjectiveOf(ctx, s.Incident); err != nil {
			return act.Run{}, err
		}
	}
	if len(book.Steps) == 0 {
		return act.Run{}, &act.ConflictError{Why: fmt.Sprintf("runbook %s has no step that runs", book.Name)}
	}
	text, err := json.Marshal(params)
	if err != nil {
		return act.Run{}, err
	}
	err = r.o.DB.Update(ctx, func(tx *state.Tx) error {
		var other string
		err := tx.QueryRowContext(ctx, `SELECT id FROM runs WHERE runbook = ? AND service = ? AND mode = ? AND ? = '' AND status IN ('running','waiting','verifying','rolling-back') LIMIT 1`,
			run.Runbook, run.Service, run.Mode, run.Mode).Scan(&other)
		if err == nil {
			return &act.ConflictError{Why: fmt.Sprintf("runbook %s runs already: %s", run.Runbook, other)}
		}
		if parent == nil {
			if err := oneFault(ctx, tx, &run); err != nil {
				return err
			}
		}
		cause, err := r.cause(ctx, tx, s.Incident)
		if err != nil {
			return err
		}
		t := fmt.Sprintf("%s started runbook %s", who, run.Title)
		if run.Mode != act.ModeReal {
			t = fmt.Sprintf("%s started a %s of runbook %s", who, map[act.RunMode]string{act.ModeDry: "dry run", act.ModeRehearsal: "rehearsal"}[run.Mode], run.Title)
		}
		if run.BreakGlass != "" {
			t += ", breaking the glass: " + run.BreakGlass
		}
		if run.Fact, err = tx.Record(journal.Fact{At: now, Kind: "run.started", Actor: run.Actor, Cause: cause, Subject: run.Ref(), Refs: refs(&run), Text: t, Data: text}); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO runs (id, runbook, title, source, service, incident, objective, params, actor, status, started_ms, fact, token, break_glass, mode, asked, print, parent, parent_step, evidence, fault, shown_ms) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
			run.ID, run.Runbook, run.Title, string(book.Source), run.Service, run.Incident, run.Objective, string(text), run.Actor, run.Status, state.Millis(now), run.Fact,
			run.Token, run.BreakGlass, run.Mode, run.Asked, run.Print, run.Parent, run.ParentStep, run.Baseline, run.Fault, state.Millis(run.ShownAt)); err != nil {
			return fmt.Errorf("cannot store run: %w", err)
		}
		for _, st := range book.Steps {
			if _, err := tx.ExecContext(ctx, `INSERT INTO run_steps (run, idx, name, language, risk, rollback, status) VALUES (?,?,?,?,?,?,?)`,
				run.ID, st.Index, st.Name, st.Language, st.Risk, st.Rollback, act.StepPending); err != nil {
				return fmt.Errorf("cannot store step: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return act.Run{}, err
	}
	r.kick(run.ID)
	return r.Get(ctx, run.ID)
}

// cause is the fact that opened the incident, so that the chain goes on.
func (r *Runner) cause(ctx context.Context, tx *state.Tx, incident int64) (journal.ID, error) {
	if incident == 0 {
		return 0, nil
	}
	var cause journal.ID
	if err := tx.QueryRowContext(ctx, `SELECT fact FROM incidents WHERE number = ?`, incident).Scan(&cause); err != nil {
		return 0, &act.InvalidError{Field: "incident", Got: fmt.Sprint(incident), Want: "the number of an incident"}
	}
	return cause, nil
}

// service is what a run is about: a parameter of that type, else the runbook's first.
func service(book *declare.Runbook, params map[string]string) declare.ServiceID {
	for _, p := range book.Params {
		if p.Type == declare.ParamService && params[p.Name] != "" {
			return declare.ServiceID(params[p.Name])
		}
	}
	if len(book.Services) > 0 {
		return book.Services[0]
	}
	return ""
}

// at returns the step, or an error that a person understands.
func (t *turn) at(i int) (*act.RunStep, error) {
	if i < 0 || i >= len(t.run.Steps) {
		return nil, &act.InvalidError{Field: "step", Got: fmt.Sprint(i), Want: fmt.Sprintf("a step from 0 to %d", len(t.run.Steps)-1)}
	}
	if t.run.Status.Ended() {
		return nil, &act.ConflictError{Why: fmt.Sprintf("the run is %s already", t.run.Status)}
	}
	return &t.run.Steps[i], nil
}

// Decide implements act.Runs.
func (r *Runner) Decide(ctx context.Context, now time.Time, who declare.PersonID, id string, step int, approve bool, hash, reason string) (act.Run, error) {
	if len(reason) > 2_000 {
		return act.Run{}, &act.InvalidError{Field: "reason", Want: "at most 2000 characters"}
	}
	_, err := r.change(ctx, id, func(t *turn) error {
		s, err := t.at(step)
		if err != nil {
			return err
		}
		open := t.open(step)
		if open == nil || s.Status != act.StepWaiting {
			return &act.ConflictError{Why: fmt.Sprintf("step %s does not wait for an approval", s.Name)}
		}
		c, err := r.caseOf(ctx, t.run, t.source(), step, now)
		if err != nil {
			return err
		}
		v := authority.Approve(r.person(ctx, who, now), c)
		if withdraw := !approve && (who == c.Who.ID || slices.Contains(c.AskedBy, who)); !v.OK() && !withdraw {
			return &act.DeniedError{Why: v.Why} // whoever asked may withdraw, but not approve
		}
		if hash != open.ShownHash || hash != shownHash(s) {
			return &act.ConflictError{Why: "what was shown is not what would run now: look again"}
		}
		if approve && authority.Expired(open.RequestedAt, now) {
			return &act.ConflictError{Why: "the question is more than a day old, and much may have changed since: start the run again"}
		}
		actor := journal.Person(string(who))
		open.Decision, open.DecidedBy, open.DecidedAt, open.Reason = "refused", actor, now, reason
		if approve {
			open.Decision = "approved"
		}
		if err := t.answer(open); err != nil {
			return err
		}
		text := fmt.Sprintf("%s %s step %s", who, open.Decision, s.Name)
		if reason != "" {
			text += ": " + reason
		}
		if err := t.record(now, actor, journal.Kind("run.approval."+open.Decision), text); err != nil {
			return err
		}
		if !approve {
			s.Status, s.EndedAt, s.Detail = act.StepRefused, now, fmt.Sprintf("refused by %s: %s", who, reason)
			return nil
		}
		// It may take another: then the question is asked again, for what is missing.
		if ok, err := t.allowed(now, step); err != nil || !ok {
			return err
		}
		if t.run.Status == act.RunWaiting {
			t.status(act.RunRunning, "")
		}
		return nil
	})
	if err != nil {
		return act.Run{}, err
	}
	r.kick(id)
	return r.Get(ctx, id)
}

// Take hands a run to somebody who goes on with it in their own name: where the one who
// started it may not do what comes next, even with an approval. The one who started it
// assists, and does not approve.
func (r *Runner) Take(ctx context.Context, now time.Time, who declare.PersonID, id string) (act.Run, error) {
	_, err := r.change(ctx, id, func(t *turn) error {
		if t.run.Status != act.RunWaiting {
			return &act.ConflictError{Why: fmt.Sprintf("only a run that waits is taken; this one is %s", t.run.Status)}
		}
		if t.run.Doer() == who {
			return &act.ConflictError{Why: fmt.Sprintf("%s has it already", who)}
		}
		for i := range t.run.Steps {
			s := &t.run.Steps[i]
			if s.Status != act.StepWaiting {
				continue
			}
			for _, a := range t.run.Approvals {
				if a.Step == i && a.Decision == "approved" && a.DecidedBy == journal.Person(string(who)) {
					return &act.DeniedError{Why: fmt.Sprintf("%s has approved step %s: doing it is somebody else's", who, s.Name)}
				}
			}
			as := *t.run
			as.TakenBy = who
			c, err := r.caseOf(ctx, &as, t.source(), i, now)
			if err != nil {
				return err
			}
			if v := authority.Decide(c); v.Answer == authority.Deny {
				return &act.DeniedError{Why: v.Why}
			}
			if open := t.open(i); open != nil { // asked by another
				open.Decision, open.DecidedBy, open.DecidedAt, open.Reason = "refused", journal.Person(string(who)), now, "withdrawn: "+string(who)+" has taken the run"
				if err := t.answer(open); err != nil {
					return err
				}
			}
			s.Status = act.StepPending
		}
		before := t.run.Doer()
		t.run.TakenBy = who
		t.status(act.RunRunning, "")
		return t.record(now, journal.Person(string(who)), "run.taken", fmt.Sprintf("%s goes on with the run of %s", who, before))
	})
	if err != nil {
		return act.Run{}, err
	}
	r.kick(id)
	return r.Get(ctx, id)
}

// Continue implements act.Runs.
func (r *Runner) Continue(ctx context.Context, now time.Time, who declare.PersonID, id string, step int, retry bool) (act.Run, error) {
	_, err := r.change(ctx, id, func(t *turn) error {
		s, err := t.at(step)
		if err != nil {
			return err
		}
		if s.Status != act.StepInterrupted {
			return &act.ConflictError{Why: fmt.Sprintf("step %s was not interrupted: it is %s", s.Name, s.Status)}
		}
		if v := t.mayDecide(who, step, now); !v.OK() {
			return &act.DeniedError{Why: v.Why}
		}
		text := fmt.Sprintf("%s skips step %s, which was interrupted", who, s.Name)
		s.Status, s.Detail = act.StepSkipped, "skipped by "+string(who)
		if retry {
			text = fmt.Sprintf("%s runs step %s again, which was interrupted", who, s.Name)
			s.Status, s.Detail, s.EndedAt = act.StepPending, "", time.Time{}
		}
		if t.run.Status == act.RunWaiting {
			t.status(act.RunRunning, "")
		}
		return t.record(now, journal.Person(string(who)), "run.step.decided", text)
	})
	if err != nil {
		return act.Run{}, err
	}
	r.kick(id)
	return r.Get(ctx, id)
}

// mayDecide says whether somebody may say what becomes of an interrupted step: whoever
// may run it now, or could approve it.
func (t *turn) mayDecide(who declare.PersonID, step int, now time.Time) authority.Verdict {
	v := t.r.MayRun(t.ctx, now, who, t.run, step)
	if !v.OK() {
		if a := t.r.MayApprove(t.ctx, now, who, t.run, step); a.OK() {
			return a
		}
	}
	return v
}

// Cancel implements act.Runs. Anybody who is signed in may stop a run: stopping is
// safer than going on.
func (r *Runner) Cancel(ctx context.Context, now time.Time, who declare.PersonID, id, reason string) (act.Run, error) {
	if len(reason) > 2_000 {
		return act.Run{}, &act.InvalidError{Field: "reason", Want: "at most 2000 characters"}
	}
	run, err := r.change(ctx, id, func(t *turn) error {
		if t.run.Status.Ended() {
			return &act.ConflictError{Why: fmt.Sprintf("the run is %s already", t.run.Status)}
		}
		why := "cancelled by " + string(who)
		if reason != "" {
			why += ": " + reason
		}
		return t.cancelled(now, journal.Person(string(who)), why)
	})
	if err != nil {
		return act.Run{}, err
	}
	r.stop(id)
	below, err := r.children(ctx, id)
	if err != nil {
		return act.Run{}, err
	}
	for _, c := range below {
		var over *act.ConflictError
		if _, err := r.Cancel(ctx, now, who, c, "the run that it is a step of was cancelled"); err != nil && !errors.As(err, &over) {
			return act.Run{}, err
		}
	}
	return run, nil
}

// Tick says that a step that is done by hand has been done, and how many minutes it took;
// or that it could not be.
func (r *Runner) Tick(ctx context.Context, now time.Time, who declare.PersonID, id string, step int, done bool, minutes int, note string) (act.Run, error) {
	if len(note) > 2_000 {
		return act.Run{}, &act.InvalidError{Field: "note", Want: "at most 2000 characters"}
	}
	if minutes < 0 || minutes > 1440 {
		return act.Run{}, &act.InvalidError{Field: "minutes", Got: fmt.Sprint(minutes), Want: "minutes from 0 to 1440"}
	}
	_, err := r.change(ctx, id, func(t *turn) error {
		s, err := t.at(step)
		if err != nil {
			return err
		}
		if s.Language != "manual" || s.Status != act.StepRunning {
			return &act.ConflictError{Why: fmt.Sprintf("step %s does not wait to be done by hand: it is %s", s.Name, s.Status)}
		}
		if who != t.run.Doer() {
			if v := r.MayRun(ctx, now, who, t.run, step); !v.OK() {
				return &act.DeniedError{Why: v.Why}
			}
		}
		s.Status, s.EndedAt = act.StepDone, now
		s.Detail = fmt.Sprintf("done by %s in %d minutes", who, minutes)
		if !done {
			s.Status, s.Detail = act.StepFailed, fmt.Sprintf("%s could not do it", who)
		}
		if note = strings.TrimSpace(note); note != "" {
			s.Output = mask(note)
			s.Detail += ": " + mask(note)
		}
		t.run.Minutes += minutes
		if t.run.Status == act.RunWaiting {
			t.status(act.RunRunning, "")
		}
		return t.record(now, journal.Person(string(who)), "run.step.finished", fmt.Sprintf("step %s %s", s.Name, s.Detail))
	})
	if err != nil {
		return act.Run{}, err
	}
	r.kick(id)
	return r.Get(ctx, id)
}
