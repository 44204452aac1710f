package web

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/act/verify"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/backtest"
	"github.com/evenkeel/evenkeel/detect/budget"
	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/detect/rule"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/learn"
	"github.com/evenkeel/evenkeel/learn/delivery"
	"github.com/evenkeel/evenkeel/learn/toil"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/trace"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/why"
)

// Options are the parts that pages are made from. All are required but those that
// say otherwise.
type Options struct {
	// Workspace returns the workspace in use; it MUST NOT return nil.
	Workspace func() *declare.Workspace
	// WorkspaceProblems returns why the newest folder content was refused, and when;
	// no problems when it is in use.
	WorkspaceProblems func() (declare.Problems, time.Time)

	// Link is a path as people outside of this process reach it; nil: by external_url of
	// the settings alone.
	Link func(path string) string

	Journal   journal.Reader
	Findings  Findings
	Incidents respond.Incidents
	Desk      respond.Desk // optional: without it incidents are only moved on
	// Outcomes and AlertReview are optional: without them nothing is learned about alerts.
	Outcomes respond.Outcomes
	// OutcomeLinks are the links in messages; nil: there are none.
	OutcomeLinks respond.OutcomeLinks
	AlertReview  AlertReview
	StatusPages  StatusPages // optional
	Changes      act.Changes
	Runs         act.Runs
	Reviews      learn.Reviews
	Silences     Silences
	Accounts     Accounts
	// Escalations and Reach are optional: without them nobody is escalated to or reached.
	Escalations respond.Escalations
	// Trace and Explain are optional: without them pages do not say why.
	Trace   func(ctx context.Context, now time.Time, finding int64) (why.Trace, error)
	Explain func(ctx context.Context, labels map[string]string, at time.Time) (why.Forecast, error)
	Reach   respond.Reach
	Roster  respond.Roster // optional: without it schedules cannot be changed

	// Query answers an instant query: one point a series. A scalar is one series
	// without labels.
	Query func(ctx context.Context, expr string, at time.Time) ([]Series, error)
	// QueryRange answers a range query, points at from, from+step, … up to to.
	QueryRange func(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]Series, error)

	// LabelValues are the values of a label in a time, of the series that a selector finds,
	// "" for all. Optional: without it variables of dashboards are not filled.
	LabelValues func(ctx context.Context, label, selector string, from, to time.Time) ([]string, error)
	// Overview is the dashboard that a service has without a file. Optional.
	Overview func(ctx context.Context, svc *declare.Service, now time.Time) (*declare.Dashboard, error)

	// Views are addresses that people save. Optional: without it none are.
	Views Views

	// Logs and Traces are the stores of log lines and spans. Optional: without them there
	// are none to look at.
	Logs *logs.Store
	// AskedLogs is told the query whenever somebody asks for log lines. Optional.
	AskedLogs func(query string)
	Traces    *trace.Store
	// Exemplars are requests behind the samples of an expression, the newest first.
	// Optional.
	Exemplars func(ctx context.Context, expr string, from, to time.Time) ([]Exemplar, error)

	// Replay says what rules would have done: it fills in the history and the incidents.
	// Optional: without it there is no backtest.
	Replay func(ctx context.Context, o backtest.Options) (*backtest.Result, error)

	// Guide says who may do what of runbooks.
	Guide Guide
	// Paging are the alerts and objectives that page. Optional.
	Paging func(*declare.Workspace) []runbook.Paging
	// Loans are what people have lent to each other. Optional.
	Loans Loans

	// Rules lists all rules that run, with how each is evaluated. Optional: none.
	Rules func() []rule.Rule
	// ExplainRule says how one of them is evaluated, nil before it was.
	ExplainRule func(ctx context.Context, of rule.Rule) *evaluate.Explanation
	// Hygiene says how well a change was made. Optional: without windows and freezes.
	Hygiene func(c act.Change, now time.Time) act.Hygiene

	// Budget says how the budget of an objective stands. Optional: without it nobody knows.
	Budget func(ctx context.Context, o *declare.Objective, now time.Time) (*budget.Report, error)
	// Toil counts it; LogToil writes a line of its log. Optional, both.
	Toil    func(ctx context.Context, from, to time.Time) (toil.Report, error)
	LogToil func(ctx context.Context, now time.Time, who declare.PersonID, team declare.TeamID, d time.Duration, text string) (toil.Entry, error)
	// Requests is the desk of requests. Optional.
	Requests Requests
	// Delivery measures how changes of some services, nil for all, reached users. Optional.
	Delivery func(ctx context.Context, services []declare.ServiceID, from, to time.Time) (delivery.Report, error)
	// Gate answers whether a change may go now; Gates are the answers so far; Verification
	// is what was measured around a change. Optional.
	Gate         func(ctx context.Context, now time.Time, who act.Identity, q gate.Question) (gate.Decision, error)
	Gates        func(ctx context.Context, service declare.ServiceID, limit int) ([]gate.Decision, error)
	Verification func(ctx context.Context, change string) (verify.Verification, error)

	// Patterns are those of log lines. Optional: without it there are none.
	Patterns Patterns

	Now     func() time.Time // optional: time.Now
	Logger  *slog.Logger     // optional: slog.Default
	Version string           // optional
	// Closing, when closed, ends the live streams, so that a graceful shutdown
	// does not wait for them. Optional.
	Closing <-chan struct{}
}

