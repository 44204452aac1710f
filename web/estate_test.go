package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/act/verify"
	"github.com/evenkeel/evenkeel/act/view"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/workspace"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/backtest"
	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/detect/history"
	"github.com/evenkeel/evenkeel/detect/rule"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/learn"
	"github.com/evenkeel/evenkeel/learn/toil"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/trace"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/escalation"
	"github.com/evenkeel/evenkeel/respond/oncall"
	"github.com/evenkeel/evenkeel/respond/reach"
	"github.com/evenkeel/evenkeel/respond/why"
	"github.com/evenkeel/evenkeel/state"
)

// night is the present of all fixtures: twelve past three.
var night = time.Date(2026, 11, 23, 3, 12, 0, 0, time.UTC)

// estate is a department in memory: a real workspace and a real journal, and books
// that follow the same rules as the real ones.
type estate struct {
	budgetErr error // of every report on a budget
	t         testing.TB
	mu        sync.Mutex // guards all below
	ws        *declare.Workspace
	db        *state.DB
	problems  declare.Problems
	found     []detect.Finding
	incidents []respond.Incident
	sent      []respond.Notification
	changes   []act.Change
	runs      []act.Run
	duties    []act.Duty
	reviews   map[int64]learn.Review
	silences  []Silence
	accounts  []Account
	tokens    map[declare.PersonID][]Token
	invited   map[string]Invitation
	sessions  map[string]declare.PersonID
	rules     []rule.Rule
	ruleCosts map[string]*evaluate.Explanation // by the name of the rule
	values    func(expr string, series string, labels map[string]string, at time.Time) float64
	logs      strings.Builder
	desk      []string    // what was asked of it
	lines     *logs.Store // may be nil
	spans     *trace.Store
	outcomes  map[int64]respond.Outcome
}

const password = "correct horse battery"

