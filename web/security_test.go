package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/evenkeel/evenkeel/respond"
)

func TestNobodySeesNothing(t *testing.T) {
	e := busy(t)
	h := e.handler()
	f := func(target, want string) {
		t.Helper()
		res := get(t, h, e, "", target)
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != want {
			t.Errorf("%s: status %d to %q, expected %q", target, res.StatusCode, res.Header.Get("Location"), want)
		}
	}
	f("/", "/sign-in")
	f("/incidents/7", "/sign-in?next=%2Fincidents%2F7")
	f("/findings?q=a%26b", "/sign-in?next=%2Ffindings%3Fq%3Da%2526b")
	f("/nowhere", "/sign-in?next=%2Fnowhere")
	f("/admin/people", "/sign-in?next=%2Fadmin%2Fpeople")
	for _, target := range []string{"/incidents/7/do", "/runs/r-9f2/decide", "/account/tokens", "/admin/people/invite", "/sign-out"} {
		if res := post(t, h, e, "", target, url.Values{"event": {"resolve"}}); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: status %d", target, res.StatusCode)
		}
	}
	if res := get(t, h, e, "", "/live"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("/live: status %d", res.StatusCode)
	}
	if e.incidents[0].Status != respond.Acknowledged {
		t.Error("somebody unknown resolved the incident")
	}
	f = func(who, target string) {
		t.Helper()
		if res := get(t, h, e, "bob", target); res.StatusCode != http.StatusForbidden {
			t.Errorf("bob on %s: status %d", target, res.StatusCode)
		}
	}
	f("bob", "/admin/people")
	if res := post(t, h, e, "bob", "/admin/people/invite", url.Values{"person": {"mallory"}, "admin": {"yes"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("bob invites: status %d", res.StatusCode)
	}
}

func TestHeaders(t *testing.T) {
	e := busy(t)
	h := e.handler()
	for _, target := range []string{"/", "/sign-in", "/static/live.js", "/nowhere"} {
		got := get(t, h, e, "alice", target).Header
		csp := got.Get("Content-Security-Policy")
		if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", target, csp)
		}
		if got.Get("X-Content-Type-Options") != "nosniff" || got.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: headers %v", target, got)
		}
	}
	if c := get(t, h, e, "alice", "/incidents/7").Header.Get("Cache-Control"); c != "no-store" {
		t.Errorf("pages may be kept: %q", c)
	}
	if c := get(t, h, e, "", "/static/base.css?v=1").Header.Get("Cache-Control"); !strings.Contains(c, "immutable") {
		t.Errorf("assets are not kept: %q", c)
	}
	if s := get(t, h, e, "", "/static/").StatusCode; s != http.StatusNotFound {
		t.Errorf("the assets are listed: %d", s)
	}
}

func TestCrossSitePostsAreRefused(t *testing.T) {
	e := busy(t)
	h := e.handler()
	f := func(header, value string, want int) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "http://evenkeel.example/incidents/7/do", strings.NewReader("event=resolve"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(header, value)
		r.AddCookie(e.signedIn("alice"))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %s: status %d, expected %d", header, value, w.Code, want)
		}
	}
	f("Sec-Fetch-Site", "cross-site", http.StatusForbidden)
	f("Sec-Fetch-Site", "same-site", http.StatusForbidden)
	f("Origin", "https://evil.example", http.StatusForbidden)
	if e.incidents[0].Status == respond.Resolved {
		t.Fatal("another site resolved the incident")
	}
	f("Sec-Fetch-Site", "same-origin", http.StatusSeeOther)
}

func TestLocal(t *testing.T) {
	f := func(next, want string) {
		t.Helper()
		if got := local(next, "/"); got != want {
			t.Errorf("local(%q) = %q, expected %q", next, got, want)
		}
	}
	f("/incidents/7?x=1#note", "/incidents/7?x=1#note")
	f("/findings?q=a%26b", "/findings?q=a%26b")
	f("", "/")
	f("//evil.example", "/")
	f("/\\evil.example", "/")
	f("\\\\evil.example", "/")
	f("https://evil.example", "/")
	f("/\t/evil.example", "/")
	f("/x\r\nSet-Cookie: a=b", "/")
	f("javascript:alert(1)", "/")
	f("/sign-out", "/")
	f("/%2f/evil.example", "/")
}

