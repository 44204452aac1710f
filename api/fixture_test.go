package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"golang.org/x/tools/txtar"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/act/gate"
	requestdesk "github.com/evenkeel/evenkeel/act/request"
	runner "github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/act/verify"
	"github.com/evenkeel/evenkeel/act/view"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/workspace"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/budget"
	"github.com/evenkeel/evenkeel/detect/evaluate"
	findingbook "github.com/evenkeel/evenkeel/detect/finding"
	"github.com/evenkeel/evenkeel/learn/delivery"
	reviewbook "github.com/evenkeel/evenkeel/learn/review"
	"github.com/evenkeel/evenkeel/learn/toil"
	"github.com/evenkeel/evenkeel/learn/tune"
	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/metrics"
	"github.com/evenkeel/evenkeel/observe/overview"
	"github.com/evenkeel/evenkeel/observe/trace"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/alert"
	incidentbook "github.com/evenkeel/evenkeel/respond/incident"
	"github.com/evenkeel/evenkeel/respond/outcome"
	"github.com/evenkeel/evenkeel/respond/status"
	"github.com/evenkeel/evenkeel/state"
)

const shop = `
-- dashboards/orders.yml --
title: Orders
service: checkout
variables: [{name: job, label: job, of: up}]
rows: [{title: A, panels: [{title: Up, type: stat, max: 1, thresholds: [{value: 1, level: ok}], words: {"1": "yes"}, queries: [{promql: 'up{job="$job"}'}]}]}]
-- evenkeel.yml --
external_url: https://evenkeel.example
evaluation: {interval: 5s}
-- catalog/shop.yml --
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: shop}
spec: {type: team, children: [], members: [alice, bob]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: alice, labels: {evenkeel.dev/level: junior}}
spec: {profile: {displayName: Alice Able}, memberOf: [shop]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: bob, labels: {evenkeel.dev/level: senior}}
spec: {memberOf: [shop]}
---
apiVersion: backstage.io/v1alpha1
kind: System
metadata: {name: shop}
spec: {owner: shop}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: checkout, labels: {evenkeel.dev/tier: "1"}}
spec: {type: service, lifecycle: production, owner: shop, system: shop, dependsOn: [component:payments]}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: payments}
spec: {type: service, lifecycle: production, owner: shop}
-- objectives/checkout.yml --
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout-availability}
spec:
  service: checkout
  budgetingMethod: Occurrences
  timeWindow: [{duration: 1d, isRolling: true}]
  indicator:
    metadata: {name: orders}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'http_requests_total{code="500"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'http_requests_total'}}}
  objectives: [{target: 0.99}]
-- requests/restart.yml --
title: Restart checkout
owner: shop
form: [{name: greeting, type: enum, values: [hello, good-day], default: hello}]
guardrails: [{expect: "form.greeting != 'good-day' || person.level != 'trainee'", message: a greeting for everybody}]
approval: {level: senior}
runbook: restart
within: 1h
-- runbooks/restart.md --
---
title: Restart checkout
services: [checkout]
params:
  - {name: greeting, type: enum, values: [hello, good-day], default: hello, description: what to say}
---
Say it first.

` + "```sh {name=say class=A2}\necho \"$greeting\"\n```\n\nThen do it.\n\n```sh {name=restart risk=medium}\necho restarted\n```\n"

