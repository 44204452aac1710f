package state

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/journal"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func open(t *testing.T, dir string) *DB {
	t.Helper()
	db, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func fact(kind journal.Kind, cause journal.ID, subject journal.Ref, refs ...journal.Ref) journal.Fact {
	return journal.Fact{At: at, Kind: kind, Actor: journal.System("test"), Cause: cause, Subject: subject, Refs: refs, Text: "what " + string(kind)}
}

func record(t *testing.T, db *DB, facts ...journal.Fact) []journal.ID {
	t.Helper()
	var ids []journal.ID
	err := db.Update(t.Context(), func(tx *Tx) error {
		for _, f := range facts {
			id, err := tx.Record(f)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestFactsAreFoundByWhatTheySpeakOf(t *testing.T) {
	db := open(t, t.TempDir())
	ids := record(t, db, fact("finding.opened", 0, "finding/1", "service/checkout"))
	ids = append(ids, record(t, db, fact("incident.opened", ids[0], "incident/1", "finding/1"))...)
	ids = append(ids, record(t, db, fact("run.started", ids[1], "run/r-1", "incident/1"))...)

	f := func(q journal.Query, want ...journal.ID) {
		t.Helper()
		facts, err := db.Facts(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var got []journal.ID
		for _, f := range facts {
			got = append(got, f.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: got %v, want %v", q, got, want)
		}
	}
	f(journal.Query{}, ids[2], ids[1], ids[0])
	f(journal.Query{Oldest: true}, ids...)
	f(journal.Query{Ref: "finding/1"}, ids[1], ids[0])
	f(journal.Query{Ref: "incident/1", Oldest: true}, ids[1], ids[2])
	f(journal.Query{Ref: "incident/2"})
	f(journal.Query{Kind: "incident."}, ids[1])
	f(journal.Query{Kind: "incident"})
	f(journal.Query{Kind: "run.started"}, ids[2])
	f(journal.Query{After: ids[1]}, ids[2])
	f(journal.Query{Before: ids[1]}, ids[0])
	f(journal.Query{Text: "WHAT RUN"}, ids[2])
	f(journal.Query{Text: "'; DROP TABLE facts; --"})
	f(journal.Query{Limit: 1}, ids[2])

	chain, err := db.Causes(t.Context(), ids[2])
	if err != nil || len(chain) != 3 || chain[0].ID != ids[2] || chain[2].ID != ids[0] {
		t.Errorf("causes: got %v, %v", chain, err)
	}
}

func TestTheJournalIsAppendOnly(t *testing.T) {
	db := open(t, t.TempDir())
	record(t, db, fact("server.started", 0, "server/1"))
	for _, stmt := range []string{`DELETE FROM facts`, `UPDATE facts SET text = 'never happened'`} {
		err := db.Update(t.Context(), func(tx *Tx) error { _, err := tx.Exec(stmt); return err })
		if err == nil {
			t.Errorf("%s: was allowed", stmt)
		}
	}
	// A cause that is not older than its effect would make chains without an end.
	err := db.Update(t.Context(), func(tx *Tx) error { _, err := tx.Record(fact("x.y", 99, "x/1")); return err })
	if err == nil {
		t.Error("a fact caused by a later fact was accepted")
	}
}

func TestARefusedTransactionLeavesNothing(t *testing.T) {
	db := open(t, t.TempDir())
	boom := errors.New("boom")
	err := db.Update(t.Context(), func(tx *Tx) error {
		if _, err := tx.Record(fact("a.b", 0, "x/1")); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	if facts, err := db.Facts(t.Context(), journal.Query{}); err != nil || len(facts) != 0 {
		t.Errorf("got %v, %v", facts, err)
	}
}

func TestWhatWasCommittedIsThereAfterReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data #1 of 100%?") // a folder is not a URL
	db := open(t, dir)
	record(t, db, fact("a.b", 0, "x/1"))
	// Not closed: a second process, or the same one after a kill, opens the files as they are.
	again := open(t, dir)
	facts, err := again.Facts(t.Context(), journal.Query{})
	if err != nil || len(facts) != 1 || !facts[0].At.Equal(at) {
		t.Errorf("got %v, %v", facts, err)
	}
}

func TestWritersTakeTurns(t *testing.T) {
	db := open(t, t.TempDir())
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := db.Update(context.Background(), func(tx *Tx) error {
					_, err := tx.Record(fact("a.b", 0, journal.MakeRef("x", fmt.Sprint(w, i))))
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	facts, err := db.Facts(t.Context(), journal.Query{Limit: MaxFacts})
	if err != nil || len(facts) != writers*each {
		t.Errorf("got %d facts, %v", len(facts), err)
	}
}

func TestFollowersSeeCommittedFactsOnly(t *testing.T) {
	db := open(t, t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	facts := db.Follow(ctx)
	_ = db.Update(ctx, func(tx *Tx) error {
		_, _ = tx.Record(fact("never.seen", 0, "x/1"))
		return errors.New("rolled back")
	})
	record(t, db, fact("was.seen", 0, "x/1"))
	if f := <-facts; f.Kind != "was.seen" || f.ID == 0 {
		t.Errorf("got %+v", f)
	}
	stop()
	for range facts { // closes once the context has ended
	}
}

// TestAFullDisk: what does not fit leaves nothing behind, says that there is no room, and
// goes once there is.
func TestAFullDisk(t *testing.T) {
	db := open(t, t.TempDir())
	limit := func(pages int) {
		t.Helper()
		if _, err := db.write.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // as many as there are
	long := fact("run.started", 0, "run/r-1")
	long.Text = strings.Repeat("x", 1<<20)
	store := func() error {
		return db.Update(t.Context(), func(tx *Tx) error {
			_, err := tx.Record(long)
			return err
		})
	}
	if err := store(); !Full(err) || Full(errors.New("full")) || Full(nil) {
		t.Errorf("got %v", err)
	}
	if facts, err := db.Facts(t.Context(), journal.Query{}); err != nil || len(facts) != 0 {
		t.Errorf("%v, %d facts", err, len(facts))
	}
	limit(1 << 20)
	if err := store(); err != nil {
		t.Error(err)
	}
}
