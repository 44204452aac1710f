package alert

import (
	"context"
	"sync"

	"github.com/evenkeel/evenkeel/state"
)

// ledger writes what many deliveries have to record in one transaction: while one is
// on its way to the disk, the next ones gather. Each waits until its own is there.
type ledger struct {
	db *state.DB

	mu      sync.Mutex
	waiting []*record
	writing bool
}

type record struct {
	do   func(tx *state.Tx) error
	done chan error
}

// write returns when do is committed, or could not be. One that fails alone is tried
// alone, so that it takes no other with it.
func (t *ledger) write(ctx context.Context, do func(tx *state.Tx) error) error {
	mine := &record{do, make(chan error, 1)}
	t.mu.Lock()
	t.waiting = append(t.waiting, mine)
	if t.writing {
		t.mu.Unlock()
		return <-mine.done
	}
	t.writing = true
	for len(t.waiting) > 0 {
		all := t.waiting
		t.waiting = nil
		t.mu.Unlock()
		t.flush(ctx, all)
		t.mu.Lock()
	}
	t.writing = false
	t.mu.Unlock()
	return <-mine.done
}

func (t *ledger) flush(ctx context.Context, all []*record) {
	// The first one's own patience must not be that of those behind it.
	ctx = context.WithoutCancel(ctx)
	err := t.db.Update(ctx, func(tx *state.Tx) error {
		for _, r := range all {
			if err := r.do(tx); err != nil {
				return err
			}
		}
		return nil
	})
	for _, r := range all {
		if err != nil && len(all) > 1 {
			r.done <- t.db.Update(ctx, r.do)
			continue
		}
		r.done <- err
	}
}
