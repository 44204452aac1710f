package change

import (
	"fmt"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// Unknown says in words that the catalogue does not know a change's service, with the
// nearest name that it does know; "" when it knows it, or when the change names none.
// Such a change is recorded all the same: what happened must not be lost.
func Unknown(w *declare.Workspace, id declare.ServiceID) string {
	if id == "" || w.Service(id) != nil {
		return ""
	}
	text := fmt.Sprintf("the catalogue has no service %q, so the change belongs to nothing that is watched", yamldoc.Cut(string(id)))
	if near := Near(w, id); near != "" {
		text += "; " + near
	}
	return text
}

// Near is a question for the service whose name is nearest to one that the catalogue does
// not know; "" where none is near.
func Near(w *declare.Workspace, id declare.ServiceID) string {
	names := make([]string, len(w.Services))
	for i, s := range w.Services {
		names[i] = string(s.ID)
	}
	return yamldoc.Suggest(string(id), names)
}
