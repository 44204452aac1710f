package web

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/declare"
)

type gateView struct {
	Page
	Services []*declare.Service
	Kinds    []act.ChangeKind
	Form     act.Change
	Override string
	Answer   *gate.Decision // to the question just asked
	Answers  []gate.Decision
	Policy   declare.GatePolicy
	Freezes  []freezeRow
	Off      bool
}

// freezeRow is a time of a freeze.
type freezeRow struct {
	declare.Freeze
	declare.Holiday
	Now bool
}

// shownFreezes is how many times to come of one freeze are shown.
const shownFreezes = 3

// freezes are the times of freezes that are not over, those of each in order.
func freezes(p declare.GatePolicy, now time.Time) (out []freezeRow) {
	for _, f := range p.Freezes {
		n := 0
		if f.Unread {
			out = append(out, freezeRow{Freeze: f})
		}
		for _, t := range f.Times() {
			if now.Before(t.To) && n < shownFreezes {
				out, n = append(out, freezeRow{f, t, !now.Before(t.From)}), n+1
			}
		}
	}
	return out
}

func (s *site) gate(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	q := r.URL.Query()
	return s.showGate(w, r, me, http.StatusOK, "", act.Change{Service: declare.ServiceID(q.Get("service")), Kind: act.ChangeKind(cmp.Or(q.Get("kind"), "deploy")), To: q.Get("to")}, nil)
}

func (s *site) showGate(w http.ResponseWriter, r *http.Request, me act.Identity, status int, problem string, form act.Change, answer *gate.Decision) error {
	ws := s.Workspace()
	v := gateView{Page: s.page(r, me, "Gate", "gate"), Services: ws.Services, Kinds: act.Kinds, Form: form, Answer: answer, Policy: ws.Gate, Off: s.Gate == nil}
	v.Problem = problem
	v.Freezes = freezes(ws.Gate, s.Now())
	if s.Gates != nil {
		var err error
		if v.Answers, err = s.Gates(r.Context(), "", 50); err != nil {
			return err
		}
	}
	s.render(w, status, "gate", v)
	return nil
}

func (s *site) askGate(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	if s.Gate == nil {
		return act.ErrNotFound
	}
	get := func(key string) string { return strings.TrimSpace(r.PostFormValue(key)) }
	c := act.Change{Kind: act.ChangeKind(cmp.Or(get("kind"), "deploy")), Service: declare.ServiceID(get("service")), To: get("to"), Risk: declare.Risk(get("risk")), StartedAt: s.Now(), Actor: string(me.Person)}
	if c.Service == "" {
		return s.showGate(w, r, me, http.StatusBadRequest, "Choose the service that is to be changed.", c, nil)
	}
	if len(get("to")) > 200 || len(get("override")) > 500 {
		return s.showGate(w, r, me, http.StatusBadRequest, "That is too long: at most 200 characters for a version, 500 for a reason.", act.Change{Kind: c.Kind, Service: c.Service}, nil)
	}
	d, err := s.Gate(r.Context(), s.Now(), me, gate.Question{Change: c, Override: get("override")})
	if err != nil {
		return err
	}
	return s.showGate(w, r, me, http.StatusOK, "", c, &d)
}
