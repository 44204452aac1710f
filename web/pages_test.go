package web

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/evenkeel/evenkeel/declare"
)

// get asks for one page as somebody; "" is nobody.
func get(t *testing.T, h http.Handler, e *estate, who declare.PersonID, target string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	if who != "" {
		r.AddCookie(e.signedIn(who))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// post sends a form as a browser on our own page does.
func post(t *testing.T, h http.Handler, e *estate, who declare.PersonID, target string, form url.Values) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if who != "" {
		r.AddCookie(e.signedIn(who))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// entries are where a walk through the pages begins: what no page links to.
var entries = []string{
	"/", "/search?q=checkout", "/search", "/help", "/explore?expr=slo:current_burn_rate:ratio&range=6h&step=1s", "/explore?expr=sum(", "/explore?expr=explode", "/findings?state=all",
	"/services/checkout?range=1h", "/incidents/7/review", "/incidents/5/review?edit", "/journal?kind=incident.", "/account", "/authority", "/upkeep", "/account/contacts", "/oncall/explain?labels=severity%3Dpage%2Cteam%3Dshop", "/admin/people", "/changes?new", "/runbooks/read-me-first",
	"/objectives", "/objectives/checkout-availability?range=1h", "/objectives/payments-availability", "/backtest", "/backtest?file=rules/checkout.yml", "/backtest?file=nowhere",
	"/explore?logs=severity:error&range=1h", "/explore?logs=%7C%7C", "/explore?traces={+status+%3D+error+}&range=1h", "/explore?traces={+name+}", "/explore?logs=*&traces={}&range=1h&differ=1", "/traces/" + failedTrace,
	"/dashboards/night?open=More&service=checkout", "/explore?logs=*&tail=1", "/views",
	"/nowhere", "/incidents/999", "/findings/abc",
}

// TestEveryPageInEveryState walks through all pages of all fixtures by their links,
// and looks at what each one promises.
func TestEveryPageInEveryState(t *testing.T) {
	for name, build := range fixtures {
		t.Run(name, func(t *testing.T) {
			e := build(t)
			h := e.handler()
			seen := map[string]bool{}
			for queue := slices.Clone(entries); len(queue) > 0; queue = queue[1:] {
				at := queue[0]
				if seen[at] || len(seen) > 400 {
					continue
				}
				seen[at] = true
				res := get(t, h, e, "carol", at)
				text := body(t, res)
				listed := slices.Contains(entries, at)
				if res.StatusCode != http.StatusOK && (!listed || res.StatusCode != http.StatusNotFound) {
					t.Errorf("%s: status %d", at, res.StatusCode)
					continue
				}
				if strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
					queue = append(queue, checkPage(t, at, text)...)
				}
			}
			if len(seen) < 30 {
				t.Errorf("walked over only %d pages", len(seen))
			}
			if strings.Contains(e.logs.String(), "level=ERROR") {
				t.Errorf("the log has errors:\n%s", e.logs.String())
			}
		})
	}
}

// checkPage looks at one page's HTML and returns the pages that it links to.
func checkPage(t *testing.T, at, text string) (links []string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Errorf("%s: %v", at, err)
		return nil
	}
	ids, labels, headings := map[string]int{}, map[string]bool{}, 0
	var controls []*html.Node
	attr := func(n *html.Node, key string) (string, bool) {
		for _, a := range n.Attr {
			if a.Key == key {
				return a.Val, true
			}
		}
		return "", false
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Errorf("%s: <%s> has the attribute %s, which the policy forbids", at, n.Data, a.Key)
			}
		}
		if id, ok := attr(n, "id"); ok {
			ids[id]++
		}
		switch n.Data {
		case "style":
			t.Errorf("%s: has a style element", at)
		case "script":
			if kind, _ := attr(n, "type"); kind == "application/json" {
				continue
			}
			if src, _ := attr(n, "src"); !strings.HasPrefix(src, "/static/") {
				t.Errorf("%s: runs the script %q", at, src)
			}
		case "h1":
			headings++
		case "label":
			if id, ok := attr(n, "for"); ok {
				labels[id] = true
			}
		case "input", "select", "textarea":
			controls = append(controls, n)
		case "a":
			href, _ := attr(n, "href")
			u, err := url.Parse(href)
			if err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
				t.Errorf("%s: links to %q", at, href)
				continue
			}
			if u.Host == "" && strings.HasPrefix(u.Path, "/") {
				u.Fragment = ""
				links = append(links, u.String())
			}
		case "img", "iframe", "object", "embed":
			t.Errorf("%s: has <%s>", at, n.Data)
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s: the id %q is there %d times", at, id, n)
		}
	}
	if headings != 1 {
		t.Errorf("%s: has %d headings of level 1, expected one", at, headings)
	}
	for _, c := range controls {
		if kind, _ := attr(c, "type"); kind == "hidden" {
			continue
		}
		id, _ := attr(c, "id")
		wrapped := false
		for p := c.Parent; p != nil; p = p.Parent {
			wrapped = wrapped || p.Data == "label"
		}
		if name, _ := attr(c, "name"); !wrapped && !labels[id] {
			t.Errorf("%s: the input %q has no label", at, name)
		}
	}
	return links
}

