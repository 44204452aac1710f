package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/learn/tune"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/outcome"
)

// outcomeBook keeps the outcomes of the estate.
type outcomeBook struct{ e *estate }

func (b outcomeBook) Outcome(_ context.Context, finding int64) (respond.Outcome, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	if o, ok := b.e.outcomes[finding]; ok {
		return o, nil
	}
	return respond.Outcome{}, respond.ErrNotFound
}

func (b outcomeBook) Label(_ context.Context, now time.Time, actor journal.Actor, finding int64, l respond.OutcomeLabel, note string) (respond.Outcome, error) {
	if l.Words() == "" {
		return respond.Outcome{}, &respond.InvalidError{Field: "outcome", Got: string(l), Want: "action, no_action, duplicate, false or maintenance"}
	}
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	if b.e.outcomes == nil {
		b.e.outcomes = map[int64]respond.Outcome{}
	}
	o := respond.Outcome{Finding: finding, Outcome: l, Note: note, By: actor, At: now}
	b.e.outcomes[finding] = o
	return o, nil
}

func (b outcomeBook) LabelIncident(ctx context.Context, now time.Time, actor journal.Actor, _ respond.Number, l respond.OutcomeLabel, note string) (int, error) {
	_, err := b.Label(ctx, now, actor, 12, l, note)
	return 1, err
}

func (b outcomeBook) Episodes(context.Context, time.Time, time.Time) ([]respond.Episode, error) {
	return nil, nil
}

// reviewQueue is the alert review of the estate: one alert with a proposal, one without.
type reviewQueue struct{ e *estate }

func (q reviewQueue) Queue(context.Context, time.Time, int) ([]tune.ReviewedAlert, error) {
	if len(q.e.incidents) == 0 {
		return nil, nil
	}
	precision, ack := 0.25, 240.0
	return []tune.ReviewedAlert{
		{
			Quality:  outcome.Quality{Rule: outcome.Rule{Detector: "rule", Name: "CheckoutSlow", Severity: detect.Page}, Episodes: 9, Action: 2, NoAction: 5, False: 1, Unknown: 1, Inferred: 1, Flaps: 2, Flapping: 2.0 / 9, Precision: &precision, AckSeconds: &ack, Needless: 6.7, Last: night},
			Place:    &tune.RulePlace{File: "rules/checkout.yml", Group: "checkout"},
			Proposal: &tune.RuleProposal{RulePlace: tune.RulePlace{File: "rules/checkout.yml", Group: "checkout"}, Field: tune.For, From: "30s", To: "5m", Saved: 5, Why: "5 episodes that nobody needed were over within 5m"},
		},
		{Quality: outcome.Quality{Rule: outcome.Rule{Detector: "objective", Name: "ErrorBudgetBurn", Objective: "checkout-availability", Severity: detect.Page}, Episodes: 2, Unknown: 2}, Why: "it comes from an objective: its target and windows are what can be changed"},
	}, nil
}

func (q reviewQueue) Change(ctx context.Context, now time.Time, days int, person declare.PersonID, name, severity string, judge bool) (tune.RuleEdit, error) {
	lines, err := q.Queue(ctx, now, days)
	if err != nil || len(lines) == 0 || name != lines[0].Name || severity != "page" {
		return tune.RuleEdit{}, respond.ErrNotFound
	}
	c := tune.RuleEdit{Line: lines[0], Diff: "--- a/rules/checkout.yml\n+++ b/rules/checkout.yml\n@@ -1,1 +1,1 @@\n-for: 30s # <b>\n+for: 5m\n", Shown: "abc", May: person != "bob", Why: string(person) + " is a junior, who runs steps of up to low risk alone"}
	if judge {
		c.Verdict = &tune.RuleVerdict{From: now.AddDate(0, 0, -days), To: now, PagesToday: 9, PagesThen: 4, PagesSaved: 5, FiringsToday: 9, FiringsThen: 4, Lost: []int64{12}, LaterSeconds: 270}
	}
	return c, nil
}

