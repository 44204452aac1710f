package web

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/reach"
	"github.com/evenkeel/evenkeel/state"
)

// TestAcknowledgeFromAMessage: what reads links ahead of people acknowledges nothing,
// one press does, without a sign-in, and only once.
func TestAcknowledgeFromAMessage(t *testing.T) {
	e := busy(t)
	e.incidents[0].Status, e.incidents[0].Clocks.Acknowledged = respond.Open, time.Time{}
	got := make(chan string, 10)
	phone := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- string(b)
	}))
	defer phone.Close()
	e.ws.Person("alice").Contacts = []declare.Contact{{Kind: declare.ContactWebhook, Address: phone.URL}}
	e.ws.Settings.Channels.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	e.ws.Settings.Channels.Timeout = 5 * time.Second
	opts := e.options()
	h, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ways := opts.Reach.(*reach.Book)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- ways.Run(ctx) }()
	defer func() { cancel(); <-done }()
	if err := e.db.Update(ctx, func(tx *state.Tx) error {
		if _, err := tx.Exec(`INSERT INTO incidents (number, title, severity, status) VALUES (7, 'x', 'page', 'open')`); err != nil {
			return err
		}
		return ways.Send(ctx, tx, time.Now(), []respond.Notice{{Key: "k", Person: "alice", Purpose: respond.PurposePage, Incident: 7, Severity: detect.Page, Title: "t", Why: "w"}})
	}); err != nil {
		t.Fatal(err)
	}
	link := ""
	for link == "" { // that her packet came back is told too
		select {
		case body := <-got:
			link = regexp.MustCompile(`/ack/[^"]+`).FindString(body)
		case <-time.After(20 * time.Second):
			t.Fatal("no message came")
		}
	}
	opts.Now = time.Now
	if h, err = New(opts); err != nil {
		t.Fatal(err)
	}
	for range 3 { // a mail scanner, a preview, a person
		res := get(t, h, e, "", link)
		if text := body(t, res); res.StatusCode != http.StatusOK || !strings.Contains(text, "Acknowledge as alice") || strings.Contains(text, `class="side"`) {
			t.Fatalf("%d %s", res.StatusCode, text)
		}
	}
	if e.incidents[0].Status != respond.Open {
		t.Fatal("looking has acknowledged it")
	}
	if res := post(t, h, e, "", link+"x", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("a forged link: %d", res.StatusCode)
	}
	// Where there is nothing to do, or not for this person, there is no button.
	shows := func(what, want string) {
		t.Helper()
		if text := body(t, get(t, h, e, "", link)); !strings.Contains(text, want) || strings.Contains(text, "<button class") {
			t.Errorf("%s: no %q, or a button in\n%s", what, want, text)
		}
	}
	for _, s := range []respond.Status{respond.Mitigated, respond.Resolved} {
		e.incidents[0].Status = s
		shows(string(s), "It is "+string(s)+": there is nothing to acknowledge.")
	}
	e.incidents[0].Status, e.incidents[0].MergedInto = respond.Merged, 8
	shows("merged", `<a href="/incidents/8">Open #8</a>`)
	e.incidents[0].Status, e.incidents[0].MergedInto = respond.Open, 0
	alice := e.ws.Person("alice")
	alice.ID = "somebody"
	shows("a person who has left", "alice is in the catalogue no more")
	if res := post(t, h, e, "", link, nil); res.StatusCode != http.StatusConflict || e.incidents[0].Status != respond.Open {
		t.Errorf("a person who has left: %d, %s", res.StatusCode, e.incidents[0].Status)
	}
	alice.ID = "alice"
	later := opts
	later.Now = func() time.Time { return time.Now().Add(73 * time.Hour) }
	over, err := New(later)
	if err != nil {
		t.Fatal(err)
	}
	if res := get(t, over, e, "", link); res.StatusCode != http.StatusGone || !strings.Contains(body(t, res), "This link has ended") {
		t.Errorf("an old link: %d", res.StatusCode)
	}
	res := post(t, h, e, "", link, nil)
	if text := body(t, res); res.StatusCode != http.StatusOK || !strings.Contains(text, "Acknowledged by alice") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if i := e.incidents[0]; i.Status != respond.Acknowledged || i.Assignee != "alice" {
		t.Errorf("%+v", i)
	}
	if res := post(t, h, e, "", link, nil); res.StatusCode != http.StatusConflict || !strings.Contains(body(t, res), "works once") {
		t.Errorf("a second press: %d", res.StatusCode)
	}
	if text := body(t, get(t, h, e, "", link)); !strings.Contains(text, "alice used this link") {
		t.Error("the page does not say that it was used")
	}
}

