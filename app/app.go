package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/act/request"
	"github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/act/verify"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/workspace"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/budget"
	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/detect/finding"
	"github.com/evenkeel/evenkeel/detect/logrule"
	"github.com/evenkeel/evenkeel/detect/rule"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/learn/review"
	"github.com/evenkeel/evenkeel/learn/tune"
	"github.com/evenkeel/evenkeel/observe/host"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/metrics"
	"github.com/evenkeel/evenkeel/observe/otlp"
	"github.com/evenkeel/evenkeel/observe/pattern"
	"github.com/evenkeel/evenkeel/observe/reduce"
	"github.com/evenkeel/evenkeel/observe/scrape"
	"github.com/evenkeel/evenkeel/observe/trace"
	"github.com/evenkeel/evenkeel/observe/usage"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/alert"
	"github.com/evenkeel/evenkeel/respond/escalation"
	"github.com/evenkeel/evenkeel/respond/incident"
	"github.com/evenkeel/evenkeel/respond/oncall"
	"github.com/evenkeel/evenkeel/respond/outcome"
	"github.com/evenkeel/evenkeel/respond/reach"
	"github.com/evenkeel/evenkeel/respond/status"
	"github.com/evenkeel/evenkeel/state"
)

// Options of an App.
type Options struct {
	Workspace string // folder
	Data      string // folder
	Listen    string // address that the listener has, for links; the listener itself is the caller's
	Version   string
	Logger    *slog.Logger
	// OpenOnLoopback leaves telemetry in and foreign read-only queries open for
	// requests from this machine; false asks for a token everywhere.
	OpenOnLoopback bool
	// Offline keeps the app from the network and the clock's other owners: no scraping,
	// no OTLP/gRPC, no watching of the folder. For tests in simulated time.
	Offline bool
	// Dial opens connections to receivers of notifications; nil for the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// App is the whole program.
type App struct {
	o         Options
	started   time.Time
	url       *url.URL
	reg       *prometheus.Registry
	closing   chan struct{} // closed when Run ends: live streams end with it
	replaying chan struct{} // holds one while a backtest runs
	once      sync.Once

	watcher   *workspace.Watcher
	db        *state.DB
	metrics   *metrics.Store
	engine    *evaluate.Incremental
	findings  *finding.Book
	rules     *rule.Runner
	budgets   *budget.Book
	alerts    *alert.Pipeline
	roster    *oncall.Book
	reach     *reach.Book
	ladder    *escalation.Engine
	incidents *incident.Book
	accounts  *account.Book
	changes   *change.Book
	runs      *runbook.Runner
	reviews   *review.Book
	gates     *gate.Book
	installed *packages // on this machine; nil where it is not looked at
	requests  *request.Desk
	verified  *verify.Book
	outcomes  *outcome.Book
	tuning    *tune.Review
	status    *status.Book
	scraper   *scrape.Scraper
	otlp      *otlp.Receiver
	logs      *logs.Store
	traces    *trace.Store
	red       *trace.Red
	patterns  *pattern.Book
	logCounts *logrule.Counter
	logRules  *logrule.Runner
	sources   *sources        // of logs; nil offline
	reducer   *reduce.Reducer // of log rows
	spanRules *reduce.Reducer // of spans
	usage     *usage.Ledger
	wide      []usage.Gap // services with too many series, and why; the part that judges telemetry has it
	wideAt    time.Time
	handler   http.Handler

	parts    []part
	cleanups []cleanup
}

// part is something long-lived.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// cleanup is undone in reverse order, by name.
type cleanup struct {
	name string
	do   func() error
}

// New opens the stores and connects the rooms. When it fails, what was opened is closed.
func New(ctx context.Context, o Options) (_ *App, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:7070"
	}
	a := &App{o: o, started: time.Now(), reg: prometheus.NewRegistry(), closing: make(chan struct{}), replaying: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	a.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if a.watcher, err = workspace.New(workspace.Options{Dir: o.Workspace, Logger: o.Logger, OnLoad: a.onLoad}); err != nil {
		return nil, err
	}
	w := a.watcher.Current()
	if a.url, err = externalURL(w, o.Listen); err != nil {
		return nil, err
	}
	if a.db, err = state.Open(ctx, o.Data); err != nil {
		return nil, err
	}
	a.onClose("state", a.db.Close)
	if a.metrics, err = metrics.Open(metrics.Options{Dir: o.Data, Settings: w.Settings, Logger: o.Logger.With("room", "observe"), Registerer: a.reg}); err != nil {
		return nil, err
	}
	a.onClose("metrics", a.metrics.Close)
	a.engine = evaluate.New(evaluate.Options{
		Queryable: a.metrics, Logger: o.Logger.With("room", "detect"), Registerer: a.reg, Oldest: a.metrics.Oldest,
		OutOfOrder: w.Settings.Metrics.OutOfOrder, CheckEvery: 1000, StateLimit: w.Settings.Evaluation.StateLimit,
	})
	if err := a.openLogs(w); err != nil {
		return nil, err
	}
	if err := a.openTraces(w); err != nil {
		return nil, err
	}
	a.restoreWindows()
	a.onClose("windows", a.saveWindows)
	a.part("windows", a.keepWindows)
	a.metrics.Follow(a.engine.Follow)
	if err := a.connect(ctx); err != nil {
		return nil, err
	}
	if err := a.apply(ctx, w, time.Now()); err != nil {
		return nil, err
	}
	if err := a.observe(w); err != nil {
		return nil, err
	}
	if a.handler, err = a.routes(); err != nil {
		return nil, err
	}
	return a, nil
}

// connect makes the rooms and hands each what it needs of those before it.
func (a *App) connect(ctx context.Context) (err error) {
	log := a.o.Logger
	if a.findings, err = finding.Open(ctx, a.db); err != nil {
		return err
	}
	a.findings.SetSink(a.take)
	a.connectLogs()
	a.rules = rule.New(rule.Options{
		Engine: a.engine, Appendable: a.metrics, Queryable: a.metrics, Findings: a.findings, ExternalURL: a.url,
		Logger: log.With("room", "detect"), Registerer: a.reg,
	})
	if a.alerts, err = alert.New(alert.Options{
		DB: a.db, DataDir: a.o.Data, ExternalURL: a.url, Logger: log.With("room", "respond"), Registerer: a.reg,
		External: a.findings.Observe, Dial: a.o.Dial,
		Actor: func(r *http.Request) journal.Actor {
			if id, ok := act.IdentityOf(r); ok {
				return id.Actor()
			}
			return ""
		},
	}); err != nil {
		return err
	}
	if err = a.connectOnCall(ctx); err != nil {
		return err
	}
	a.accounts = account.New(a.db)
	a.changes = change.New(change.Options{DB: a.db, Known: a.known, OnRecord: a.onChange, Touched: a.touched})
	if a.outcomes, err = outcome.Open(ctx, a.db, log.With("room", "respond")); err != nil {
		return err
	}
	a.incidents = incident.New(incident.Options{
		DB: a.db, Logger: log.With("room", "respond"), Distances: a.distances, TeamOf: a.teamOf, OnCall: a.onCall,
		Known:   func(p declare.PersonID) bool { return a.ws().Person(p) != nil },
		Wording: func(phase respond.Phase) string { return a.ws().Settings.UpdateTemplates[string(phase)] },
		Onset:   a.onset, Suspects: a.suspects, URL: a.link, TierOf: a.tierOf, Moved: a.findings.Moved,
		OutcomeLink: a.outcomes.LinkTo,
	})
	if err = a.connectReach(ctx); err != nil {
		return err
	}
	a.runs = runbook.New(a.guide(runbook.Options{
		DB: a.db, Logger: log.With("room", "act"), Changes: a.changes, KnownService: a.known, ObjectiveOf: a.objectiveOf, Query: a.values, Verify: a.recovered,
		Runbook: func(name string) *declare.Runbook { return a.ws().Runbook(name) }, Registerer: a.reg,
		Level: func(p declare.PersonID) declare.Level { return a.ws().LevelOf(p) },
	}))
	a.reviews = review.New(review.Options{DB: a.db, Incidents: a.incidents, Findings: a.findings, Runs: a.runs, Changes: a.changes, Impact: a.impact})
	a.budgets = budget.New(budget.Options{Ranges: a.engine.Ranges, Query: a.engine.Query, Causes: a.causes, Changes: a.changesFor})
	a.part("detect: budgets", a.keepBudgets)
	a.connectGate()
	a.keepOutcomes()
	a.connectRequests()
	a.part("respond: alerts", a.alerts.Run)
	a.regularly("respond: suspects", suspectAgain, "rank suspects again", a.suspectActive)
	a.part("detect: rules", a.rules.Run)
	a.accounts.OnRevoke(a.runs.TokenRevoked)
	a.part("act: runs", a.runs.Run)
	a.part("act: duties", a.keepDuties)
	return nil
}

// observe makes the receivers and collectors that reach out by themselves.
func (a *App) observe(w *declare.Workspace) (err error) {
	a.otlp = otlp.New(a.metrics)
	if a.o.Offline {
		return nil
	}
	log := a.o.Logger.With("room", "observe")
	if a.scraper, err = scrape.New(a.metrics, log, a.reg); err != nil {
		return err
	}
	if err := a.scraper.Apply(w); err != nil {
		return err
	}
	a.part("observe: scraping", a.scraper.Run)
	a.sources = newSources(a.logs, a.o.Data, a.o.Logger.With("room", "observe"))
	a.part("observe: log sources", a.sources.Run)
	if err := a.sources.Apply(w); err != nil {
		return err
	}
	instance, err := os.Hostname()
	if err != nil {
		instance = "localhost"
	}
	self := &host.Collector{Job: "evenkeel", Instance: a.o.Listen, Gatherer: a.reg, Interval: w.Settings.Host.Interval, Store: a.metrics, Logger: log}
	a.part("observe: this process", self.Run)
	if !w.Settings.Host.Disabled {
		reg, err := host.Registry(log)
		if err != nil {
			return err
		}
		a.installed = newPackages()
		node := &host.Collector{Job: "node", Instance: instance, Gatherer: reg, Interval: w.Settings.Host.Interval, Store: a.metrics, Logger: log}
		a.part("observe: this machine", node.Run)
	}
	if w.Settings.OTLP.GRPC != "off" {
		srv, err := otlp.Listen(a.otlp, w.Settings.OTLP.GRPC, a.otlpLogs(), a.otlpTraces())
		if err != nil {
			return err
		}
		a.part("observe: OTLP/gRPC", srv.Run)
	}
	a.part("declare: workspace", a.watcher.Run)
	return nil
}

func (a *App) part(name string, run func(context.Context) error) {
	a.parts = append(a.parts, part{name, run})
}

// regularly adds a part that does the same thing at each tick. What fails is logged as
// what the part cannot do, and tried again at the next tick.
func (a *App) regularly(name string, every time.Duration, what string, do func(ctx context.Context, now time.Time) error) {
	a.part(name, func(ctx context.Context) error {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case now := <-tick.C:
				if err := do(ctx, now); err != nil && ctx.Err() == nil {
					a.o.Logger.Error("cannot "+what, "err", err)
				}
			}
		}
	})
}

