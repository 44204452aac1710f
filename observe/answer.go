package observe

import (
	"errors"
	"fmt"
	"net/http"
)

// Refuse answers with a refusal in plain words.
func Refuse(w http.ResponseWriter, r *Refusal) {
	r.RetryAfter(w.Header())
	http.Error(w, r.Error(), r.Status)
}

// Answer ends a request whose rows were stored one by one: 204 when all were, else 400
// with how many were and why the others were not. err is that of the commit.
func Answer(w http.ResponseWriter, err error, stored func() int, refused func() (int, string)) {
	if err != nil {
		var r *Refusal
		if !errors.As(err, &r) {
			r = &Refusal{Status: http.StatusServiceUnavailable, Reason: "store", Want: err.Error()}
		}
		Refuse(w, r)
		return
	}
	n, text := refused()
	if text != "" {
		w.Header().Set("X-Evenkeel-Note", header(text))
	}
	if n > 0 {
		http.Error(w, fmt.Sprintf("%d stored, %s", stored(), text), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// header makes text fit for a header's value.
func header(s string) string {
	out := []byte(s[:min(len(s), 500)])
	for i, c := range out {
		if c < ' ' || c > '~' {
			out[i] = '?'
		}
	}
	return string(out)
}
