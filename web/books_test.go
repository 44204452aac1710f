package web

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/learn"
)

type runBook struct{ e *estate }

func (b runBook) Start(_ context.Context, now time.Time, who declare.PersonID, s act.StartRun) (act.Run, error) {
	rb := b.e.ws.Runbook(s.Runbook)
	if rb == nil {
		return act.Run{}, act.ErrNotFound
	}
	for _, p := range rb.Params {
		v, ok := s.Params[p.Name]
		if p.Required && !ok {
			return act.Run{}, &act.InvalidError{Field: p.Name, Want: p.Description}
		}
		if ok && p.Pattern != "" && !regexp.MustCompile(p.Pattern).MatchString(v) {
			return act.Run{}, &act.InvalidError{Field: p.Name, Got: v, Want: "a value that matches " + p.Pattern}
		}
	}
	b.e.mu.Lock()
	run := act.Run{ID: fmt.Sprintf("r-%d", len(b.e.runs)+100), Runbook: rb.Name, Title: rb.Title, Params: s.Params, Incident: s.Incident, Actor: journal.Person(string(who)), Status: act.RunRunning, StartedAt: now}
	for _, st := range rb.Steps {
		run.Steps = append(run.Steps, act.RunStep{Index: st.Index, Name: st.Name, Language: st.Language, Risk: st.Risk, Rollback: st.Rollback, Status: act.StepPending, Body: st.Body, Shown: st.Body, Attempt: 1})
	}
	b.e.runs = append([]act.Run{run}, b.e.runs...)
	b.e.mu.Unlock()
	b.e.fact(now, "run.started", run.Actor, 0, "started "+rb.Title, run.Ref(), journal.MakeRef("incident", fmt.Sprint(s.Incident)))
	return run, nil
}

func (b runBook) change(id string, fn func(*act.Run) error) (act.Run, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	for i := range b.e.runs {
		if b.e.runs[i].ID == id {
			err := fn(&b.e.runs[i])
			return b.e.runs[i], err
		}
	}
	return act.Run{}, act.ErrNotFound
}

func (b runBook) Decide(_ context.Context, now time.Time, who declare.PersonID, id string, step int, approve bool, hash, reason string) (act.Run, error) {
	run, err := b.change(id, func(r *act.Run) error {
		for i := range r.Approvals {
			a := &r.Approvals[i]
			if a.Step != step || a.Decision != "" {
				continue
			}
			switch {
			case a.ShownHash != hash:
				return &act.ConflictError{Why: "what would run is not what was shown: look again"}
			case a.RequestedBy.Name() == string(who):
				return &act.DeniedError{Why: "nobody approves what they asked for themselves"}
			case a.Risk.Rank() > b.e.ws.LevelOf(who).Approve.Rank():
				return &act.DeniedError{Why: "this step's risk is over what you may approve"}
			}
			a.Decision, a.DecidedBy, a.DecidedAt, a.Reason = map[bool]string{true: "approved", false: "refused"}[approve], journal.Person(string(who)), now, reason
			r.Status, r.Steps[step].Status = act.RunRunning, act.StepRunning
			if !approve {
				r.Status, r.Steps[step].Status = act.RunFailed, act.StepRefused
			}
			return nil
		}
		return &act.ConflictError{Why: "there is no open question on this step"}
	})
	if err == nil {
		b.e.fact(now, "run.approval.approved", journal.Person(string(who)), 0, "approved", run.Ref())
	}
	return run, err
}

func (b runBook) Continue(_ context.Context, _ time.Time, _ declare.PersonID, id string, step int, retry bool) (act.Run, error) {
	return b.change(id, func(r *act.Run) error {
		if step < 0 || step >= len(r.Steps) || r.Steps[step].Status != act.StepInterrupted {
			return &act.ConflictError{Why: "this step was not interrupted"}
		}
		r.Status, r.Steps[step].Status = act.RunRunning, act.StepSkipped
		if retry {
			r.Steps[step].Status = act.StepRunning
		}
		return nil
	})
}