func (a *App) onClose(name string, do func() error) {
	a.cleanups = append(a.cleanups, cleanup{name, do})
}

// Handler serves everything on the one listener.
func (a *App) Handler() http.Handler { return a.handler }

// Accounts is for commands that work on the data folder.
func (a *App) Accounts() *account.Book { return a.accounts }

// URL is how people reach the pages.
func (a *App) URL() *url.URL { return a.url }

// Run runs every part until ctx ends or one of them fails, then closes the stores.
func (a *App) Run(ctx context.Context) error {
	if err := a.begin(ctx); err != nil {
		return errors.Join(err, a.close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, len(a.parts))
	var wg sync.WaitGroup
	for _, p := range a.parts {
		wg.Go(func() {
			err := p.run(ctx)
			if err != nil {
				a.o.Logger.Error("a part has failed", "part", p.name, "err", err)
				failed <- fmt.Errorf("%s: %w", p.name, err)
			}
			cancel() // one part alone is no program
		})
	}
	<-ctx.Done()
	a.once.Do(func() { close(a.closing) })
	wg.Wait()
	close(failed)
	var errs []error
	for err := range failed {
		errs = append(errs, err)
	}
	if err := a.fact("server.stopped", "the server stopped"); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, a.close())...)
}

// begin hands open findings on again: the rooms that follow forget them in a restart.
func (a *App) begin(ctx context.Context) error {
	if err := a.fact("server.started", "the server started, version "+a.o.Version); err != nil {
		return err
	}
	if err := a.alerts.Expect(ctx, time.Now(), a.findings.OpenFindings(detect.DetectorAlert)); err != nil {
		return err
	}
	if err := a.findings.Redeliver(ctx); err != nil {
		a.o.Logger.Error("cannot hand findings on after the start", "err", err)
	}
	return nil
}

