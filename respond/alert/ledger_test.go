package alert

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/evenkeel/evenkeel/state"
)

// TestRecordsTogether: everybody's record is committed when their write returns, and
// one that cannot be takes no other with it.
func TestRecordsTogether(t *testing.T) {
	db, err := state.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rec := &ledger{db: db}
	broken := errors.New("no")
	var all sync.WaitGroup
	for n := range 200 {
		all.Go(func() {
			err := rec.write(t.Context(), func(tx *state.Tx) error {
				if n%20 == 7 {
					return broken
				}
				_, err := tx.ExecContext(context.Background(), `INSERT INTO settings (key, value) VALUES (?, '')`, n)
				return err
			})
			if n%20 == 7 != errors.Is(err, broken) {
				t.Errorf("%d: %v", n, err)
			}
			var have int
			if err := db.Read().QueryRow(`SELECT count(*) FROM settings WHERE key = ?`, n).Scan(&have); err != nil || have != map[bool]int{true: 0, false: 1}[n%20 == 7] {
				t.Errorf("%d: %d rows, %v", n, have, err)
			}
		})
	}
	all.Wait()
}
