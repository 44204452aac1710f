package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// reaching is an incident's escalation and whom it reached.
type reaching struct {
	On         bool                // this server escalates
	Escalation *respond.Escalation // nil: there is none
	Overdue    bool                // an acknowledgement ran out
	Handups    []handupLine
	Deliveries []respond.Delivery
	Draft      respond.Handup // what is known for a packet
	Ended      bool
}

// handupLine is a packet; Mine marks one that this person may answer.
type handupLine struct {
	respond.Handup
	Mine, Own bool
}

// StepState says of step i whether it was taken, is next, or comes later.
func (r reaching) StepState(i int) string {
	e := r.Escalation
	switch {
	case e.Status == respond.EscalationExhausted, i < e.Step:
		return "done"
	case e.Status == respond.EscalationRunning && i == e.Step:
		return "next"
	}
	return ""
}

// reachingOf gathers it for the page of an incident.
func (s *site) reachingOf(r *http.Request, i respond.Incident, me declare.PersonID) (reaching, error) {
	if s.Escalations == nil || s.Reach == nil {
		return reaching{}, nil
	}
	ctx := r.Context()
	out := reaching{On: true, Ended: i.Ended()}
	e, err := s.Escalations.Get(ctx, i.Number)
	switch {
	case errors.Is(err, respond.ErrNoEscalation):
	case err != nil:
		return out, err
	default:
		out.Escalation = &e
		out.Overdue = i.Status == respond.Acknowledged && (e.Status == respond.EscalationRunning || e.Status == respond.EscalationExhausted) && e.Over.Equal(i.Clocks.Acknowledged)
	}
	packets, err := s.Escalations.Handups(ctx, i.Number)
	if err != nil {
		return out, err
	}
	for _, h := range packets {
		out.Handups = append(out.Handups, handupLine{h, h.Status == respond.HandupOpen && slices.Contains(h.People, me), h.Status == respond.HandupReturned && h.From == me})
	}
	if out.Deliveries, err = s.Reach.Deliveries(ctx, i.Number, ""); err != nil {
		return out, err
	}
	out.Draft.Impact = i.Title
	if at := i.Clocks.Impact; !at.IsZero() {
		out.Draft.Impact += ", since " + at.UTC().Format("15:04 MST")
	}
	for k, x := range i.Suspects {
		if k < 3 {
			out.Draft.Evidence += fmt.Sprintf("%d. %s (%.2f)\n", x.Rank, x.Reason, x.Score)
		}
	}
	return out, nil
}

func (s *site) stillAtIt(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err != nil {
		return err
	}
	if s.Escalations == nil {
		return act.ErrNotFound
	}
	return s.afterIncident(w, r, me, n, "still", "", func() error {
		_, err := s.Escalations.Acknowledge(r.Context(), s.Now(), me.Person, n)
		return err
	})
}

func (s *site) handUp(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		err = form(r)
	}
	if err != nil {
		return err
	}
	if s.Escalations == nil {
		return act.ErrNotFound
	}
	again, _ := strconv.ParseInt(r.PostFormValue("again"), 10, 64) // 0 is a new one
	return s.afterIncident(w, r, me, n, "handed-up", "", func() error {
		_, err := s.Escalations.HandUp(r.Context(), s.Now(), me.Person, respond.Handup{
			ID: again, Incident: n, Target: r.PostFormValue("to"), Impact: r.PostFormValue("impact"), Tried: r.PostFormValue("tried"),
			Evidence: r.PostFormValue("evidence"), Question: r.PostFormValue("question"),
		})
		return err
	})
}

func (s *site) decideHandup(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		err = form(r)
	}
	if err != nil {
		return err
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	verb := r.PathValue("verb")
	if err != nil || s.Escalations == nil || (verb != "accept" && verb != "return") {
		return act.ErrNotFound
	}
	return s.afterIncident(w, r, me, n, "handup-"+verb, "", func() error {
		var err error
		if verb == "accept" {
			_, err = s.Escalations.Accept(r.Context(), s.Now(), me.Person, n, id)
		} else {
			_, err = s.Escalations.SendBack(r.Context(), s.Now(), me.Person, n, id, r.PostFormValue("missing"))
		}
		return err
	})
}

// ackView is the page behind the link of a message: one button, no sign-in, no script.
type ackView struct {
	Page
	Delivery respond.Delivery
	Incident respond.Incident
	Done     bool
	Why      string // it cannot be done
	Moot     string // there is nothing to do, or not for this person
	Still    bool   // somebody acknowledged, and their time ran out
	Token    string
}

// moot says why the button of an acknowledge link would do nothing, and whether it says
// that somebody is still at it.
func (s *site) moot(ctx context.Context, i respond.Incident, who declare.PersonID) (why string, still bool) {
	switch {
	case s.Workspace().Person(who) == nil:
		return fmt.Sprintf("%s is in the catalogue no more. Whoever you are, sign in to acknowledge.", who), false
	case i.Status == respond.Merged:
		return fmt.Sprintf("It was merged into #%d: that is the one to look at.", i.MergedInto), false
	case i.Status == respond.Acknowledged && s.Escalations != nil:
		e, err := s.Escalations.Get(ctx, i.Number)
		if still = err == nil && (e.Status == respond.EscalationRunning || e.Status == respond.EscalationExhausted); still {
			return "", true
		}
		return "Nobody else is notified.", false
	case i.Status != respond.Open:
		return fmt.Sprintf("It is %s: there is nothing to acknowledge.", i.Status), false
	}
	return "", false
}

// ackForm only shows: what reads links ahead of people must not acknowledge.
func (s *site) ackForm(w http.ResponseWriter, r *http.Request) { s.showAck(w, r, false, "") }

