package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/journal"
)

// silentFor is how long a stream may say nothing: the server sends a sign of life
// three times as often.
const silentFor = 45 * time.Second

// follow calls take for every fact from now on until ctx ends or take fails. A
// connection that breaks is made again, and nothing in between is lost.
func (c *client) follow(ctx context.Context, what string, q url.Values, connected func(), take func(journal.Fact) error) error {
	var last journal.ID
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		began := time.Now()
		err := c.stream(ctx, what, q, &last, connected, take)
		var answer *answerError
		var stop *stopError
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // ended from outside: that is how following ends
		case errors.As(err, &stop):
			return stop.err
		case errors.As(err, &answer) && answer.status < http.StatusInternalServerError:
			return err
		case last == 0 && err != nil && time.Since(began) < time.Second:
			return err // never been connected
		}
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// stopError is take's own error.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

func (c *client) stream(ctx context.Context, what string, q url.Values, last *journal.ID, connected func(), take func(journal.Fact) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	alive := time.AfterFunc(silentFor, cancel)
	defer alive.Stop()
	req, err := c.request(ctx, http.MethodGet, "/events", q, nil)
	if err != nil {
		return fmt.Errorf("cannot %s: %w", what, err)
	}
	if *last > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatInt(int64(*last), 10))
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(what, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20)) // what came of it says enough
		return refused(what, res, raw)
	}
	if connected != nil {
		connected()
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 4<<20)
	var data strings.Builder
	for lines.Scan() {
		alive.Reset(silentFor)
		switch line := lines.Text(); {
		case strings.HasPrefix(line, ": after fact "):
			if n, err := strconv.ParseInt(strings.TrimPrefix(line, ": after fact "), 10, 64); err == nil && *last == 0 {
				*last = journal.ID(n)
			}
		case strings.HasPrefix(line, "data: "):
			data.WriteString(line[len("data: "):])
		case line == "" && data.Len() > 0:
			var f journal.Fact
			if err := json.Unmarshal([]byte(data.String()), &f); err != nil {
				return fmt.Errorf("cannot %s: %w", what, err)
			}
			data.Reset()
			if err := take(f); err != nil {
				return &stopError{err}
			}
			*last = f.ID
		}
	}
	return lines.Err()
}
