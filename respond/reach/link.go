package reach

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// linkLife is how long an acknowledge link holds.
const linkLife = 72 * time.Hour

func isNone(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// token is what an acknowledge link carries: which delivery, until when, and that we
// have made it.
func (b *Book) token(id int64, until time.Time) string { return b.key.Token("ack", id, until) }

// Link implements respond.Reach.
func (b *Book) Link(ctx context.Context, now time.Time, token string) (respond.Delivery, error) {
	id, err := b.key.Read("ack", token, now)
	if err != nil {
		return respond.Delivery{}, err
	}
	found, err := b.deliveries(ctx, `id = ?`, id)
	if err == nil && len(found) == 0 {
		err = respond.ErrNoLink
	}
	if err != nil {
		return respond.Delivery{}, err
	}
	return found[0], nil
}

// UseLink implements respond.Reach.
func (b *Book) UseLink(ctx context.Context, now time.Time, token string) (respond.Delivery, error) {
	d, err := b.Link(ctx, now, token)
	if err != nil {
		return d, err
	}
	if b.o.Workspace().Person(d.Person) == nil {
		return d, &respond.InvalidError{Field: "link", Got: fmt.Sprintf("one of %s, who is in the catalogue no more", d.Person), Want: "one of a person of the catalogue"}
	}
	err = b.o.DB.Update(ctx, func(tx *state.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE deliveries SET used_ms = ? WHERE id = ? AND used_ms = 0`, state.Millis(now), d.ID)
		if err != nil {
			return fmt.Errorf("cannot use link: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, &respond.InvalidError{Field: "link", Got: "used before", Want: "one that has not been used: a link works once"})
		}
		_, err = tx.Record(journal.Fact{
			At: now, Kind: "notice.answered", Actor: journal.Person(string(d.Person)), Cause: d.Fact, Subject: journal.MakeRef("notice", fmt.Sprint(d.ID)),
			Refs: []journal.Ref{d.Incident.Ref()}, Text: fmt.Sprintf("%s answers from the message", d.Person),
		})
		return err
	})
	return d, err
}
