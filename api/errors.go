package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/learn"
	"github.com/evenkeel/evenkeel/observe/trace"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// ErrorBody is the body of every answer that is not 2xx.
type ErrorBody struct {
	Error Error `json:"error"`
}

// Error is why a request was not answered. The last three are set where an input
// was refused.
type Error struct {
	Code    string `json:"code" doc:"For programs: unauthenticated, denied, cross_site, invalid, not_found, method_not_allowed, conflict, too_large, unsupported_media_type, unavailable, full, internal."`
	Message string `json:"message" doc:"For people, one sentence."`
	Hint    string `json:"hint,omitempty" doc:"What to do next."`
	Field   string `json:"field,omitempty" doc:"Where in the input."`
	Got     string `json:"got,omitempty" doc:"What was there."`
	Want    string `json:"want,omitempty" doc:"What was expected."`
}

// httpError is an error that knows its answer.
type httpError struct {
	status int
	answer Error
}

func (e *httpError) Error() string { return e.answer.Message }

// invalid refuses an input.
func invalid(field, got, want string) error {
	return &act.InvalidError{Field: field, Got: cut(got), Want: want}
}

// unparsed is a query that does not make sense; err says where and what was expected.
func unparsed(field, got, lang string, err error) error {
	var where *trace.QueryError
	if errors.As(err, &where) {
		return invalid(field, got, fmt.Sprintf("%s: at character %d %s", lang, where.At+1, where.Want))
	}
	return invalid(field, got, lang+": "+strings.TrimPrefix(err.Error(), "cannot parse the query: "))
}

// cut keeps an answer from echoing a megabyte.
func cut(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// explain maps an error on its answer. Status 0 asks for no answer: nobody waits.
func explain(err error) (status int, e Error) {
	var (
		known    *httpError
		bad      *act.InvalidError
		denied   *act.DeniedError
		conflict *act.ConflictError
		moved    *respond.TransitionError
		wrong    *respond.InvalidError
		large    *http.MaxBytesError
	)
	switch {
	case errors.As(err, &known):
		return known.status, known.answer
	case errors.Is(err, context.Canceled):
		return 0, Error{}
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, Error{Code: "unavailable", Message: "It took too long.", Hint: "Try again; the server's log has more."}
	case errors.Is(err, act.ErrNotFound), errors.Is(err, detect.ErrNotFound), errors.Is(err, respond.ErrNotFound), errors.Is(err, learn.ErrNotFound):
		return http.StatusNotFound, Error{Code: "not_found", Message: err.Error()}
	case errors.As(err, &bad):
		return http.StatusBadRequest, Error{Code: "invalid", Message: bad.Error(), Field: bad.Field, Got: bad.Got, Want: bad.Want}
	case errors.As(err, &wrong):
		return http.StatusBadRequest, Error{Code: "invalid", Message: wrong.Error(), Field: wrong.Field, Got: wrong.Got, Want: wrong.Want}
	case errors.As(err, &denied):
		return http.StatusForbidden, Error{Code: "denied", Message: denied.Why}
	case errors.As(err, &moved):
		return http.StatusConflict, Error{Code: "conflict", Message: moved.Error(), Hint: "Somebody may have been faster: look at the present state."}
	case errors.As(err, &conflict):
		return http.StatusConflict, Error{Code: "conflict", Message: conflict.Why}
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, Error{Code: "too_large", Message: "The body is too large.", Want: "at most 1 MiB"}
	}
	if state.Full(err) {
		return http.StatusInsufficientStorage, Error{Code: "full", Message: "The disk of the server is full: nothing of this was stored.", Hint: "Once there is room, send it again."}
	}
	return http.StatusInternalServerError, Error{Code: "internal", Message: "The server could not answer.", Hint: "The server's log has the reason."}
}

// unknown says which thing is not there, for the nouns whose own error does not.
func unknown(noun, name, hint string) error {
	return &httpError{http.StatusNotFound, Error{Code: "not_found", Message: "no " + noun + " " + quoted(name), Hint: hint}}
}

func quoted(s string) string { return `"` + cut(s) + `"` }