func (q reviewQueue) Apply(ctx context.Context, now time.Time, _ journal.Actor, person declare.PersonID, days int, name, severity, shown string) (tune.RuleEdit, error) {
	c, err := q.Change(ctx, now, days, person, name, severity, false)
	switch {
	case err != nil:
		return c, err
	case !c.May:
		return c, &act.DeniedError{Why: c.Why}
	case shown != c.Shown:
		return c, &act.ConflictError{Why: "the proposal is another one by now"}
	}
	q.e.desk = append(q.e.desk, "applied")
	return c, nil
}

// TestOutcomePages: one tap says what became of an alert, from the message, from the
// finding and from the incident.
func TestOutcomePages(t *testing.T) {
	e := busy(t)
	h := e.handler()
	f := func(path string, form url.Values, status int, want respond.OutcomeLabel) {
		t.Helper()
		delete(e.outcomes, 12)
		if res := post(t, h, e, "alice", path, form); res.StatusCode != status {
			t.Errorf("%s: %d %s", path, res.StatusCode, body(t, res))
		}
		if got := e.outcomes[12].Outcome; got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	f("/findings/12/outcome", url.Values{"outcome": {"false"}, "note": {"a test"}}, http.StatusSeeOther, respond.FalseAlarm)
	f("/findings/12/outcome", url.Values{"outcome": {"meh"}}, http.StatusBadRequest, "")
	f("/incidents/7/outcome", url.Values{"outcome": {"action"}}, http.StatusSeeOther, respond.ActionTaken)
	page := body(t, get(t, h, e, "alice", "/findings/12/outcome"))
	for _, want := range []string{"alice said: <b>action taken</b>", `name="outcome" value="no_action"`, "no action needed", "maintenance"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if res := get(t, h, e, "", "/findings/12/outcome"); res.StatusCode != http.StatusSeeOther || !strings.Contains(res.Header.Get("Location"), "/sign-in") {
		t.Errorf("a guest: %d", res.StatusCode)
	}
}

// TestAlertReviewPages: the queue, the proposal as an edit, its backtest, and applying it.
func TestAlertReviewPages(t *testing.T) {
	e := busy(t)
	h := e.handler()
	change := "/alerts/review/change?alert=CheckoutSlow&severity=page&days=30"
	for path, wants := range map[string][]string{
		"/alerts/review":         {"CheckoutSlow", "25 %", "4m", "for: 30s → 5m", "it comes from an objective", "/alerts/review/change?alert=CheckoutSlow"},
		change:                   {"for: 5m", "&lt;b&gt;", "Apply it to the workspace", "backtest=yes"},
		change + "&backtest=yes": {"<b>5</b> (9 → 4)", `<a href="/findings/12">12</a>`, "270 s"},
	} {
		page := body(t, get(t, h, e, "alice", path))
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%s: no %q", path, want)
			}
		}
	}
	if page := body(t, get(t, h, e, "bob", change)); strings.Contains(page, "Apply it to the workspace") || !strings.Contains(page, "bob is a junior") {
		t.Error("bob may apply it")
	}
	res := get(t, h, e, "bob", "/alerts/review/patch?alert=CheckoutSlow&severity=page")
	if patch := body(t, res); !strings.HasPrefix(patch, "--- a/rules/checkout.yml") || res.Header.Get("Content-Disposition") != `attachment; filename="CheckoutSlow.patch"` {
		t.Errorf("%s %v", patch, res.Header)
	}
	f := func(who declare.PersonID, shown string, status int, want string) {
		t.Helper()
		e.desk = nil
		res := post(t, h, e, who, "/alerts/review/apply", url.Values{"alert": {"CheckoutSlow"}, "severity": {"page"}, "shown": {shown}})
		if res.StatusCode != status || strings.Join(e.desk, "") != want {
			t.Errorf("%s: %d %v", who, res.StatusCode, e.desk)
		}
	}
	f("alice", "abc", http.StatusSeeOther, "applied")
	f("alice", "old", http.StatusConflict, "")
	f("bob", "abc", http.StatusForbidden, "")
	if res := get(t, h, e, "alice", "/alerts/review/change?alert=Gone"); res.StatusCode != http.StatusNotFound {
		t.Errorf("%d", res.StatusCode)
	}
}

