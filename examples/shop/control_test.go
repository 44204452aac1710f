package shop

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestControlRefusesWhatItShould(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Rate: 1})
	f := func(method, path, body string, wantCode int, wantText string, headers ...string) {
		t.Helper()
		code, text := call(t, method, s.ControlURL()+path, body, headers...)
		if code != wantCode || !strings.Contains(text, wantText) {
			t.Errorf("%s %s %s: got %d %s, expected %d with %q", method, path, body, code, text, wantCode, wantText)
		}
	}
	f("POST", "/deploy", `{"service":"chekout","version":"1.4.1"}`, 422, `got \"chekout\", expected one of`)
	f("POST", "/deploy", `{"service":"checkout","version":"9"}`, 422, `expected one of 1.4.0, 1.4.1, 1.4.2`)
	f("POST", "/deploy", `{"service":"checkout","verison":"1.4.1"}`, 400, `unknown field`)
	f("POST", "/deploy", `{`, 400, `malformed`)
	f("POST", "/deploy", ``, 422, `service`)
	f("POST", "/deploy", `{"service":"`+strings.Repeat("x", 1<<17)+`"}`, 400, `too large`)
	f("POST", "/rollback", `{"service":"checkout"}`, 409, `first version`)
	f("POST", "/flags", `{"service":"newsletter","flag":"weekly_digest","value":"maybe"}`, 422, `expected on or off`)
	f("POST", "/faults/earthquake", ``, 404, `bad-release`)
	f("POST", "/inbox", `not json`, 400, `Alertmanager webhook`)
	f("GET", "/deploy", ``, 405, ``)
	// A foreign site's form, and a foreign name that leads here.
	f("POST", "/faults/bad-release", ``, 403, `cross-origin`, "Origin", "https://evil.example")
	f("POST", "/faults/bad-release", ``, 403, `cross-origin`, "Sec-Fetch-Site", "cross-site")
	f("POST", "/faults/bad-release", ``, 403, `loopback`, "Host", "evil.example:7080")
	if s.Faults()[0].Active {
		t.Error("a refused request rolled the fault out")
	}
}

func TestControlPageAndPhone(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Rate: 1})
	// A browser's form comes from the same site.
	form := url.Values{"service": {"catalog"}, "version": {"3.0.0-hotfix"}, "actor": {"deployer page"}}.Encode()
	code, _ := call(t, "POST", s.ControlURL()+"/deploy", form, "Content-Type", "application/x-www-form-urlencoded", "Origin", s.ControlURL(), "Sec-Fetch-Site", "same-origin")
	if code != http.StatusSeeOther {
		t.Errorf("form: got %d, expected to be sent back to the page", code)
	}
	for range inboxSize + 5 {
		code, text := call(t, "POST", s.ControlURL()+"/inbox", `{"version":"4","status":"firing","alerts":[{"status":"firing",
			"labels":{"alertname":"ErrorBudgetBurn","service":"checkout"},
			"annotations":{"summary":"checkout <b>burns</b>","suspects":"checkout 1.4.1","incident_url":"javascript:alert(1)"}}]}`)
		if code != http.StatusNoContent {
			t.Fatalf("inbox: got %d %s", code, text)
		}
	}
	if code, text := call(t, "POST", s.ControlURL()+"/inbox?to=alice", `{"type":"notice","data":{"title":"#7 checkout <i>burns</i>","text":"Users suffer","acknowledge_url":"http://127.0.0.1:7070/ack/x"}}`); code != http.StatusNoContent {
		t.Fatalf("notice: got %d %s", code, text)
	}
	var kept []Message
	_, text := call(t, "GET", s.ControlURL()+"/inbox", "")
	if err := json.Unmarshal([]byte(text), &kept); err != nil || len(kept) != inboxSize {
		t.Errorf("the phone keeps %d messages (%v), expected %d", len(kept), err, inboxSize)
	}
	code, page := call(t, "GET", s.ControlURL()+"/", "")
	for _, want := range []string{
		"to alice", "#7 checkout &lt;i&gt;burns&lt;/i&gt;", `<a href="http://127.0.0.1:7070/ack/x">Acknowledge</a>`,
		"3.0.0-hotfix", "Roll back to 3.0.0", "ErrorBudgetBurn", "checkout &lt;b&gt;burns&lt;/b&gt;", "Suspects: checkout 1.4.1",
		"bad-release", "A slow catalog", `action="/faults/noise/end"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if code != http.StatusOK || strings.Contains(page, "javascript:") || strings.Contains(page, "<script") {
		t.Errorf("got %d, and something that runs: %s", code, page)
	}
}
