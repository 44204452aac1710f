package observe

import (
	"fmt"
	"net/http"
)

// Refusal is why something from outside was not accepted. Status is the HTTP
// status for its sender: 4xx where sending it again can't help, 503 where it can.
type Refusal struct {
	Status int
	Reason string // a counter's label: too_large, malformed, limit_labels, future, too_old, …
	Where  string // as series 3, sample 7
	Got    string
	Want   string
}

func (r *Refusal) Error() string {
	s := r.Want
	if r.Got != "" {
		s = fmt.Sprintf("got %s, expected %s", r.Got, r.Want)
	}
	if r.Where != "" {
		s = r.Where + ": " + s
	}
	return s
}

// TooLarge is the refusal of a body over the limit.
func TooLarge(limit int64) *Refusal {
	return &Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "too_large", Want: fmt.Sprintf("a body of at most %d bytes (limits.body_bytes)", limit)}
}