// outcomeLinks knows one link, of finding 12.
type outcomeLinks struct {
	e    *estate
	used bool
}

func (b *outcomeLinks) LinkTo(int64, time.Time) string { return "c.1.sig" }

func (b *outcomeLinks) Link(_ context.Context, _ time.Time, token string) (int64, bool, error) {
	if token == "c.0.sig" {
		return 0, false, respond.ErrLinkEnded
	}
	if token != "c.1.sig" {
		return 0, false, respond.ErrNoLink
	}
	return 12, b.used, nil
}

func (b *outcomeLinks) UseLink(ctx context.Context, now time.Time, token string, l respond.OutcomeLabel, note string) (respond.Outcome, error) {
	if _, _, err := b.Link(ctx, now, token); err != nil {
		return respond.Outcome{}, err
	}
	if b.used {
		return respond.Outcome{}, &respond.InvalidError{Field: "link", Got: "used before", Want: "one that has not been used: a link works once"}
	}
	o, err := outcomeBook{b.e}.Label(ctx, now, "link:a reader of the message", 12, l, note)
	b.used = err == nil
	return o, err
}

// TestOutcomeLink: who is not signed in says with the link of a message what became of an
// alert, by one tap; looking changes nothing.
func TestOutcomeLink(t *testing.T) {
	e := busy(t)
	h := e.handler()
	delete(e.outcomes, 12)
	for range 2 {
		page := body(t, get(t, h, e, "", "/outcome/c.1.sig"))
		for _, want := range []string{`action="/outcome/c.1.sig"`, `name="outcome" value="no_action"`, "no action needed", "The link works once"} {
			if !strings.Contains(page, want) {
				t.Errorf("no %q in\n%s", want, page)
			}
		}
	}
	if len(e.outcomes) != 0 {
		t.Errorf("looking has said something: %+v", e.outcomes)
	}
	if res := post(t, h, e, "", "/outcome/c.1.sig", url.Values{"outcome": {"meh"}}); res.StatusCode != http.StatusConflict {
		t.Errorf("no such outcome: %d", res.StatusCode)
	}
	if page := body(t, post(t, h, e, "", "/outcome/c.1.sig", url.Values{"outcome": {"false"}, "note": {"a test"}})); !strings.Contains(page, "<b>false</b> is on record") || e.outcomes[12].Outcome != respond.FalseAlarm || e.outcomes[12].Note != "a test" {
		t.Errorf("%+v\n%s", e.outcomes, page)
	}
	if res := post(t, h, e, "", "/outcome/c.1.sig", url.Values{"outcome": {"action"}}); res.StatusCode != http.StatusConflict || e.outcomes[12].Outcome != respond.FalseAlarm {
		t.Errorf("a second time: %d %+v", res.StatusCode, e.outcomes[12])
	}
	if page := body(t, get(t, h, e, "", "/outcome/c.1.sig")); !strings.Contains(page, "used already") || strings.Contains(page, "<button name=\"outcome\"") {
		t.Errorf("after use:\n%s", page)
	}
	if res := get(t, h, e, "", "/outcome/c.0.sig"); res.StatusCode != http.StatusGone || !strings.Contains(body(t, res), "This link has ended") {
		t.Errorf("an old link: %d", res.StatusCode)
	}
	for _, path := range []string{"/outcome/c.1.gis", "/outcome/12"} {
		if res := get(t, h, e, "", path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}
