package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/escalation"
	"github.com/evenkeel/evenkeel/respond/reach"
	"github.com/evenkeel/evenkeel/respond/why"
)

// newPager is a rota whose incidents reach people: alice first, then bob.
func newPager(t *testing.T) (*world, *escalation.Engine) {
	t.Helper()
	w := newRota(t)
	rota := w.options.Workspace
	policy := &declare.Escalation{Name: "shop", Team: "shop", Steps: []declare.EscalationStep{
		{Notify: []declare.Target{{Kind: "schedule", Name: "shop"}}, Wait: 5 * time.Minute}, {Notify: []declare.Target{{Kind: "person", Name: "bob"}}, Wait: 5 * time.Minute},
	}}
	with := func() *declare.Workspace {
		ws := *rota()
		ws.Escalations = []*declare.Escalation{policy}
		return &ws
	}
	w.options.Workspace = with
	book, err := reach.Open(t.Context(), reach.Options{DB: w.db, Logger: w.options.Logger, Workspace: with, URL: w.options.URL})
	must(t, err)
	engine := escalation.New(escalation.Options{DB: w.db, Logger: w.options.Logger, Incidents: w.incidents, Workspace: with, Policy: func(respond.Incident) *declare.Escalation { return policy }, Send: book.Send})
	w.options.Reaching = Reaching{Escalations: engine, Reach: book}
	w.options.Whys = Whys{
		Trace: func(ctx context.Context, now time.Time, id int64) (why.Trace, error) {
			f, err := w.findings.Get(ctx, id)
			return why.Of(with(), f, why.Routing{Config: with().Routing}, nil, policy, nil, now), err
		},
		Explain: func(ctx context.Context, labels map[string]string, at time.Time) (why.Forecast, error) {
			return why.Ask(with(), labels, at, why.Routing{Config: with().Routing}, func(declare.TeamID, declare.ServiceID) *declare.Escalation { return policy },
				func(p declare.PersonID) []respond.ContactMethod { all, _ := book.Methods(ctx, p); return all }), nil
		},
	}
	w.rebuild()
	return w, engine
}

func TestEscalation(t *testing.T) {
	w, engine := newPager(t)
	do[ErrorBody](w, alice, http.MethodGet, "/incidents/1/escalation", nil, http.StatusNotFound)
	w.burn()
	tick := func(at time.Time) {
		t.Helper()
		if _, err := engine.Tick(context.Background(), at); err != nil {
			t.Fatal(err)
		}
	}
	tick(w.now)
	if e := do[respond.Escalation](w, alice, http.MethodGet, "/incidents/1/escalation", nil, ok); e.Status != respond.EscalationRunning || e.Step != 1 || len(e.Steps) != 2 {
		t.Errorf("%+v", e)
	}
	if d := do[List[respond.Delivery]](w, alice, http.MethodGet, "/incidents/1/deliveries", nil, ok).Items; len(d) != 1 || d[0].Person != "alice" || d[0].State != respond.DeliveryQueued {
		t.Errorf("%+v", d)
	}
	if d := do[List[respond.Delivery]](w, bob, http.MethodGet, "/deliveries", nil, ok).Items; len(d) != 0 {
		t.Errorf("%+v", d)
	}
	if i := do[respond.Incident](w, alice, post, "/incidents/1/escalation/acknowledge", nil, ok); i.Status != respond.Acknowledged || i.Assignee != "alice" {
		t.Errorf("%+v", i)
	}
	do[ErrorBody](w, bob, post, "/incidents/1/escalation/acknowledge", nil, http.StatusConflict)
	if e := do[ErrorBody](w, alice, post, "/incidents/1/escalate", Packet{Impact: "x", Tried: "x", Evidence: "x", Question: " "}, http.StatusBadRequest); e.Error.Field != "question" {
		t.Errorf("%+v", e)
	}
	h := do[respond.Handup](w, alice, post, "/incidents/1/escalate", Packet{Impact: "orders fail", Tried: "restart", Evidence: "graph", Question: "may I fail over?"}, created)
	if h.Target != "person:bob" || len(h.People) != 1 {
		t.Errorf("%+v", h)
	}
	path := fmt.Sprintf("/incidents/1/handups/%d/", h.ID)
	do[ErrorBody](w, alice, post, path+"accept", nil, http.StatusBadRequest)
	if h = do[respond.Handup](w, bob, post, path+"return", SendBack{"which region?"}, ok); h.Status != respond.HandupReturned || h.Missing != "which region?" {
		t.Errorf("%+v", h)
	}
	h = do[respond.Handup](w, alice, post, "/incidents/1/escalate", Packet{ID: h.ID, To: "person:bob", Impact: "orders fail in eu", Tried: "restart", Evidence: "graph", Question: "may I fail over?"}, created)
	if h = do[respond.Handup](w, bob, post, path+"accept", nil, ok); h.Status != respond.HandupAccepted || h.Sent != 2 {
		t.Errorf("%+v", h)
	}
	if i := do[respond.Incident](w, bob, http.MethodGet, "/incidents/1", nil, ok); i.Assignee != "bob" {
		t.Errorf("%+v", i)
	}
	do[ErrorBody](w, bob, post, "/incidents/1/handups/9/accept", nil, http.StatusNotFound)
	do[ErrorBody](w, bob, http.MethodGet, "/incidents/9/handups", nil, http.StatusNotFound)
}

