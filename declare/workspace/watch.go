package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/evenkeel/evenkeel/declare"
)

// Options of a Watcher.
type Options struct {
	Dir    string
	Logger *slog.Logger
	// OnLoad is called for each new revision: with the workspace when it is valid,
	// with nil and the problems when it was refused. Calls do not overlap; it must not
	// call Reload.
	OnLoad   func(ctx context.Context, w *declare.Workspace, problems declare.Problems)
	Debounce time.Duration // default 200 ms: editors write in several steps
	Poll     time.Duration // default 30 s: an event that was missed is caught up with
}

// Watcher keeps the last valid workspace.
type Watcher struct {
	opts    Options
	current atomic.Pointer[declare.Workspace]

	mu   sync.Mutex // one load at a time; guards last
	last string     // revision last looked at, valid or not
	seen atomic.Pointer[seen]
}

// seen is what was found of the revision last looked at.
type seen struct {
	problems declare.Problems
	at       time.Time
}

// New loads the workspace for the first time; a first one that is not valid is an
// error whose text lists the problems.
func New(opts Options) (*Watcher, error) {
	if opts.Debounce == 0 {
		opts.Debounce = 200 * time.Millisecond
	}
	if opts.Poll == 0 {
		opts.Poll = 30 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	w, problems, err := Load(opts.Dir, time.Now())
	if err != nil {
		return nil, err
	}
	if w == nil {
		return nil, fmt.Errorf("cannot use workspace %q:\n%w", opts.Dir, problems)
	}
	watcher := &Watcher{opts: opts, last: w.Revision}
	watcher.current.Store(w)
	watcher.seen.Store(&seen{problems, w.LoadedAt})
	return watcher, nil
}

// Current is the last valid workspace, never nil.
func (w *Watcher) Current() *declare.Workspace { return w.current.Load() }

// Problems are those of the revision last looked at, and when that was.
func (w *Watcher) Problems() (declare.Problems, time.Time) {
	s := w.seen.Load()
	return s.problems, s.at
}

// Reload looks at the folder now. The error is the Problems of a refused
// workspace, or why it could not be read.
func (w *Watcher) Reload(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	next, problems, err := Load(w.opts.Dir, time.Now())
	if err != nil { // a folder that went away is as wrong as a file in it
		problems = declare.Problems{{Position: declare.Position{File: "."}, Want: "a workspace folder", Hint: err.Error()}}
	}
	revision := "refused:" + problems.Error()
	if next != nil {
		revision = next.Revision
	}
	if revision != w.last {
		w.last = revision
		w.seen.Store(&seen{problems, time.Now()})
		if next != nil {
			w.current.Store(next)
		}
		if w.opts.OnLoad != nil {
			w.opts.OnLoad(ctx, next, problems)
		}
	}
	switch {
	case err != nil:
		return err
	case next == nil:
		return problems.Errors()
	}
	return nil
}

// Run watches the folder until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("cannot watch workspace %q: %w", w.opts.Dir, err)
	}
	defer events.Close()
	// Folders are watched before they are read, here and below: what changes while they
	// are read makes an event.
	w.watchFolders(events)
	w.look(ctx)
	poll := time.NewTicker(w.opts.Poll)
	defer poll.Stop()
	soon := time.NewTimer(time.Hour)
	soon.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-events.Events:
			if !ok {
				return errors.New("cannot watch workspace: the watcher was closed")
			}
			soon.Reset(w.opts.Debounce)
		case err := <-events.Errors:
			w.opts.Logger.Warn("cannot follow workspace, polling goes on", "err", err)
		case <-soon.C:
			w.watchFolders(events)
			w.look(ctx)
		case <-poll.C:
			w.watchFolders(events)
			w.look(ctx)
		}
	}
}

func (w *Watcher) look(ctx context.Context) {
	var problems declare.Problems
	if err := w.Reload(ctx); err != nil && !errors.As(err, &problems) {
		w.opts.Logger.Error("cannot read workspace", "dir", w.opts.Dir, "err", err)
	}
}

// watchFolders adds every folder; adding one again changes nothing. Where the
// workspace itself is a symbolic link, the folder that holds it is watched as well: a
// new version is put in place by changing the link.
func (w *Watcher) watchFolders(events *fsnotify.Watcher) {
	dir, err := filepath.Abs(w.opts.Dir)
	if err != nil {
		return
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		real = dir
	}
	if real != dir {
		err = events.Add(filepath.Dir(dir))
	} else {
		err = nil
	}
	err = errors.Join(err, filepath.WalkDir(real, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir():
			return nil //nolint:nilerr // a folder that went away is the next look's matter
		case path != real && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir // version control; the ..data link of a ConfigMap is an entry of its parent
		}
		return events.Add(path)
	}))
	if err != nil {
		w.opts.Logger.Warn("cannot watch all of the workspace, polling goes on", "dir", w.opts.Dir, "err", err)
	}
}
