package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/learn"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// errorView is the page of a request that could not be answered.
type errorView struct {
	Page
	Status  int
	Heading string
	Message string
	Hint    string
}

// fail turns a handler's error into a page. The person is told what they can act
// on; what is ours goes to the log.
func (s *site) fail(w http.ResponseWriter, r *http.Request, me act.Identity, err error) {
	v := errorView{Page: s.page(r, me, "", "")}
	v.Status, v.Heading, v.Message, v.Hint = explainError(err)
	if v.Status == 0 { // the person has gone
		return
	}
	if v.Status >= http.StatusInternalServerError {
		s.Logger.Error("cannot answer a page", "method", r.Method, "path", redacted(r.URL.Path), "error", err)
	}
	v.Title = v.Heading
	s.render(w, v.Status, "error", v)
}

// explainError says an error in the words of a page. Status 0 asks for no page.
func explainError(err error) (status int, heading, message, hint string) {
	var (
		invalid  *act.InvalidError
		denied   *act.DeniedError
		conflict *act.ConflictError
		moved    *respond.TransitionError
		wrong    *respond.InvalidError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return 0, "", "", ""
	case errors.Is(err, respond.ErrLinkEnded):
		return http.StatusGone, "This link has ended", "A link in a message works for a time only, and that is over.", "Sign in to see how it stands now."
	case errors.Is(err, respond.ErrNoLink):
		return http.StatusNotFound, "This link does not work", "Not all of it has come, or it was changed on the way.", "Open it from the message again, or copy all of it. Or sign in."
	case errors.Is(err, act.ErrNotFound), errors.Is(err, detect.ErrNotFound), errors.Is(err, respond.ErrNotFound), errors.Is(err, learn.ErrNotFound):
		return http.StatusNotFound, "Not here", "There is nothing at this address.", "It may have been renamed in the workspace, or the link is mistyped. Search with / or go back to what needs you now."
	case errors.As(err, &denied):
		return http.StatusForbidden, "Not allowed", denied.Why, "Somebody with the authority can do it; your own is on your account page."
	case errors.As(err, &moved):
		return http.StatusConflict, "Not possible now", moved.Error() + ".", "Somebody else may have been faster. Go back and look at the present state."
	case errors.As(err, &conflict):
		return http.StatusConflict, "Not possible now", conflict.Why, "Somebody else may have been faster. Go back and look at the present state."
	case errors.As(err, &wrong):
		return http.StatusBadRequest, "Not understood", wrong.Error(), "Go back, change it and send it again."
	case errors.As(err, &invalid):
		return http.StatusBadRequest, "Not understood", invalid.Error(), "Go back, change it and send it again."
	}
	if state.Full(err) {
		return http.StatusInsufficientStorage, "The disk is full", "The disk of the server is full: nothing of this was stored.", "Once there is room, send it again."
	}
	return http.StatusInternalServerError, "This did not work", "The server could not answer. Nothing was changed by this request unless its journal says so.", "Try again; the server's log has the reason."
}

// said is the text of a problem for the person who filled in a form, and whether it
// is one that they can do something about.
func said(err error) (string, bool) {
	status, _, message, _ := explainError(err)
	return message, status >= 400 && status < 500
}

// redacted keeps secrets that are part of a path out of the log.
func redacted(path string) string {
	if len(path) > len("/invite/") && path[:len("/invite/")] == "/invite/" {
		return "/invite/…"
	}
	if strings.HasPrefix(path, "/ack/") {
		return "/ack/…"
	}
	if strings.HasPrefix(path, "/outcome/") {
		return "/outcome/…"
	}
	if rest, ok := strings.CutPrefix(path, "/ical/"); ok {
		kind, rest, _ := strings.Cut(rest, "/")
		name, _, _ := strings.Cut(rest, "/")
		return "/ical/" + kind + "/" + name + "/…"
	}
	return path
}