func TestPagesSayWhatMatters(t *testing.T) {
	e := busy(t)
	h := e.handler()
	f := func(who declare.PersonID, target string, want ...string) {
		t.Helper()
		text := body(t, get(t, h, e, who, target))
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s as %s: does not say %q", target, who, w)
			}
		}
	}
	f("alice", "/", "#7", "checkout 1.4.1 → 1.4.2", "Waiting for your approval", "rollback", "Objectives in trouble", "storefront-availability", "for shop")
	f("alice", "/services?text=CHECK", "Checkout")
	f("alice", "/services?text=nowhere", "No service matches")
	f("alice", "/services?offset=5000", "Find")
	f("alice", "/objectives?text=nowhere", "No objective matches")
	f("alice", "/services", "Checkout", "failing", "degraded", "unmeasured", "none declared")
	f("alice", "/services/checkout", "99.9 %", "The error budget burns at 24×", `id="chart-burn-checkout-availability"`, "checkout 1.4.2", "orders-db", "storefront")
	f("alice", "/findings/12", "Its query had the value 24.20 when it opened.", "It held for 40s before it became a finding.", "/runbooks/checkout-rollback?incident=7")
	f("alice", "/incidents/7", `<svg class="spark"`, `<line class="onset"`, "that succeed &lt;b&gt;", "as a cause by bob", "seen in the diff &lt;i&gt;", `name="verdict" value="rejected"`)
	f("alice", "/incidents/7", "Deployed 90 seconds before the onset", "+1m 10s", "connection refused", "first bad slice", "impact", "&lt;b&gt;not markup&lt;/b&gt;", "named by the finding")
	f("bob", "/runbooks/checkout-rollback?incident=7", `<option value="7" selected>`, "2 steps are over your level (junior)", "should have been read again by 2026-03-01", "<table>", "customers keep their baskets")
	f("alice", "/runs/r-9f2", "Approve and run", `value="`+e.runs[0].Approvals[0].ShownHash+`"`, "version=1.4.1", "0.0261")
	f("bob", "/runs/r-9f2", "bob asked for it: an approval is somebody else&#39;s")
	f("alice", "/changes/c-142", "1.4.1 → 1.4.2", "Checkout fails one order in forty")
	f("alice", "/incidents/5/review", "The health check did not look at the database", "Let the health check ask the database")
	f("alice", "/explore?expr=sum(rate(x[5m]", `role="alert"`, "<mark>")
	f("alice", "/explore?expr=explode", "the store is closed")
	f("alice", "/journal/3", "What led to it", "burns its budget at 24×", "top suspect")
	f("alice", "/account", "(you)", "shop")
	f("alice", "/authority", "alice is a senior", "carol approved step rollback by voice", "It was right")
	f("bob", "/authority", "may propose it", "Nobody has lent", "with approval")
	f("bob", "/upkeep", "somebody should have read it again", "names no runbook", "11 of 12")
	f("bob", "/runbooks?q=baskets+rotation", "Roll checkout back")
	f("bob", "/runbooks?q=nothing-like-it", "has the words")
	f("alice", "/search?q=checkout", "Runbooks", "Services", "It also reads as a query")

	e = empty(t)
	h = e.handler()
	f("carol", "/", "Nothing is declared yet")
	f("carol", "/services", "No service is declared yet")
	f("carol", "/incidents", "No incident so far")
	f("carol", "/runbooks", "No runbook is written yet")
	f("carol", "/changes", "No change is on record yet")
	f("carol", "/reviews", "No review yet")
	f("carol", "/silences", "Nothing is muted")

	e = broken(t)
	h = e.handler()
	f("alice", "/", "The workspace folder has 1 problem")
	f("alice", "/workspace", "objectives/shop.yml:14:12", "chekout", "did you mean")
}

// bob asked and may not approve; alice may; dave is a trainee.
func TestWhoSeesApprovals(t *testing.T) {
	e := busy(t)
	h := e.handler()
	f := func(who declare.PersonID, want bool) {
		t.Helper()
		if got := strings.Contains(body(t, get(t, h, e, who, "/")), "Waiting for your approval"); got != want {
			t.Errorf("%s sees the approval: %v, expected %v", who, got, want)
		}
		if got := strings.Contains(body(t, get(t, h, e, who, "/runs/r-9f2")), "Approve and run"); got != want {
			t.Errorf("%s may answer on the run's page: %v, expected %v", who, got, want)
		}
	}
	f("alice", true)
	f("carol", true)
	f("bob", false)
	f("dave", false)
}

func TestFiltersAndPaging(t *testing.T) {
	e := busy(t)
	for i := range 130 {
		f := e.found[1]
		f.ID, f.Name = int64(1000+i), fmt.Sprintf("Bulk%03d", i)
		e.found = append(e.found, f)
	}
	h := e.handler()
	f := func(target string, want string, not string) {
		t.Helper()
		text := body(t, get(t, h, e, "alice", target))
		if !strings.Contains(text, want) {
			t.Errorf("%s: does not say %q", target, want)
		}
		if not != "" && strings.Contains(text, not) {
			t.Errorf("%s: says %q", target, not)
		}
	}
	f("/findings", "1–50 of 133", "CertificateExpires")
	f("/findings", "offset=50", "newer")
	f("/findings?offset=100", "101–133 of 133", `rel="next"`)
	f("/findings?severity=page", "checkout-availability", "DiskFillsSoon")
	f("/findings?state=resolved", "CertificateExpires", "DiskFillsSoon")
	f("/findings?q=disk&state=all", "DiskFillsSoon", "CertificateExpires")
	f("/findings?offset=-7", "1–50 of 133", "")
	f("/incidents?state=active", "Checkout fails", "Storefront is down")
	f("/incidents?team=platform", "Payments answers", "Checkout fails")
	f("/changes?kind=config", "new timeout", "checkout 1.4.2")
	f("/changes?range=1d", "checkout 1.4.2", "Roll storefront back")
	f("/runs?state=waiting", "r-9f2", "r-8a0")
	f("/journal?actor=person:bob", "acknowledged by bob", "incident.opened")
	f("/journal?ref=run/r-9f2", "waits for an approval", "acknowledged")
}
