package journald

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
)

const (
	maxEntry = 8 << 20
	again    = 10 * time.Second // until journalctl is started again
)

// Options of a Follower.
type Options struct {
	Store   *logs.Store
	Journal declare.Journal
	State   string // file that keeps the cursor
	Command string // default journalctl
	Again   time.Duration
	Logger  *slog.Logger
}

// Follower reads this machine's journal.
type Follower struct{ o Options }

// New makes a follower. It says at once when there is no journalctl.
func New(o Options) (*Follower, error) {
	if o.Command == "" {
		o.Command = "journalctl"
	}
	if o.Again <= 0 {
		o.Again = again
	}
	if _, err := exec.LookPath(o.Command); err != nil {
		return nil, fmt.Errorf("cannot read the journal: %w (logs.journal in evenkeel.yml)", err)
	}
	return &Follower{o}, nil
}

// Run follows until ctx ends. A journalctl that ends is started again.
func (f *Follower) Run(ctx context.Context) error {
	for {
		err := f.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		f.o.Logger.Warn("journalctl has ended and is started again", "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(f.o.Again):
		}
	}
}

func (f *Follower) once(ctx context.Context) error {
	args := []string{"--output=json", "--follow", "--no-pager", "--all"}
	cursor, err := os.ReadFile(f.o.State)
	switch {
	case err == nil && len(cursor) > 0:
		args = append(args, "--after-cursor="+strings.TrimSpace(string(cursor)))
	case err == nil || errors.Is(err, os.ErrNotExist):
		args = append(args, "--lines=1000") // the first time: some of what was
	default:
		return err
	}
	for _, u := range f.o.Journal.Units {
		args = append(args, "--unit="+u)
	}
	cmd := exec.CommandContext(ctx, f.o.Command, args...) //nolint:gosec // the operator's own setting
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ferr := f.read(ctx, out)
	if ferr != nil {
		_ = cmd.Process.Kill()
	}
	return errors.Join(ferr, cmd.Wait())
}

// read stores entries as they come, in batches of what is there.
func (f *Follower) read(ctx context.Context, out interface{ Read([]byte) (int, error) }) error {
	lines := make(chan []byte, 1000)
	readErr := make(chan error, 1)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		scan := bufio.NewScanner(out)
		scan.Buffer(make([]byte, 64<<10), maxEntry)
		for scan.Scan() {
			select {
			case lines <- slices.Clone(scan.Bytes()):
			case <-stop:
				return
			}
		}
		readErr <- scan.Err()
		close(lines)
	}()
	for line := range lines {
		batch := f.o.Store.Begin(logs.Origin{Receiver: receiver, Source: "journal", Arrival: true})
		cursor := f.add(batch, line)
		for more := true; more && batch.Rows() < 1000; {
			select {
			case l, ok := <-lines:
				if more = ok; ok {
					cursor = cmp.Or(f.add(batch, l), cursor) // a broken entry has none
				}
			default:
				more = false
			}
		}
		if err := batch.Commit(); err != nil {
			return err // from the cursor on, again
		}
		if cursor != "" {
			if err := write(f.o.State, cursor); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return <-readErr
}

func (f *Follower) add(batch *logs.Batch, line []byte) (cursor string) {
	e, err := parseJSON(line)
	if err != nil {
		f.o.Store.Refused(receiver, "malformed", 1)
		return ""
	}
	batch.Add(e.row())
	return e["__CURSOR"]
}

// parseJSON reads an entry: values are strings, lists of bytes for what is no text, and
// lists of those for fields that are there twice.
func parseJSON(line []byte) (entry, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil {
		return nil, err
	}
	e := entry{}
	for name, v := range raw {
		var text string
		var octets []byte
		var numbers []int
		var several []json.RawMessage
		switch {
		case json.Unmarshal(v, &text) == nil:
			e[name] = text
		case json.Unmarshal(v, &numbers) == nil:
			for _, n := range numbers {
				octets = append(octets, byte(n))
			}
			e[name] = string(octets)
		case json.Unmarshal(v, &several) == nil && len(several) > 0 && json.Unmarshal(several[0], &text) == nil:
			e[name] = text
		}
	}
	return e, nil
}

func write(path, text string) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(text+"\n"), 0o600); err != nil {
		return fmt.Errorf("cannot keep the journal's cursor: %w", err)
	}
	return os.Rename(tmp, path)
}

func sortedKeys(e entry) []string { return slices.Sorted(maps.Keys(e)) }
