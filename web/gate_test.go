package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/act/verify"
	"github.com/evenkeel/evenkeel/declare"
)

// gate answers as the real one does: the fixtures' incidents and the workspace's policy
// decide.
func (e *estate) gate(ctx context.Context, now time.Time, who act.Identity, q gate.Question) (gate.Decision, error) {
	c := q.Change
	if c.Summary == "" {
		c.Summary = strings.TrimSpace(string(c.Kind) + " of " + string(c.Service) + " " + c.To)
	}
	in := gate.Input{Change: c, Known: e.ws.Service(c.Service) != nil, Policy: e.ws.Gate, Budgets: []gate.Budget{{Objective: declare.ObjectiveName(c.Service + "-availability"), Left: 0.4, Known: true}}}
	for _, i := range e.incidents {
		if i.Status == "open" && i.Service == c.Service || i.Status == "acknowledged" && i.Service == c.Service {
			in.Incidents = append(in.Incidents, gate.Incident{Number: int64(i.Number), Title: i.Title, Service: i.Service})
		}
	}
	return gate.NewBook(e.db).Record(ctx, now, who.Actor(), c, false, gate.Decide(in, now))
}

// asked is what the gate was asked, and what was measured around a deploy.
func (e *estate) asked() {
	e.t.Helper()
	for _, s := range []declare.ServiceID{"payments", "checkout"} {
		if _, err := e.gate(e.t.Context(), ago_(time.Hour), act.Identity{Person: "alice"}, gate.Question{Change: act.Change{Kind: act.Deploy, Service: s, To: "1.4.2", Risk: "medium"}}); err != nil {
			e.t.Fatal(err)
		}
	}
	flat := func(v float64) (out []float64) {
		for i := range 10 {
			out = append(out, v*(1+float64(i)/100))
		}
		return out
	}
	c := act.Change{ID: "c-142", Service: "checkout", Kind: act.Deploy, Summary: "checkout 1.4.2"}
	r := verify.Judge([]verify.Signal{{Name: "share of bad of checkout-availability", Objective: true, Floor: 0.001, Expr: "x", Before: flat(0.0004), After: flat(0.02)}, {Name: "memory", Before: flat(3e8), After: flat(3e8)}})
	if _, err := verify.NewBook(e.db).Record(e.t.Context(), ago_(10*time.Minute), c, r); err != nil {
		e.t.Fatal(err)
	}
}

func TestTheGatePage(t *testing.T) {
	e := busy(t)
	h := e.handler()
	text := body(t, get(t, h, e, "alice", "/gate"))
	for _, want := range []string{"Asked lately", "deploy of checkout 1.4.2", "incident #7 is open on checkout", "May it go?"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	res := post(t, h, e, "alice", "/gate", url.Values{"service": {"payments"}, "kind": {"deploy"}, "to": {"2.0"}, "risk": {"low"}})
	if text := body(t, res); res.StatusCode != http.StatusOK || !strings.Contains(text, "deploy of payments 2.0") || !strings.Contains(text, "40 % of its error budget left") {
		t.Errorf("got %d %s", res.StatusCode, text)
	}
	if res := post(t, h, e, "alice", "/gate", url.Values{"service": {""}}); res.StatusCode != http.StatusBadRequest {
		t.Errorf("got %d", res.StatusCode)
	}
	text = body(t, get(t, h, e, "alice", "/changes/c-142"))
	for _, want := range []string{"Verification", "share of bad of checkout-availability", "Hygiene", "nothing says how it is undone", "Mann and Whitney"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
}
