package alert

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/state"
)

// TestRecordsTogether: everybody's record is committed when they are told so, many are
// stored in few transactions, and one that cannot be stored takes no other with it.
func TestRecordsTogether(t *testing.T) {
	db, err := state.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	broken := errors.New("no")
	var mu sync.Mutex
	answers, transactions := map[int]error{}, 0
	rec := &ledger[int]{
		gather: 5 * time.Millisecond,
		store: func(all []int) error {
			return db.Update(context.Background(), func(tx *state.Tx) error {
				transactions++
				for _, n := range all {
					if n%100 == 7 {
						return broken
					}
					if _, err := tx.ExecContext(context.Background(), `INSERT INTO settings (key, value) VALUES (?, '')`, n); err != nil {
						return err
					}
				}
				return nil
			})
		},
		done: func(n int, err error) {
			var have int
			if err2 := db.Read().QueryRow(`SELECT count(*) FROM settings WHERE key = ?`, n).Scan(&have); err2 != nil || have != map[bool]int{true: 0, false: 1}[n%100 == 7] {
				t.Errorf("%d: %d rows, %v", n, have, err2)
			}
			mu.Lock()
			defer mu.Unlock()
			if _, twice := answers[n]; twice {
				t.Errorf("%d was answered twice", n)
			}
			answers[n] = err
		},
	}
	const many = 400
	var all sync.WaitGroup
	for n := range many {
		all.Go(func() { rec.add(n) })
	}
	all.Wait()
	rec.wait()
	if len(answers) != many {
		t.Errorf("%d answers to %d", len(answers), many)
	}
	for n, err := range answers {
		if n%100 == 7 != errors.Is(err, broken) {
			t.Errorf("%d: %v", n, err)
		}
	}
	good := 0
	rec.done = func(int, error) { good++ }
	before := transactions
	for n := range many {
		if n%100 != 7 {
			rec.add(many + n)
		}
	}
	rec.wait()
	if transactions-before > many/10 || good != many*99/100 {
		t.Errorf("%d transactions for %d of %d", transactions-before, good, many)
	}
}
