package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/request"
	"github.com/evenkeel/evenkeel/declare"
)

// requestDesk is the real one, on the fixtures' books.
func (e *estate) requestDesk() *request.Desk {
	return request.New(request.Options{DB: e.db, Workspace: func() *declare.Workspace { return e.ws }, Runs: runBook{e}, Changes: changeBook{e}, Check: func(string, []string) error { return nil }})
}

// asking puts requests of each kind on record.
func (e *estate) asking() {
	e.t.Helper()
	e.ws.Requests = []*declare.RequestItem{
		{Name: "restart", Title: "Restart a service", Owner: "shop", Summary: "When it hangs.", Approve: "senior", Within: time.Hour, Form: []declare.Param{{Name: "service", Type: declare.ParamService, Required: true}, {Name: "why", Type: declare.ParamString}}},
		{Name: "help", Title: "Help by hand", Owner: "shop", Within: 8 * time.Hour, Form: []declare.Param{{Name: "kind", Type: declare.ParamEnum, Values: []string{"a", "b"}}, {Name: "now", Type: declare.ParamBool}}},
	}
	d := e.requestDesk()
	for i, at := range []time.Duration{2 * time.Hour, 30 * time.Minute, 10 * time.Minute} {
		r, err := d.Submit(e.t.Context(), ago_(at), "alice", "restart", map[string]string{"service": "checkout", "why": "it <hangs>"})
		if err != nil {
			e.t.Fatal(err)
		}
		switch i {
		case 1:
			_, err = d.Ask(e.t.Context(), ago_(20*time.Minute), "carol", r.ID, "which <b>one</b>?")
		case 2:
			_, err = d.Decide(e.t.Context(), ago_(5*time.Minute), "carol", r.ID, false, "not in a freeze")
		}
		if err != nil {
			e.t.Fatal(err)
		}
	}
}

func TestTheRequestPages(t *testing.T) {
	e := busy(t)
	h := e.handler()
	see := func(who declare.PersonID, target string, want ...string) {
		t.Helper()
		text := body(t, get(t, h, e, who, target))
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is missing", target, w)
			}
		}
	}
	see("alice", "/requests", "Restart a service", "waits for an answer", "self-service", "approval of level senior or above")
	see("alice", "/requests/new/restart", "Ask for it", "it takes an approval of level senior"[len("it "):])
	see("alice", "/requests/1", "over its time", "it &lt;hangs&gt;", "nobody approves what they asked for themselves")
	see("carol", "/requests/1", "Approve", "Refuse")
	see("alice", "/requests/2", "Your answer", "which &lt;b&gt;one&lt;/b&gt;?")
	res := post(t, h, e, "alice", "/requests/new/restart", url.Values{"f.service": {"nothing"}})
	if text := body(t, res); res.StatusCode != http.StatusBadRequest || !strings.Contains(text, "a service of the catalogue") {
		t.Errorf("got %d", res.StatusCode)
	}
	if res := post(t, h, e, "alice", "/requests/1", url.Values{"act": {"approve"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("got %d", res.StatusCode)
	}
	if res := post(t, h, e, "alice", "/requests/2", url.Values{"act": {"answer"}, "text": {"the first"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("got %d", res.StatusCode)
	}
	if res := post(t, h, e, "carol", "/requests/2", url.Values{"act": {"approve"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("got %d", res.StatusCode)
	}
	r, err := e.requestDesk().Get(t.Context(), 2)
	if err != nil || r.Status != act.RequestQueued || r.DecidedBy != "carol" || r.Paused != 20*time.Minute {
		t.Errorf("got %+v %v", r, err)
	}
	see("carol", "/requests/2", "Done by hand")
}
