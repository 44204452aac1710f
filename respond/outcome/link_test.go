package outcome

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

func open(t *testing.T, db *state.DB) *Book {
	t.Helper()
	b, err := Open(t.Context(), db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLinks: a link says what became of one finding, once; one that is forged, altered or
// old does nothing, and a person's word is not replaced by it.
func TestLinks(t *testing.T) {
	db, err := state.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	opened := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	if err := db.Update(t.Context(), func(tx *state.Tx) error {
		_, err := tx.ExecContext(t.Context(), `INSERT INTO findings (id, fingerprint, detector, name, severity, since_ms, opened_ms, seen_ms) VALUES (1,'a','rule','A','page',1,1,1), (2,'b','rule','B','page',1,1,1), (3,'c','rule','C','page',1,1,1)`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b := open(t, db)
	token := func(finding int64) string { return b.LinkTo(finding, opened) }
	now := opened.Add(time.Hour)
	one := token(1)
	if again := open(t, db).LinkTo(1, opened); again != one {
		t.Errorf("after a restart the link is another one: %s", again)
	}
	for _, forged := range []string{"", "..", one + "x", one[:len(one)-1], "2" + one[1:], strings.Replace(one, ".", ".1", 1), strings.Repeat("a", 300), token(2)[:strings.LastIndex(token(2), ".")+1] + one[strings.LastIndex(one, ".")+1:]} {
		if _, err := b.UseLink(t.Context(), now, forged, respond.FalseAlarm, ""); !errors.Is(err, respond.ErrNoLink) {
			t.Errorf("%q: %v", forged, err)
		}
	}
	if _, err := b.UseLink(t.Context(), opened.Add(linkLife), one, respond.FalseAlarm, ""); !errors.Is(err, respond.ErrLinkEnded) {
		t.Errorf("an old one: %v", err)
	}
	var invalid *respond.InvalidError
	if _, err := b.UseLink(t.Context(), now, one, "meh", ""); !errors.As(err, &invalid) || invalid.Field != "outcome" {
		t.Errorf("no such outcome: %v", err)
	}
	// Ten who tap at once: one has said it.
	var said atomic.Int64
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := b.UseLink(t.Context(), now, one, respond.FalseAlarm, "a test"); err == nil {
				said.Add(1)
			}
		})
	}
	all.Wait()
	o, err := b.Outcome(t.Context(), 1)
	if err != nil || said.Load() != 1 || o.Outcome != respond.FalseAlarm || o.Inferred || o.Note != "a test" || o.By != reader {
		t.Errorf("%d have said it: %+v, %v", said.Load(), o, err)
	}
	if finding, used, err := b.Link(t.Context(), now, one); finding != 1 || !used || err != nil {
		t.Errorf("%d %v %v", finding, used, err)
	}
	facts, err := db.Facts(t.Context(), journal.Query{Kind: "finding.outcome"})
	if err != nil || len(facts) != 1 || facts[0].Actor != reader {
		t.Errorf("%+v, %v", facts, err)
	}
	if _, err := b.Label(t.Context(), now, journal.Person("alice"), 2, respond.ActionTaken, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.UseLink(t.Context(), now, token(2), respond.FalseAlarm, ""); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "alice") {
		t.Errorf("over a person's word: %v", err)
	}
	if _, used, err := b.Link(t.Context(), now, token(3)); used || err != nil {
		t.Errorf("another one: %v %v", used, err)
	}
}