func (s *site) showAck(w http.ResponseWriter, r *http.Request, done bool, why string) {
	if s.Reach == nil {
		http.NotFound(w, r)
		return
	}
	v := ackView{Page: s.page(r, act.Identity{}, "Acknowledge", ""), Done: done, Why: why, Token: r.PathValue("token")}
	v.Page.Here, v.Page.Me = "", nil
	var err error
	if v.Delivery, err = s.Reach.Link(r.Context(), s.Now(), v.Token); err == nil {
		v.Incident, err = s.Incidents.Get(r.Context(), v.Delivery.Incident)
	}
	if err != nil {
		s.fail(w, r, act.Identity{}, err)
		return
	}
	v.Moot, v.Still = s.moot(r.Context(), v.Incident, v.Delivery.Person)
	status := http.StatusOK
	if why != "" {
		status = http.StatusConflict
	}
	s.render(w, status, "ack", v)
}

// ackFromMessage acknowledges as the person to whom the message went.
func (s *site) ackFromMessage(w http.ResponseWriter, r *http.Request) {
	if s.Reach == nil || s.Escalations == nil {
		http.NotFound(w, r)
		return
	}
	ctx, now := r.Context(), s.Now()
	d, err := s.Reach.UseLink(ctx, now, r.PathValue("token"))
	if err == nil {
		_, err = s.Escalations.Acknowledge(ctx, now, d.Person, d.Incident)
	}
	if err == nil {
		s.showAck(w, r, true, "")
		return
	}
	status, _, message, _ := explainError(err)
	if status == http.StatusConflict || status == http.StatusBadRequest {
		s.showAck(w, r, false, message)
		return
	}
	s.fail(w, r, act.Identity{}, err)
}

// contactsView says how one is reached.
type contactsView struct {
	Page
	Methods    []respond.ContactMethod
	Kinds      []declare.ContactKind
	Deliveries []respond.Delivery
	Typed      map[string]string
	From, To   string
	Zone       string
	Held       map[string]bool
	On         bool
}

func (s *site) contacts(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.showContacts(w, r, me, http.StatusOK, "", map[string]string{})
}

func (s *site) showContacts(w http.ResponseWriter, r *http.Request, me act.Identity, status int, problem string, typed map[string]string) error {
	v := contactsView{Page: s.page(r, me, "How you are reached", "account"), Kinds: declare.ContactKinds, Typed: typed, Held: map[string]bool{}, On: s.Reach != nil}
	v.Problem = problem
	if s.Reach != nil {
		var err error
		if v.Methods, err = s.Reach.Methods(r.Context(), me.Person); err != nil {
			return err
		}
		if v.Deliveries, err = s.Reach.Deliveries(r.Context(), 0, me.Person); err != nil {
			return err
		}
		v.Deliveries = v.Deliveries[:min(len(v.Deliveries), 30)]
		q, err := s.Reach.Quiet(r.Context(), me.Person)
		if err != nil {
			return err
		}
		day := func(m int) string { return time.Date(2000, 1, 1, 0, m, 0, 0, time.UTC).Format("15:04") }
		v.From, v.To, v.Zone = day(q.From), day(q.To), q.Zone
		for _, x := range q.Severities {
			v.Held[string(x)] = true
		}
	}
	s.render(w, status, "contacts", v)
	return nil
}

// changeContacts does one act of the page and comes back to it.
func (s *site) changeContacts(w http.ResponseWriter, r *http.Request, me act.Identity, done string, do func() error) error {
	if s.Reach == nil {
		return act.ErrNotFound
	}
	if err := form(r); err != nil {
		return err
	}
	if err := do(); err != nil {
		if message, theirs := said(err); theirs && !errors.Is(err, respond.ErrNotFound) {
			return s.showContacts(w, r, me, http.StatusBadRequest, message, typedForm(r, "kind", "address"))
		}
		return err
	}
	return after(w, r, "/account/contacts", done)
}

func (s *site) addContact(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.changeContacts(w, r, me, "contact", func() error {
		m := respond.ContactMethod{Person: me.Person, Kind: declare.ContactKind(r.PostFormValue("kind")), URL: strings.TrimSpace(r.PostFormValue("address"))}
		for _, x := range r.PostForm["severity"] {
			m.Severities = append(m.Severities, detect.Severity(x))
		}
		_, err := s.Reach.AddMethod(r.Context(), s.Now(), me.Actor(), m)
		return err
	})
}

func contactID(r *http.Request) int64 {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64) // 0 is none
	return id
}

func (s *site) verifyContact(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.changeContacts(w, r, me, "contact-verified", func() error {
		return s.Reach.VerifyMethod(r.Context(), s.Now(), me.Actor(), me.Person, contactID(r), strings.TrimSpace(r.PostFormValue("code")))
	})
}

func (s *site) removeContact(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.changeContacts(w, r, me, "contact-removed", func() error {
		return s.Reach.RemoveMethod(r.Context(), s.Now(), me.Actor(), me.Person, contactID(r))
	})
}

func (s *site) setQuiet(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.changeContacts(w, r, me, "quiet", func() error {
		rule := respond.QuietRule{Zone: strings.TrimSpace(r.PostFormValue("zone"))}
		for field, into := range map[string]*int{"from": &rule.From, "to": &rule.To} {
			t, err := time.Parse("15:04", r.PostFormValue(field))
			if err != nil {
				return &act.InvalidError{Field: field, Got: r.PostFormValue(field), Want: "a time of day as 22:00"}
			}
			*into = t.Hour()*60 + t.Minute()
		}
		for _, x := range r.PostForm["severity"] {
			rule.Severities = append(rule.Severities, detect.Severity(x))
		}
		return s.Reach.SetQuiet(r.Context(), s.Now(), me.Actor(), me.Person, rule)
	})
}
