package alert

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/common/model"
)

// posted is an alert as the API takes it.
type posted struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
}

// straight takes what is posted to /alerts where nothing is wrong with it, in one reading
// instead of the several that the API's generated code needs. Whatever it does not
// understand goes the API's own way, which knows what to answer.
func (p *Pipeline) straight(w http.ResponseWriter, r *http.Request, body []byte) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return false
	}
	var all []*posted
	if json.Unmarshal(body, &all) != nil || all == nil || len(all) > maxAlerts {
		return false
	}
	now := time.Now()
	out := make([]ending, 0, len(all))
	for _, a := range all {
		if !a.sound(now, p.resolveTimeout()) {
			return false
		}
		out = append(out, ending{finding: foreign(a.Labels, a.Annotations, a.GeneratorURL, a.StartsAt), at: a.EndsAt})
	}
	w.Header().Set("Cache-Control", "no-store")
	if err := p.external.take(r.Context(), now, out); err != nil {
		p.o.Logger.Error("cannot take alerts", "err", err)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_ = json.NewEncoder(w).Encode(err.Error())
		return true
	}
	w.WriteHeader(http.StatusOK)
	return true
}

// resolveTimeout is how long an alert without an end holds.
func (p *Pipeline) resolveTimeout() time.Duration {
	if t := time.Duration(p.timeout.Load()); t > 0 {
		return t
	}
	return lifetime
}

// sound says whether nothing is wrong with it, and gives it the times that it left out.
func (a *posted) sound(now time.Time, timeout time.Duration) bool {
	if a == nil || len(a.Labels) == 0 || len(a.Labels) > maxLabels {
		return false
	}
	for k, v := range a.Labels {
		if v == "" {
			delete(a.Labels, k)
			continue
		}
		if len(k) > maxLabelBytes || len(v) > maxLabelBytes || !compat.IsValidLabelName(model.LabelName(k)) || !utf8.ValidString(v) {
			return false
		}
	}
	for k, v := range a.Annotations {
		if !compat.IsValidLabelName(model.LabelName(k)) || !utf8.ValidString(v) {
			return false
		}
	}
	if len(a.Labels) == 0 {
		return false
	}
	if a.GeneratorURL != "" {
		if _, err := url.ParseRequestURI(a.GeneratorURL); err != nil {
			return false
		}
	}
	if a.StartsAt.IsZero() {
		if a.StartsAt = a.EndsAt; a.EndsAt.IsZero() {
			a.StartsAt = now
		}
	}
	if a.EndsAt.IsZero() {
		a.EndsAt = now.Add(timeout)
	}
	return !a.EndsAt.Before(a.StartsAt)
}
