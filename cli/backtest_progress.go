package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/detect/backtest"
)

// replay has the server replay, shows on a terminal how far it is, and puts the answer
// into v.
func (c *client) replay(ctx context.Context, talk io.Writer, what, path string, in api.Replaying, v any) ([]byte, error) {
	c.wait = max(c.wait, replayPatience)
	bar := ruleBar(talk, "the server replays")
	if bar == nil {
		return c.do(ctx, what, post, path, nil, in, v)
	}
	return c.watched(ctx, what, path, in, v, bar, waiting(talk, "the server replays"))
}

// watched asks for an answer that comes with its progress. first is called when the first
// of the answer is there.
func (c *client) watched(ctx context.Context, what, path string, in, v any, show func(done, total int), first func()) ([]byte, error) {
	defer first()
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	req, err := c.request(ctx, post, path, nil, in)
	if err != nil {
		return nil, fmt.Errorf("cannot %s: %w", what, err)
	}
	req.Header.Set("Accept", api.Lines)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(what, err)
	}
	defer res.Body.Close()
	var last []byte
	for in := bufio.NewReader(io.LimitReader(res.Body, maxAnswer)); ; {
		line, err := in.ReadBytes('\n')
		first()
		if len(line) > 0 {
			last = line
		}
		var p struct{ Done, Total *int }
		if len(line) < 100 && json.Unmarshal(line, &p) == nil && p.Done != nil && p.Total != nil {
			show(*p.Done, *p.Total)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, c.unreachable(what, err)
		}
	}
	var failed api.ErrorBody
	if res.StatusCode/100 != http.StatusOK/100 || json.Unmarshal(last, &failed) == nil && failed.Error.Message != "" {
		return last, refused(what, res, last)
	}
	if err := json.Unmarshal(last, v); err != nil {
		return nil, fmt.Errorf("cannot %s: %s does not answer as Evenkeel does (%w)", what, c.base.Redacted(), err)
	}
	return last, nil
}

// ruleBar is a bar on a terminal; nil in a pipe.
func ruleBar(talk io.Writer, what string) func(done, total int) {
	if !terminal(talk) {
		return nil
	}
	return func(done, total int) {
		const width = 30
		full := width * done / max(total, 1)
		fmt.Fprintf(talk, "\r%s [%s%s] %d of %d rules", what, strings.Repeat("=", full), strings.Repeat(" ", width-full), done, total)
		if done == total {
			fmt.Fprint(talk, "\r\x1b[K")
		}
	}
}

// waiting says on a terminal how long somebody else has been at work, until what it
// returns is called.
func waiting(talk io.Writer, what string) (done func()) {
	if !terminal(talk) {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		begin, tick := time.Now(), time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				fmt.Fprint(talk, "\r\x1b[K")
				return
			case at := <-tick.C:
				fmt.Fprintf(talk, "\r%s: %s", what, backtest.Length(at.Sub(begin).Seconds()))
			}
		}
	}()
	return sync.OnceFunc(func() { close(stop); <-stopped })
}
