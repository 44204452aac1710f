package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/request"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// Requests is what pages do with requests; *request.Desk is one.
type Requests interface {
	Submit(ctx context.Context, now time.Time, who declare.PersonID, item string, form map[string]string) (act.Request, error)
	Decide(ctx context.Context, now time.Time, who declare.PersonID, id int64, approve bool, reason string) (act.Request, error)
	Ask(ctx context.Context, now time.Time, who declare.PersonID, id int64, question string) (act.Request, error)
	Answer(ctx context.Context, now time.Time, who declare.PersonID, id int64, text string) (act.Request, error)
	Cancel(ctx context.Context, now time.Time, who declare.PersonID, id int64) (act.Request, error)
	Reopen(ctx context.Context, now time.Time, who declare.PersonID, id int64, reason string) (act.Request, error)
	Finish(ctx context.Context, now time.Time, who declare.PersonID, id int64, note string) (act.Request, error)
	Fulfil(ctx context.Context, now time.Time, who declare.PersonID, id int64) (act.Request, error)
	MayApprove(who declare.PersonID, r act.Request) (bool, string)
	Get(ctx context.Context, id int64) (act.Request, error)
	List(ctx context.Context, f act.RequestFilter) ([]act.Request, error)
}

func requestURL(id int64) string { return "/requests/" + strconv.FormatInt(id, 10) }

type requestRow struct {
	act.Request
	Took time.Duration
	Over bool
}

type requestsView struct {
	Page
	Items    []*declare.RequestItem
	Open     []requestRow
	Ended    []requestRow
	Measures act.RequestMeasures
	Off      bool
}

func (s *site) requests(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	v := requestsView{Page: s.page(r, me, "Requests", "requests"), Items: s.Workspace().Requests, Off: s.Requests == nil}
	if !v.Off {
		now := s.Now()
		open, err := s.Requests.List(r.Context(), act.RequestFilter{Open: true, Limit: 500})
		if err != nil {
			return err
		}
		all, err := s.Requests.List(r.Context(), act.RequestFilter{From: now.AddDate(0, 0, -30), Limit: 10_000})
		if err != nil {
			return err
		}
		v.Measures = request.Measure(all)
		for _, q := range open {
			v.Open = append(v.Open, requestRow{q, q.Elapsed(now), q.Late(now)})
		}
		for _, q := range all {
			if q.Status.Ended() && len(v.Ended) < 50 {
				v.Ended = append(v.Ended, requestRow{q, q.Elapsed(now), q.Late(now)})
			}
		}
	}
	return s.show(w, "requests", v)
}

type requestFormView struct {
	Page
	Item     *declare.RequestItem
	Values   map[string]string
	Services []*declare.Service
}

func (s *site) requestForm(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.showRequestForm(w, r, me, http.StatusOK, "", nil)
}

func (s *site) showRequestForm(w http.ResponseWriter, r *http.Request, me act.Identity, status int, problem string, values map[string]string) error {
	ws := s.Workspace()
	item := ws.RequestItem(r.PathValue("item"))
	if item == nil || s.Requests == nil {
		return act.ErrNotFound
	}
	if values == nil {
		values = map[string]string{}
		for _, p := range item.Form {
			values[p.Name] = p.Default
		}
	}
	v := requestFormView{Page: s.page(r, me, item.Title, "requests"), Item: item, Values: values, Services: ws.Services}
	v.Problem = problem
	s.render(w, status, "requestform", v)
	return nil
}

func (s *site) submitRequest(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	item := s.Workspace().RequestItem(r.PathValue("item"))
	if item == nil || s.Requests == nil {
		return act.ErrNotFound
	}
	values := map[string]string{}
	for _, p := range item.Form {
		if v := strings.TrimSpace(r.PostFormValue("f." + p.Name)); v != "" {
			values[p.Name] = v
		} else if p.Type == declare.ParamBool {
			values[p.Name] = "false"
		}
	}
	q, err := s.Requests.Submit(r.Context(), s.Now(), me.Person, item.Name, values)
	if err != nil {
		if message, theirs := said(err); theirs && q.ID == 0 {
			status, _, _, _ := explainError(err)
			return s.showRequestForm(w, r, me, status, message, values)
		}
		return err
	}
	return after(w, r, requestURL(q.ID), "submitted")
}

