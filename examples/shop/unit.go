package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	readyWithin   = 20 * time.Second // a version gets this long to say ready
	healthyWithin = 10 * time.Second // and this long to answer, once it serves
	drainWithin   = 8 * time.Second
)

// unit is one service as the deployer sees it.
type unit struct {
	name string

	deploying sync.Mutex // held by whoever changes what runs

	mu       sync.Mutex // guards what follows
	current  *child
	before   []string // versions that ran before, the last one last
	flags    map[string]string
	restarts int
}

// snapshot is what runs at one moment.
type snapshot struct {
	child             *child // nil before the first start
	version, previous string
	flags             map[string]string // a copy
	restarts          int
}

func (u *unit) now() snapshot {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := snapshot{child: u.current, flags: maps.Clone(u.flags), restarts: u.restarts}
	if u.current != nil {
		n.version = u.current.version
	}
	if i := len(u.before); i > 0 {
		n.previous = u.before[i-1]
	}
	return n
}

// start starts the first version.
func (u *unit) start(ctx context.Context, s *Shop, version string) error {
	u.deploying.Lock()
	defer u.deploying.Unlock()
	return u.replace(ctx, s, version, u.now().flags, nil)
}

// replace lets a version take over from the one that runs; when it does not become
// ready, or healthy, the one before goes on. Whoever calls holds deploying. before,
// when there is one, is called when the version is ready and does not serve yet.
func (u *unit) replace(ctx context.Context, s *Shop, version string, flags map[string]string, before func()) error {
	was := u.now()
	old := was.child
	next, err := u.launch(ctx, s, version, flags)
	if err != nil {
		return err
	}
	if before != nil {
		before()
	}
	if old != nil {
		old.quit()
		select { // when it accepts no more, the next one may
		case <-old.draining:
		case <-old.exited:
		case <-time.After(drainWithin):
			_ = old.cmd.Process.Kill() // stuck; it may exit just now
			<-old.exited
		}
	}
	if err = next.serve(); err == nil {
		err = s.healthy(ctx, next)
	}
	if old != nil {
		old.stop(drainWithin) // whoever is told that it is done meets the new version only
	}
	if err == nil {
		u.settle(s, next, flags)
		return nil
	}
	next.stop(time.Second)
	if old == nil || ctx.Err() != nil {
		return err
	}
	again, undo := u.launch(ctx, s, was.version, was.flags)
	if undo != nil {
		return errors.Join(err, undo)
	}
	u.settle(s, again, was.flags)
	return errors.Join(err, again.serve())
}

// settle makes a child the current one and looks after it.
func (u *unit) settle(s *Shop, c *child, flags map[string]string) {
	u.mu.Lock()
	u.current, u.flags = c, flags
	u.mu.Unlock()
	s.parts.Go(func() { u.watch(s, c) })
}

// launch starts a process and waits until it says that it can serve.
func (u *unit) launch(ctx context.Context, s *Shop, version string, flags map[string]string) (*child, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // the shop closes: nothing is started any more
	}
	args := []string{
		"service", "--name", u.name, "--version", version, "--listen", inherited, "--catalog", s.url(catalogName),
		"--payments", s.url(paymentsName), "--otlp", s.o.EvenkeelURL, "--keep-bytes", fmt.Sprint(s.o.LeakBytes),
	}
	for _, k := range slices.Sorted(maps.Keys(flags)) {
		args = append(args, "--flag", k+"="+flags[k])
	}
	c, err := spawn(s.o.Binary, u.name, version, args, s.sockets.files[u.name], s.stderr)
	if err != nil {
		return nil, err
	}
	late := time.NewTimer(readyWithin)
	defer late.Stop()
	select {
	case <-c.ready:
		return c, nil
	case <-c.exited:
		err = fmt.Errorf("cannot start %s %s: it ended: %w", u.name, version, exitReason(c.err))
	case <-late.C:
		err = fmt.Errorf("cannot start %s %s: not ready within %s", u.name, version, readyWithin)
	case <-ctx.Done():
		err = fmt.Errorf("cannot start %s %s: %w", u.name, version, ctx.Err())
	}
	c.stop(time.Second)
	return nil, err
}

func exitReason(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// watch starts a child again that ended by itself.
func (u *unit) watch(s *Shop, c *child) {
	<-c.exited
	for wait := 200 * time.Millisecond; !c.stopping.Load(); wait = min(2*wait, 5*time.Second) {
		if pause(s.running, wait) != nil {
			return
		}
		if u.revive(s, c) {
			return
		}
	}
}

// revive starts the version of a dead child again; false asks to try again later.
func (u *unit) revive(s *Shop, dead *child) bool {
	u.deploying.Lock()
	defer u.deploying.Unlock()
	was := u.now()
	if was.child != dead || dead.stopping.Load() {
		return true // somebody else has replaced it
	}
	s.o.Logger.Warn("service ended by itself; starting it again", "service", u.name, "version", was.version, "err", dead.err)
	next, err := u.launch(s.running, s, was.version, was.flags)
	if err == nil {
		err = next.serve()
	}
	if err != nil {
		s.o.Logger.Error("cannot start service again", "service", u.name, "err", err)
		return false
	}
	u.mu.Lock()
	u.restarts++
	u.mu.Unlock()
	u.settle(s, next, was.flags)
	return true
}

// shut ends the service for good. The shop's context has ended: a deployment that
// is under way gives up, and none begins any more.
func (u *unit) shut() {
	u.deploying.Lock()
	defer u.deploying.Unlock()
	if c := u.now().child; c != nil {
		c.stop(drainWithin)
	}
}

var healthClient = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// healthy waits until the child itself answers.
func (s *Shop) healthy(ctx context.Context, c *child) error {
	deadline := time.Now().Add(healthyWithin)
	// A dead child answers nothing, and a question to it would wait in the queue.
	alive, cancel := context.WithCancel(ctx)
	defer cancel()
	s.parts.Go(func() {
		select {
		case <-c.exited:
			cancel()
		case <-alive.Done():
		}
	})
	for {
		err := s.probe(alive, c)
		if err == nil {
			return nil
		}
		if !c.alive() {
			return fmt.Errorf("%s %s ended: %w", c.name, c.version, exitReason(c.err))
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s %s is not healthy within %s: %w", c.name, c.version, healthyWithin, err)
		}
		if pause(alive, 50*time.Millisecond) != nil && c.alive() {
			return ctx.Err()
		}
	}
}

// probe asks /healthz once.
func (s *Shop) probe(ctx context.Context, c *child) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url(c.name)+"/healthz", nil)
	if err != nil {
		return err
	}
	res, err := healthClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var h health
	if err := json.NewDecoder(res.Body).Decode(&h); err != nil {
		return fmt.Errorf("cannot read /healthz: %w", err)
	}
	if res.StatusCode != http.StatusOK || h.PID != c.pid || h.Version != c.version {
		return fmt.Errorf("/healthz: got status %d, version %s, pid %d, expected 200, %s, %d", res.StatusCode, h.Version, h.PID, c.version, c.pid)
	}
	return nil
}
