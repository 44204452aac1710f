package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/act"
)

type silencesView struct {
	Page
	Active, Expired        []Silence
	Matchers, Comment, For string // as typed
}

func (s *site) silences(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	q := r.URL.Query()
	return s.showSilences(w, r, me, http.StatusOK, "", silencesView{Matchers: q.Get("matchers"), For: "2h"})
}

func (s *site) showSilences(w http.ResponseWriter, r *http.Request, me act.Identity, status int, problem string, v silencesView) error {
	v.Page, v.Problem = s.page(r, me, "Silences", "silences"), problem
	all, err := s.Silences.List(r.Context())
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.State == "expired" {
			if len(v.Expired) < perPage {
				v.Expired = append(v.Expired, one)
			}
			continue
		}
		v.Active = append(v.Active, one)
	}
	s.render(w, status, "silences", v)
	return nil
}

func (s *site) addSilence(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	now := s.Now()
	v := silencesView{
		Matchers: strings.TrimSpace(r.PostFormValue("matchers")), Comment: strings.TrimSpace(r.PostFormValue("comment")), For: strings.TrimSpace(r.PostFormValue("for")),
	}
	d, err := model.ParseDuration(v.For)
	switch {
	case v.Matchers == "":
		err = &act.InvalidError{Field: "what", Want: `matchers as service="checkout"`}
	case err != nil || d <= 0 || time.Duration(d) > 365*24*time.Hour:
		err = &act.InvalidError{Field: "for", Got: v.For, Want: "a duration as 30m or 2h, at most a year"}
	case v.Comment == "":
		err = &act.InvalidError{Field: "why", Want: "a reason: somebody will wonder why nothing paged"}
	default:
		_, err = s.Silences.Add(r.Context(), now, me.Actor(), Silence{
			Matchers: v.Matchers, Comment: v.Comment, By: string(me.Person), Starts: now, Ends: now.Add(time.Duration(d)),
		})
	}
	if err != nil {
		if message, theirs := said(err); theirs {
			return s.showSilences(w, r, me, http.StatusBadRequest, message, v)
		}
		return err
	}
	return after(w, r, "/silences", "silenced")
}

func (s *site) expireSilence(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := s.Silences.Expire(r.Context(), s.Now(), me.Actor(), r.PathValue("id")); err != nil {
		return err
	}
	return after(w, r, "/silences", "expired")
}
