package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// windowsEvery is how often the windows of rules and objectives are written down. What
// came in since is read from the metrics after a crash.
const windowsEvery = 5 * time.Minute

func (a *App) windowsFile() string { return filepath.Join(a.o.Data, "windows") }

// restoreWindows takes the windows that were written down. Whatever is wrong with them,
// the metrics have it all: they are read instead.
func (a *App) restoreWindows() {
	f, err := os.Open(a.windowsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		defer f.Close()
		err = a.engine.Restore(f)
	}
	if err != nil {
		a.o.Logger.Warn("the windows of rules are built from the metrics", "err", err)
	}
}

func (a *App) keepWindows(ctx context.Context) error {
	tick, progress := time.NewTicker(windowsEvery), time.NewTicker(progressEvery)
	defer tick.Stop()
	defer progress.Stop()
	ready := gettingReady{began: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-progress.C:
			if !ready.say(a) {
				progress.Stop()
			}
		case <-tick.C:
			if err := a.saveWindows(); err != nil {
				a.o.Logger.Warn("cannot write the windows of rules down", "err", err)
			}
		}
	}
}

// saveWindows replaces the file at once, so that a crash leaves the one before.
func (a *App) saveWindows() error {
	tmp := a.windowsFile() + ".tmp"
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	err = errors.Join(a.engine.Snapshot(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, a.windowsFile())
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// progressEvery is how often it is said how far the windows are, until all are there.
const progressEvery = 5 * time.Second

// gettingReady says how far the windows are that rules and objectives need: with a long
// history that takes a while, in which what is not ready yet is evaluated when it is.
type gettingReady struct {
	began   time.Time
	samples int64
	idle    int
	said    bool
}

// say is false when there is no more to say: all windows are there, or those that are
// missing wait for a group whose time has not come.
func (g *gettingReady) say(a *App) (more bool) {
	ready, all, samples := a.engine.Progress()
	g.idle++
	if samples != g.samples {
		g.samples, g.idle = samples, 0
	}
	if all > 0 && ready == all || g.idle > 12 {
		if g.said {
			a.o.Logger.Info("windows are ready", "ready", ready, "of", all, "samples", samples, "took", time.Since(g.began).Round(time.Second))
		}
		return false
	}
	if ready < all && g.idle == 0 {
		g.said = true
		a.o.Logger.Info("windows are built from the samples", "ready", ready, "of", all, "samples", samples)
	}
	return true
}
