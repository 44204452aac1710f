package api

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/act/verify"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/backtest"
	"github.com/evenkeel/evenkeel/detect/budget"
	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/learn"
	"github.com/evenkeel/evenkeel/learn/delivery"
	"github.com/evenkeel/evenkeel/learn/toil"
	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/trace"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/alert"
)

// Options are the parts that the API serves. All are required but those that say
// otherwise.
type Options struct {
	// Workspace returns the workspace in use; it MUST NOT return nil.
	Workspace func() *declare.Workspace
	// WorkspaceProblems returns what is wrong with the folder as it was last looked
	// at, and when that was. Errors among them mean that it is not the one in use.
	WorkspaceProblems func() (declare.Problems, time.Time)

	Journal   journal.Reader
	Findings  Findings
	Incidents respond.Incidents
	Desk      respond.Desk // optional: without it incidents are only moved on
	// Outcomes and AlertReview are optional: without them nothing is learned about alerts.
	Outcomes    respond.Outcomes
	AlertReview AlertReview
	StatusPages StatusPages // optional
	Changes     act.Changes
	Runs        act.Runs
	Reviews     learn.Reviews
	Silences    Silences
	Accounts    Accounts
	Roster      respond.Roster // optional: without it schedules cannot be changed
	// Reaching is optional: without it nobody is escalated to or reached.
	Reaching Reaching
	// Whys is optional: without it nothing is explained.
	Whys  Whys
	Guide Guide
	Loans Loans

	// Query answers an instant query, as evaluate.Engine does.
	Query func(ctx context.Context, expr string, at time.Time) (promql.Vector, error)
	// Explain says how an expression is evaluated, as evaluate.Incremental does. Optional.
	Explain func(ctx context.Context, expr string, at time.Time, compare bool) (*evaluate.Explanation, error)
	// Replay says what rules would have done: it fills in the history and the incidents.
	// Optional: without it there is no backtest.
	Replay func(ctx context.Context, o backtest.Options) (*backtest.Result, error)
	// Hygiene says how well a change was made. Optional: without windows and freezes.
	Hygiene func(c act.Change, now time.Time) act.Hygiene
	// TakeChanges stores many changes, all or none, and returns those that are new.
	// Optional: without it nothing is imported.
	TakeChanges func(ctx context.Context, now time.Time, actor journal.Actor, d act.Delivery) ([]act.Change, error)
	// Budget says how the budget of an objective stands. Optional: without it nobody knows.
	Budget func(ctx context.Context, o *declare.Objective, now time.Time) (*budget.Report, error)
	// Toil counts it; LogToil writes a line of its log. Optional, both.
	Toil    func(ctx context.Context, from, to time.Time) (toil.Report, error)
	LogToil func(ctx context.Context, now time.Time, who declare.PersonID, team declare.TeamID, d time.Duration, text string) (toil.Entry, error)
	// Requests is the desk of requests. Optional.
	Requests Requests
	// Delivery measures how changes of some services, nil for all, reached users. Optional.
	Delivery func(ctx context.Context, services []declare.ServiceID, from, to time.Time) (delivery.Report, error)
	// Gate answers whether a change may go now, and puts the answer on record; Gates are
	// the answers so far. Optional, both: without them there is no gate.
	Gate  func(ctx context.Context, now time.Time, who act.Identity, q gate.Question) (gate.Decision, error)
	Gates func(ctx context.Context, service declare.ServiceID, limit int) ([]gate.Decision, error)
	// Verification is what was measured around a change; act.ErrNotFound where nothing
	// was. Optional.
	Verification func(ctx context.Context, change string) (verify.Verification, error)
	// Traces is the store of spans, Logs that of log lines. Optional: without them none are
	// found.
	Traces *trace.Store
	Logs   *logs.Store
	// AskedLogs is told the query whenever somebody asks for log lines. Optional.
	AskedLogs func(query string)
	// Calls are the calls between services that spans tell of in a time. Optional.
	Calls func(ctx context.Context, from, to time.Time) ([]observe.Call, error)
	// URL makes a link to a path of the pages. Optional: the path alone.
	URL func(path string) string
	// Patterns are those of the logs. Optional: without it there are none.
	Patterns Patterns
	// Overview makes the dashboard of a service. Optional.
	Overview Overview
	// Views are addresses that people save. Optional.
	Views Views
	// Telemetry reports on what is sent and whether anybody looks at it. Optional.
	Telemetry TelemetryReport
	// Stores reports on what keeps the data. Optional.
	Stores func(ctx context.Context) []Store

	Started time.Time        // when the program was started
	Now     func() time.Time // optional: time.Now
	Logger  *slog.Logger     // optional: slog.Default
	Version string           // optional
	// Closing, when closed, ends the event streams, so that a graceful shutdown
	// does not wait for them. Optional.
	Closing <-chan struct{}
}

