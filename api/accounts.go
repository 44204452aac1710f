package api

import (
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
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

type tokenQuery struct {
	Person declare.PersonID `query:"person" doc:"Whose; yours when absent. Those of others are for administrators."`
}

// whose is the person whose tokens are meant.
func whose(c *call, person declare.PersonID) (declare.PersonID, error) {
	if person == "" || person == c.me.Person {
		return c.me.Person, nil
	}
	if !c.me.Admin {
		return "", &act.DeniedError{Why: "only an administrator sees or makes the tokens of somebody else"}
	}
	return person, nil
}

func (s *server) tokens(c *call, q tokenQuery) (List[account.Token], error) {
	person, err := whose(c, q.Person)
	if err != nil {
		return List[account.Token]{}, err
	}
	found, err := s.Accounts.Tokens(c.Context(), person)
	return listOf(found), err
}

// NewToken asks for a token.
type NewToken struct {
	Note     string           `json:"note" doc:"What it is for."`
	Person   declare.PersonID `json:"person,omitempty" doc:"As whom it acts; you when absent. Another person is for administrators."`
	Duration string           `json:"duration,omitempty" doc:"How long it lives, as 90d; until it is revoked when absent."`
	Service  bool             `json:"service,omitempty" doc:"For a program: person is its name. Takes scopes and a duration of at most 365d; for administrators."`
	Scopes   []string         `json:"scopes,omitempty" doc:"What it is for: read, write, change, gate, incident, request, run, run:RUNBOOK. All that its person may when absent."`
}

// TokenSecret is a new token with its secret.
type TokenSecret struct {
	account.Token
	Secret string `json:"secret" doc:"Send it as Authorization: Bearer. It is shown this once."`
}

func (s *server) createToken(c *call, in NewToken) (TokenSecret, error) {
	person, err := whose(c, in.Person)
	if err != nil {
		return TokenSecret{}, err
	}
	if strings.TrimSpace(in.Note) == "" {
		return TokenSecret{}, invalid("note", in.Note, "what the token is for")
	}
	var life model.Duration
	if in.Duration != "" {
		if life, err = model.ParseDuration(in.Duration); err != nil || life <= 0 {
			return TokenSecret{}, invalid("duration", in.Duration, "a time as 12h or 90d")
		}
	}
	if in.Service && (!c.me.Admin || in.Person == "") {
		return TokenSecret{}, &act.DeniedError{Why: "an administrator makes service tokens, for a program that person names"}
	}
	secret, t, err := s.Accounts.MakeToken(c.Context(), c.now, c.me.Actor(), account.Token{Person: person, Note: in.Note, Service: in.Service, Scopes: in.Scopes}, time.Duration(life))
	return TokenSecret{Token: t, Secret: secret}, err
}

// revokeToken ends a token of one's own; an administrator may end anybody's.
func (s *server) revokeToken(c *call, _ none) (none, error) {
	return none{}, s.Accounts.RevokeToken(c.Context(), c.now, c.me, c.PathValue("token"))
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
		return Invitation{}, invalid("person", string(in.Person), "somebody of the catalogue")
	}
	secret, err := s.Accounts.Invite(c.Context(), c.now, c.me.Actor(), in.Person, in.Admin)
	return Invitation{URL: s.URL("/invite/" + secret), Person: in.Person, Admin: in.Admin, Expires: c.now.Add(account.InvitationLife).UTC()}, err
}
