package observe

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Refusal is why something from outside was not accepted. Status is the HTTP
// status for its sender: 4xx where sending it again can't help, 503 where it can.
type Refusal struct {
	Status int
	Reason string // a counter's label: too_large, malformed, limit_labels, future, too_old, …
	Where  string // as series 3, sample 7
	Got    string
	Want   string
	After  time.Duration // of a sender over its share: how long until it may send again
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

// At says where in the request it was, where nothing has said that.
func (r *Refusal) At(format string, args ...any) {
	if r.Where == "" {
		r.Where = fmt.Sprintf(format, args...)
	}
}

// Retry is how long the sender should wait before it sends again, and whether it should at
// all: a limit on size is not a matter of time.
func (r *Refusal) Retry() (time.Duration, bool) {
	if r.Status != http.StatusTooManyRequests {
		return 0, false
	}
	return max(r.After, time.Second), true
}

// RetryAfter sets the header of this name where the sender should wait.
func (r *Refusal) RetryAfter(h http.Header) {
	if d, ok := r.Retry(); ok {
		h.Set("Retry-After", strconv.Itoa(int((d+time.Second-1)/time.Second)))
	}
}

// TooLarge is the refusal of a body over the limit.
func TooLarge(limit int64) *Refusal {
	return &Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "too_large", Want: fmt.Sprintf("a body of at most %d bytes (limits.body_bytes)", limit)}
}
