package api

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/budget"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/learn"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/alert"
)

func TestNobodyGetsInWithoutAName(t *testing.T) {
	w := newWorld(t)
	for _, r := range (&server{}).routes() {
		rec := w.send(request{method: r.method, path: Root + r.path})
		var e ErrorBody
		if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || rec.Code != http.StatusUnauthorized || e.Error.Code != "unauthenticated" || !strings.Contains(e.Error.Hint, "token create") {
			t.Errorf("%s %s: got %d %s", r.method, r.path, rec.Code, rec.Body)
		}
	}
}

func TestAnIncidentIsWorkedOn(t *testing.T) {
	w := newWorld(t)
	w.burn()
	found := do[List[respond.Incident]](w, alice, "GET", "/incidents?active=true", nil, 200)
	if len(found.Items) != 1 || found.Items[0].Service != "checkout" || *found.Total != 1 {
		t.Fatalf("got %+v", found)
	}
	i := do[respond.Incident](w, alice, "POST", "/incidents/1/acknowledge", IncidentNote{Note: "looking"}, 200)
	if i.Status != respond.Acknowledged || !i.Clocks.Acknowledged.Equal(w.now) {
		t.Errorf("got %+v", i)
	}
	if i = do[respond.Incident](w, bob, "POST", "/incidents/1/assign", Assignment{"bob"}, 200); i.Assignee != "bob" {
		t.Errorf("got %+v", i)
	}
	do[none](w, bob, "POST", "/incidents/1/notes", TimelineNote{"the provider has an outage"}, 204)
	do[respond.Incident](w, bob, "POST", "/incidents/1/mitigate", nil, 200)
	do[respond.Incident](w, bob, "POST", "/incidents/1/resolve", nil, 200)
	e := do[ErrorBody](w, bob, "POST", "/incidents/1/resolve", nil, 409)
	if e.Error.Code != "conflict" || e.Error.Message != "cannot resolve an incident that is resolved" {
		t.Errorf("got %+v", e)
	}
	facts := do[List[journal.Fact]](w, alice, "GET", "/incidents/1/timeline", nil, 200)
	var told []string
	for _, f := range facts.Items {
		told = append(told, string(f.Kind)+" "+string(f.Actor))
	}
	for _, want := range []string{"incident.acknowledged person:alice", "incident.assigned person:bob", "incident.noted person:bob", "incident.resolved person:bob"} {
		if !strings.Contains(strings.Join(told, "\n"), want) {
			t.Errorf("the timeline lacks %q: %q", want, told)
		}
	}
	if got := do[List[respond.Incident]](w, alice, "GET", "/incidents?active=true", nil, 200); len(got.Items) != 0 || *got.Total != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestARunWaitsForSomebodyElse(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now() // an approval of last March would be too old
	run := do[act.Run](w, alice, "POST", "/runs", NewRun{Runbook: "restart", Params: map[string]string{"greeting": "good-day"}}, 201)
	path := "/runs/" + run.ID
	until(t, "the run waits", func() bool {
		run = do[act.Run](w, alice, "GET", path, nil, 200)
		return run.Status == act.RunWaiting
	})
	if run.Steps[0].Output != "good-day\n" || run.Steps[1].Status != act.StepWaiting || len(run.Approvals) != 1 {
		t.Fatalf("got %+v", run)
	}
	hash := run.Approvals[0].ShownHash
	if got := do[List[act.Run]](w, bob, "GET", "/runs?waiting=true", nil, 200); len(got.Items) != 1 {
		t.Errorf("got %+v", got)
	}
	if e := do[ErrorBody](w, alice, "POST", path+"/steps/1/approve", Approving{ShownHash: hash}, 403); e.Error.Code != "denied" {
		t.Errorf("got %+v", e)
	}
	do[ErrorBody](w, bob, "POST", path+"/steps/1/approve", Approving{ShownHash: "something else"}, 409)
	e := do[ErrorBody](w, bob, "POST", path+"/steps/1/refuse", map[string]string{"shown_hash": hash}, 400)
	if e.Error.Field != "reason" {
		t.Errorf("got %+v", e)
	}
	do[act.Run](w, bob, "POST", path+"/steps/1/approve", Approving{ShownHash: hash, Reason: "go"}, 200)
	until(t, "the run is done", func() bool {
		run = do[act.Run](w, alice, "GET", path, nil, 200)
		return run.Status.Ended()
	})
	if run.Status != act.RunDone || run.Steps[1].Output != "restarted\n" {
		t.Errorf("got %+v", run)
	}
	if got := do[ChangeDetail](w, bob, "GET", "/changes/"+run.Change, nil, 200); got.Run != run.ID {
		t.Errorf("got %+v", got)
	}
}

func TestAChangeIsRecordedOnce(t *testing.T) {
	w := newWorld(t)
	in := map[string]any{"id": "ci/77", "kind": "deploy", "service": "checkout", "from": "1.4.2", "to": "1.5.0"}
	first := do[act.Change](w, alice, "POST", "/changes", in, 201)
	if first.Actor != "alice" || first.Source != "api" || !first.StartedAt.Equal(w.now) || first.Summary != "deploy of checkout from 1.4.2 to 1.5.0" {
		t.Errorf("got %+v", first)
	}
	w.now = w.now.Add(time.Minute)
	in["verdict"] = "verified"
	if again := do[act.Change](w, alice, "POST", "/changes", in, 201); again.Fact != first.Fact || again.Verdict != "verified" || !again.StartedAt.Equal(first.StartedAt) {
		t.Errorf("got %+v", again)
	}
	in["to"] = "2.0.0"
	do[ErrorBody](w, alice, "POST", "/changes", in, 409)
	if got := do[List[act.Change]](w, alice, "GET", "/changes?service=checkout&from=2026-03-02T00:00:00Z", nil, 200); len(got.Items) != 1 {
		t.Errorf("got %+v", got)
	}
	if got := do[ChangeDetail](w, alice, "GET", "/changes/ci%2F77", nil, 200); got.ID != "ci/77" {
		t.Errorf("got %+v", got)
	}
}

func TestAReviewIsWritten(t *testing.T) {
	w := newWorld(t)
	w.burn()
	if e := do[ErrorBody](w, alice, "GET", "/incidents/1/review", nil, 404); e.Error.Code != "not_found" {
		t.Errorf("got %+v", e)
	}
	draft := do[learn.Review](w, alice, "POST", "/incidents/1/review", nil, 200)
	text := draft.Markdown + "\nWe were tired.\n"
	w.now = w.now.Add(time.Second)
	saved := do[learn.Review](w, alice, "PUT", "/incidents/1/review", ReviewText{Markdown: &text, Base: draft.UpdatedAt}, 200)
	if saved.Markdown != text || saved.Status != "draft" {
		t.Errorf("got %+v", saved)
	}
	// Bob's page is older than what alice has saved.
	lost := "nothing happened"
	if e := do[ErrorBody](w, bob, "PUT", "/incidents/1/review", ReviewText{Markdown: &lost, Base: draft.UpdatedAt}, 409); !strings.Contains(e.Error.Message, "alice has saved") {
		t.Errorf("got %+v", e)
	}
	f := do[learn.FollowUp](w, bob, "POST", "/incidents/1/review/follow-ups", NewFollowUp{Text: "sleep more", Owner: "bob"}, 201)
	do[none](w, bob, "POST", "/follow-ups/"+jsonNumber(f.ID)+"/done", nil, 204)
	do[ErrorBody](w, bob, "POST", "/follow-ups/999/done", nil, 404)
	published := do[learn.Review](w, bob, "PUT", "/incidents/1/review", ReviewText{Publish: true}, 200)
	if published.Status != "published" || published.Markdown != text || len(published.FollowUps) != 1 || published.FollowUps[0].DoneAt.IsZero() {
		t.Errorf("got %+v", published)
	}
	rec := w.send(request{as: alice, method: "GET", path: Root + "/incidents/1/review.md"})
	if rec.Body.String() != text || rec.Header().Get("Content-Type") != "text/markdown; charset=utf-8" {
		t.Errorf("got %v %q", rec.Header(), rec.Body)
	}
}

func jsonNumber(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func TestObjectivesSayWhereTheyStand(t *testing.T) {
	w := newWorld(t)
	o := do[Objective](w, alice, "GET", "/objectives/checkout-availability", nil, 200)
	if o.Status.State != ObjectiveFine || *o.Status.BudgetRemaining != 0.25 || *o.Status.BurnRate != 14.5 || o.Team != "shop" {
		t.Errorf("got %+v", o)
	}
	w.burn()
	all := do[List[Objective]](w, alice, "GET", "/objectives?service=checkout", nil, 200)
	if len(all.Items) != 1 || all.Items[0].Status.State != ObjectiveBurning || *all.Items[0].Status.BudgetRemaining != 0.25 || len(all.Items[0].Status.Findings) != 1 {
		t.Errorf("got %+v", all)
	}
	// A day later nothing is known any more, and nothing is made up.
	w.now = w.now.Add(24 * time.Hour)
	if o = do[Objective](w, alice, "GET", "/objectives/checkout-availability", nil, 200); o.Status.BudgetRemaining != nil || o.Status.BurnRate != nil {
		t.Errorf("got %+v", o.Status)
	}
	do[ErrorBody](w, alice, "GET", "/objectives/nothing", nil, 404)
}

func TestBudgetsSayOnWhatTheyWereSpent(t *testing.T) {
	w := newWorld(t)
	b := do[budget.Report](w, alice, "GET", "/objectives/checkout-availability/budget", nil, 200)
	if b.Objective != "checkout-availability" || b.Unit != "events" || len(b.Burns) < 4 || b.Spent != nil {
		t.Errorf("got %+v", b)
	}
	do[ErrorBody](w, alice, "GET", "/objectives/nothing/budget", nil, 404)
}

func TestServicesSayWhoAndWhat(t *testing.T) {
	w := newWorld(t)
	w.burn()
	s := do[Service](w, alice, "GET", "/services/checkout", nil, 200)
	if s.Owner != "shop" || s.Tier != 1 || s.Open.Page != 1 || len(s.Incidents) != 1 || s.Objectives[0] != "checkout-availability" || s.Runbooks[0] != "restart" {
		t.Errorf("got %+v", s)
	}
	p := do[Service](w, alice, "GET", "/services/payments", nil, 200)
	if len(p.UsedBy) != 1 || p.UsedBy[0] != "checkout" || p.Open.Page != 0 {
		t.Errorf("got %+v", p)
	}
	me := do[Me](w, alice, "GET", "/whoami", nil, 200)
	if me.Name != "Alice Able" || me.Level.Name != "junior" || me.Admin {
		t.Errorf("got %+v", me)
	}
	st := do[Status](w, alice, "GET", "/status", nil, 200)
	if st.Findings.Page != 1 || len(st.Incidents) != 1 || st.Uptime != 600 || st.Version != "1.2.3" {
		t.Errorf("got %+v", st)
	}
}

func TestSilencesComeAndGo(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now() // silences keep Alertmanager's own time
	s := do[alert.Silence](w, alice, "POST", "/silences", NewSilence{Matchers: []string{`service="checkout"`}, Comment: "maintenance", Duration: "2h"}, 201)
	if s.CreatedBy != "alice" || s.State != "active" {
		t.Errorf("got %+v", s)
	}
	if got := do[List[alert.Silence]](w, alice, "GET", "/silences?state=active", nil, 200); len(got.Items) != 1 || got.Items[0].Matchers[0] != `service="checkout"` {
		t.Errorf("got %+v", got)
	}
	do[none](w, alice, "DELETE", "/silences/"+s.ID, nil, 204)
	until(t, "the silence has ended", func() bool {
		return len(do[List[alert.Silence]](w, alice, "GET", "/silences?state=active", nil, 200).Items) == 0
	})
	do[ErrorBody](w, alice, "DELETE", "/silences/nothing", nil, 404)
	if e := do[ErrorBody](w, alice, "POST", "/silences", NewSilence{Matchers: []string{"no matcher"}, Comment: "x", Duration: "2h"}, 400); e.Error.Field != "matchers" || e.Error.Got != "no matcher" {
		t.Errorf("got %+v", e)
	}
}

func TestTokensBelongToSomebody(t *testing.T) {
	w := newWorld(t)
	s := do[TokenSecret](w, alice, "POST", "/tokens", NewToken{Note: "pipeline", Duration: "90d"}, 201)
	if !strings.HasPrefix(s.Secret, "ek_"+s.ID+"_") || s.Person != "alice" || !s.ExpiresAt.Equal(w.now.Add(90*24*time.Hour)) {
		t.Errorf("got %+v", s.Token)
	}
	if rec := w.send(request{as: alice, method: "GET", path: Root + "/tokens"}); strings.Contains(rec.Body.String(), s.Secret) || !strings.Contains(rec.Body.String(), s.ID) {
		t.Errorf("got %s", rec.Body)
	}
	do[ErrorBody](w, alice, "GET", "/tokens?person=bob", nil, 403)
	do[ErrorBody](w, alice, "POST", "/tokens", NewToken{Note: "to be bob", Person: "bob"}, 403)
	do[ErrorBody](w, bob, "DELETE", "/tokens/"+s.ID, nil, 403)
	if got := do[List[account.Token]](w, admin, "GET", "/tokens?person=alice", nil, 200); len(got.Items) != 1 {
		t.Errorf("got %+v", got)
	}
	do[none](w, alice, "DELETE", "/tokens/"+s.ID, nil, 204)
	do[ErrorBody](w, alice, "DELETE", "/tokens/"+s.ID, nil, 404)

	do[ErrorBody](w, bob, "POST", "/invitations", NewInvitation{Person: "alice"}, 403)
	in := do[Invitation](w, admin, "POST", "/invitations", NewInvitation{Person: "alice"}, 201)
	if !strings.HasPrefix(in.URL, "https://evenkeel.example/invite/") || in.Person != "alice" {
		t.Errorf("got %+v", in)
	}
	do[ErrorBody](w, admin, "POST", "/invitations", NewInvitation{Person: "mallory"}, 400)
}

func TestTheJournalIsWalked(t *testing.T) {
	w := newWorld(t)
	w.burn()
	all := do[List[journal.Fact]](w, alice, "GET", "/journal?order=oldest", nil, 200)
	if len(all.Items) < 2 || all.Items[0].ID > all.Items[1].ID || all.More {
		t.Fatalf("got %+v", all)
	}
	first := do[List[journal.Fact]](w, alice, "GET", "/journal?limit=1", nil, 200)
	if len(first.Items) != 1 || !first.More || first.Total != nil {
		t.Errorf("got %+v", first)
	}
	kinds := do[List[journal.Fact]](w, alice, "GET", "/journal?kind=incident.&ref=service/checkout", nil, 200)
	if len(kinds.Items) == 0 || kinds.Items[0].Subject != "incident/1" {
		t.Errorf("got %+v", kinds)
	}
	chain := do[List[journal.Fact]](w, alice, "GET", "/journal/"+jsonNumber(int64(kinds.Items[0].ID))+"/causes", nil, 200)
	if last := chain.Items[len(chain.Items)-1]; last.Kind != "finding.opened" || last.Cause != 0 {
		t.Errorf("got %+v", chain)
	}
	do[ErrorBody](w, alice, "GET", "/journal/99999/causes", nil, 404)
}

func TestAPageOfAnotherSiteMayNotAct(t *testing.T) {
	w := newWorld(t)
	w.burn()
	f := func(header http.Header, status int) {
		t.Helper()
		rec := w.send(request{as: alice, method: "POST", path: "https://evenkeel.example" + Root + "/incidents/1/notes", contentType: "application/json", body: `{"text":"x"}`, header: header})
		if rec.Code != status {
			t.Errorf("%v: got %d %s", header, rec.Code, rec.Body)
		}
	}
	f(http.Header{"Sec-Fetch-Site": {"cross-site"}, "Cookie": {"evenkeel_session=x"}}, 403)
	f(http.Header{"Origin": {"https://evil.example"}, "Cookie": {"evenkeel_session=x"}}, 403)
	f(http.Header{"Sec-Fetch-Site": {"same-origin"}}, 204)
	f(http.Header{"Origin": {"https://evenkeel.example"}}, 204)
	f(nil, 204)
}

// broken is a book whose pages have been torn out.
type broken struct {
	respond.Incidents
	err error
}

func (b broken) List(context.Context, respond.IncidentFilter) ([]respond.Incident, error) {
	if b.err == nil {
		panic("torn out")
	}
	return nil, b.err
}

func TestFailuresOfOursSayNothingOfTheirCause(t *testing.T) {
	w := newWorld(t)
	for _, b := range []broken{{}, {err: &json.InvalidUnmarshalError{}}} {
		w.options.Incidents = b
		w.rebuild()
		if e := do[ErrorBody](w, alice, "GET", "/incidents", nil, 500); e.Error.Code != "internal" || strings.Contains(e.Error.Message, "torn") || strings.Contains(e.Error.Message, "json") {
			t.Errorf("got %+v", e)
		}
	}
	w.options.Incidents = broken{err: context.DeadlineExceeded}
	w.rebuild()
	do[ErrorBody](w, alice, "GET", "/incidents", nil, 503)
}

func TestAValueThatJSONCannotSayIsNull(t *testing.T) {
	w := newWorld(t)
	must(t, w.findings.Observe(t.Context(), at, []detect.Finding{{Fingerprint: "inf", Detector: detect.DetectorRule, Name: "Endless", Severity: detect.Ticket, Value: math.Inf(1), Labels: map[string]string{"alertname": "Endless"}}}))
	got := do[List[Finding]](w, alice, "GET", "/findings?open=true&severity=ticket", nil, 200)
	if len(got.Items) != 1 || got.Items[0].Value != nil || got.Items[0].Name != "Endless" || *got.Total != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestWhatIsMissingIsNamedAtTheStart(t *testing.T) {
	if _, err := New(Options{Workspace: func() *declare.Workspace { return nil }}); err == nil || !strings.Contains(err.Error(), "Options.WorkspaceProblems") {
		t.Errorf("got %v", err)
	}
}
