package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Change is what the deployer tells Evenkeel, in the words of its API.
type Change struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"` // deploy, rollback, restart, flag
	Service   string    `json:"service"`
	From      string    `json:"from,omitempty"`
	To        string    `json:"to,omitempty"`
	Summary   string    `json:"summary"`
	Actor     string    `json:"actor"`
	Source    string    `json:"source"`
	Verdict   string    `json:"verdict,omitempty"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
}

// announcer tells Evenkeel of changes, in order and until each is taken. What was
// not taken yet is in a file, and is told after a restart.
type announcer struct {
	to, token, file string
	client          *http.Client
	log             *slog.Logger
	wake            chan struct{}

	mu      sync.Mutex
	waiting []telling
	taken   int
	refused int
	failure string // of the last attempt; "" when it went well
}

type telling struct {
	Change Change `json:"change"`
	told   chan struct{}
}

func newAnnouncer(evenkeel, token, dir string, log *slog.Logger) (*announcer, error) {
	a := &announcer{token: token, client: &http.Client{Timeout: 5 * time.Second}, log: log, wake: make(chan struct{}, 1)}
	if evenkeel == "" {
		return a, nil
	}
	u, err := url.Parse(evenkeel)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("cannot tell of changes: got URL %q, expected one as http://127.0.0.1:7070", evenkeel)
	}
	a.to = u.JoinPath("/api/evenkeel/v1/changes").String()
	if dir == "" {
		return a, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot keep announcements: %w", err)
	}
	a.file = filepath.Join(dir, "announcements.json")
	text, err := os.ReadFile(a.file)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &a.waiting)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read announcements %q: %w", a.file, err)
	}
	for i := range a.waiting {
		a.waiting[i].told = make(chan struct{})
	}
	return a, nil
}

// tell puts a change in the queue. The channel is closed when Evenkeel has taken
// or refused it; at once when nobody is to be told.
func (a *announcer) tell(c Change) <-chan struct{} {
	t := telling{Change: c, told: make(chan struct{})}
	if a.to == "" {
		close(t.told)
		return t.told
	}
	a.mu.Lock()
	a.waiting = append(a.waiting, t)
	a.save()
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default: // it is awake
	}
	return t.told
}

// save writes the queue; the caller holds mu.
func (a *announcer) save() {
	if a.file == "" {
		return
	}
	text, err := json.Marshal(a.waiting)
	if err == nil {
		if err = os.WriteFile(a.file+".new", text, 0o600); err == nil {
			err = os.Rename(a.file+".new", a.file)
		}
	}
	if err != nil {
		a.log.Error("cannot keep announcements", "file", a.file, "err", err)
	}
}

// run sends until the context ends.
func (a *announcer) run(ctx context.Context) {
	wait := 100 * time.Millisecond
	for {
		a.mu.Lock()
		idle := len(a.waiting) == 0
		var next Change
		if !idle {
			next = a.waiting[0].Change
		}
		a.mu.Unlock()
		if idle {
			select {
			case <-a.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		refused, err := a.send(ctx, next)
		if err != nil && !refused {
			a.fail(err)
			a.log.Warn("cannot announce change yet", "change", next.ID, "err", err)
			if pause(ctx, wait) != nil {
				return
			}
			wait = min(2*wait, 5*time.Second)
			continue
		}
		wait = 100 * time.Millisecond
		a.pop(err)
	}
}

func (a *announcer) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failure = err.Error()
}

// pop takes the first one off the queue: told, or refused for good.
func (a *announcer) pop(refusal error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.waiting[0]
	a.waiting = a.waiting[1:]
	a.failure = ""
	if refusal != nil {
		a.refused++
		a.failure = refusal.Error()
		a.log.Error("change was refused", "change", t.Change.ID, "err", refusal)
	} else {
		a.taken++
	}
	a.save()
	close(t.told)
}

// send posts one change. refused says that sending it again would not help.
func (a *announcer) send(ctx context.Context, c Change) (refused bool, err error) {
	body, err := json.Marshal(c)
	if err != nil {
		return true, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.to, bytes.NewReader(body))
	if err != nil {
		return true, err
	}
	req.Header.Set("Content-Type", "application/json")
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	if res.StatusCode < 300 {
		drainBody(res.Body)
		return false, nil
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, 500)) // for the log only
	err = fmt.Errorf("evenkeel answered %s: %s", res.Status, bytes.TrimSpace(text))
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true, err
	}
	return false, err
}

// Announcements is how the telling goes.
type Announcements struct {
	Waiting int    `json:"waiting"`
	Taken   int    `json:"taken"`
	Refused int    `json:"refused"`
	Failure string `json:"failure,omitempty"` // of the last attempt
}

func (a *announcer) status() Announcements {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Announcements{Waiting: len(a.waiting), Taken: a.taken, Refused: a.refused, Failure: a.failure}
}
