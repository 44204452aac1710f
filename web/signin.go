package web

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

type signInView struct {
	Page
	Next   string
	Person string // as typed
}

func (s *site) signInForm(w http.ResponseWriter, r *http.Request) {
	next := local(r.URL.Query().Get("next"), "/")
	if me, ok := act.IdentityOf(r); ok && me.Token == "" {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	s.render(w, http.StatusOK, "signin", signInView{Page: s.page(r, act.Identity{}, "Sign in", ""), Next: next})
}

func (s *site) signIn(w http.ResponseWriter, r *http.Request) {
	if err := form(r); err != nil {
		s.fail(w, r, act.Identity{}, err)
		return
	}
	v := signInView{Page: s.page(r, act.Identity{}, "Sign in", ""), Next: local(r.PostFormValue("next"), "/"), Person: strings.TrimSpace(r.PostFormValue("person"))}
	session, err := s.Accounts.SignIn(r.Context(), s.Now(), declare.PersonID(v.Person), r.PostFormValue("password"), remote(r))
	var denied *act.DeniedError
	switch {
	case err == nil:
		s.setSession(w, r, session)
		http.Redirect(w, r, v.Next, http.StatusSeeOther)
	case errors.Is(err, ErrWrongPassword):
		v.Problem = "The name or the password is not right."
		s.render(w, http.StatusUnauthorized, "signin", v)
	case errors.As(err, &denied):
		v.Problem = denied.Why
		s.render(w, http.StatusForbidden, "signin", v)
	default:
		s.fail(w, r, act.Identity{}, err)
	}
}

func (s *site) setSession(w http.ResponseWriter, r *http.Request, session Session) {
	http.SetCookie(w, &http.Cookie{
		Name: SessionCookie, Value: session.Secret, Path: "/", Expires: session.Expires,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure(r),
	})
}

// remote is the address that the request came from, without its port.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (s *site) signOut(w http.ResponseWriter, r *http.Request, _ act.Identity) error {
	if c, err := r.Cookie(SessionCookie); err == nil {
		if err := s.Accounts.SignOut(r.Context(), s.Now(), c.Value); err != nil {
			return err
		}
	}
	http.SetCookie(w, &http.Cookie{Name: SessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure(r)})
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}

type inviteView struct {
	Page
	Invitation Invitation
	Person     string // as typed
	People     []*declare.Person
}

func (s *site) inviteForm(w http.ResponseWriter, r *http.Request) {
	s.showInvite(w, r, http.StatusOK, "", "")
}

func (s *site) showInvite(w http.ResponseWriter, r *http.Request, status int, problem, person string) {
	inv, err := s.Accounts.Invitation(r.Context(), s.Now(), r.PathValue("secret"))
	if errors.Is(err, act.ErrNotFound) {
		v := errorView{Page: s.page(r, act.Identity{}, "This link is over", ""), Status: http.StatusNotFound, Heading: "This link is over",
			Message: "The invitation was used already, has ended, or is mistyped.", Hint: "Ask an administrator for a new one, or sign in if you have an account."}
		s.render(w, v.Status, "error", v)
		return
	}
	if err != nil {
		s.fail(w, r, act.Identity{}, err)
		return
	}
	v := inviteView{Page: s.page(r, act.Identity{}, "Welcome", ""), Invitation: inv, Person: person, People: s.Workspace().People}
	v.Problem = problem
	s.render(w, status, "invite", v)
}

func (s *site) accept(w http.ResponseWriter, r *http.Request) {
	if err := form(r); err != nil {
		s.fail(w, r, act.Identity{}, err)
		return
	}
	person, password := strings.TrimSpace(r.PostFormValue("person")), r.PostFormValue("password")
	if password != r.PostFormValue("again") {
		s.showInvite(w, r, http.StatusBadRequest, "The two passwords are not the same.", person)
		return
	}
	session, err := s.Accounts.Accept(r.Context(), s.Now(), r.PathValue("secret"), declare.PersonID(person), password, remote(r))
	if err != nil {
		if message, theirs := said(err); theirs && !errors.Is(err, act.ErrNotFound) {
			status, _, _, _ := explainError(err)
			s.showInvite(w, r, status, message, person)
			return
		}
		s.fail(w, r, act.Identity{}, err)
		return
	}
	s.setSession(w, r, session)
	_ = after(w, r, "/", "welcome")
}

// themeCookie remembers who wants it light or dark whatever their system says.
const themeCookie = "evenkeel_theme"

func (s *site) theme(w http.ResponseWriter, r *http.Request) {
	if err := form(r); err != nil {
		s.fail(w, r, act.Identity{}, err)
		return
	}
	c := &http.Cookie{Name: themeCookie, Path: "/", SameSite: http.SameSiteLaxMode, HttpOnly: true, Secure: s.secure(r), MaxAge: -1}
	if t := r.PostFormValue("theme"); t == "light" || t == "dark" {
		c.Value, c.MaxAge = t, 365*24*3600
	}
	http.SetCookie(w, c)
	http.Redirect(w, r, local(r.PostFormValue("next"), "/"), http.StatusSeeOther)
}
