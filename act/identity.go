package act

import (
	"context"
	"net/http"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// Identity is who is behind a request.
type Identity struct {
	Person declare.PersonID `json:"person"`
	Admin  bool             `json:"admin"`
	Token  string           `json:"token,omitempty"` // ID of the token, "" for a session
	// Scopes are what the token is for; none means all that its person may.
	Scopes []string `json:"scopes,omitempty"`
	// Service says that a program has it, not a person: Person is the program's name.
	Service bool `json:"service,omitempty"`
}

// Actor is how facts name it.
func (i Identity) Actor() journal.Actor {
	if i.Service {
		return Program(i.Person)
	}
	return journal.Person(string(i.Person))
}

// Program is how facts name a program with a service token.
func Program(name declare.PersonID) journal.Actor { return journal.Actor("service:" + name) }

type identityKey struct{}

// WithIdentity is for the one middleware that authenticates requests.
func WithIdentity(r *http.Request, id Identity) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), identityKey{}, id))
}

// IdentityOf returns who is behind a request, and whether somebody is. Handlers
// read it once and pass the actor on explicitly.
func IdentityOf(r *http.Request) (Identity, bool) {
	id, ok := r.Context().Value(identityKey{}).(Identity)
	return id, ok
}