// Findings is what pages read of the book of findings.
type Findings interface {
	List(ctx context.Context, f detect.Filter) (found []detect.Finding, total int, err error)
	Get(ctx context.Context, id int64) (detect.Finding, error)
}

// Series is one answer of a query. Points are in order of time.
type Series struct {
	Labels map[string]string // __name__ among them
	Points []Point
}

// Point is one value; NaN where there is none.
type Point struct {
	At    time.Time
	Value float64
}

// Silence mutes the notifications of the findings that it matches.
type Silence struct {
	ID       string
	Matchers string // as Alertmanager writes them: service="checkout", severity=~"page|ticket"
	Comment  string
	By       string
	Starts   time.Time
	Ends     time.Time
	State    string // active, pending, expired
}

// Silences is what pages do with silences.
type Silences interface {
	List(ctx context.Context) ([]Silence, error)
	// Add MUST return an *act.InvalidError for matchers that cannot be read.
	Add(ctx context.Context, now time.Time, actor journal.Actor, s Silence) (id string, err error)
	// Expire MUST return act.ErrNotFound for a silence that is not there.
	Expire(ctx context.Context, now time.Time, actor journal.Actor, id string) error
}

// Session is what a sign-in yields: the cookie's value and when it ends.
type Session struct {
	Secret  string
	Expires time.Time
}

// Invitation is an unused one-time link.
type Invitation struct {
	Person  declare.PersonID // "" when the guest chooses among the catalogue's people
	Admin   bool
	Expires time.Time
}

// Account is a person who can, or could, sign in.
type Account struct {
	Person   declare.PersonID
	Admin    bool
	Disabled bool
	Created  time.Time
}

// Token lets a program act in a person's name.
type Token struct {
	ID       string
	Name     string
	Created  time.Time
	Expires  time.Time // zero: never
	LastUsed time.Time // zero: never
}

// Accounts is who may come in. Secrets that it returns are shown once and kept
// nowhere by this package.
type Accounts interface {
	// SignIn MUST return ErrWrongPassword, or an *act.DeniedError with the reason
	// where that may be told (too many tries, a disabled account).
	SignIn(ctx context.Context, now time.Time, person declare.PersonID, password, remote string) (Session, error)
	SignOut(ctx context.Context, now time.Time, secret string) error
	// Invitation MUST return act.ErrNotFound for a link that is unknown, used or over.
	Invitation(ctx context.Context, now time.Time, secret string) (Invitation, error)
	// Accept makes the account and signs it in. An *act.InvalidError names person
	// or password as its field.
	Accept(ctx context.Context, now time.Time, secret string, person declare.PersonID, password, remote string) (Session, error)

	List(ctx context.Context) ([]Account, error)
	Invite(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, admin bool) (secret string, expires time.Time, err error)
	SetDisabled(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, disabled bool) error

	Tokens(ctx context.Context, person declare.PersonID) ([]Token, error)
	CreateToken(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, name string, expires time.Time) (secret string, err error)
	RevokeToken(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, id string) error
}

// ErrWrongPassword is a sign-in with a name or a password that is not right; which
// of the two is not told.
var ErrWrongPassword = errors.New("the name or the password is not right")

// check names the first part that is missing.
func (o *Options) check() error {
	for _, part := range []struct {
		name    string
		missing bool
	}{
		{"Workspace", o.Workspace == nil}, {"WorkspaceProblems", o.WorkspaceProblems == nil},
		{"Journal", o.Journal == nil}, {"Findings", o.Findings == nil}, {"Incidents", o.Incidents == nil},
		{"Changes", o.Changes == nil}, {"Runs", o.Runs == nil}, {"Reviews", o.Reviews == nil},
		{"Silences", o.Silences == nil}, {"Accounts", o.Accounts == nil},
		{"Query", o.Query == nil}, {"QueryRange", o.QueryRange == nil},
		{"Guide", o.Guide == nil},
	} {
		if part.missing {
			return errors.New("cannot make the pages: expected Options." + part.name)
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Hygiene == nil {
		o.Hygiene = func(c act.Change, now time.Time) act.Hygiene { return change.Hygiene(c, "", now) }
	}
	if o.Verification == nil {
		o.Verification = func(context.Context, string) (verify.Verification, error) {
			return verify.Verification{}, act.ErrNotFound
		}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}