// at is when the fixture's story begins.
var at = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// world is the API over real books in a real database.
type world struct {
	*testing.T
	db        *state.DB
	findings  *findingbook.Book
	incidents *incidentbook.Book
	outcomes  *outcome.Book
	runs      *runner.Runner
	accounts  *account.Book
	options   Options
	handler   http.Handler
	now       time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, now: at.Add(10 * time.Minute)}
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(shop)).Files {
		name := filepath.Join(dir, "workspace", f.Name)
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, f.Data, 0o644))
	}
	ws, problems, err := workspace.Load(filepath.Join(dir, "workspace"), at)
	if err != nil || ws == nil {
		t.Fatalf("cannot load the workspace: %v %v", err, problems)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	data := filepath.Join(dir, "data")
	w.db, err = state.Open(t.Context(), data)
	must(t, err)
	t.Cleanup(func() { must(t, w.db.Close()) })
	store, err := metrics.Open(metrics.Options{Dir: data, Settings: ws.Settings, Logger: log, Registerer: prometheus.NewRegistry()})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	app := store.AppenderV2(t.Context())
	for name, v := range map[string]float64{remainingSeries: 0.25, burnSeries: 14.5} {
		_, err := app.Append(0, labels.FromStrings("__name__", name, "objective", "checkout-availability", "service", "checkout"), 0, w.now.UnixMilli(), v, nil, nil, storage.AppendV2Options{})
		must(t, err)
	}
	must(t, app.Commit())
	engine := evaluate.New(evaluate.Options{Queryable: store, Logger: log, Registerer: prometheus.NewRegistry()})

	w.findings, err = findingbook.Open(t.Context(), w.db)
	must(t, err)
	known := func(s declare.ServiceID) bool { return ws.Service(s) != nil }
	external, _ := url.Parse("https://evenkeel.example")
	link := func(path string) string { return external.JoinPath(path).String() }
	w.incidents = incidentbook.New(incidentbook.Options{
		DB: w.db, Logger: log, Distances: ws.Distances, URL: link,
		TeamOf: func(s declare.ServiceID) declare.TeamID { return ws.Service(s).Owner },
		OnCall: func(declare.TeamID, time.Time) declare.PersonID { return "" },
		Known:  func(p declare.PersonID) bool { return ws.Person(p) != nil },
		Suspects: func(context.Context, respond.Incident) ([]respond.Suspect, error) {
			return []respond.Suspect{{Rank: 1, Change: "c-1", Service: "checkout", Summary: "deploy of checkout to 1.5.0", Score: 0.9, Reason: "it began just before", At: at}}, nil
		},
	})
	w.findings.SetSink(func(ctx context.Context, found []detect.Finding) error {
		_, err := w.incidents.Take(ctx, w.now, found, func(detect.Finding) bool { return false })
		return err
	})
	silences, err := alert.New(alert.Options{DB: w.db, DataDir: data, ExternalURL: external, Logger: log, Registerer: prometheus.NewRegistry()})
	must(t, err)
	changes := change.New(change.Options{DB: w.db, Known: known})
	w.runs = runner.New(runner.Options{
		DB: w.db, Logger: log, Changes: changes, Runbook: ws.Runbook, Level: ws.LevelOf, KnownService: known,
		ObjectiveOf: func(context.Context, int64) (declare.ObjectiveName, error) { return "", nil },
		Query:       func(context.Context, string, time.Time) ([]runner.Value, error) { return nil, nil },
		Verify:      func(context.Context, declare.ObjectiveName, time.Time) (bool, string, error) { return true, "", nil },
	})
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- w.runs.Run(ctx) }()
	t.Cleanup(func() { stop(); must(t, <-ran) })
	w.accounts = account.New(w.db)
	w.outcomes, err = outcome.Open(t.Context(), w.db, log)
	must(t, err)
	budgets := budget.New(budget.Options{Ranges: engine.Ranges, Query: engine.Query})
	w.options = Options{
		Workspace: func() *declare.Workspace { return ws }, WorkspaceProblems: func() (declare.Problems, time.Time) { return nil, at },
		StatusPages: status.New(status.Options{DB: w.db, Workspace: func() *declare.Workspace { return ws }, Incident: w.incidents.Get, URL: link, Logger: log}), Outcomes: w.outcomes, AlertReview: tune.New(tune.Options{DB: w.db, Workspace: func() *declare.Workspace { return ws }, Outcomes: w.outcomes, May: func(declare.PersonID) (bool, string) { return true, "" }, Reload: func(context.Context) error { return nil }}),
		Journal: w.db, Findings: w.findings, Incidents: w.incidents, Desk: w.incidents, Changes: changes, Runs: w.runs, Silences: silences, Accounts: w.accounts, Guide: w.runs, Loans: w.accounts,
		Reviews: reviewbook.New(reviewbook.Options{DB: w.db, Incidents: w.incidents, Findings: w.findings, Runs: w.runs, Changes: changes,
			Impact: func(context.Context, detect.Finding, time.Time, time.Time) (reviewbook.Impact, error) {
				return reviewbook.Impact{}, nil
			}}),
		TakeChanges: changes.Take, Query: engine.Query, Explain: engine.Explain, URL: link, Started: at, Now: func() time.Time { return w.now }, Logger: log, Version: "1.2.3",
		Budget: func(ctx context.Context, o *declare.Objective, now time.Time) (*budget.Report, error) {
			return budgets.Report(ctx, o, 15*time.Second, now)
		},
		Patterns: patternsOf{w},
		Traces:   trace.New(rowsOf(t, "traces"), nil), Logs: rowsOf(t, "logs"),
		Calls: func(context.Context, time.Time, time.Time) ([]observe.Call, error) {
			return []observe.Call{{Client: "checkout", Server: "payments", Calls: 3}}, nil
		},
		Toil: func(ctx context.Context, from, to time.Time) (toil.Report, error) {
			spans, err := toil.NewBook(w.db).Spans(ctx, from, to)
			return toil.Make(spans, from, to, func(declare.TeamID) int { return 2 }), err
		},
		LogToil:  toil.NewBook(w.db).Log,
		Requests: requestdesk.New(requestdesk.Options{DB: w.db, Workspace: func() *declare.Workspace { return ws }, Runs: w.runs, Changes: changes, Logger: log, Check: func(string, []string) error { return nil }}),
		Delivery: func(ctx context.Context, _ []declare.ServiceID, from, to time.Time) (delivery.Report, error) {
			found, err := changes.List(ctx, act.ChangeFilter{})
			return delivery.Make(delivery.Input{Changes: found, Production: change.Production, Repository: func(string) declare.ServiceID { return "" }}, from, to), err
		},
		Views: view.NewBook(w.db),
		Overview: func(ctx context.Context, svc *declare.Service, _ time.Time) (*declare.Dashboard, error) {
			return overview.Generate(ctx, ws, svc, overview.Look{Series: func(context.Context, string) (bool, error) { return false, nil }})
		},
		Gates: gate.NewBook(w.db).List, Verification: verify.NewBook(w.db).Get,
		Gate: func(ctx context.Context, now time.Time, who act.Identity, q gate.Question) (gate.Decision, error) {
			v := gate.Decide(gate.Input{Change: q.Change, Known: known(q.Change.Service), Artefacts: q.Artefacts, Problems: q.Problems}, now)
			return gate.NewBook(w.db).Record(ctx, now, who.Actor(), q.Change, false, v)
		},
	}
	w.rebuild()
	return w
}

