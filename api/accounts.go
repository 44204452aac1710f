package api

import (
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

// Me is who is asking, and what they may do.
type Me struct {
	Person declare.PersonID `json:"person"`
	Name   string           `json:"name"`
	Email  string           `json:"email,omitempty"`
	Admin  bool             `json:"admin"`
	Token  string           `json:"token,omitempty" doc:"ID of the token; absent in a browser's session."`
	Level  declare.Level    `json:"level"`
	Teams  []declare.TeamID `json:"teams"`
}

func (s *server) whoami(c *call, _ none) (Me, error) {
	ws := s.Workspace()
	out := Me{Person: c.me.Person, Name: string(c.me.Person), Admin: c.me.Admin, Token: c.me.Token, Level: ws.LevelOf(c.me.Person), Teams: []declare.TeamID{}}
	if p := ws.Person(c.me.Person); p != nil {
		out.Name, out.Email, out.Teams = p.Name, p.Email, filled(p.Teams)
	}
	return out, nil
}

// Token lets a program act in a person's name. Its secret is not in it.
type Token struct {
	ID       string           `json:"id"`
	Person   declare.PersonID `json:"person"`
	Name     string           `json:"name"`
	Created  time.Time        `json:"created_at"`
	Expires  time.Time        `json:"expires_at,omitzero" doc:"Absent: never."`
	LastUsed time.Time        `json:"last_used_at,omitzero" doc:"Absent: never."`
}

type tokenQuery struct {
	Person declare.PersonID `query:"person" doc:"Whose; yours when absent. Those of others are for administrators."`
}

// whose is the person whose tokens are meant.
func whose(c *call, person declare.PersonID) (declare.PersonID, error) {
	if person == "" || person == c.me.Person {
		return c.me.Person, nil
	}
	if !c.me.Admin {
		return "", &act.DeniedError{Why: "only an administrator may see or make the tokens of somebody else"}
	}
	return person, nil
}

func (s *server) tokens(c *call, q tokenQuery) (List[Token], error) {
	person, err := whose(c, q.Person)
	if err != nil {
		return List[Token]{}, err
	}
	found, err := s.Accounts.Tokens(c.Context(), person)
	for i := range found {
		found[i].Person = person
	}
	return listOf(found), err
}

// NewToken asks for a token.
type NewToken struct {
	Name    string           `json:"name" doc:"What it is for."`
	Person  declare.PersonID `json:"person,omitempty" doc:"In whose name it acts; yours when absent."`
	Expires time.Time        `json:"expires_at,omitzero"`
	For     string           `json:"duration,omitempty" doc:"As 90d; never ends when this and expires_at are absent."`
}

// TokenSecret is a new token with its secret, which is shown this once.
type TokenSecret struct {
	Secret  string           `json:"secret" doc:"Send it as Authorization: Bearer. It is shown this once."`
	Person  declare.PersonID `json:"person"`
	Name    string           `json:"name"`
	Expires time.Time        `json:"expires_at,omitzero"`
}

func (s *server) createToken(c *call, in NewToken) (TokenSecret, error) {
	person, err := whose(c, in.Person)
	if err != nil {
		return TokenSecret{}, err
	}
	if in.Name == "" || len(in.Name) > 200 {
		return TokenSecret{}, invalid("name", in.Name, "what the token is for, in at most 200 bytes")
	}
	if in.For != "" {
		d, err := model.ParseDuration(in.For)
		if err != nil || d <= 0 || !in.Expires.IsZero() {
			return TokenSecret{}, invalid("duration", in.For, "a time as 90d, without expires_at")
		}
		in.Expires = c.now.Add(time.Duration(d))
	}
	if !in.Expires.IsZero() && !in.Expires.After(c.now) {
		return TokenSecret{}, invalid("expires_at", in.Expires.Format(time.RFC3339), "a time to come")
	}
	secret, err := s.Accounts.CreateToken(c.Context(), c.now, c.me.Actor(), person, in.Name, in.Expires.UTC())
	return TokenSecret{Secret: secret, Person: person, Name: in.Name, Expires: in.Expires.UTC()}, err
}

// revokeToken ends a token of the person's own; an administrator may end anybody's.
func (s *server) revokeToken(c *call, q tokenQuery) (none, error) {
	person, err := whose(c, q.Person)
	if err != nil {
		return none{}, err
	}
	return none{}, s.Accounts.RevokeToken(c.Context(), c.now, c.me.Actor(), person, c.PathValue("token"))
}

// NewInvitation asks for a one-time link.
type NewInvitation struct {
	Person declare.PersonID `json:"person" doc:"Somebody of the catalog."`
	Admin  bool             `json:"admin,omitempty"`
}

// Invitation is a one-time link, which is shown this once.
type Invitation struct {
	URL     string           `json:"url" doc:"Whoever opens it first becomes that person: hand it over with care."`
	Person  declare.PersonID `json:"person"`
	Admin   bool             `json:"admin"`
	Expires time.Time        `json:"expires_at"`
}

func (s *server) invite(c *call, in NewInvitation) (Invitation, error) {
	ws := s.Workspace()
	if ws.Person(in.Person) == nil {
		return Invitation{}, invalid("person", string(in.Person), "somebody of the catalog")
	}
	secret, expires, err := s.Accounts.Invite(c.Context(), c.now, c.me.Actor(), in.Person, in.Admin)
	return Invitation{URL: s.URL("/invite/" + secret), Person: in.Person, Admin: in.Admin, Expires: expires.UTC()}, err
}