func TestWhy(t *testing.T) {
	w, _ := newPager(t)
	w.burn()
	trace := do[why.Trace](w, alice, http.MethodGet, "/findings/1/why", nil, ok)
	if trace.Finding != 1 || trace.Verdict == "" || len(trace.Steps) < 6 || trace.Steps[0].Stage != "evaluated" {
		t.Errorf("%+v", trace)
	}
	do[ErrorBody](w, alice, http.MethodGet, "/findings/99/why", nil, http.StatusNotFound)
	f := do[why.Forecast](w, alice, http.MethodGet, "/oncall/explain?labels=severity%3Dpage,team%3Dshop&at=2026-03-03T00:00:00Z", nil, ok)
	if len(f.Reached) != 2 || f.Reached[0].Person != "alice" || f.Reached[1].At.Sub(f.At) != 5*time.Minute {
		t.Errorf("%+v", f)
	}
	asPrinted := do[why.Forecast](w, alice, http.MethodGet, "/oncall/explain?at=2026-03-03T00:00:00Z&labels="+url.QueryEscape(`{severity="page", team="shop"}`), nil, ok)
	if len(asPrinted.Reached) != 2 {
		t.Errorf("%+v", asPrinted)
	}
	for _, bad := range []string{"", "severity", "=page", "severity!%3Dpage", "severity%3D~page"} {
		do[ErrorBody](w, alice, http.MethodGet, "/oncall/explain?labels="+bad, nil, http.StatusBadRequest)
	}
}

func TestContacts(t *testing.T) {
	w, _ := newPager(t)
	m := do[respond.ContactMethod](w, alice, post, "/contacts", NewContact{Kind: declare.ContactNtfy, Address: "https://ntfy.sh/secret-topic"}, created)
	if m.Address != "ntfy.sh" || !m.Verified.IsZero() {
		t.Errorf("%+v", m)
	}
	do[ErrorBody](w, alice, post, "/contacts", NewContact{Kind: "fax", Address: "1"}, http.StatusBadRequest)
	do[ErrorBody](w, alice, post, fmt.Sprintf("/contacts/%d/verify", m.ID), ContactCode{"nope"}, http.StatusBadRequest)
	do[ErrorBody](w, bob, post, fmt.Sprintf("/contacts/%d/verify", m.ID), ContactCode{"nope"}, http.StatusNotFound)
	do[ErrorBody](w, bob, http.MethodDelete, fmt.Sprintf("/contacts/%d", m.ID), nil, http.StatusNotFound)
	if all := do[List[respond.ContactMethod]](w, alice, http.MethodGet, "/contacts", nil, ok).Items; len(all) != 1 || all[0].Source != "the person" {
		t.Errorf("%+v", all)
	}
	do[none](w, alice, http.MethodDelete, fmt.Sprintf("/contacts/%d", m.ID), nil, quiet)
	do[none](w, alice, put, "/quiet-hours", QuietHours{"22:00", "07:00", "Europe/Vienna", []detect.Severity{"ticket"}}, quiet)
	if q := do[QuietHours](w, alice, http.MethodGet, "/quiet-hours", nil, ok); q.From != "22:00" || q.To != "07:00" || q.Zone != "Europe/Vienna" || len(q.Severities) != 1 {
		t.Errorf("%+v", q)
	}
	do[ErrorBody](w, alice, put, "/quiet-hours", QuietHours{"22:00", "7", "Europe/Vienna", nil}, http.StatusBadRequest)
	do[ErrorBody](w, alice, put, "/quiet-hours", QuietHours{"22:00", "07:00", "Europe/Vienna", []detect.Severity{"page"}}, http.StatusBadRequest)
}
