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
	tick := time.NewTicker(windowsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
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
