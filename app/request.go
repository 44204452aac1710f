package app

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/request"
	"github.com/evenkeel/evenkeel/declare/workspace"
)

// connectRequests makes the desk of requests.
func (a *App) connectRequests() {
	a.requests = request.New(request.Options{
		DB: a.db, Workspace: a.ws, Runs: a.runs, Changes: a.changes, Logger: a.o.Logger.With("room", "act"),
		Check: func(dir string, written []string) error { return workspace.CheckWritten(dir, written, time.Now()) },
	})
	a.part("act: requests", a.requests.Run)
}

// requestsIn are the requests that were submitted in a time, however many.
func (a *App) requestsIn(ctx context.Context, from, to time.Time) ([]act.Request, error) {
	return a.requests.List(ctx, act.RequestFilter{From: from, To: to, Limit: 100_000})
}
