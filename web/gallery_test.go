package web

import (
	"flag"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/declare"
)

var galleryAddr = flag.String("gallery", "", "serve the gallery of all pages with all fixtures on this address, until interrupted")

// gallery is every page with every fixture: /dev/gallery lists them, and
// /dev/gallery/FIXTURE/PERSON/PATH shows one as that person sees it.
func gallery(t testing.TB) http.Handler {
	mux := http.NewServeMux()
	var list strings.Builder
	list.WriteString("<!doctype html><title>Gallery</title><h1>Gallery</h1>")
	for _, name := range []string{"busy", "quiet", "empty", "broken"} {
		e := fixtures[name](t)
		inner := e.handler()
		prefix := "/dev/gallery/" + name + "/"
		mux.HandleFunc(prefix, func(w http.ResponseWriter, r *http.Request) {
			who, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, prefix), "/")
			r = r.Clone(r.Context())
			r.URL.Path, r.RequestURI = "/"+path, "/"+path
			if r.URL.RawQuery != "" {
				r.RequestURI += "?" + r.URL.RawQuery
			}
			if who != "nobody" {
				cookies := r.Cookies()
				r.Header.Del("Cookie")
				for _, c := range cookies {
					if c.Name != SessionCookie {
						r.AddCookie(c)
					}
				}
				r.AddCookie(e.signedIn(declare.PersonID(who)))
			}
			inner.ServeHTTP(w, r)
		})
		if name == "busy" { // links inside of a page lead here
			mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(w, r) })
		}
		fmt.Fprintf(&list, "<h2>%s</h2><ul>", name)
		for _, p := range slices.Concat(entries, []string{"/services", "/findings/12", "/findings/10", "/incidents", "/incidents/7", "/runbooks", "/runbooks/checkout-rollback", "/runs", "/runs/r-9f2", "/runs/r-9c1", "/changes", "/changes/c-142", "/gate", "/delivery", "/requests", "/requests/1", "/requests/new/restart", "/reviews", "/incidents/5/review", "/silences", "/oncall", "/account/contacts", "/oncall?schedule=shop&weeks=8", "/journal", "/journal/3", "/workspace", "/dashboards", "/dashboards/night", "/services/checkout/dashboard", "/views", "/patterns"}) {
			fmt.Fprintf(&list, `<li><a href="%salice%s">%s</a>`, prefix, template.HTMLEscapeString(p), template.HTMLEscapeString(p))
		}
		fmt.Fprintf(&list, `<li><a href="%snobody/sign-in">/sign-in</a><li><a href="%snobody/invite/welcome-admin">/invite</a></ul>`, prefix, prefix)
	}
	mux.HandleFunc("GET /dev/gallery", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, list.String())
	})
	return mux
}

// TestGallery serves the gallery to a person, when asked for:
//
//	go test ./web -run TestGallery -gallery 127.0.0.1:7079 -timeout 0
//
// Else it looks whether every page of the list renders.
func TestGallery(t *testing.T) {
	h := gallery(t)
	if *galleryAddr != "" {
		l, err := net.Listen("tcp", *galleryAddr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("http://" + l.Addr().String() + "/dev/gallery")
		t.Fatal(http.Serve(l, h)) //nolint:gosec // for a person, on loopback
	}
	e := &estate{sessions: map[string]declare.PersonID{}}
	index := get(t, h, e, "", "/dev/gallery")
	text := body(t, index)
	pages := strings.Split(text, `<a href="`)[1:]
	if len(pages) < 100 {
		t.Errorf("the gallery lists %d pages", len(pages))
	}
	for _, p := range pages {
		target, _, _ := strings.Cut(p, `"`)
		target = strings.ReplaceAll(target, "&amp;", "&")
		if res := get(t, h, e, "", target); res.StatusCode >= 500 {
			t.Errorf("%s: status %d", target, res.StatusCode)
		} else if target == "/dev/gallery/busy/alice/" && !strings.Contains(body(t, res), "What needs me now") {
			t.Errorf("%s does not show the page", target)
		}
	}
}
