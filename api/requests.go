package api

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/act"
	requestdesk "github.com/evenkeel/evenkeel/act/request"
	"github.com/evenkeel/evenkeel/declare"
)

// Requests is the desk of requests; *request.Desk is one.
type Requests interface {
	Submit(ctx context.Context, now time.Time, who declare.PersonID, item string, form map[string]string) (act.Request, error)
	Decide(ctx context.Context, now time.Time, who declare.PersonID, id int64, approve bool, reason string) (act.Request, error)
	Ask(ctx context.Context, now time.Time, who declare.PersonID, id int64, question string) (act.Request, error)
	Answer(ctx context.Context, now time.Time, who declare.PersonID, id int64, text string) (act.Request, error)
	Cancel(ctx context.Context, now time.Time, who declare.PersonID, id int64) (act.Request, error)
	Reopen(ctx context.Context, now time.Time, who declare.PersonID, id int64, reason string) (act.Request, error)
	Finish(ctx context.Context, now time.Time, who declare.PersonID, id int64, note string) (act.Request, error)
	Fulfil(ctx context.Context, now time.Time, who declare.PersonID, id int64) (act.Request, error)
	Get(ctx context.Context, id int64) (act.Request, error)
	List(ctx context.Context, f act.RequestFilter) ([]act.Request, error)
}

// RequestItem is something that people may ask for.
type RequestItem struct {
	Name      string            `json:"name"`
	Title     string            `json:"title"`
	Summary   string            `json:"summary,omitempty"`
	Owner     declare.TeamID    `json:"owner"`
	Form      []RunbookParam    `json:"form"`
	Approve   declare.LevelName `json:"approve,omitempty" doc:"The lowest level that approves; absent for self-service."`
	Runbook   string            `json:"runbook,omitempty"`
	Blueprint string            `json:"blueprint,omitempty"`
	Within    string            `json:"within" doc:"Its service level."`
}

// RequestDetail is a request and its clock.
type RequestDetail struct {
	act.Request
	Elapsed float64 `json:"elapsed_seconds" doc:"What counts: without the time that it waited for the requester."`
	Late    bool    `json:"late"`
}

func (s *server) requestDesk() (Requests, error) {
	if s.Requests == nil {
		return nil, unknown("part", "requests", "This server takes no requests.")
	}
	return s.Requests, nil
}

func (s *server) requestItems(_ *call, _ none) (List[RequestItem], error) {
	return listOf(each(s.Workspace().Requests, func(i *declare.RequestItem) RequestItem {
		return RequestItem{i.Name, i.Title, i.Summary, i.Owner, filled(each(i.Form, runbookParam)), i.Approve, i.Runbook, i.Blueprint, i.Within.String()}
	})), nil
}

type requestQuery struct {
	Open      bool             `query:"open" doc:"Only those that are not ended."`
	Item      string           `query:"item"`
	Owner     declare.TeamID   `query:"owner"`
	Requester declare.PersonID `query:"requester"`
	page
}

func (s *server) detail(c *call, r act.Request) RequestDetail {
	if r.Form == nil {
		r.Form = map[string]string{}
	}
	return RequestDetail{r, r.Elapsed(c.now).Seconds(), r.Late(c.now)}
}

func (s *server) requestList(c *call, q requestQuery) (List[RequestDetail], error) {
	d, err := s.requestDesk()
	if err != nil {
		return listOf[RequestDetail](nil), err
	}
	found, err := d.List(c.Context(), act.RequestFilter{Open: q.Open, Item: q.Item, Owner: q.Owner, Requester: q.Requester, Limit: q.limit() + 1, Offset: q.Offset})
	return cutList(q.page, each(found, func(r act.Request) RequestDetail { return s.detail(c, r) })), err
}

func (s *server) request(c *call, _ none) (RequestDetail, error) {
	d, err := s.requestDesk()
	if err != nil {
		return RequestDetail{}, err
	}
	n, err := c.number("request")
	if err != nil {
		return RequestDetail{}, err
	}
	r, err := d.Get(c.Context(), n)
	return s.detail(c, r), err
}

