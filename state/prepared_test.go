package state

import (
	"context"
	"fmt"
	"testing"
)

// TestStatementsAreKept: what is run again and again is prepared once and does what it
// did before, also after a transaction that was rolled back and a schema that changed.
func TestStatementsAreKept(t *testing.T) {
	db := open(t, t.TempDir())
	put := func(n int, fail bool) error {
		return db.Update(t.Context(), func(tx *Tx) error {
			if _, err := tx.ExecContext(t.Context(), `INSERT INTO settings (key, value) VALUES (?, ?)`, fmt.Sprint(n), "v"); err != nil {
				return err
			}
			if _, err := tx.ExecContext(t.Context(), fmt.Sprintf(`UPDATE settings SET value = 'x%d' WHERE key = ?`, n), fmt.Sprint(n)); err != nil {
				return err
			}
			if fail {
				return context.Canceled
			}
			return nil
		})
	}
	for n := range 3 * oftenUsed {
		if err := put(n, n%3 == 1); (err != nil) != (n%3 == 1) {
			t.Fatal(err)
		}
	}
	if err := put(0, false); err == nil {
		t.Error("a key that is there was taken twice")
	}
	if n := len(db.stmts.prepared); n != 1 {
		t.Errorf("%d statements are kept, expected the one that is run often", n)
	}
	if err := db.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.ExecContext(t.Context(), `ALTER TABLE settings ADD COLUMN extra TEXT NOT NULL DEFAULT ''`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := put(1000, false); err != nil {
		t.Error(err)
	}
	var rows, changed int
	if err := db.Read().QueryRow(`SELECT count(*), sum(value = 'x' || key) FROM settings`).Scan(&rows, &changed); err != nil || rows != 2*oftenUsed+1 || changed != rows {
		t.Errorf("%d rows, %d changed, %v", rows, changed, err)
	}
	ended, stop := context.WithCancel(t.Context())
	if err := db.Update(ended, func(tx *Tx) error {
		stop()
		_, err := tx.ExecContext(ended, `INSERT INTO settings (key, value) VALUES ('late', '')`)
		return err
	}); err == nil {
		t.Error("a transaction went on after its context had ended")
	}
}

// TestUnsynced: what may be done again is committed with its facts as everything is, and
// what comes after it is synced again.
func TestUnsynced(t *testing.T) {
	db := open(t, t.TempDir())
	level := func() (n int) {
		t.Helper()
		if err := db.write.QueryRow(`PRAGMA synchronous`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	full := level()
	for n := range 2 * oftenUsed {
		during := 0
		err := db.UpdateUnsynced(t.Context(), func(tx *Tx) error {
			if err := tx.QueryRowContext(t.Context(), `PRAGMA synchronous`).Scan(&during); err != nil {
				return err
			}
			if _, err := tx.ExecContext(t.Context(), `INSERT INTO settings (key, value) VALUES (?, '')`, fmt.Sprint(n)); err != nil {
				return err
			}
			if n%2 == 1 {
				return context.Canceled
			}
			return nil
		})
		if (err != nil) != (n%2 == 1) || during != 1 || level() != full || full != 2 {
			t.Fatalf("%v; synchronous is %d, was %d within and %d before", err, level(), during, full)
		}
	}
	var rows int
	if err := db.Read().QueryRow(`SELECT count(*) FROM settings`).Scan(&rows); err != nil || rows != oftenUsed {
		t.Errorf("%d rows, %v", rows, err)
	}
}
