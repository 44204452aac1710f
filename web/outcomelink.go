package web

import (
	"net/http"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// outcomeLinkView is where the link in a message leads: five buttons, one of which is
// tapped, without a sign-in.
type outcomeLinkView struct {
	Page
	Token   string
	Finding *detect.Finding
	Outcome *respond.Outcome // nil: none yet
	Labels  []respond.OutcomeLabel
	Done    bool
	Used    bool
	Why     string
}

func (s *site) outcomeLink(w http.ResponseWriter, r *http.Request) {
	s.showOutcomeLink(w, r, false, "")
}

func (s *site) showOutcomeLink(w http.ResponseWriter, r *http.Request, done bool, why string) {
	if s.OutcomeLinks == nil || s.Outcomes == nil {
		http.NotFound(w, r)
		return
	}
	v := outcomeLinkView{Page: s.page(r, act.Identity{}, "What became of it", ""), Token: r.PathValue("token"), Labels: respond.OutcomeLabels, Done: done, Why: why}
	v.Page.Here, v.Page.Me = "", nil
	id, used, err := s.OutcomeLinks.Link(r.Context(), s.Now(), v.Token)
	if v.Used = used; err == nil {
		var f detect.Finding
		f, err = s.Findings.Get(r.Context(), id)
		v.Finding = &f
	}
	if err != nil {
		s.fail(w, r, act.Identity{}, err)
		return
	}
	if o, err := s.Outcomes.Outcome(r.Context(), id); err == nil {
		v.Outcome = &o
	}
	status := http.StatusOK
	if why != "" {
		status = http.StatusConflict
	}
	s.render(w, status, "outcomelink", v)
}

// useOutcomeLink takes the word of whoever read the message.
func (s *site) useOutcomeLink(w http.ResponseWriter, r *http.Request) {
	if s.OutcomeLinks == nil {
		http.NotFound(w, r)
		return
	}
	if err := form(r); err != nil {
		s.fail(w, r, act.Identity{}, err)
		return
	}
	_, err := s.OutcomeLinks.UseLink(r.Context(), s.Now(), r.PathValue("token"), respond.OutcomeLabel(r.PostFormValue("outcome")), r.PostFormValue("note"))
	if err == nil {
		s.showOutcomeLink(w, r, true, "")
		return
	}
	if status, _, message, _ := explainError(err); status == http.StatusConflict || status == http.StatusBadRequest {
		s.showOutcomeLink(w, r, false, message)
		return
	}
	s.fail(w, r, act.Identity{}, err)
}
