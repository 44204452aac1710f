package shop

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"time"
)

var (
	//go:embed page.html
	pageText string
	//go:embed style.css
	styleText []byte

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return t.Local().Format("15:04:05") },
		"release": func(service, version string) release {
			r, _ := findRelease(service, version)
			return r
		},
	}).Parse(pageText))
)

type pageView struct {
	Status
	Messages []Message
}

// page is plain HTML: it loads itself again every few seconds, and its forms work
// without script.
func (s *Shop) page(w http.ResponseWriter, r *http.Request) {
	view := pageView{Status: s.Status(r.Context()), Messages: s.inbox.newest()}
	if len(view.Messages) > 10 {
		view.Messages = view.Messages[:10]
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, view); err != nil {
		fail(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Refresh", "5")
	h.Set("Cache-Control", "no-store")
	_, _ = b.WriteTo(w) // the browser may have gone
}

func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(styleText)
}