// NewRequest is a form that somebody filled in.
type NewRequest struct {
	Item string            `json:"item"`
	Form map[string]string `json:"form,omitempty"`
}

func (s *server) submitRequest(c *call, in NewRequest) (RequestDetail, error) {
	d, err := s.requestDesk()
	if err != nil {
		return RequestDetail{}, err
	}
	r, err := d.Submit(c.Context(), c.now, c.me.Person, in.Item, in.Form)
	return s.detail(c, r), err
}

// Words are what somebody says about a request.
type Words struct {
	Text string `json:"text,omitempty" doc:"A reason, a question, an answer or a note."`
}

// onRequest makes a handler of an act on a request.
func (s *server) onRequest(do func(ctx context.Context, d Requests, now time.Time, who declare.PersonID, id int64, text string) (act.Request, error)) func(*call, Words) (RequestDetail, error) {
	return func(c *call, in Words) (RequestDetail, error) {
		d, err := s.requestDesk()
		if err != nil {
			return RequestDetail{}, err
		}
		n, err := c.number("request")
		if err != nil {
			return RequestDetail{}, err
		}
		r, err := do(c.Context(), d, c.now, c.me.Person, n, in.Text)
		return s.detail(c, r), err
	}
}

func (s *server) requestRoutes() []route {
	type now = time.Time
	type who = declare.PersonID
	on := func(name, summary string, do func(ctx context.Context, d Requests, t now, p who, id int64, text string) (act.Request, error)) route {
		return send(post, "/requests/{request}/"+name, summary, ok, s.onRequest(do))
	}
	return []route{
		get("/toil", "Minutes of toil of each team, and what to automate first.", s.toil),
		send(post, "/toil", "Write down in a line what you have just spent time on.", created, s.logToil),
		get("/request-items", "What people may ask for.", s.requestItems),
		get("/requests", "Requests, newest first.", s.requestList),
		send(post, "/requests", "Ask for something. Where nobody has to approve it, it is fulfilled at once.", created, s.submitRequest),
		get("/requests/{request}", "One request.", s.request),
		get("/request-measures", "How requests went that were submitted in the last 30 days.", s.requestMeasures),
		on("approve", "Let it through: it is fulfilled in your name.", func(ctx context.Context, d Requests, t now, p who, id int64, text string) (act.Request, error) {
			return d.Decide(ctx, t, p, id, true, text)
		}),
		on("refuse", "Do not let it through, and say why.", func(ctx context.Context, d Requests, t now, p who, id int64, text string) (act.Request, error) {
			return d.Decide(ctx, t, p, id, false, text)
		}),
		on("ask", "Ask its author something: the clock stands until they answer.", func(ctx context.Context, d Requests, t now, p who, id int64, text string) (act.Request, error) {
			return d.Ask(ctx, t, p, id, text)
		}),
		on("answer", "Answer what you were asked.", func(ctx context.Context, d Requests, t now, p who, id int64, text string) (act.Request, error) {
			return d.Answer(ctx, t, p, id, text)
		}),
		on("cancel", "Take your request back.", func(ctx context.Context, d Requests, t now, p who, id int64, _ string) (act.Request, error) {
			return d.Cancel(ctx, t, p, id)
		}),
		on("fulfil", "Start again what fulfils it.", func(ctx context.Context, d Requests, t now, p who, id int64, _ string) (act.Request, error) {
			return d.Fulfil(ctx, t, p, id)
		}),
		on("finish", "Say that you have done it by hand.", func(ctx context.Context, d Requests, t now, p who, id int64, text string) (act.Request, error) {
			return d.Finish(ctx, t, p, id, text)
		}),
		on("reopen", "Say that what was done is not what you asked for.", func(ctx context.Context, d Requests, t now, p who, id int64, text string) (act.Request, error) {
			return d.Reopen(ctx, t, p, id, text)
		}),
	}
}

func (s *server) requestMeasures(c *call, _ none) (act.RequestMeasures, error) {
	d, err := s.requestDesk()
	if err != nil {
		return act.RequestMeasures{}, err
	}
	found, err := d.List(c.Context(), act.RequestFilter{From: c.now.AddDate(0, 0, -30), Limit: 100_000})
	return requestdesk.Measure(found), err
}
