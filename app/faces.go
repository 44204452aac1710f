package app

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"

	"github.com/evenkeel/evenkeel/act/view"
	"github.com/evenkeel/evenkeel/api"
)

// faces are our own API and the pages, by pattern.
func (a *App) faces() (map[string]http.Handler, error) {
	ours, err := api.New(api.Options{
		Outcomes: a.outcomes, AlertReview: a.tuning, StatusPages: a.status,
		Guide: a.runs, Loans: a.accounts,
		Workspace: a.ws, WorkspaceProblems: a.watcher.Problems, Journal: a.db, Findings: a.findings, Incidents: a.incidents, Desk: a.incidents, Changes: a.changes,
		Runs: a.runs, Reviews: a.reviews, Silences: a.alerts, Accounts: a.accounts, Query: a.ask, Replay: a.replay, URL: a.link, Stores: a.stores,
		Explain: a.engine.Explain,
		Hygiene: a.hygiene, TakeChanges: a.takeChanges, Toil: a.toil, LogToil: a.logToil, Requests: a.requests, Delivery: a.delivery, Gate: a.gate, Gates: a.gates.List, Verification: a.verified.Get,
		Budget:   a.budgetReport,
		Reaching: api.Reaching{Escalations: a.ladder, Reach: a.reach}, Whys: api.Whys{Trace: a.whyFinding, Explain: a.explain},
		Roster:   a.roster,
		Patterns: a.patterns, Telemetry: a.telemetry, Overview: a.overview, Views: view.NewBook(a.db),
		Traces: a.traces, Logs: a.logs, AskedLogs: a.askedLogs, Calls: a.seenCalls,
		Started: a.started, Logger: a.o.Logger.With("room", "api"), Version: a.o.Version, Closing: a.closing,
	})
	if err != nil {
		return nil, err
	}
	pages, err := a.pages()
	if err != nil {
		return nil, err
	}
	return map[string]http.Handler{"/api/evenkeel/": ours, "/": pages}, nil
}

// stores says how much each store keeps.
func (a *App) stores(context.Context) []api.Store {
	return []api.Store{
		{Name: "metrics", Kind: "Prometheus TSDB", Bytes: size(filepath.Join(a.o.Data, "metrics")), Series: int64(a.metrics.Head().NumSeries())},
		{Name: "logs", Kind: "VictoriaLogs logstorage", Bytes: size(filepath.Join(a.o.Data, "logs")), Detail: fmt.Sprintf("%d rows", a.logs.Stats().Rows)},
		{Name: "traces", Kind: "VictoriaLogs logstorage", Bytes: size(filepath.Join(a.o.Data, "traces")), Detail: fmt.Sprintf("%d spans", a.traces.Rows().Stats().Rows)},
		{Name: "state", Kind: "SQLite", Bytes: size(filepath.Join(a.o.Data, "state.db"))},
	}
}

// size is that of a file or folder in bytes, as far as it can be read.
func size(path string) int64 {
	var sum int64
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // a file that has just gone has no size
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