func TestPacketsOnThePage(t *testing.T) {
	e := busy(t)
	h := e.handler()
	text := body(t, get(t, h, e, "alice", "/incidents/7"))
	for _, want := range []string{"Send it again", "which region?", "schedule:shop", `class="done"`, "Hand it up to the next level", "one order in forty"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	in := url.Values{"again": {"1"}, "to": {"person:carol"}, "impact": {"a"}, "tried": {"b"}, "evidence": {"c"}, "question": {""}}
	if res := post(t, h, e, "alice", "/incidents/7/escalate", in); res.StatusCode != http.StatusBadRequest || !strings.Contains(body(t, res), "what you need the next level for") {
		t.Errorf("without a question: %d", res.StatusCode)
	}
	in.Set("question", "may I?")
	if res := post(t, h, e, "alice", "/incidents/7/escalate", in); res.StatusCode != http.StatusSeeOther {
		t.Errorf("sent again: %d %s", res.StatusCode, body(t, res))
	}
	if res := post(t, h, e, "bob", "/incidents/7/handups/1/accept", nil); res.StatusCode != http.StatusBadRequest {
		t.Errorf("accepted by who was not asked: %d", res.StatusCode)
	}
	if res := post(t, h, e, "carol", "/incidents/7/handups/1/accept", nil); res.StatusCode != http.StatusSeeOther || e.incidents[0].Assignee != "carol" {
		t.Errorf("accepted: %d, %s has it", res.StatusCode, e.incidents[0].Assignee)
	}
}

func TestContactsPage(t *testing.T) {
	e := quiet(t)
	h := e.handler()
	if res := post(t, h, e, "bob", "/account/contacts", url.Values{"kind": {"email"}, "address": {"not one"}}); res.StatusCode != http.StatusBadRequest || !strings.Contains(body(t, res), `value="not one"`) {
		t.Errorf("%d", res.StatusCode)
	}
	if res := post(t, h, e, "bob", "/account/contacts", url.Values{"kind": {"ntfy"}, "address": {"https://ntfy.sh/topic"}, "severity": {"page"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("%d %s", res.StatusCode, body(t, res))
	}
	text := body(t, get(t, h, e, "bob", "/account/contacts"))
	if !strings.Contains(text, "ntfy.sh") || strings.Contains(text, "/topic") || !strings.Contains(text, "six digits") || regexp.MustCompile(`your code is \d`).MatchString(text) {
		t.Error(text)
	}
	if res := post(t, h, e, "bob", "/account/contacts/1/verify", url.Values{"code": {"nope"}}); res.StatusCode != http.StatusBadRequest {
		t.Errorf("%d", res.StatusCode)
	}
	if res := post(t, h, e, "alice", "/account/contacts/1/remove", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("somebody else's: %d", res.StatusCode)
	}
	if res := post(t, h, e, "bob", "/account/quiet", url.Values{"from": {"22:00"}, "to": {"07:00"}, "zone": {"Europe/Vienna"}, "severity": {"ticket"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("%d", res.StatusCode)
	}
	if text := body(t, get(t, h, e, "bob", "/account/contacts")); !strings.Contains(text, `value="22:00"`) {
		t.Error("quiet hours are not shown")
	}
}

func TestWhyOnThePages(t *testing.T) {
	e := busy(t)
	h := e.handler()
	text := body(t, get(t, h, e, "alice", "/findings/12"))
	for _, want := range []string{"Its way to people", "routing.yml: route", "/oncall/explain?labels=alertname"} {
		if !strings.Contains(text, want) {
			t.Errorf("the finding's page has no %q", want)
		}
	}
	text = body(t, get(t, h, e, "alice", "/oncall/explain?labels=severity%3Dpage%2Cteam%3Dshop&at=2026-11-24T09:00"))
	for _, want := range []string{"Each decision", "team:shop", "unreachable", "2026-11-24 09:00:00"} {
		if !strings.Contains(text, want) {
			t.Errorf("the question's page has no %q", want)
		}
	}
	if res := get(t, h, e, "alice", "/oncall/explain?labels=nonsense"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("nonsense: %d", res.StatusCode)
	}
}
