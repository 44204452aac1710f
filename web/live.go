package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/journal"
)

// How a live stream behaves. A stream ends after streamLife and the browser opens
// it again where it was: that is when a session that ended is noticed.
const (
	heartbeat    = 20 * time.Second
	streamLife   = 10 * time.Minute
	writeTimeout = 15 * time.Second
	replayLimit  = 500 // facts; who missed more is told to read the page anew
)

// liveEvent is what a page learns of a fact: not what happened, only to which nouns.
type liveEvent struct {
	ID   journal.ID    `json:"id"`
	Kind journal.Kind  `json:"kind"`
	Refs []journal.Ref `json:"refs"`
}

// anyRef stands for every noun.
const anyRef journal.Ref = "*"

// live sends one server-sent event for every fact. A reader that comes back names
// the last fact it saw (Last-Event-ID, or after in the URL) and gets what it missed.
func (s *site) live(w http.ResponseWriter, r *http.Request, _ act.Identity) error {
	ctx := r.Context()
	facts := s.Journal.Follow(ctx) // before reading what was missed: nothing falls between

	out := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	send := func(format string, args ...any) bool {
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every writer has one
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	last := lastSeen(r)
	event := func(f journal.Fact, more ...journal.Ref) bool {
		if f.ID <= last && last > 0 {
			return true // it came with what was missed
		}
		last = f.ID
		data, err := json.Marshal(liveEvent{f.ID, f.Kind, append(append(more, f.Subject), f.Refs...)})
		return err == nil && send("id: %d\ndata: %s\n\n", f.ID, data)
	}
	// missed reads what lies between. It must be all of it or word that it is not.
	missed := func() bool {
		found, err := s.Journal.Facts(ctx, journal.Query{After: last, Oldest: true, Limit: replayLimit + 1})
		if err != nil {
			s.Logger.Warn("cannot replay the journal", "error", err)
			return send("event: reload\ndata: {}\n\n")
		}
		if len(found) > replayLimit {
			newest, err := s.Journal.Facts(ctx, journal.Query{Limit: 1})
			if err != nil || len(newest) == 0 {
				return false
			}
			last = newest[0].ID
			return send("id: %d\nevent: reload\ndata: {}\n\n", last)
		}
		for _, f := range found {
			// What Facts returns has no related nouns, so that any page may be meant.
			if !event(f, anyRef) {
				return false
			}
		}
		return true
	}
	if !send("retry: 2000\n: connected\n\n") {
		return nil
	}
	if last > 0 && !missed() {
		return nil
	}

	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	end := time.NewTimer(streamLife)
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.Closing:
			return nil
		case <-end.C:
			return nil
		case <-beat.C:
			if !send(": beat\n\n") {
				return nil
			}
		case f, ok := <-facts:
			if !ok {
				return nil
			}
			if last > 0 && f.ID > last+1 && !missed() { // facts were dropped for being slow
				return nil
			}
			if !event(f) {
				return nil
			}
		}
	}
}

// lastSeen is the fact after which the reader wants to go on; 0 for now.
func lastSeen(r *http.Request) journal.ID {
	for _, text := range []string{r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")} {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
			return journal.ID(n)
		}
	}
	return 0
}