// Findings is what the API reads of the book of findings.
type Findings interface {
	List(ctx context.Context, f detect.Filter) (found []detect.Finding, total int, err error)
	Get(ctx context.Context, id int64) (detect.Finding, error)
}

// Silences is what the API does with silences; *alert.Pipeline is one.
type Silences interface {
	// Silences returns all, expired ones that are still kept among them.
	Silences(ctx context.Context) ([]alert.Silence, error)
	// AddSilence MUST return an *act.InvalidError for matchers that cannot be read.
	AddSilence(ctx context.Context, now time.Time, actor journal.Actor, matchers []string, d time.Duration, comment string) (alert.Silence, error)
	// ExpireSilence MUST return respond.ErrNotFound for a silence that is not there.
	ExpireSilence(ctx context.Context, now time.Time, actor journal.Actor, id string) error
}

// Accounts is who may come in; *account.Book is one. Secrets that it returns are
// shown once.
type Accounts interface {
	Tokens(ctx context.Context, person declare.PersonID) ([]account.Token, error)
	CreateToken(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, note string, life time.Duration) (secret string, t account.Token, err error)
	// MakeToken is CreateToken with scopes, or for a program.
	MakeToken(ctx context.Context, now time.Time, actor journal.Actor, t account.Token, life time.Duration) (secret string, made account.Token, err error)
	// RevokeToken MUST return an *act.DeniedError for a token of somebody else, unless
	// who is an administrator.
	RevokeToken(ctx context.Context, now time.Time, who act.Identity, id string) error
	// Invite makes a one-time link's secret, which holds for account.InvitationLife.
	Invite(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, admin bool) (secret string, err error)
}

// check names the first part that is missing, and fills in what is optional.
func (o *Options) check() error {
	for _, part := range []struct {
		name    string
		missing bool
	}{
		{"Workspace", o.Workspace == nil}, {"WorkspaceProblems", o.WorkspaceProblems == nil},
		{"Journal", o.Journal == nil}, {"Findings", o.Findings == nil}, {"Incidents", o.Incidents == nil},
		{"Changes", o.Changes == nil}, {"Runs", o.Runs == nil}, {"Reviews", o.Reviews == nil},
		{"Silences", o.Silences == nil}, {"Accounts", o.Accounts == nil}, {"Guide", o.Guide == nil}, {"Loans", o.Loans == nil}, {"Query", o.Query == nil},
	} {
		if part.missing {
			return errors.New("cannot make the API: expected Options." + part.name)
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Started.IsZero() {
		o.Started = o.Now()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Hygiene == nil {
		o.Hygiene = func(c act.Change, now time.Time) act.Hygiene { return change.Hygiene(c, "", now) }
	}
	if o.TakeChanges == nil {
		o.TakeChanges = func(context.Context, time.Time, journal.Actor, act.Delivery) ([]act.Change, error) {
			return nil, errors.New("nothing can be imported here")
		}
	}
	if o.Verification == nil {
		o.Verification = func(context.Context, string) (verify.Verification, error) {
			return verify.Verification{}, act.ErrNotFound
		}
	}
	if o.URL == nil {
		o.URL = func(path string) string { return path }
	}
	if o.Stores == nil {
		o.Stores = func(context.Context) []Store { return nil }
	}
	return nil
}