func newEstate(t testing.TB, dir string) *estate {
	t.Helper()
	ws, problems, err := workspace.Load(dir, night.Add(-2*time.Hour))
	if err != nil || ws == nil {
		t.Fatalf("cannot load %q: %v %v", dir, err, problems)
	}
	db, err := state.Open(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &estate{
		t: t, ws: ws, db: db, reviews: map[int64]learn.Review{}, tokens: map[declare.PersonID][]Token{},
		invited: map[string]Invitation{}, sessions: map[string]declare.PersonID{},
		values: func(string, string, map[string]string, time.Time) float64 { return math.NaN() },
	}
}

// fact writes one fact and returns its ID.
func (e *estate) fact(at time.Time, kind journal.Kind, actor journal.Actor, cause journal.ID, text string, refs ...journal.Ref) journal.ID {
	e.t.Helper()
	var id journal.ID
	err := e.db.Update(context.Background(), func(tx *state.Tx) error {
		var err error
		id, err = tx.Record(journal.Fact{At: at, Kind: kind, Actor: actor, Cause: cause, Subject: refs[0], Refs: refs[1:], Text: text, Data: []byte(`{"n":1}`)})
		return err
	})
	if err != nil {
		e.t.Error(err)
	}
	return id
}

// options wires the books to the pages.
func (e *estate) options() Options {
	roster := e.roster()
	engine, ways := e.pager()
	return Options{
		Workspace:         func() *declare.Workspace { return roster.Over(e.ws) },
		WorkspaceProblems: func() (declare.Problems, time.Time) { return e.problems, night.Add(-4 * time.Minute) },
		Journal:           e.db, Findings: findingBook{e}, Incidents: incidentBook{e}, Desk: deskBook{e}, Outcomes: outcomeBook{e}, OutcomeLinks: &outcomeLinks{e: e}, AlertReview: reviewQueue{e}, StatusPages: statusBook{e}, Changes: changeBook{e}, Runs: runBook{e},
		Reviews: reviewBook{e}, Silences: silenceBook{e}, Accounts: accountBook{e}, Roster: roster, Escalations: engine, Reach: ways, Trace: e.trace, Explain: e.explain,
		Query: func(ctx context.Context, expr string, at time.Time) ([]Series, error) {
			return e.query(expr, at, at, time.Second)
		},
		QueryRange: func(_ context.Context, expr string, from, to time.Time, step time.Duration) ([]Series, error) {
			return e.query(expr, from, to, step)
		},
		Replay: e.replay, Toil: e.toil, LogToil: toil.NewBook(e.db).Log, Requests: e.requestDesk(), Delivery: e.delivery, Gate: e.gate, Gates: gate.NewBook(e.db).List, Verification: verify.NewBook(e.db).Get,
		Logs: e.lines, Traces: e.spans, Exemplars: e.exemplars, LabelValues: e.labelValues, Overview: e.overview, Views: view.NewBook(e.db),
		Patterns:    patternsOfTheNight(),
		Rules:       func() []rule.Rule { return e.rules },
		ExplainRule: func(_ context.Context, of rule.Rule) *evaluate.Explanation { return e.ruleCosts[of.Name] },
		Guide:       guideBook{e}, Loans: account.New(e.db),
		Now: func() time.Time { return night }, Version: "1.0.0-test",
		Budget: e.account,
		Logger: slog.New(slog.NewTextHandler(lockedWriter{e}, nil)),
	}
}

// pager is the real one too. On a busy night alice has handed 7 up, and it came back.
func (e *estate) pager() (*escalation.Engine, *reach.Book) {
	e.t.Helper()
	ctx, log := context.Background(), slog.New(slog.NewTextHandler(lockedWriter{e}, nil))
	ws := func() *declare.Workspace { return e.ws }
	ways, err := reach.Open(ctx, reach.Options{DB: e.db, Logger: log, Workspace: ws, URL: func(p string) string { return p }})
	if err != nil {
		e.t.Fatal(err)
	}
	engine := escalation.New(escalation.Options{DB: e.db, Logger: log, Incidents: incidentBook{e}, Workspace: ws, Policy: func(respond.Incident) *declare.Escalation { return nil }, Send: ways.Send})
	if len(e.incidents) == 0 {
		return engine, ways
	}
	if err := e.db.Update(ctx, func(tx *state.Tx) error {
		_, err := tx.Exec(`INSERT INTO escalations (incident, policy, steps, repeat, status, step, due_ms, set_ms, started_ms) VALUES (7, 'shop', '[{"notify":[{"kind":"schedule","name":"shop"}],"wait":300000000000},{"notify":[{"kind":"team","name":"shop"}],"wait":600000000000}]', 1, 'running', 1, ?, ?, ?) ON CONFLICT DO NOTHING`,
			state.Millis(night.Add(3*time.Minute)), state.Millis(night), state.Millis(night))
		return err
	}); err != nil {
		e.t.Fatal(err)
	}
	if had, err := engine.Handups(ctx, 7); err != nil || len(had) > 0 {
		return engine, ways
	}
	h, err := engine.HandUp(ctx, night.Add(-5*time.Minute), "alice", respond.Handup{Incident: 7, Target: "person:carol", Impact: "one order in forty fails since 02:50", Tried: "rolled back to 1.4.1: no change", Evidence: "error rate of payments", Question: "may I fail over?"})
	if err == nil {
		_, err = engine.SendBack(ctx, night.Add(-2*time.Minute), "carol", 7, h.ID, "which region?")
	}
	if err != nil {
		e.t.Fatal(err)
	}
	return engine, ways
}

// trace and explain are the real ones, over what the estate has.
func (e *estate) trace(_ context.Context, now time.Time, id int64) (why.Trace, error) {
	f, err := findingBook{e}.Get(context.Background(), id)
	if err != nil {
		return why.Trace{}, err
	}
	return why.Of(e.ws, f, why.Routing{Config: e.ws.Routing, Open: e.found}, nil, nil, nil, now), nil
}

func (e *estate) explain(_ context.Context, labels map[string]string, at time.Time) (why.Forecast, error) {
	policy := &declare.Escalation{Name: "shop", Steps: []declare.EscalationStep{{Notify: []declare.Target{{Kind: declare.TargetTeam, Name: "shop"}}, Wait: 5 * time.Minute}}}
	return why.Ask(e.ws, labels, at, why.Routing{Config: e.ws.Routing, Open: e.found}, func(declare.TeamID, declare.ServiceID) *declare.Escalation { return policy },
		func(p declare.PersonID) []respond.ContactMethod { return reach.Declared(e.ws, p) }), nil
}

// roster is the real one, over the estate's workspace.
func (e *estate) roster() *oncall.Book {
	e.t.Helper()
	book, err := oncall.Open(context.Background(), oncall.Options{DB: e.db, Workspace: func() *declare.Workspace { return e.ws }})
	if err != nil {
		e.t.Fatal(err)
	}
	if s := e.ws.Schedules; len(s) > 0 {
		if _, err := book.AddOverride(context.Background(), night, journal.Person("alice"), respond.DutyOverride{Schedule: s[0].Name, Person: e.ws.People[0].ID, From: night.Add(20 * time.Hour), To: night.Add(30 * time.Hour), Reason: "flight"}); err != nil {
			e.t.Fatal(err)
		}
	}
	return book
}

// replay replays over four hours in which checkout's share of errors rises and falls.
func (e *estate) replay(ctx context.Context, o backtest.Options) (*backtest.Result, error) {
	var b strings.Builder
	from := night.Add(-4 * time.Hour)
	for m := range 240 {
		fmt.Fprintf(&b, "checkout_error_ratio{service=\"checkout\",zone=\"a\"} %g %d\n", 0.01+0.05*math.Exp(-math.Pow(float64(m-120)/25, 2)), from.Add(time.Duration(m)*time.Minute).Unix())
	}
	file := filepath.Join(e.t.TempDir(), "series.om")
	if err := os.WriteFile(file, []byte("# TYPE checkout_error_ratio gauge\n"+b.String()+"# EOF\n"), 0o600); err != nil {
		return nil, err
	}
	h, err := history.Open(ctx, history.Options{Where: file})
	if err != nil {
		return nil, err
	}
	defer h.Close()
	o.History, o.Oldest, o.From, o.To, o.Step = h, h.Oldest, from, night, time.Minute
	o.Incidents = []backtest.Incident{{Number: 7, Title: "Checkout fails", Services: []declare.ServiceID{"checkout"}, Detected: from.Add(2 * time.Hour), Resolved: from.Add(3 * time.Hour)}}
	ws := *o.Workspace
	ws.Routing = nil // each alert is told by itself
	o.Workspace = &ws
	labels := map[string]string{"alertname": "TooManyErrors", "service": "checkout"}
	o.Labelled = []backtest.Labelled{
		{Finding: 12, Alert: "TooManyErrors", Service: "checkout", Labels: labels, Opened: from.Add(2 * time.Hour), Resolved: from.Add(3 * time.Hour), Outcome: "action taken", Useful: true},
		{Finding: 10, Alert: "TooManyErrors", Service: "checkout", Labels: labels, Opened: from.Add(10 * time.Minute), Resolved: from.Add(15 * time.Minute), Outcome: "false", Inferred: true},
	}
	return backtest.Run(ctx, o)
}

type lockedWriter struct{ e *estate }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	return w.e.logs.Write(p)
}

