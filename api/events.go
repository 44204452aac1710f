package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/journal"
)

type eventQuery struct {
	Ref   journal.Ref  `query:"ref" doc:"Only facts on this noun, as incident/7."`
	Kind  journal.Kind `query:"kind" doc:"As incident.opened; all of a kind when it ends in a dot."`
	After int64        `query:"after" doc:"Begin after this fact. The header Last-Event-ID, which browsers send by themselves, wins."`
}

const (
	heartbeat = 15 * time.Second
	// A stream ends after this; the client comes back, and has to show again who it is.
	streamFor = time.Hour
	// A client that takes nothing for so long is let go.
	streamWrite = 30 * time.Second
	catchUp     = 1000 // facts a read
)

// stream writes facts to one client, each once and in order.
type stream struct {
	*server
	c    *call
	q    eventQuery
	ctl  *http.ResponseController
	last journal.ID // written, or passed over
}

// events sends facts as they are committed. A reader that says which fact it saw
// last gets all that it missed first.
func (s *server) events(c *call, q eventQuery) error {
	ctx := c.Context()
	facts := s.Journal.Follow(ctx) // before the first read: what comes in between is in both
	st := &stream{server: s, c: c, q: q, ctl: http.NewResponseController(c.w), last: journal.ID(q.After)}
	if text := c.Header.Get("Last-Event-ID"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 0 {
			return invalid("Last-Event-ID", text, "the number of a fact")
		}
		st.last = journal.ID(id)
	}
	if st.last == 0 {
		newest, err := s.Journal.Facts(ctx, journal.Query{Limit: 1})
		if err != nil {
			return err
		}
		if len(newest) > 0 {
			st.last = newest[0].ID
		}
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies would keep facts back
	if err := st.write(fmt.Sprintf("retry: 2000\n: after fact %d\n\n", st.last)); err != nil {
		return nil //nolint:nilerr // the client has gone; so below
	}
	if err := st.missed(); err != nil {
		s.Logger.Debug("an event stream ended", "err", err)
		return nil
	}
	beat, end := time.NewTicker(heartbeat), time.NewTimer(streamFor)
	defer beat.Stop()
	defer end.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-s.Closing:
			return nil
		case <-end.C:
			return nil
		case <-beat.C:
			err = st.write(": still here\n\n")
		case f, ok := <-facts:
			if !ok {
				return nil
			}
			err = st.take(f)
		}
		if err != nil {
			s.Logger.Debug("an event stream ended", "err", err)
			return nil
		}
	}
}

// take handles a fact that was followed. A gap before it says that the follower was
// too slow, or that two transactions overtook each other: the journal has it all.
func (st *stream) take(f journal.Fact) error {
	switch {
	case f.ID <= st.last:
		return nil
	case f.ID > st.last+1:
		return st.missed()
	}
	st.last = f.ID
	if !st.wanted(f) {
		return nil
	}
	return st.fact(f)
}

// missed writes all wanted facts after the last one.
func (st *stream) missed() error {
	newest, err := st.Journal.Facts(st.c.Context(), journal.Query{Limit: 1})
	if err != nil || len(newest) == 0 {
		return err
	}
	for {
		facts, err := st.Journal.Facts(st.c.Context(), journal.Query{Ref: st.q.Ref, Kind: st.q.Kind, After: st.last, Before: newest[0].ID + 1, Oldest: true, Limit: catchUp})
		if err != nil {
			return err
		}
		for _, f := range facts {
			if err := st.fact(f); err != nil {
				return err
			}
			st.last = f.ID
		}
		if len(facts) < catchUp {
			st.last = max(st.last, newest[0].ID) // what is not wanted has been passed over
			return nil
		}
	}
}

func (st *stream) wanted(f journal.Fact) bool {
	kind := string(st.q.Kind)
	return (st.q.Ref == "" || f.Subject == st.q.Ref || slices.Contains(f.Refs, st.q.Ref)) &&
		(kind == "" || string(f.Kind) == kind || (strings.HasSuffix(kind, ".") && strings.HasPrefix(string(f.Kind), kind)))
}

func (st *stream) fact(f journal.Fact) error {
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return st.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", f.ID, f.Kind, data))
}

func (st *stream) write(text string) error {
	if err := st.ctl.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := st.c.w.Write([]byte(text)); err != nil {
		return err
	}
	return st.ctl.Flush()
}
