package web

import (
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn"
	"github.com/evenkeel/evenkeel/respond"
)

type reviewsView struct {
	Page
	Reviews []reviewLine
	Missing []respond.Incident // resolved, without a review
}

type reviewLine struct {
	learn.Review
	Title string
	Open  int // follow-ups to do
}

func (s *site) reviews(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	v := reviewsView{Page: s.page(r, me, "Reviews", "reviews")}
	all, err := s.Reviews.List(r.Context())
	if err != nil {
		return err
	}
	incidents, err := s.Incidents.List(r.Context(), respond.IncidentFilter{Limit: 500})
	if err != nil {
		return err
	}
	titles := map[int64]string{}
	for _, i := range incidents {
		titles[int64(i.Number)] = i.Title
	}
	have := map[int64]bool{}
	for _, rev := range all {
		have[rev.Incident] = true
		line := reviewLine{Review: rev, Title: titles[rev.Incident]}
		for _, f := range rev.FollowUps {
			if f.DoneAt.IsZero() {
				line.Open++
			}
		}
		v.Reviews = append(v.Reviews, line)
	}
	for _, i := range incidents {
		if i.Status == respond.Resolved && !have[int64(i.Number)] && len(v.Missing) < 20 {
			v.Missing = append(v.Missing, i)
		}
	}
	return s.show(w, "reviews", v)
}

type reviewView struct {
	Page
	Incident respond.Incident
	Review   *learn.Review // nil: not drafted yet
	HTML     template.HTML
	Markdown string // in the editor, as typed
	Edit     bool
	People   []*declare.Person
	Text     string // of a follow-up, as typed
}

func (s *site) review(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.showReview(w, r, me, http.StatusOK, "", r.URL.Query().Has("edit"), nil)
}

func (s *site) showReview(w http.ResponseWriter, r *http.Request, me act.Identity, status int, problem string, edit bool, typed *string) error {
	n, err := numberOf(r)
	if err != nil {
		return err
	}
	v := reviewView{Page: s.page(r, me, "Review of #"+r.PathValue("n"), "reviews"), Edit: edit, People: s.Workspace().People}
	v.Problem = problem
	if v.Incident, err = s.Incidents.Get(r.Context(), n); err != nil {
		return err
	}
	rev, err := s.Reviews.Get(r.Context(), int64(n))
	switch {
	case errors.Is(err, learn.ErrNotFound):
	case err != nil:
		return err
	default:
		v.Review, v.Markdown, v.HTML = &rev, rev.Markdown, markdown([]byte(rev.Markdown))
	}
	if typed != nil {
		v.Markdown = *typed
	}
	s.render(w, status, "review", v)
	return nil
}

// reviewMarkdown is the review as a file, for wherever else it has to be.
func (s *site) reviewMarkdown(w http.ResponseWriter, r *http.Request, _ act.Identity) error {
	n, err := numberOf(r)
	if err != nil {
		return err
	}
	rev, err := s.Reviews.Get(r.Context(), int64(n))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/markdown; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="incident-`+strconv.FormatInt(int64(n), 10)+`-review.md"`)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(rev.Markdown))
	return nil
}

func (s *site) saveReview(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		err = form(r)
	}
	if err != nil {
		return err
	}
	text, publish := strings.ReplaceAll(r.PostFormValue("markdown"), "\r\n", "\n"), r.PostFormValue("publish") != ""
	if strings.TrimSpace(text) == "" {
		return s.showReview(w, r, me, http.StatusBadRequest, "review: expected some text", true, &text)
	}
	if _, err := s.Reviews.Save(r.Context(), s.Now(), me.Actor(), int64(n), text, publish); err != nil {
		if message, theirs := said(err); theirs && !errors.Is(err, learn.ErrNotFound) {
			status, _, _, _ := explainError(err)
			return s.showReview(w, r, me, status, message, true, &text)
		}
		return err
	}
	return after(w, r, reviewURL(n), map[bool]string{true: "published", false: "saved"}[publish])
}

func reviewURL(n respond.Number) string {
	return "/incidents/" + strconv.FormatInt(int64(n), 10) + "/review"
}

func (s *site) draftReview(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		_, err = s.Reviews.Draft(r.Context(), s.Now(), me.Actor(), int64(n))
	}
	if err != nil {
		return err
	}
	return after(w, r, reviewURL(n), "drafted")
}

func (s *site) redraftReview(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		_, err = s.Reviews.Redraft(r.Context(), s.Now(), me.Actor(), int64(n))
	}
	if err != nil {
		return err
	}
	return after(w, r, reviewURL(n), "redrafted")
}

func (s *site) addFollowUp(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		err = form(r)
	}
	if err != nil {
		return err
	}
	text, owner := strings.TrimSpace(r.PostFormValue("text")), strings.TrimSpace(r.PostFormValue("owner"))
	if text == "" || len(text) > 500 {
		return s.showReview(w, r, me, http.StatusBadRequest, "follow-up: expected a text of 1 to 500 characters", false, nil)
	}
	if _, err := s.Reviews.AddFollowUp(r.Context(), s.Now(), me.Actor(), int64(n), text, owner); err != nil {
		return err
	}
	return after(w, r, reviewURL(n)+"#follow-ups", "followup")
}

func (s *site) finishFollowUp(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return act.ErrNotFound
	}
	if err := form(r); err != nil {
		return err
	}
	if err := s.Reviews.FinishFollowUp(r.Context(), s.Now(), me.Actor(), id); err != nil {
		return err
	}
	return after(w, r, local(r.PostFormValue("next"), "/reviews"), "followup-done")
}