// rebuild makes the handler anew after a change of the options.
func (w *world) rebuild() {
	w.Helper()
	h, err := New(w.options)
	must(w, err)
	w.handler = h
}

// burn opens a page on checkout, and with it incident 1.
func (w *world) burn() {
	w.Helper()
	must(w, w.findings.Observe(w.Context(), at, []detect.Finding{{
		Fingerprint: "f1", Detector: detect.DetectorObjective, Name: "ErrorBudgetBurn", Service: "checkout", Team: "shop", Objective: "checkout-availability",
		Severity: detect.Page, Summary: "checkout burns its budget", Labels: map[string]string{"alertname": "ErrorBudgetBurn", "severity": "page", "service": "checkout"}, Since: at,
	}}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// request is one call; identities are put in as the middleware before the API does.
type request struct {
	as           act.Identity
	method, path string
	contentType  string
	body         string
	header       http.Header
}

var (
	alice  = act.Identity{Person: "alice"}
	bob    = act.Identity{Person: "bob"}
	admin  = act.Identity{Person: "bob", Admin: true}
	nobody = act.Identity{}
)

func (w *world) send(r request) *httptest.ResponseRecorder {
	w.Helper()
	req := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body)).WithContext(w.Context())
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	if r.as.Person != "" {
		req = act.WithIdentity(req, r.as)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, req)
	return rec
}

// do sends JSON and decodes the answer, which must have the status.
func do[T any](w *world, as act.Identity, method, path string, body any, status int) T {
	w.Helper()
	r := request{as: as, method: method, path: Root + path}
	if body != nil {
		data, err := json.Marshal(body)
		must(w, err)
		r.body, r.contentType = string(data), "application/json"
	}
	rec := w.send(r)
	var out T
	if rec.Code != status {
		w.Fatalf("%s %s: got %d %s, want %d", method, path, rec.Code, rec.Body, status)
	}
	if rec.Body.Len() > 0 {
		dec := json.NewDecoder(bytes.NewReader(rec.Body.Bytes()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&out); err != nil {
			w.Fatalf("%s %s: %v in %s", method, path, err, rec.Body)
		}
	}
	return out
}

// until waits for something that another goroutine does.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// theTrace is the one that is stored.
const theTrace = "0af7651916cd43dd8448eb211c80319c"

// rowsOf is a store of rows: one line, or one span.
func rowsOf(t *testing.T, name string) *logs.Store {
	t.Helper()
	s, err := logs.Open(logs.Options{Dir: t.TempDir(), Name: name})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	b := s.Begin(logs.Origin{Receiver: "test"})
	if name == "logs" {
		b.Add(time.Now().UnixNano(), []logs.Field{{Name: "", Value: "an error"}}, 0)
		must(t, b.Commit())
	} else {
		spans := trace.New(s, nil).Begin("test", "here")
		spans.Add(&trace.Span{TraceID: theTrace, SpanID: "00f067aa0ba902b7", Service: "checkout", Name: "POST /orders", Start: time.Now().UnixNano(), Duration: 5, Attrs: []trace.Attr{{Key: "a", Type: trace.String, Value: "b"}}})
		must(t, spans.Commit())
	}
	s.Flush()
	return s
}