type requestView struct {
	Page
	Request                         act.Request
	Item                            *declare.RequestItem
	Took                            time.Duration
	Over                            bool
	May                             bool // approve
	Why                             string
	Mine                            bool
	Decide, Ask, Answer, Start      bool
	Finish, Cancel, Reopen, Running bool
	Timeline                        []journal.Fact
}

func (s *site) requestPage(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil || s.Requests == nil {
		return act.ErrNotFound
	}
	q, err := s.Requests.Get(r.Context(), n)
	if err != nil {
		return err
	}
	now := s.Now()
	v := requestView{Page: s.page(r, me, q.Title, "requests"), Request: q, Item: s.Workspace().RequestItem(q.Item), Took: q.Elapsed(now), Over: q.Late(now), Mine: q.Requester == me.Person}
	if len(q.Reason) > 6 && q.Reason[:6] == "claim:" {
		v.Request.Reason = "is being started"
	}
	v.May, v.Why = s.Requests.MayApprove(me.Person, q)
	serves := v.May
	if t := s.Workspace().Team(q.Owner); t != nil {
		for _, m := range t.Members {
			serves = serves || m == me.Person
		}
	}
	hand := v.Item == nil || v.Item.Runbook == "" && v.Item.Blueprint == ""
	self := v.Mine && v.Item != nil && v.Item.Approve == ""
	v.Decide = q.Status == act.RequestWaiting && v.May
	v.Ask = (q.Status == act.RequestWaiting || q.Status == act.RequestQueued) && serves && !v.Mine
	v.Answer = q.Status == act.RequestAsked && v.Mine
	v.Start = q.Status == act.RequestQueued && !hand && (serves && !v.Mine || self)
	v.Finish = q.Status == act.RequestQueued && serves
	v.Cancel = v.Mine && (q.Status == act.RequestWaiting || q.Status == act.RequestAsked || q.Status == act.RequestQueued)
	v.Reopen = v.Mine && q.Status == act.RequestDone
	v.Running = q.Status == act.RequestRunning
	if v.Timeline, err = s.timeline(r.Context(), q.Ref()); err != nil {
		return err
	}
	return s.show(w, "request", v)
}

func (s *site) doRequest(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil || s.Requests == nil {
		return act.ErrNotFound
	}
	d, ctx, now, text := s.Requests, r.Context(), s.Now(), r.PostFormValue("text")
	did := r.PostFormValue("act")
	switch did {
	case "approve":
		_, err = d.Decide(ctx, now, me.Person, n, true, text)
	case "refuse":
		_, err = d.Decide(ctx, now, me.Person, n, false, text)
	case "ask":
		_, err = d.Ask(ctx, now, me.Person, n, text)
	case "answer":
		_, err = d.Answer(ctx, now, me.Person, n, text)
	case "cancel":
		_, err = d.Cancel(ctx, now, me.Person, n)
	case "fulfil":
		_, err = d.Fulfil(ctx, now, me.Person, n)
	case "finish":
		_, err = d.Finish(ctx, now, me.Person, n, text)
	case "reopen":
		_, err = d.Reopen(ctx, now, me.Person, n, text)
	default:
		err = &act.InvalidError{Field: "act", Got: did, Want: "approve, refuse, ask, answer, cancel, fulfil, finish or reopen"}
	}
	if err != nil {
		return err
	}
	return after(w, r, requestURL(n), "request-"+did)
}

func init() {
	for word, said := range map[string]string{
		"submitted": "Request submitted.", "request-approve": "Approved: it is being fulfilled.", "request-refuse": "Refused.", "request-ask": "Asked: the clock stands until they answer.",
		"request-answer": "Answered: the clock goes on.", "request-cancel": "Taken back.", "request-fulfil": "Started again.", "request-finish": "Done.", "request-reopen": "Reopened.",
	} {
		acts[word] = said
	}
}
