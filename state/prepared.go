package state

import (
	"context"
	"database/sql"
	"sync"
)

const (
	// oftenUsed is how often a statement is run before it is kept prepared: SQLite spends
	// more time on reading a short statement than on running it.
	oftenUsed = 8
	// maxStatements are kept; what is put together differently each time never gets there.
	maxStatements = 64
	// maxCounted bounds what is counted on the way.
	maxCounted = 1000
)

// statements are those of the write connection that are run again and again.
type statements struct {
	mu       sync.Mutex
	prepared map[string]*sql.Stmt
	runs     map[string]int
	due      []string // to be prepared once the connection is free
}

// get returns a prepared statement, or nil and counts.
func (s *statements) get(query string) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.prepared[query]; p != nil {
		return p
	}
	if s.runs == nil || len(s.runs) > maxCounted {
		s.runs = map[string]int{}
	}
	if s.runs[query]++; s.runs[query] == oftenUsed && len(s.prepared)+len(s.due) < maxStatements {
		s.due = append(s.due, query)
	}
	return nil
}

// prepare makes those that have become due. One that cannot be prepared is run as before.
func (s *statements) prepare(ctx context.Context, db *sql.DB) {
	s.mu.Lock()
	due := s.due
	s.due = nil
	s.mu.Unlock()
	for _, query := range due {
		p, err := db.PrepareContext(context.WithoutCancel(ctx), query)
		if err != nil {
			continue
		}
		s.mu.Lock()
		if s.prepared == nil {
			s.prepared = map[string]*sql.Stmt{}
		}
		s.prepared[query] = p
		s.mu.Unlock()
	}
}

func (s *statements) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.prepared {
		_ = p.Close()
	}
	s.prepared = nil
}

// ExecContext runs a statement in the transaction, prepared where it is one that is run
// often. A context that ends stops the transaction, not a statement in the middle.
func (tx *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	p := tx.used[query]
	if p == nil {
		kept := tx.db.stmts.get(query)
		if kept == nil {
			return tx.Tx.ExecContext(ctx, query, args...)
		}
		p = tx.StmtContext(ctx, kept)
		if tx.used == nil {
			tx.used = map[string]*sql.Stmt{}
		}
		tx.used[query] = p
	}
	return p.ExecContext(ctx, args...)
}
