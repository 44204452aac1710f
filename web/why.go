package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond/why"
)

// explainView asks in advance whom a finding would reach.
type explainView struct {
	Page
	Labels, At string // as typed
	Forecast   *why.Forecast
}

// Asked are the finding's labels, as the page of the question takes them.
func (v findingView) Asked() string {
	var out []string
	for k, value := range v.Finding.Labels {
		if !strings.ContainsAny(k+value, ",=") {
			out = append(out, k+"="+value)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

// traced adds the way of a finding to its page.
func (s *site) traced(r *http.Request, v *findingView, f detect.Finding) error {
	if s.Trace == nil {
		return nil
	}
	t, err := s.Trace(r.Context(), s.Now(), f.ID)
	if err == nil {
		v.Trace = &t
	}
	return err
}

func (s *site) explainPage(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if s.Explain == nil {
		return act.ErrNotFound
	}
	q := r.URL.Query()
	v := explainView{Page: s.page(r, me, "Whom would it reach?", "oncall"), Labels: strings.TrimSpace(q.Get("labels")), At: q.Get("at")}
	at, status := s.Now().UTC().Truncate(time.Second), http.StatusOK
	labels := map[string]string{}
	if v.Labels != "" {
		for _, pair := range strings.Split(v.Labels, ",") {
			k, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if !ok || k == "" || len(labels) == 100 {
				v.Problem, status = "Labels are written as severity=page,service=checkout.", http.StatusBadRequest
				break
			}
			labels[strings.TrimSpace(k)] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	if v.At != "" {
		t, err := s.when("at", v.At, "")
		if err != nil {
			v.Problem, status = "The time is written as 2026-12-24T09:00, in UTC.", http.StatusBadRequest
		}
		at = t
	}
	if v.Labels != "" && v.Problem == "" {
		f, err := s.Explain(r.Context(), labels, at)
		if err != nil {
			return err
		}
		v.Forecast = &f
	}
	s.render(w, status, "explain", v)
	return nil
}
