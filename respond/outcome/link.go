package outcome

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// linkLife is how long after a finding opened the link in its messages works.
const linkLife = 30 * 24 * time.Hour

// reader is who follows a link: a message goes to many, so nobody knows the name.
const reader = journal.Actor("link:a reader of the message")

// LinkTo implements respond.OutcomeLinks.
func (b *Book) LinkTo(finding int64, opened time.Time) string {
	return b.key.Token("outcome", finding, opened.Add(linkLife))
}

// Link implements respond.OutcomeLinks.
func (b *Book) Link(ctx context.Context, now time.Time, token string) (finding int64, used bool, err error) {
	if finding, err = b.key.Read("outcome", token, now); err != nil {
		return 0, false, err
	}
	err = b.db.Read().QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM outcome_links WHERE finding = ?)`, finding).Scan(&used)
	if err != nil {
		return 0, false, fmt.Errorf("cannot read a link: %w", err)
	}
	return finding, used, nil
}

// UseLink implements respond.OutcomeLinks.
func (b *Book) UseLink(ctx context.Context, now time.Time, token string, l respond.OutcomeLabel, note string) (o respond.Outcome, err error) {
	finding, _, err := b.Link(ctx, now, token)
	if err != nil {
		return o, err
	}
	if note, err = check(l, note); err != nil {
		return o, err
	}
	err = b.db.Update(ctx, func(tx *state.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO outcome_links (finding, used_ms) VALUES (?,?) ON CONFLICT DO NOTHING`, finding, state.Millis(now))
		if err != nil {
			return fmt.Errorf("cannot use a link: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, &respond.InvalidError{Field: "link", Got: "used before", Want: "one that has not been used: a link works once"})
		}
		switch was, err := read(ctx, tx, finding); {
		case err == nil && !was.Inferred:
			return &respond.InvalidError{Field: "outcome", Got: was.Outcome.Words() + ", by " + was.By.Name(), Want: "an alert of which nobody has said it yet; who is signed in can correct it"}
		case err != nil && !errors.Is(err, respond.ErrNotFound):
			return err
		}
		o = respond.Outcome{Finding: finding, Outcome: l, Note: note, By: reader, At: now.UTC().Truncate(time.Millisecond)}
		return write(ctx, tx, o)
	})
	return o, err
}
