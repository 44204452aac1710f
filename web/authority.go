package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/declare"
)

// Loans are what people have lent to each other; *account.Book keeps them.
type Loans interface {
	Lend(ctx context.Context, now time.Time, who declare.PersonID, l account.Loan) (account.Loan, error)
	Loans(ctx context.Context, now time.Time, all bool) ([]account.Loan, error)
	EndLoan(ctx context.Context, now time.Time, who act.Identity, id int64) error
}

type authorityView struct {
	Page
	Classes []classLine
	Duties  []dutyView
	Done    []act.Duty
	Loans   []account.Loan
	Lends   bool // loans are kept at all
	People  []*declare.Person
}

// classLine is what this person may do of a class, in the plainest case.
type classLine struct {
	Class   declare.Class
	Verdict authority.Verdict
}

// dutyView is something owed; Mine says that this person may do it.
type dutyView struct {
	act.Duty
	Mine    bool
	Overdue bool
}

func (s *site) authority(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.showAuthority(w, r, me, http.StatusOK, "")
}

func (s *site) showAuthority(w http.ResponseWriter, r *http.Request, me act.Identity, status int, problem string) error {
	ws, now := s.Workspace(), s.Now()
	v := authorityView{Page: s.page(r, me, "What you may do", "account"), Lends: s.Loans != nil}
	v.Problem = problem
	p := authority.Person{ID: me.Person, Level: ws.LevelOf(me.Person)}
	owner := declare.TeamID("")
	if c := ws.Person(me.Person); c != nil {
		if p.Teams = c.Teams; len(p.Teams) > 0 {
			owner = p.Teams[0]
		}
	}
	for _, c := range declare.Classes() {
		v.Classes = append(v.Classes, classLine{c, authority.Decide(authority.Case{Who: p, What: "an action", Class: c, Owner: owner, Service: "a service of yours"})})
	}
	all, err := s.Guide.Duties(r.Context(), true)
	if err != nil {
		return err
	}
	for _, d := range all {
		if !d.Open() {
			if len(v.Done) < 10 {
				v.Done = append(v.Done, d)
			}
			continue
		}
		mine := d.OwedBy == me.Person || (d.OwedBy == "" && d.NotBy != me.Person && (p.Level.Rank >= declare.Senior || p.Level.Leader))
		v.Duties = append(v.Duties, dutyView{d, mine, d.Overdue(now)})
	}
	if s.Loans != nil {
		if v.Loans, err = s.Loans.Loans(r.Context(), now, false); err != nil {
			return err
		}
		for _, q := range ws.People {
			if q.ID != me.Person {
				v.People = append(v.People, q)
			}
		}
	}
	s.render(w, status, "authority", v)
	return nil
}

// refusedAuthority shows the page again with why.
func (s *site) refusedAuthority(w http.ResponseWriter, r *http.Request, me act.Identity, err error) error {
	if message, theirs := said(err); theirs {
		status, _, _, _ := explainError(err)
		return s.showAuthority(w, r, me, status, message)
	}
	return err
}

func (s *site) fulfil(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return act.ErrNotFound
	}
	if _, err := s.Guide.Fulfil(r.Context(), s.Now(), me.Person, id, r.PostFormValue("verdict"), r.PostFormValue("text")); err != nil {
		return s.refusedAuthority(w, r, me, err)
	}
	return after(w, r, "/authority", "duty-done")
}

func (s *site) lend(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	if s.Loans == nil {
		return act.ErrNotFound
	}
	if err := session(me); err != nil {
		return err
	}
	d, err := model.ParseDuration(r.PostFormValue("for"))
	if err != nil {
		return s.refusedAuthority(w, r, me, &act.InvalidError{Field: "for", Got: r.PostFormValue("for"), Want: "a time as 12h or 14d"})
	}
	now := s.Now()
	_, err = s.Loans.Lend(r.Context(), now, me.Person, account.Loan{
		Borrower: declare.PersonID(r.PostFormValue("borrower")), Upto: declare.Class(r.PostFormValue("upto")),
		Reason: strings.TrimSpace(r.PostFormValue("reason")), EndsAt: now.Add(time.Duration(d)),
	})
	if err != nil {
		return s.refusedAuthority(w, r, me, err)
	}
	return after(w, r, "/authority", "lent")
}

func (s *site) endLoan(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || s.Loans == nil {
		return act.ErrNotFound
	}
	if err := s.Loans.EndLoan(r.Context(), s.Now(), me, id); err != nil {
		return s.refusedAuthority(w, r, me, err)
	}
	return after(w, r, "/authority", "loan-ended")
}

// takeRun goes on with a run in this person's name.
func (s *site) takeRun(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	id := r.PathValue("id")
	if _, err := s.Guide.Take(r.Context(), s.Now(), me.Person, id); err != nil {
		return s.refusedRun(w, r, me, err, "")
	}
	return after(w, r, "/runs/"+id, "taken")
}

// voiceStep writes down what the commander said.
func (s *site) voiceStep(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.actOnStep(w, r, me, func(run string, step int, words string) (string, error) {
		_, err := s.Guide.Voice(r.Context(), s.Now(), me.Person, declare.PersonID(r.PostFormValue("commander")), run, step, r.PostFormValue("shown_hash"), words)
		return "approved", err
	})
}

// tickStep says that a step by hand is done, or could not be.
func (s *site) tickStep(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.actOnStep(w, r, me, func(run string, step int, note string) (string, error) {
		minutes := 0
		if text := strings.TrimSpace(r.PostFormValue("minutes")); text != "" {
			var err error
			if minutes, err = strconv.Atoi(text); err != nil {
				return "", &act.InvalidError{Field: "minutes", Got: text, Want: "a number"}
			}
		}
		_, err := s.Guide.Tick(r.Context(), s.Now(), me.Person, run, step, r.PostFormValue("how") != "failed", minutes, note)
		return "ticked", err
	})
}
