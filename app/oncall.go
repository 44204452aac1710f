package app

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/coverage"
	"github.com/evenkeel/evenkeel/respond/oncall"
)

// lookForGaps is how often schedules are looked through.
const lookForGaps = time.Minute

// connectOnCall makes what has to do with who is on call.
func (a *App) connectOnCall(ctx context.Context) (err error) {
	if a.roster, err = oncall.Open(ctx, oncall.Options{DB: a.db, Workspace: a.watcher.Current, Logger: a.o.Logger.With("room", "respond")}); err != nil {
		return err
	}
	a.part("respond: calendars that schedules follow", a.roster.Run)
	a.part("detect: on-call gaps", a.watchCoverage)
	return nil
}

// watchCoverage keeps the findings of times without anybody on call, and of calendars that
// cannot be read.
func (a *App) watchCoverage(ctx context.Context) error {
	tick := time.NewTicker(lookForGaps)
	defer tick.Stop()
	for {
		now := time.Now()
		open := a.findings.OpenFindings(detect.DetectorCoverage)
		seen := append(coverage.Findings(a.ws().Schedules, a.roster.Waiting(), open, now), a.roster.FeedFindings(open, now)...)
		if err := a.findings.Observe(ctx, now, seen); err != nil && ctx.Err() == nil {
			a.o.Logger.Error("cannot record on-call gaps", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
