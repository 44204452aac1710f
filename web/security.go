package web

import (
	"net/http"
	"net/url"
	"strings"
)

// policy is the Content-Security-Policy: nothing but our own files runs, styles,
// loads or frames; forms post only here.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // an invitation's secret stays here
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// local returns where to go after an act: a path of this site, or the fallback.
// Browsers read "\" as "/" and drop tabs and line ends inside of a URL, so that
// "/\evil.example" leaves the site: anything but plain paths is refused.
func local(next, fallback string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") {
		return fallback
	}
	for _, c := range next {
		if c < 0x21 || c == 0x7f || c == '\\' {
			return fallback
		}
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "//") ||
		strings.HasPrefix(u.Path, "/sign-") || strings.HasPrefix(u.Path, "/live") {
		return fallback
	}
	return u.String()
}

// secure says whether the person reached us over TLS, here or at a proxy that the
// external URL tells of.
func (s *site) secure(r *http.Request) bool {
	return r.TLS != nil || (strings.HasPrefix(s.Workspace().Settings.ExternalURL, "https://") && sameHost(s.Workspace().Settings.ExternalURL, r.Host))
}

func sameHost(external, host string) bool {
	u, err := url.Parse(external)
	return err == nil && strings.EqualFold(u.Host, host)
}