// handler is the pages, behind a middleware that knows sessions.
func (e *estate) handler() http.Handler {
	e.t.Helper()
	pages, err := New(e.options())
	if err != nil {
		e.t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie(SessionCookie); err == nil {
			e.mu.Lock()
			who, ok := e.sessions[c.Value]
			e.mu.Unlock()
			if ok {
				r = act.WithIdentity(r, act.Identity{Person: who, Admin: who == "carol"})
			}
		}
		pages.ServeHTTP(w, r)
	})
}

// signedIn returns the cookie of somebody's session.
func (e *estate) signedIn(who declare.PersonID) *http.Cookie {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions["session-of-"+string(who)] = who
	return &http.Cookie{Name: SessionCookie, Value: "session-of-" + string(who)}
}

// query answers selectors of series by the estate's values.
func (e *estate) query(expr string, from, to time.Time, step time.Duration) ([]Series, error) {
	if strings.Contains(expr, "explode") {
		return nil, fmt.Errorf("the store is closed")
	}
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return nil, err
	}
	var out []Series
	for _, sel := range parser.ExtractSelectors(tree) {
		name, want := "", map[string]string{}
		for _, m := range sel {
			if m.Name == "__name__" {
				name = m.Value
			} else {
				want[m.Name] = m.Value
			}
		}
		for _, o := range e.ws.Objectives {
			if w, ok := want["objective"]; ok && w != string(o.Name) {
				continue
			}
			labels := map[string]string{"__name__": name, "objective": string(o.Name), "service": string(o.Service)}
			s := Series{Labels: labels}
			for t := from; !t.After(to); t = t.Add(step) {
				if v := e.values(expr, name, labels, t); !math.IsNaN(v) {
					s.Points = append(s.Points, Point{t, v})
				}
			}
			if len(s.Points) > 0 {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

type findingBook struct{ e *estate }

func (b findingBook) List(_ context.Context, f detect.Filter) ([]detect.Finding, int, error) {
	var out []detect.Finding
	for _, x := range b.e.found {
		text := strings.ToLower(x.Name + " " + x.Summary)
		if f.Open != nil && *f.Open != x.Open() || f.Service != "" && f.Service != x.Service || f.Severity != "" && f.Severity != x.Severity ||
			f.Detector != "" && f.Detector != x.Detector || f.Incident != 0 && f.Incident != x.Incident || !strings.Contains(text, strings.ToLower(f.Text)) {
			continue
		}
		out = append(out, x)
	}
	total := len(out)
	if f.Limit == 0 {
		f.Limit = 200
	}
	out = out[min(f.Offset, len(out)):]
	return out[:min(f.Limit, len(out))], total, nil
}

func (b findingBook) Get(_ context.Context, id int64) (detect.Finding, error) {
	for _, x := range b.e.found {
		if x.ID == id {
			return x, nil
		}
	}
	return detect.Finding{}, detect.ErrNotFound
}

type incidentBook struct{ e *estate }

func (b incidentBook) List(_ context.Context, f respond.IncidentFilter) ([]respond.Incident, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	var out []respond.Incident
	for _, x := range b.e.incidents {
		if f.Active && x.Status == respond.Resolved || f.Service != "" && f.Service != x.Service || f.Team != "" && f.Team != x.Team {
			continue
		}
		out = append(out, x)
	}
	if f.Limit == 0 {
		f.Limit = 100
	}
	out = out[min(f.Offset, len(out)):]
	return out[:min(f.Limit, len(out))], nil
}

func (b incidentBook) find(n respond.Number) (*respond.Incident, error) {
	for i := range b.e.incidents {
		if b.e.incidents[i].Number == n {
			return &b.e.incidents[i], nil
		}
	}
	return nil, respond.ErrNotFound
}

func (b incidentBook) Get(_ context.Context, n respond.Number) (respond.Incident, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	i, err := b.find(n)
	if err != nil {
		return respond.Incident{}, err
	}
	return *i, nil
}

func (b incidentBook) change(n respond.Number, fn func(*respond.Incident) error) (respond.Incident, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	i, err := b.find(n)
	if err == nil {
		err = fn(i)
	}
	if err != nil {
		return respond.Incident{}, err
	}
	return *i, nil
}

func (b incidentBook) Do(_ context.Context, now time.Time, actor journal.Actor, n respond.Number, ev respond.Event, _ string) (respond.Incident, error) {
	i, err := b.change(n, func(i *respond.Incident) error {
		next, err := respond.Next(i.Status, ev)
		if err != nil {
			return err
		}
		i.Status = next
		switch ev {
		case respond.Acknowledge:
			i.Clocks.Acknowledged, i.Assignee = now, declare.PersonID(actor.Name())
		case respond.Mitigate:
			i.Clocks.Mitigated = now
		case respond.Resolve:
			i.Clocks.Resolved = now
		}
		return nil
	})
	if err == nil {
		b.e.fact(now, journal.Kind("incident."+string(i.Status)), actor, i.Fact, fmt.Sprintf("%s: %s", ev, i.Title), n.Ref())
	}
	return i, err
}

func (b incidentBook) Assign(_ context.Context, now time.Time, actor journal.Actor, n respond.Number, to declare.PersonID) (respond.Incident, error) {
	i, err := b.change(n, func(i *respond.Incident) error { i.Assignee = to; return nil })
	if err == nil {
		b.e.fact(now, "incident.assigned", actor, i.Fact, "assigned to "+string(to), n.Ref())
	}
	return i, err
}

func (b incidentBook) Note(_ context.Context, now time.Time, actor journal.Actor, n respond.Number, text string) error {
	i, err := b.change(n, func(*respond.Incident) error { return nil })
	if err == nil {
		b.e.fact(now, "incident.noted", actor, i.Fact, text, n.Ref())
	}
	return err
}

func (b incidentBook) Judge(_ context.Context, now time.Time, actor journal.Actor, n respond.Number, rank int, v respond.Verdict, note string) (respond.Incident, error) {
	i, err := b.change(n, func(i *respond.Incident) error {
		if rank < 1 || rank > len(i.Suspects) {
			return &respond.InvalidError{Field: "rank", Got: fmt.Sprint(rank), Want: "a suspect"}
		}
		i.Suspects[rank-1].Decision = &respond.SuspectDecision{Verdict: v, Actor: actor, At: now, Note: note}
		return nil
	})
	if err == nil {
		b.e.fact(now, journal.Kind("incident.suspect_"+string(v)), actor, i.Fact, "suspect "+string(v)+": "+i.Suspects[rank-1].Summary, n.Ref())
	}
	return i, err
}

func (b incidentBook) Notifications(_ context.Context, n respond.Number) ([]respond.Notification, error) {
	var out []respond.Notification
	for _, x := range b.e.sent {
		if x.Incident == n {
			out = append(out, x)
		}
	}
	return out, nil
}

type changeBook struct{ e *estate }

func (b changeBook) Record(_ context.Context, now time.Time, actor journal.Actor, c act.Change) (act.Change, error) {
	if c.Service != "" && b.e.ws.Service(c.Service) == nil {
		return c, &act.InvalidError{Field: "service", Got: string(c.Service), Want: "a service of the workspace"}
	}
	b.e.mu.Lock()
	c.ID = fmt.Sprintf("c-%d", len(b.e.changes)+100)
	b.e.changes = append([]act.Change{c}, b.e.changes...)
	b.e.mu.Unlock()
	c.Fact = b.e.fact(now, "change.recorded", actor, 0, c.Summary, journal.MakeRef("change", c.ID), journal.MakeRef("service", string(c.Service)))
	return c, nil
}

func (b changeBook) List(_ context.Context, f act.ChangeFilter) ([]act.Change, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	var out []act.Change
	for _, c := range b.e.changes {
		any := len(f.Services) == 0
		for _, s := range f.Services {
			any = any || s == c.Service
		}
		if !any || f.Service != "" && f.Service != c.Service || f.Kind != "" && f.Kind != c.Kind || !strings.Contains(strings.ToLower(c.Summary), strings.ToLower(f.Text)) ||
			!f.From.IsZero() && c.StartedAt.Before(f.From) || !f.To.IsZero() && !c.StartedAt.Before(f.To) {
			continue
		}
		out = append(out, c)
	}
	if f.Limit == 0 {
		f.Limit = 100
	}
	out = out[min(f.Offset, len(out)):]
	return out[:min(f.Limit, len(out))], nil
}

func (b changeBook) Get(_ context.Context, id string) (act.Change, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	for _, c := range b.e.changes {
		if c.ID == id {
			return c, nil
		}
	}
	return act.Change{}, act.ErrNotFound
}

func shownHash(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:8])
}
