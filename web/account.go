package web

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

type accountView struct {
	Page
	Person *declare.Person // nil: the catalogue does not know them
	Levels []levelLine
	Tokens []Token
	Secret string // a token that was just made: shown once
	Name   string // as typed
	Duties []duty
	ForURL string
}

// levelLine is what a level may do; Mine marks the person's own.
type levelLine struct {
	declare.Level
	Mine bool
}

func (s *site) account(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.showAccount(w, r, me, http.StatusOK, accountView{})
}

func (s *site) showAccount(w http.ResponseWriter, r *http.Request, me act.Identity, status int, v accountView) error {
	problem, ws := v.Problem, s.Workspace()
	v.Page = s.page(r, me, "Account", "account")
	v.Problem, v.Person, v.ForURL = problem, ws.Person(me.Person), s.url("")
	own := ws.LevelOf(me.Person)
	for _, l := range ws.Settings.Levels {
		v.Levels = append(v.Levels, levelLine{l, l.Name == own.Name})
	}
	for _, d := range duties(ws, s.Now(), me.Person) {
		if d.Mine {
			v.Duties = append(v.Duties, d)
		}
	}
	var err error
	if v.Tokens, err = s.Accounts.Tokens(r.Context(), me.Person); err != nil {
		return err
	}
	s.render(w, status, "account", v)
	return nil
}

// session refuses what only the person themselves may do, not a token of theirs: a
// token that leaked must not be able to make another one.
func session(me act.Identity) error {
	if me.Token != "" {
		return &act.DeniedError{Why: "this needs a signed-in person: a token cannot do it"}
	}
	return nil
}

func (s *site) createToken(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := cmp.Or(session(me), form(r)); err != nil {
		return err
	}
	now := s.Now()
	v := accountView{Name: strings.TrimSpace(r.PostFormValue("name"))}
	var expires time.Time
	if d := r.PostFormValue("expires"); d != "" {
		span, err := model.ParseDuration(d)
		if err != nil || span <= 0 {
			v.Problem = "expires: got " + d + ", expected a duration as 30d"
			return s.showAccount(w, r, me, http.StatusBadRequest, v)
		}
		expires = now.Add(time.Duration(span))
	}
	if v.Name == "" || len(v.Name) > 64 {
		v.Problem = "name: expected 1 to 64 characters that say what the token is for"
		return s.showAccount(w, r, me, http.StatusBadRequest, v)
	}
	secret, err := s.Accounts.CreateToken(r.Context(), now, me.Actor(), me.Person, v.Name, expires)
	if err != nil {
		if message, theirs := said(err); theirs {
			v.Problem = message
			return s.showAccount(w, r, me, http.StatusBadRequest, v)
		}
		return err
	}
	// Shown in the answer itself: a redirect would put it into the history.
	return s.showAccount(w, r, me, http.StatusOK, accountView{Secret: secret})
}

func (s *site) revokeToken(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := session(me); err != nil {
		return err
	}
	if err := s.Accounts.RevokeToken(r.Context(), s.Now(), me.Actor(), me.Person, r.PathValue("id")); err != nil {
		return err
	}
	return after(w, r, "/account", "revoked")
}

type peopleView struct {
	Page
	People  []personLine
	Invited string // the link that was just made: shown once
	For     string
	Until   time.Time
}

// personLine is somebody of the catalogue, with an account or without one.
type personLine struct {
	ID      declare.PersonID
	Name    string
	Level   declare.Level
	Teams   []declare.TeamID
	Account *Account
	Known   bool // by the catalog
}

// admin refuses those who do not administer.
func admin(me act.Identity) error {
	if !me.Admin {
		return &act.DeniedError{Why: "only administrators see who may come in"}
	}
	return session(me)
}

func (s *site) people(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := admin(me); err != nil {
		return err
	}
	return s.showPeople(w, r, me, http.StatusOK, peopleView{})
}

func (s *site) showPeople(w http.ResponseWriter, r *http.Request, me act.Identity, status int, v peopleView) error {
	ws, problem := s.Workspace(), v.Problem
	v.Page = s.page(r, me, "People", "people")
	v.Problem = problem
	accounts, err := s.Accounts.List(r.Context())
	if err != nil {
		return err
	}
	byID := map[declare.PersonID]*Account{}
	for i := range accounts {
		byID[accounts[i].Person] = &accounts[i]
	}
	for _, p := range ws.People {
		v.People = append(v.People, personLine{p.ID, p.Name, ws.LevelOf(p.ID), p.Teams, byID[p.ID], true})
		delete(byID, p.ID)
	}
	for _, a := range accounts { // those whom the catalogue does not know (any more)
		if byID[a.Person] != nil {
			v.People = append(v.People, personLine{ID: a.Person, Name: string(a.Person), Level: ws.LevelOf(a.Person), Account: byID[a.Person]})
		}
	}
	s.render(w, status, "people", v)
	return nil
}

func (s *site) invite(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := cmp.Or(admin(me), form(r)); err != nil {
		return err
	}
	person := strings.TrimSpace(r.PostFormValue("person"))
	secret, until, err := s.Accounts.Invite(r.Context(), s.Now(), me.Actor(), declare.PersonID(person), r.PostFormValue("admin") != "")
	if err != nil {
		if message, theirs := said(err); theirs {
			return s.showPeople(w, r, me, http.StatusBadRequest, peopleView{Page: Page{Problem: message}})
		}
		return err
	}
	return s.showPeople(w, r, me, http.StatusOK, peopleView{Invited: s.url("/invite/" + secret), For: person, Until: until})
}

func (s *site) disable(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := cmp.Or(admin(me), form(r)); err != nil {
		return err
	}
	person, disabled := declare.PersonID(r.PostFormValue("person")), r.PostFormValue("disabled") == "true"
	if person == me.Person && disabled {
		return s.showPeople(w, r, me, http.StatusConflict, peopleView{Page: Page{Problem: "You cannot disable your own account: another administrator can."}})
	}
	if err := s.Accounts.SetDisabled(r.Context(), s.Now(), me.Actor(), person, disabled); err != nil {
		return err
	}
	return after(w, r, "/admin/people", map[bool]string{true: "disabled", false: "enabled"}[disabled])
}
