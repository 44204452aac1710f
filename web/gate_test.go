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
	"github.com/evenkeel/evenkeel/journal"
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
	if _, err := verify.NewBook(e.db).Record(e.t.Context(), ago_(10*time.Minute), c, r, false); err != nil {
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

// TestServicesWithoutAPage: what the catalogue does not know has no page, and is not linked.
func TestServicesWithoutAPage(t *testing.T) {
	e := busy(t)
	e.changes = append(e.changes, act.Change{ID: "c-1", Kind: act.Deploy, Service: "chekout<b>", Summary: "a slip", Actor: "ci", StartedAt: ago_(time.Minute)})
	if _, err := e.gate(e.t.Context(), night, act.Identity{Person: "alice"}, gate.Question{Change: act.Change{Kind: act.Deploy, Service: "chekout<b>"}}); err != nil {
		t.Fatal(err)
	}
	h := e.handler()
	for _, page := range []string{"/changes", "/changes/c-1", "/gate", "/journal?ref=service%2Fchekout%3Cb%3E"} {
		text := body(t, get(t, h, e, "alice", page))
		if !strings.Contains(text, "chekout&lt;b&gt;") || strings.Contains(text, "/services/chekout") {
			t.Errorf("%s: links a service that has no page, or does not name it", page)
		}
	}
	if text := body(t, get(t, h, e, "alice", "/changes")); !strings.Contains(text, `<a href="/services/checkout">checkout</a>`) {
		t.Error("/changes: a service that has a page is not linked")
	}
}

// TestEveryReasonOfTheGate: what would have held a change back alone is in the list too.
func TestEveryReasonOfTheGate(t *testing.T) {
	e := busy(t)
	d, err := gate.NewBook(e.db).Record(t.Context(), night, "person:alice", act.Change{Kind: act.Deploy, Service: "checkout", Summary: "deploy of checkout 9"}, false, gate.Verdict{Answer: gate.No, Reasons: []gate.Reason{
		{Check: "budget", State: gate.Fail, Why: "no budget is left"}, {Check: "freeze", State: gate.Fail, Why: "winter holds"}, {Check: "dependencies", State: gate.Doubt, Why: "nothing is known"}, {Check: "concurrent", State: gate.Pass, Why: "nothing else goes on"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	text := body(t, get(t, e.handler(), e, "alice", "/gate"))
	for _, want := range []string{"no budget is left", "and 2 more", "winter holds", "nothing is known"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(text, "nothing else goes on") {
		t.Error("what holds nothing back is listed")
	}
	if f, err := e.db.Facts(t.Context(), journal.Query{Ref: "service/checkout", Kind: "gate.", Limit: 1}); err != nil || len(f) != 1 || f[0].ID != d.Fact || !strings.HasSuffix(f[0].Text, "no budget is left (and 2 more)") {
		t.Errorf("on record: %v %v", f, err)
	}
}