func (b runBook) Cancel(_ context.Context, now time.Time, who declare.PersonID, id, reason string) (act.Run, error) {
	run, err := b.change(id, func(r *act.Run) error {
		if r.Status.Ended() {
			return &act.ConflictError{Why: "this run has ended already"}
		}
		r.Status, r.Reason, r.EndedAt = act.RunCancelled, reason, now
		return nil
	})
	if err == nil {
		b.e.fact(now, "run.cancelled", journal.Person(string(who)), 0, "cancelled", run.Ref())
	}
	return run, err
}

func (b runBook) List(_ context.Context, f act.RunFilter) ([]act.Run, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	var out []act.Run
	for _, r := range b.e.runs {
		if f.Active && r.Status.Ended() || f.Waiting && r.Status != act.RunWaiting || f.Incident != 0 && f.Incident != r.Incident || f.Runbook != "" && f.Runbook != r.Runbook {
			continue
		}
		out = append(out, r)
	}
	if f.Limit == 0 {
		f.Limit = 100
	}
	out = out[min(f.Offset, len(out)):]
	return out[:min(f.Limit, len(out))], nil
}

func (b runBook) Get(_ context.Context, id string) (act.Run, error) {
	return b.change(id, func(*act.Run) error { return nil })
}

type reviewBook struct{ e *estate }

func (b reviewBook) Draft(_ context.Context, now time.Time, actor journal.Actor, n int64) (learn.Review, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	if r, ok := b.e.reviews[n]; ok {
		return r, nil
	}
	r := learn.Review{Incident: n, Status: "draft", Markdown: "# Incident " + fmt.Sprint(n) + "\n\nDrafted.", DraftedAt: now, UpdatedAt: now, UpdatedBy: actor}
	b.e.reviews[n] = r
	return r, nil
}

func (b reviewBook) Redraft(ctx context.Context, now time.Time, actor journal.Actor, n int64) (learn.Review, error) {
	b.e.mu.Lock()
	if b.e.reviews[n].Status == "published" {
		b.e.mu.Unlock()
		return learn.Review{}, &act.ConflictError{Why: "it is published"}
	}
	delete(b.e.reviews, n)
	b.e.mu.Unlock()
	return b.Draft(ctx, now, actor, n)
}

func (b reviewBook) Save(_ context.Context, now time.Time, actor journal.Actor, n int64, markdown string, publish bool) (learn.Review, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	r, ok := b.e.reviews[n]
	if !ok {
		return r, learn.ErrNotFound
	}
	r.Markdown, r.UpdatedAt, r.UpdatedBy = markdown, now, actor
	if publish {
		r.Status = "published"
	}
	b.e.reviews[n] = r
	return r, nil
}

func (b reviewBook) AddFollowUp(_ context.Context, now time.Time, _ journal.Actor, n int64, text, owner string) (learn.FollowUp, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	r, ok := b.e.reviews[n]
	if !ok {
		return learn.FollowUp{}, learn.ErrNotFound
	}
	f := learn.FollowUp{ID: int64(len(r.FollowUps) + 1), Incident: n, Text: text, Owner: owner, CreatedAt: now}
	r.FollowUps = append(r.FollowUps, f)
	b.e.reviews[n] = r
	return f, nil
}

func (b reviewBook) FinishFollowUp(_ context.Context, now time.Time, _ journal.Actor, id int64) error {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	for n, r := range b.e.reviews {
		for i := range r.FollowUps {
			if r.FollowUps[i].ID == id {
				r.FollowUps[i].DoneAt = now
				b.e.reviews[n] = r
				return nil
			}
		}
	}
	return learn.ErrNotFound
}

func (b reviewBook) Get(_ context.Context, n int64) (learn.Review, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	if r, ok := b.e.reviews[n]; ok {
		return r, nil
	}
	return learn.Review{}, learn.ErrNotFound
}

func (b reviewBook) List(context.Context) ([]learn.Review, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	var out []learn.Review
	for _, r := range b.e.reviews {
		r.Markdown = ""
		out = append(out, r)
	}
	return out, nil
}

type silenceBook struct{ e *estate }

func (b silenceBook) List(context.Context) ([]Silence, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	return append([]Silence(nil), b.e.silences...), nil
}

