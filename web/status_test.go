package web

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/status"
)

// statusBook are the status pages of the estate: one system, with trouble.
type statusBook struct{ e *estate }

func (b statusBook) Page(_ context.Context, _ time.Time, system string) (status.Page, error) {
	if system != "shop" {
		return status.Page{}, respond.ErrNotFound
	}
	p := status.Page{System: "shop", Title: "The shop", State: status.Partial, Components: []status.Component{{ID: "checkout", Name: "Checkout", State: status.Partial}, {ID: "search", Name: "Search", State: status.Operational}}, Updated: night}
	for _, x := range b.e.ws.Settings.StatusPages {
		p.Public = p.Public || x.Public
	}
	p.Active = []status.Trouble{{Number: 7, Name: "Trouble with Checkout", Phase: respond.Identified, Sev: respond.Sev2, Started: ago_(22 * time.Minute), Updates: []respond.IncidentUpdate{{ID: 2, Phase: respond.Identified, Text: "Found <b>it</b>.", At: ago_(3 * time.Minute)}, {ID: 1, Phase: respond.Investigating, Text: "Some orders fail.", At: ago_(9 * time.Minute)}}}}
	p.History = []status.Trouble{{Number: 5, Name: "Trouble with Search", Phase: respond.Over, Started: ago_(50 * time.Hour), Ended: ago_(49 * time.Hour), Updates: []respond.IncidentUpdate{{ID: 0, Phase: respond.Over, Text: "It is over.", At: ago_(49 * time.Hour)}}}}
	return p, nil
}

func (b statusBook) Statuspage(p status.Page, name string) any {
	if name != "summary" {
		return nil
	}
	return map[string]any{"page": map[string]string{"name": p.Title}}
}

func (b statusBook) Subscribers(context.Context, string) ([]status.Subscriber, error) {
	return []status.Subscriber{{ID: 1, System: "shop", URL: "https://hooks.example.org/status", By: journal.Person("bob"), Error: "it answered 502 Bad Gateway"}}, nil
}

func (b statusBook) Subscribe(_ context.Context, _ time.Time, _ journal.Actor, system, hook string) (status.Subscriber, error) {
	if !strings.HasPrefix(hook, "https://") {
		return status.Subscriber{}, &respond.InvalidError{Field: "url", Want: "a URL as https://hooks.example.org/status"}
	}
	b.e.desk = append(b.e.desk, system+" tells "+hook)
	return status.Subscriber{}, nil
}

func (b statusBook) Unsubscribe(_ context.Context, _ time.Time, _ journal.Actor, id int64) error {
	if id != 1 {
		return respond.ErrNotFound
	}
	b.e.desk = append(b.e.desk, "ended")
	return nil
}

// TestStatusPages: a guest sees what was declared public, and else not even whether
// there is such a system.
func TestStatusPages(t *testing.T) {
	e := busy(t)
	h := e.handler()
	ask := func(path string) *http.Response {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Result()
	}
	for _, system := range []string{"shop", "nothing"} {
		if res := ask("/status/" + system); res.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: a guest gets %d", system, res.StatusCode)
		}
		for _, rest := range []string{"/api/v2/summary.json", "/history.rss"} {
			if res := ask("/status/" + system + rest); res.StatusCode != http.StatusNotFound {
				t.Errorf("%s%s: a guest gets %d", system, rest, res.StatusCode)
			}
		}
	}
	if page := body(t, get(t, h, e, "alice", "/status/shop")); !strings.Contains(page, "Some orders fail.") || !strings.Contains(page, "https://hooks.example.org/status") || !strings.Contains(page, "Only those who sign in") {
		t.Error("alice does not see it")
	}

	ws := *e.ws
	ws.Settings.StatusPages = []declare.StatusPage{{System: "shop", Public: true}}
	e.ws = &ws
	page := body(t, ask("/status/shop"))
	for _, want := range []string{"The shop", "partly down", "Trouble with Checkout", "Found &lt;b&gt;it&lt;/b&gt;.", "It is over.", "/status/shop/history.rss"} {
		if !strings.Contains(page, want) {
			t.Errorf("a guest does not see %q", want)
		}
	}
	for _, no := range []string{"hooks.example.org", "Subscribe", "bob", `href="/incidents`} {
		if strings.Contains(page, no) {
			t.Errorf("a guest sees %q", no)
		}
	}
	res := ask("/status/shop/api/v2/summary.json")
	if got := body(t, res); got != `{"page":{"name":"The shop"}}` || res.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%s %v", got, res.Header)
	}
	for _, path := range []string{"/status/shop/api/v2/secrets.json", "/status/shop/api/v2/summary"} {
		if res := ask(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	// A reader has the feed without the page: its links are whole, also where evenkeel.yml does
	// not say under which address people come.
	o := e.options()
	o.Link = func(path string) string { return "https://evenkeel.test" + path }
	pages, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/status/shop/history.rss", nil))
	var feed struct {
		Channel struct {
			Links []struct {
				XMLName xml.Name
				Href    string `xml:"href,attr"`
				Text    string `xml:",chardata"`
			} `xml:"link"`
			Items []struct {
				Link        string `xml:"link"`
				Description string `xml:"description"`
				GUID        string `xml:"guid"`
			} `xml:"item"`
		} `xml:"channel"`
	}
	const at = "https://evenkeel.test/status/shop"
	err = xml.Unmarshal(w.Body.Bytes(), &feed)
	if c := feed.Channel; err != nil || len(c.Items) != 3 || c.Items[0].Description != "Found <b>it</b>." || c.Items[0].GUID == c.Items[1].GUID || c.Items[0].Link != at+"#incident-7" || !strings.HasPrefix(c.Items[0].GUID, at) ||
		len(c.Links) != 2 || c.Links[0].Text != at || c.Links[1].Href != at+"/history.rss" || c.Links[1].XMLName.Space != "http://www.w3.org/2005/Atom" {
		t.Errorf("%+v %v", feed, err)
	}

	f := func(who declare.PersonID, path, hook string, status int, want string) {
		t.Helper()
		e.desk = nil
		if res := post(t, h, e, who, path, url.Values{"url": {hook}}); res.StatusCode != status || strings.Join(e.desk, "") != want {
			t.Errorf("%s: %d %v", path, res.StatusCode, e.desk)
		}
	}
	f("", "/status/shop/subscribers", "https://x.example", http.StatusUnauthorized, "")
	f("alice", "/status/shop/subscribers", "https://x.example", http.StatusSeeOther, "shop tells https://x.example")
	f("alice", "/status/shop/subscribers", "ftp://x.example", http.StatusBadRequest, "")
	f("alice", "/status/shop/subscribers/1/end", "", http.StatusSeeOther, "ended")
	f("alice", "/status/shop/subscribers/2/end", "", http.StatusNotFound, "")
}
