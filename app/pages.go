package app

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/act/view"
	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/alert"
	"github.com/evenkeel/evenkeel/web"
)

// pages are what people look at.
func (a *App) pages() (http.Handler, error) {
	return web.New(web.Options{
		Workspace: a.ws, WorkspaceProblems: a.refused, Link: a.link, Journal: a.db, Findings: a.findings, Incidents: a.incidents, Desk: a.incidents, Outcomes: a.outcomes, OutcomeLinks: a.outcomes, AlertReview: a.tuning, StatusPages: a.status, Changes: a.changes,
		Runs: a.runs, Reviews: a.reviews, Silences: silences{a.alerts}, Accounts: accounts{a.accounts},
		Query: a.instant, QueryRange: a.series, Replay: a.replay, Hygiene: a.hygiene, Toil: a.toil, LogToil: a.logToil, Requests: a.requests, Delivery: a.delivery, Gate: a.gate, Gates: a.gates.List, Verification: a.verified.Get,
		Guide: a.runs, Loans: a.accounts, Paging: api.Paging, Logs: a.logs, AskedLogs: a.askedLogs, Traces: a.traces, Exemplars: a.exemplars,
		Patterns: a.patterns, LabelValues: a.labelValues, Overview: a.overview, Views: view.NewBook(a.db),
		Rules: a.rules.Rules, ExplainRule: a.explainRule,
		Budget: a.budgetReport,
		Roster: a.roster, Escalations: a.ladder, Reach: a.reach, Trace: a.whyFinding, Explain: a.explain,
		Logger: a.o.Logger.With("room", "web"), Version: a.o.Version, Closing: a.closing,
	})
}

// refused are the problems of a revision that is not in use; none when it is.
func (a *App) refused() (declare.Problems, time.Time) {
	problems, at := a.watcher.Problems()
	if len(problems.Errors()) == 0 {
		return nil, at
	}
	return problems, at
}

func (a *App) instant(ctx context.Context, expr string, at time.Time) ([]web.Series, error) {
	v, err := a.ask(ctx, expr, at)
	if err != nil {
		return nil, err
	}
	out := make([]web.Series, len(v))
	for i, s := range v {
		out[i] = web.Series{Labels: s.Metric.Map(), Points: []web.Point{{At: at, Value: s.F}}}
	}
	return out, nil
}

func (a *App) series(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]web.Series, error) {
	a.askedMetrics(expr, time.Now())
	m, err := a.engine.Range(ctx, expr, from, to, step)
	if err != nil {
		return nil, err
	}
	out := make([]web.Series, len(m))
	for i, s := range m {
		out[i] = web.Series{Labels: s.Metric.Map(), Points: make([]web.Point, len(s.Floats))}
		for j, p := range s.Floats {
			out[i].Points[j] = web.Point{At: time.UnixMilli(p.T), Value: p.F}
		}
	}
	return out, nil
}

// silences is the pipeline as the pages see it.
type silences struct{ p *alert.Pipeline }

func (s silences) List(ctx context.Context) ([]web.Silence, error) {
	found, err := s.p.Silences(ctx)
	out := make([]web.Silence, len(found))
	for i, f := range found {
		out[i] = web.Silence{ID: f.ID, Matchers: strings.Join(f.Matchers, ", "), Comment: f.Comment, By: f.CreatedBy, Starts: f.StartsAt, Ends: f.EndsAt, State: f.State}
	}
	return out, err
}

func (s silences) Add(ctx context.Context, now time.Time, actor journal.Actor, x web.Silence) (string, error) {
	matchers, err := splitMatchers(x.Matchers)
	if err != nil {
		return "", err
	}
	added, err := s.p.AddSilence(ctx, now, actor, matchers, x.Ends.Sub(now), x.Comment)
	return added.ID, err
}

// splitMatchers reads matchers as Alertmanager writes them, with or without braces; a
// comma inside of quotes does not separate.
func splitMatchers(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	text = strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}")
	var out []string
	quoted, escaped, start := false, false, 0
	for i, r := range text {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case r == ',' && !quoted:
			out = append(out, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	if last := strings.TrimSpace(text[start:]); last != "" {
		out = append(out, last)
	}
	if quoted {
		return nil, &act.InvalidError{Field: "matchers", Got: text, Want: "closed quotes"}
	}
	return out, nil
}

func (s silences) Expire(ctx context.Context, now time.Time, actor journal.Actor, id string) error {
	err := s.p.ExpireSilence(ctx, now, actor, id)
	if errors.Is(err, respond.ErrNotFound) {
		return act.ErrNotFound
	}
	return err
}

// accounts is the book of accounts as the pages see it.
type accounts struct{ b *account.Book }

func (x accounts) SignIn(ctx context.Context, now time.Time, person declare.PersonID, password, remote string) (web.Session, error) {
	secret, err := x.b.SignIn(ctx, now, person, password, remote)
	return web.Session{Secret: secret, Expires: now.Add(account.SessionLife)}, err
}

func (x accounts) SignOut(ctx context.Context, now time.Time, secret string) error {
	return x.b.SignOut(ctx, now, secret)
}

func (x accounts) Invitation(ctx context.Context, now time.Time, secret string) (web.Invitation, error) {
	in, err := x.b.Look(ctx, now, secret)
	var denied *act.DeniedError
	if errors.As(err, &denied) {
		return web.Invitation{}, act.ErrNotFound
	}
	return web.Invitation{Person: in.Person, Admin: in.Admin, Expires: now.Add(account.InvitationLife)}, err
}

func (x accounts) Accept(ctx context.Context, now time.Time, secret string, person declare.PersonID, password, remote string) (web.Session, error) {
	if err := x.b.Accept(ctx, now, secret, person, password); err != nil {
		return web.Session{}, err
	}
	return x.SignIn(ctx, now, person, password, remote)
}

func (x accounts) List(ctx context.Context) ([]web.Account, error) {
	found, err := x.b.Accounts(ctx)
	out := make([]web.Account, len(found))
	for i, f := range found {
		out[i] = web.Account{Person: f.Person, Admin: f.Admin, Disabled: f.Disabled, Created: f.CreatedAt}
	}
	return out, err
}

func (x accounts) Invite(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, admin bool) (string, time.Time, error) {
	secret, err := x.b.Invite(ctx, now, actor, person, admin)
	return secret, now.Add(account.InvitationLife), err
}

func (x accounts) SetDisabled(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, disabled bool) error {
	return x.b.SetDisabled(ctx, now, actor, person, disabled)
}

func (x accounts) Tokens(ctx context.Context, person declare.PersonID) ([]web.Token, error) {
	found, err := x.b.Tokens(ctx, person)
	var out []web.Token
	for _, f := range found {
		if f.RevokedAt.IsZero() {
			out = append(out, web.Token{ID: f.ID, Name: f.Note, Created: f.CreatedAt, Expires: f.ExpiresAt, LastUsed: f.UsedAt})
		}
	}
	return out, err
}

func (x accounts) CreateToken(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, name string, expires time.Time) (string, error) {
	life := time.Duration(0)
	if !expires.IsZero() {
		if life = expires.Sub(now); life <= 0 {
			return "", &act.InvalidError{Field: "expires", Got: expires.Format(time.RFC3339), Want: "a time to come"}
		}
	}
	secret, _, err := x.b.CreateToken(ctx, now, actor, person, name, life)
	return secret, err
}

func (x accounts) RevokeToken(ctx context.Context, now time.Time, _ journal.Actor, person declare.PersonID, id string) error {
	return x.b.RevokeToken(ctx, now, act.Identity{Person: person}, id)
}