func (b silenceBook) Add(_ context.Context, now time.Time, actor journal.Actor, s Silence) (string, error) {
	if !strings.Contains(s.Matchers, "=") {
		return "", &act.InvalidError{Field: "what", Got: s.Matchers, Want: `matchers as service="checkout"`}
	}
	b.e.mu.Lock()
	s.ID, s.State = fmt.Sprintf("s-%d", len(b.e.silences)+1), "active"
	b.e.silences = append(b.e.silences, s)
	b.e.mu.Unlock()
	b.e.fact(now, "silence.created", actor, 0, s.Matchers, journal.MakeRef("silence", s.ID))
	return s.ID, nil
}

func (b silenceBook) Expire(_ context.Context, now time.Time, _ journal.Actor, id string) error {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	for i := range b.e.silences {
		if b.e.silences[i].ID == id {
			b.e.silences[i].State, b.e.silences[i].Ends = "expired", now
			return nil
		}
	}
	return act.ErrNotFound
}

type accountBook struct{ e *estate }

func (b accountBook) session(person declare.PersonID, now time.Time) Session {
	b.e.sessions["session-of-"+string(person)] = person
	return Session{"session-of-" + string(person), now.Add(12 * time.Hour)}
}

func (b accountBook) SignIn(_ context.Context, now time.Time, person declare.PersonID, pass, _ string) (Session, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	for _, a := range b.e.accounts {
		if a.Person != person || pass != password {
			continue
		}
		if a.Disabled {
			return Session{}, &act.DeniedError{Why: "this account is disabled"}
		}
		return b.session(person, now), nil
	}
	return Session{}, ErrWrongPassword
}

func (b accountBook) SignOut(_ context.Context, _ time.Time, secret string) error {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	delete(b.e.sessions, secret)
	return nil
}

func (b accountBook) Invitation(_ context.Context, _ time.Time, secret string) (Invitation, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	if inv, ok := b.e.invited[secret]; ok {
		return inv, nil
	}
	return Invitation{}, act.ErrNotFound
}

func (b accountBook) Accept(_ context.Context, now time.Time, secret string, person declare.PersonID, pass, _ string) (Session, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	if _, ok := b.e.invited[secret]; !ok {
		return Session{}, act.ErrNotFound
	}
	if b.e.ws.Person(person) == nil {
		return Session{}, &act.InvalidError{Field: "person", Got: string(person), Want: "somebody of the catalogue"}
	}
	if len(pass) < 12 {
		return Session{}, &act.InvalidError{Field: "password", Want: "12 characters or more"}
	}
	delete(b.e.invited, secret)
	b.e.accounts = append(b.e.accounts, Account{Person: person, Created: now})
	return b.session(person, now), nil
}

func (b accountBook) List(context.Context) ([]Account, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	return append([]Account(nil), b.e.accounts...), nil
}

func (b accountBook) Invite(_ context.Context, now time.Time, _ journal.Actor, person declare.PersonID, admin bool) (string, time.Time, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	b.e.invited["inv-secret"] = Invitation{Person: person, Admin: admin, Expires: now.Add(48 * time.Hour)}
	return "inv-secret", now.Add(48 * time.Hour), nil
}

func (b accountBook) SetDisabled(_ context.Context, _ time.Time, _ journal.Actor, person declare.PersonID, disabled bool) error {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	for i := range b.e.accounts {
		if b.e.accounts[i].Person == person {
			b.e.accounts[i].Disabled = disabled
			return nil
		}
	}
	return act.ErrNotFound
}

func (b accountBook) Tokens(_ context.Context, person declare.PersonID) ([]Token, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	return append([]Token(nil), b.e.tokens[person]...), nil
}

func (b accountBook) CreateToken(_ context.Context, now time.Time, _ journal.Actor, person declare.PersonID, name string, expires time.Time) (string, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	b.e.tokens[person] = append(b.e.tokens[person], Token{ID: fmt.Sprintf("t%d", len(b.e.tokens[person])+1), Name: name, Created: now, Expires: expires})
	return "ek_t1_topsecret", nil
}

func (b accountBook) RevokeToken(_ context.Context, _ time.Time, _ journal.Actor, person declare.PersonID, id string) error {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	for i, t := range b.e.tokens[person] {
		if t.ID == id {
			b.e.tokens[person] = append(b.e.tokens[person][:i:i], b.e.tokens[person][i+1:]...)
			return nil
		}
	}
	return act.ErrNotFound
}
