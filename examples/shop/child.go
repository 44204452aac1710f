package shop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// child is one process of the shop. It lives no longer than this one: its input
// is a pipe that only we hold, and it exits when that ends.
type child struct {
	name, version string
	pid           int
	started       time.Time
	input         io.WriteCloser
	ready         chan struct{} // closed when it says so
	draining      chan struct{}
	exited        chan struct{}
	err           error // why it exited; read after exited
	stopping      atomic.Bool
	load          atomic.Pointer[Load] // of the load process
	cmd           *exec.Cmd
}

// spawn starts a process. socket, when there is one, becomes its descriptor 3.
func spawn(binary, name, version string, args []string, socket *os.File, stderr io.Writer) (*child, error) {
	c := &child{
		name: name, version: version, started: time.Now(),
		ready: make(chan struct{}), draining: make(chan struct{}), exited: make(chan struct{}),
	}
	c.cmd = exec.Command(binary, append([]string{Verb}, args...)...)
	// Room to breathe above the leak's bound, and a collector that keeps to it. The
	// rest of the environment, secrets among it, is none of the shop's business.
	c.cmd.Env = []string{"GOMEMLIMIT=280MiB", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir()}
	for _, name := range []string{"GOCOVERDIR", "GORACE"} { // of a program built for tests
		if v := os.Getenv(name); v != "" {
			c.cmd.Env = append(c.cmd.Env, name+"="+v)
		}
	}
	c.cmd.Stderr = stderr
	if socket != nil {
		c.cmd.ExtraFiles = []*os.File{socket}
	}
	var err error
	if c.input, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	output, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	c.pid = c.cmd.Process.Pid
	go func() {
		c.listen(output)
		c.err = c.cmd.Wait()
		close(c.exited)
	}()
	return c, nil
}

// listen reads the child's words until its output ends.
func (c *child) listen(output io.Reader) {
	var ready, draining sync.Once
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		text := lines.Text()
		switch {
		case text == wordReady:
			ready.Do(func() { close(c.ready) })
		case text == wordDraining:
			draining.Do(func() { close(c.draining) })
		case strings.HasPrefix(text, wordLoad):
			var l Load
			if json.Unmarshal([]byte(text[len(wordLoad):]), &l) == nil {
				c.load.Store(&l)
			}
		}
	}
}

// serve lets it accept connections.
func (c *child) serve() error {
	if _, err := io.WriteString(c.input, wordServe+"\n"); err != nil {
		return fmt.Errorf("cannot have %s %s serve: %w", c.name, c.version, err)
	}
	return nil
}

// quit asks it to drain and end; it does not wait.
func (c *child) quit() {
	c.stopping.Store(true)
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have exited already
}

// stop ends it: gracefully within the time, or by force.
func (c *child) stop(within time.Duration) {
	c.quit()
	if !c.exitsWithin(within) {
		_ = c.cmd.Process.Kill() // it may exit just now
		<-c.exited
	}
}

func (c *child) exitsWithin(d time.Duration) bool { return within(d, c.exited) }

// within waits for a channel to be closed.
func within(d time.Duration, closed <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-closed:
		return true
	case <-t.C:
		return false
	}
}

// alive says whether it has not exited.
func (c *child) alive() bool {
	select {
	case <-c.exited:
		return false
	default:
		return true
	}
}

// shared lets several children write their logs to one writer.
type shared struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
