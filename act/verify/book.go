package verify

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// Verification is the last comparison for a change.
type Verification struct {
	Change string     `json:"change"`
	At     time.Time  `json:"at"`
	Run    string     `json:"run,omitempty" doc:"The rollback that it started."`
	Fact   journal.ID `json:"fact"`
	Result
}

// Book keeps verifications.
type Book struct{ db *state.DB }

// NewBook returns the book.
func NewBook(db *state.DB) *Book { return &Book{db} }

// Record stores a comparison; one with the same outcome as before writes no new fact.
// Whether it owes a rollback is stored with it, see Owed.
func (b *Book) Record(ctx context.Context, now time.Time, c act.Change, r Result, owes bool) (Verification, error) {
	v := Verification{Change: c.ID, At: now.UTC(), Result: r}
	data, err := json.Marshal(r)
	if err != nil {
		return v, err
	}
	err = b.db.Update(ctx, func(tx *state.Tx) error {
		var was string
		err := tx.QueryRowContext(ctx, `SELECT outcome, fact, run FROM verifications WHERE change_id = ?`, c.ID).Scan(&was, &v.Fact, &v.Run)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("cannot read the verification of change %q: %w", c.ID, err)
		}
		if was != string(r.Outcome) {
			v.Fact, err = tx.Record(journal.Fact{
				At: now, Kind: "change.verified", Actor: journal.System("act"), Cause: c.Fact, Subject: journal.MakeRef("change", c.ID),
				Refs: []journal.Ref{journal.MakeRef("service", string(c.Service))}, Text: fmt.Sprintf("%s: %s: %s", c.Summary, r.Outcome, r.Why), Data: data,
			})
			if err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO verifications (change_id, at_ms, outcome, result, fact, owes_rollback) VALUES (?,?,?,?,?,?)
			ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, outcome = excluded.outcome, result = excluded.result, fact = excluded.fact, owes_rollback = excluded.owes_rollback`,
			c.ID, state.Millis(now), r.Outcome, string(data), v.Fact, owes)
		if err != nil {
			return fmt.Errorf("cannot store the verification of change %q: %w", c.ID, err)
		}
		return nil
	})
	return v, err
}

// Owed lists the verifications whose rollback has neither been started nor refused.
func (b *Book) Owed(ctx context.Context) ([]Verification, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT change_id, at_ms, fact FROM verifications WHERE owes_rollback = 1 ORDER BY at_ms`)
	if err != nil {
		return nil, fmt.Errorf("cannot list the rollbacks that are owed: %w", err)
	}
	defer rows.Close()
	var out []Verification
	for rows.Next() {
		var v Verification
		var at int64
		if err := rows.Scan(&v.Change, &at, &v.Fact); err != nil {
			return nil, fmt.Errorf("cannot list the rollbacks that are owed: %w", err)
		}
		v.At = state.Time(at)
		out = append(out, v)
	}
	return out, rows.Err()
}

// Settled writes a fact about what became of the rollback that a change owed, and
// remembers its run, "" where none was started.
func (b *Book) Settled(ctx context.Context, change, run string, f journal.Fact) error {
	return b.db.Update(ctx, func(tx *state.Tx) error {
		if _, err := tx.Record(f); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE verifications SET run = ?, owes_rollback = 0 WHERE change_id = ?`, run, change); err != nil {
			return fmt.Errorf("cannot store what became of the rollback of change %q: %w", change, err)
		}
		return nil
	})
}

// Get returns the verification of a change, act.ErrNotFound where there is none.
func (b *Book) Get(ctx context.Context, change string) (Verification, error) {
	v := Verification{Change: change}
	var at int64
	var data string
	err := b.db.Read().QueryRowContext(ctx, `SELECT at_ms, result, run, fact FROM verifications WHERE change_id = ?`, change).Scan(&at, &data, &v.Run, &v.Fact)
	if errors.Is(err, sql.ErrNoRows) {
		return v, act.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(data), &v.Result)
	}
	if err != nil {
		return v, fmt.Errorf("cannot read the verification of change %q: %w", change, err)
	}
	v.At = state.Time(at)
	return v, nil
}
