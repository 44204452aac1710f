package alert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// What one request may bring. The labels are those that a finding keeps: with fewer of
// them than its sender gave it, an alert would not be recognised when it ends.
const (
	maxAlertBytes   = 32 << 20
	maxSilenceBytes = 1 << 20
	maxAlerts       = 10_000
	maxLabels       = 100
	maxLabelBytes   = 10_000 // of a name, and of a value
)

// guarded refuses alerts that are too large or none. As for what Alertmanager itself finds
// wrong: the others of the same request are taken, and the answer is 400.
func (p *Pipeline) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != apiPrefix+"/alerts" {
			next.ServeHTTP(w, r)
			return
		}
		body, ok := read(w, r, maxAlertBytes)
		if !ok {
			return
		}
		if p.straight(w, r, body) {
			return
		}
		var all []json.RawMessage
		if err := json.Unmarshal(body, &all); err != nil {
			next.ServeHTTP(w, r) // the API says what is wrong
			return
		}
		if len(all) > maxAlerts {
			http.Error(w, fmt.Sprintf("%d alerts in one request, expected at most %d", len(all), maxAlerts), http.StatusRequestEntityTooLarge)
			return
		}
		var fit []json.RawMessage
		var refused []string
		for i, a := range all {
			if why := unfit(a); why != "" {
				refused = append(refused, fmt.Sprintf("alert %d: %s", i, why))
				continue
			}
			fit = append(fit, a)
		}
		if len(refused) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		answer := &held{header: http.Header{}, status: http.StatusOK}
		if len(fit) > 0 {
			rest, err := json.Marshal(fit)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			rewind(r, rest)
			next.ServeHTTP(answer, r)
		}
		if answer.status >= 300 {
			answer.send(w)
			return
		}
		http.Error(w, strings.Join(refused[:min(len(refused), 10)], "; "), http.StatusBadRequest)
	})
}

func unfit(alert []byte) string {
	if string(alert) == "null" {
		return "null, expected an alert" // the API would panic
	}
	var a struct{ Labels map[string]string }
	if err := json.Unmarshal(alert, &a); err != nil {
		return "" // the API says what is wrong
	}
	if len(a.Labels) > maxLabels {
		return fmt.Sprintf("%d labels, expected at most %d", len(a.Labels), maxLabels)
	}
	for k, v := range a.Labels {
		if n := max(len(k), len(v)); n > maxLabelBytes {
			return fmt.Sprintf("a label of %d bytes, expected at most %d", n, maxLabelBytes)
		}
	}
	return ""
}

// nullMatcher says whether a silence has one: the API would panic.
func nullMatcher(silence []byte) bool {
	var s struct{ Matchers []*struct{} }
	return json.Unmarshal(silence, &s) == nil && slices.Contains(s.Matchers, nil)
}

// read takes a body of bounded size and leaves the request with it; where that cannot
// be, it answers and returns false.
func read(w http.ResponseWriter, r *http.Request, most int64) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		http.Error(w, fmt.Sprintf("the request is larger than %d bytes", most), http.StatusRequestEntityTooLarge)
	case err != nil:
		http.Error(w, "cannot read the request: "+err.Error(), http.StatusBadRequest)
	default:
		rewind(r, body)
	}
	return body, err == nil
}

func rewind(r *http.Request, body []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
}

// held is an answer that is not sent yet.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *held) Header() http.Header         { return h.header }
func (h *held) WriteHeader(status int)      { h.status = status }
func (h *held) Write(b []byte) (int, error) { return h.body.Write(b) }

func (h *held) send(w http.ResponseWriter) {
	for k, v := range h.header {
		w.Header()[k] = v
	}
	w.WriteHeader(h.status)
	_, _ = w.Write(h.body.Bytes())
}
