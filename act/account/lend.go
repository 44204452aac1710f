package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// LongestLoan bounds a delegation: for longer somebody gets the level.
const LongestLoan = 30 * 24 * time.Hour

// Loan is authority to approve that somebody lends: while they are away, as a rule. It
// is worth what the lender's own is at the time, and cannot be lent on.
type Loan struct {
	ID        int64            `json:"id"`
	Lender    declare.PersonID `json:"lender"`
	Borrower  declare.PersonID `json:"borrower"`
	Upto      declare.Class    `json:"upto"` // no further than this class
	Reason    string           `json:"reason"`
	StartsAt  time.Time        `json:"starts_at"`
	EndsAt    time.Time        `json:"ends_at"`
	CreatedAt time.Time        `json:"created_at"`
	EndedAt   time.Time        `json:"ended_at,omitzero"` // before its time
}

// Holds says whether it counts now.
func (l *Loan) Holds(now time.Time) bool {
	return l.EndedAt.IsZero() && !now.Before(l.StartsAt) && now.Before(l.EndsAt)
}

// Lend lends one's own authority.
func (b *Book) Lend(ctx context.Context, now time.Time, who declare.PersonID, l Loan) (Loan, error) {
	l.Lender, l.Reason, l.CreatedAt = who, strings.TrimSpace(l.Reason), now
	if l.StartsAt.IsZero() || l.StartsAt.Before(now) {
		l.StartsAt = now
	}
	switch {
	case checkPerson(l.Borrower) != nil:
		return Loan{}, checkPerson(l.Borrower)
	case l.Borrower == who:
		return Loan{}, &act.InvalidError{Field: "borrower", Got: string(who), Want: "somebody else"}
	case l.Upto.Rank() < declare.Test.Rank() || l.Upto.Rank() > declare.Policy.Rank():
		return Loan{}, &act.InvalidError{Field: "upto", Got: string(l.Upto), Want: "a class from A2 to A6"}
	case l.Reason == "" || len(l.Reason) > 500:
		return Loan{}, &act.InvalidError{Field: "reason", Want: "why, in at most 500 characters"}
	case !l.EndsAt.After(l.StartsAt) || l.EndsAt.Sub(l.StartsAt) > LongestLoan:
		return Loan{}, &act.InvalidError{Field: "ends_at", Got: l.EndsAt.Format(time.RFC3339), Want: "an end after the beginning, at most 30 days later"}
	}
	err := b.db.Update(ctx, func(tx *state.Tx) error {
		fact, err := tx.Record(journal.Fact{At: now, Kind: "authority.lent", Actor: journal.Person(string(who)), Subject: ref(l.Borrower), Refs: []journal.Ref{ref(who)},
			Text: fmt.Sprintf("%s may approve up to %s for %s until %s: %s", l.Borrower, l.Upto, who, l.EndsAt.UTC().Format("2006-01-02 15:04"), l.Reason)})
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO delegations (lender, borrower, upto, reason, starts_ms, ends_ms, created_ms, fact) VALUES (?,?,?,?,?,?,?,?)`,
			l.Lender, l.Borrower, l.Upto, l.Reason, state.Millis(l.StartsAt), state.Millis(l.EndsAt), state.Millis(now), fact)
		if err != nil {
			return fmt.Errorf("cannot lend authority: %w", err)
		}
		l.ID, err = res.LastInsertId()
		return err
	})
	return l, err
}

// Loans are those that hold or will, newest first; all that there were with all.
func (b *Book) Loans(ctx context.Context, now time.Time, all bool) ([]Loan, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT id, lender, borrower, upto, reason, starts_ms, ends_ms, created_ms, ended_ms FROM delegations
		WHERE ? OR (ended_ms = 0 AND ends_ms > ?) ORDER BY id DESC LIMIT 1000`, all, state.Millis(now))
	if err != nil {
		return nil, fmt.Errorf("cannot list what is lent: %w", err)
	}
	defer rows.Close()
	var out []Loan
	for rows.Next() {
		var l Loan
		var starts, ends, created, ended int64
		if err := rows.Scan(&l.ID, &l.Lender, &l.Borrower, &l.Upto, &l.Reason, &starts, &ends, &created, &ended); err != nil {
			return nil, fmt.Errorf("cannot list what is lent: %w", err)
		}
		l.StartsAt, l.EndsAt, l.CreatedAt, l.EndedAt = state.Time(starts), state.Time(ends), state.Time(created), state.Time(ended)
		out = append(out, l)
	}
	return out, rows.Err()
}

// EndLoan takes back what was lent: the lender, the borrower or an administrator may.
func (b *Book) EndLoan(ctx context.Context, now time.Time, who act.Identity, id int64) error {
	return b.db.Update(ctx, func(tx *state.Tx) error {
		var lender, borrower declare.PersonID
		if err := tx.QueryRowContext(ctx, `SELECT lender, borrower FROM delegations WHERE id = ? AND ended_ms = 0`, id).Scan(&lender, &borrower); err != nil {
			return act.ErrNotFound
		}
		if who.Person != lender && who.Person != borrower && !who.Admin {
			return &act.DeniedError{Why: fmt.Sprintf("%s lent it to %s: one of them ends it, or an administrator", lender, borrower)}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE delegations SET ended_ms = ? WHERE id = ?`, state.Millis(now), id); err != nil {
			return fmt.Errorf("cannot end a loan: %w", err)
		}
		_, err := tx.Record(journal.Fact{At: now, Kind: "authority.taken-back", Actor: who.Actor(), Subject: ref(borrower), Refs: []journal.Ref{ref(lender)}, Text: fmt.Sprintf("what %s lent to %s has ended", lender, borrower)})
		return err
	})
}
