package api

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// listen opens the stream over a real connection and returns the kinds that arrive.
func (w *world) listen(query, lastEventID string) (kinds <-chan string, stop func()) {
	w.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.handler.ServeHTTP(rw, act.WithIdentity(r, alice)) }))
	ctx, cancel := context.WithCancel(w.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL+Root+"/events"+query, nil)
	must(w, err)
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	res, err := srv.Client().Do(req)
	must(w, err)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		w.Fatalf("got %s %v", res.Status, res.Header)
	}
	out := make(chan string, 100)
	go func() {
		defer close(out)
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if kind, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				out <- kind
			}
		}
	}()
	stop = func() { cancel(); _ = res.Body.Close(); srv.Close() }
	w.Cleanup(stop)
	return out, stop
}

func (w *world) record(kinds ...journal.Kind) (last journal.ID) {
	w.Helper()
	for _, kind := range kinds {
		must(w, w.db.Update(w.Context(), func(tx *state.Tx) (err error) {
			last, err = tx.Record(journal.Fact{At: at, Kind: kind, Actor: "system:test", Subject: "x/1", Refs: []journal.Ref{"service/checkout"}, Text: "t"})
			return err
		}))
	}
	return last
}

func expect(t *testing.T, kinds <-chan string, want ...string) {
	t.Helper()
	var got []string
	for range want {
		select {
		case k := <-kinds:
			got = append(got, k)
		case <-time.After(20 * time.Second):
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestFactsArrive(t *testing.T) {
	w := newWorld(t)
	before := w.record("old.one", "old.two")
	live, _ := w.listen("", "")
	w.record("new.one", "new.two")
	expect(t, live, "new.one", "new.two")

	// Who comes back gets what was missed, once, and then what follows.
	again, _ := w.listen("", jsonNumber(int64(before)-1))
	expect(t, again, "old.two", "new.one", "new.two")
	w.record("new.three")
	expect(t, again, "new.three")
	expect(t, live, "new.three")

	some, _ := w.listen("?kind=new.&ref=service/checkout&after=1", "")
	expect(t, some, "new.one", "new.two", "new.three")
	w.record("other.one", "new.four")
	expect(t, some, "new.four")

	rec := w.send(request{as: alice, method: "GET", path: Root + "/events", header: http.Header{"Last-Event-Id": {"latest"}}})
	if rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), "Last-Event-ID") {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
}

func TestStreamsEndWithTheServer(t *testing.T) {
	w := newWorld(t)
	closing := make(chan struct{})
	w.options.Closing = closing
	w.rebuild()
	live, _ := w.listen("", "")
	close(closing)
	if kind, open := <-live; open {
		t.Errorf("got %q, expected the end", kind)
	}
}

// gappy loses facts on the way to followers, as a follower that is too slow does, and
// lets two overtake each other.
type gappy struct {
	journal.Reader
	facts chan journal.Fact
}

func (g gappy) Follow(context.Context) <-chan journal.Fact { return g.facts }

func TestLostFactsAreReadAgain(t *testing.T) {
	w := newWorld(t)
	g := gappy{w.db, make(chan journal.Fact, 10)}
	w.options.Journal = g
	w.rebuild()
	live, _ := w.listen("", "")
	last := w.record("a.one", "a.two", "a.three")
	g.facts <- journal.Fact{ID: last, Kind: "a.three", Subject: "x/1"} // the two before were lost
	g.facts <- journal.Fact{ID: last - 1, Kind: "a.two", Subject: "x/1"}
	expect(t, live, "a.one", "a.two", "a.three")
	last = w.record("a.four")
	g.facts <- journal.Fact{ID: last, Kind: "a.four", Subject: "x/1"}
	expect(t, live, "a.four")
}
