package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/journald"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/syslog"
	"github.com/evenkeel/evenkeel/observe/tail"
)

// sources are the receivers and followers of logs that evenkeel.yml switches on: syslog
// listeners, files, the journal. A change of the file starts, ends and replaces them;
// those that stay the same go on.
type sources struct {
	store *logs.Store
	data  string
	log   *slog.Logger

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before
	running map[string]*logSource
	failed  chan error
}

// logSource is one that runs, or is to run.
type logSource struct {
	run  func(context.Context) error
	stop context.CancelFunc
	done chan struct{}
}

func newSources(store *logs.Store, data string, log *slog.Logger) *sources {
	return &sources{store: store, data: data, log: log, running: map[string]*logSource{}, failed: make(chan error, 1)}
}

// Apply makes what a workspace declares run. Its error names what could not be opened;
// the others run.
func (s *sources) Apply(w *declare.Workspace) error {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	type maker = func() (func(context.Context) error, error)
	wanted, order := map[string]maker{}, []string{}
	add := func(key string, make maker) {
		if wanted[key] == nil {
			wanted[key], order = make, append(order, key)
		}
	}
	for _, o := range w.Settings.Logs.Syslog {
		add(fmt.Sprintf("syslog %+v", o), func() (func(context.Context) error, error) {
			l, err := syslog.Listen(s.store, o, s.log)
			if err != nil {
				return nil, err
			}
			return l.Run, nil
		})
	}
	if files := w.Settings.Logs.Files; len(files) > 0 {
		key := "files"
		for _, f := range files {
			key += fmt.Sprintf(" %q %q %q %q", f.Path, f.Service, f.Multiline, f.Format)
		}
		add(key, func() (func(context.Context) error, error) {
			t, err := tail.New(tail.Options{Store: s.store, Files: files, State: filepath.Join(s.data, "logs", "positions.json"), Host: host, Logger: s.log})
			if err != nil {
				return nil, err
			}
			return t.Run, nil
		})
	}
	if j := w.Settings.Logs.Journal; j.Enabled {
		add(fmt.Sprintf("journal %q", j.Units), func() (func(context.Context) error, error) {
			f, err := journald.New(journald.Options{Store: s.store, Journal: j, State: filepath.Join(s.data, "logs", "journal.cursor"), Logger: s.log})
			if err != nil {
				return nil, err
			}
			return f.Run, nil
		})
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	for key, x := range s.running { // first, so that an address or a file's position is free
		if wanted[key] == nil {
			s.end(key, x)
		}
	}
	var errs []error
	for _, key := range order {
		if s.running[key] != nil {
			continue
		}
		run, err := wanted[key]()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		x := &logSource{run: run}
		s.running[key] = x
		if s.ctx != nil {
			s.start(key, x)
		}
	}
	return errors.Join(errs...)
}

// start lets one run; the lock is held.
func (s *sources) start(key string, x *logSource) {
	ctx, stop := context.WithCancel(s.ctx)
	x.stop, x.done = stop, make(chan struct{})
	go func() {
		defer close(x.done)
		if err := x.run(ctx); err != nil && ctx.Err() == nil {
			select {
			case s.failed <- err:
			default:
			}
		}
	}()
}

// end ends one and waits for it; the lock is held.
func (s *sources) end(key string, x *logSource) {
	delete(s.running, key)
	if x.stop == nil { // it was opened and never ran: running it once closes it
		ctx, stop := context.WithCancel(context.Background())
		stop()
		_ = x.run(ctx)
		return
	}
	x.stop()
	<-x.done
}

// Run lets them run until ctx ends, or one of them fails.
func (s *sources) Run(ctx context.Context) error {
	s.mu.Lock()
	s.ctx = ctx
	for key, x := range s.running {
		s.start(key, x)
	}
	s.mu.Unlock()
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, x := range s.running {
		s.end(key, x)
	}
	return err
}