func (a *App) fact(kind journal.Kind, text string) error {
	return a.db.Update(context.Background(), func(tx *state.Tx) error {
		_, err := tx.Record(journal.Fact{At: time.Now(), Kind: kind, Actor: journal.System("app"), Subject: "server/" + journal.Ref(a.url.Host), Text: text})
		return err
	})
}

// close undoes in reverse order.
func (a *App) close() error {
	a.once.Do(func() { close(a.closing) })
	var errs []error
	for i := len(a.cleanups) - 1; i >= 0; i-- {
		if err := a.cleanups[i].do(); err != nil {
			errs = append(errs, fmt.Errorf("cannot close %s: %w", a.cleanups[i].name, err))
		}
	}
	a.cleanups = nil
	return errors.Join(errs...)
}

func externalURL(w *declare.Workspace, listen string) (*url.URL, error) {
	text := w.Settings.ExternalURL
	if text == "" {
		host, port, err := net.SplitHostPort(listen)
		if err != nil {
			return nil, fmt.Errorf("cannot read the listen address %q: %w", listen, err)
		}
		if host == "" || host == "0.0.0.0" || host == "::" {
			if host, err = os.Hostname(); err != nil {
				host = "localhost"
			}
		}
		text = "http://" + net.JoinHostPort(host, port)
	}
	return url.Parse(text)
}