func FuzzLocal(f *testing.F) {
	for _, s := range []string{"/", "//a", "/\\a", "/a?b#c", "https://a", "/%2f%2fa", "/a\nb", "/.//a", "/a/../..//b"} {
		f.Add(s)
	}
	base, _ := url.Parse("https://evenkeel.example/sign-in")
	f.Fuzz(func(t *testing.T, next string) {
		got := local(next, "/")
		u, err := base.Parse(strings.ReplaceAll(got, "\\", "/"))
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || strings.ContainsAny(got, "\r\n\t\\") || strings.HasPrefix(got, "//") {
			t.Errorf("local(%q) = %q, which leads to %v", next, got, u)
		}
	})
}

func TestSafeLink(t *testing.T) {
	f := func(dest string, want bool) {
		t.Helper()
		if got := safeLink(dest); got != want {
			t.Errorf("safeLink(%q) = %v", dest, got)
		}
	}
	f("https://example.com/a", true)
	f("HTTP://example.com", true)
	f("/services/checkout", true)
	f("other.md#x", true)
	f("//evil.example", false)
	f("javascript:alert(1)", false)
	f("JaVaScRiPt:alert(1)", false)
	f(" javascript:alert(1)", false)
	f("java\nscript:alert(1)", false)
	f("data:text/html,x", false)
	f("vbscript:x", false)
	f("file:///etc/passwd", false)
	f("/\\evil.example", false)
}

// FuzzMarkdown looks at what comes out as a browser does: nothing that runs.
func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{
		"# a\n\n[x](javascript:alert(1)) <script>alert(1)</script>", "![p](https://evil.example/p.png)", "<a href=x onclick=y>z</a>",
		"[a]: javascript:x\n\n[a]", "<javascript:alert(1)>", "<https://example.com>", "| a |\n|--|\n| <img src=x onerror=y> |", "[![i](x)](javascript:y)", "~~a~~ www.example.com",
		"<!-- a", "<svg/onload=alert(1)>", "[x](&#106;avascript:alert(1))", "[x](/\\evil)", "```{=html}\n<script>\n```",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		doc, err := html.Parse(strings.NewReader(string(markdown([]byte(src)))))
		if err != nil {
			t.Fatal(err)
		}
		for n := range doc.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			switch n.Data {
			case "html", "head", "body", "p", "a", "em", "strong", "del", "code", "pre", "ul", "ol", "li", "blockquote", "table", "thead", "tbody", "tr", "th", "td", "hr", "br", "h2", "h3", "h4", "h5", "h6":
			default:
				t.Errorf("%q: makes <%s>", src, n.Data)
			}
			for _, a := range n.Attr {
				switch {
				case a.Key == "href":
					if strings.HasPrefix(a.Val, "mailto:") {
						continue
					}
					if !safeLink(a.Val) {
						t.Errorf("%q: links to %q", src, a.Val)
					}
				case a.Key == "align", a.Key == "class", a.Key == "title", a.Key == "start":
				default:
					t.Errorf("%q: has the attribute %s=%q", src, a.Key, a.Val)
				}
			}
		}
	})
}

func TestTextIsNeverMarkup(t *testing.T) {
	e := busy(t)
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	e.incidents[0].Title, e.found[0].Summary, e.found[0].Name = evil, evil, evil
	e.found[0].Runbook = "javascript:alert(1)"
	e.changes[0].Summary, e.changes[0].Actor, e.changes[0].To = evil, evil, evil
	e.runs[0].Steps[0].Output, e.runs[0].Reason, e.runs[0].Params["version"] = evil, evil, evil
	e.silences[0].Comment = evil
	e.found[0].Labels["x"] = evil
	e.fact(night.Add(-time.Minute), "incident.noted", "person:"+evil, 0, evil, "incident/7", "finding/12", "run/r-9f2", "change/c-142")
	h := e.handler()
	for _, target := range []string{"/", "/incidents", "/incidents/7", "/findings/12", "/findings", "/changes", "/changes/c-142", "/runs/r-9f2", "/silences", "/journal", "/services/checkout", "/search?q=%22%3E%3Cscript%3E", "/explore?expr=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "/?done=%3Cscript%3E", "/incidents/7/review"} {
		text := body(t, get(t, h, e, "alice", target))
		if strings.Contains(text, "<script>alert") || strings.Contains(text, "<img src=x") || strings.Contains(text, `href="javascript:`) {
			t.Errorf("%s: text became markup", target)
		}
		checkPage(t, target, text)
	}
}
