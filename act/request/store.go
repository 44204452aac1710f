package request

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

const columns = `id, item, title, owner, form, requester, status, reason, decided_by, decided_ms, run, change_id, within_ms, submitted_ms, asked_ms, paused_ms, done_ms, reopened, failed, self_service, fact`

func scan(row interface{ Scan(...any) error }) (act.Request, error) {
	var r act.Request
	var form string
	var decided, within, submitted, asked, paused, done int64
	err := row.Scan(&r.ID, &r.Item, &r.Title, &r.Owner, &form, &r.Requester, &r.Status, &r.Reason, &r.DecidedBy, &decided, &r.Run, &r.Change, &within, &submitted, &asked, &paused, &done, &r.Reopened, &r.Failed, &r.SelfService, &r.Fact)
	if errors.Is(err, sql.ErrNoRows) {
		return r, act.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(form), &r.Form)
	}
	if err != nil {
		return r, fmt.Errorf("cannot read request: %w", err)
	}
	r.DecidedAt, r.SubmittedAt, r.AskedAt, r.DoneAt = state.Time(decided), state.Time(submitted), state.Time(asked), state.Time(done)
	r.Within, r.Paused = time.Duration(within)*time.Millisecond, time.Duration(paused)*time.Millisecond
	return r, nil
}

// transition changes a request and writes its fact in one transaction: what another one
// did first is seen.
func (d *Desk) transition(ctx context.Context, now time.Time, actor journal.Actor, id int64, kind journal.Kind, fn func(r *act.Request) (text string, err error)) (act.Request, error) {
	var out act.Request
	err := d.o.DB.Update(ctx, func(tx *state.Tx) error {
		r, err := scan(tx.QueryRowContext(ctx, `SELECT `+columns+` FROM requests WHERE id = ?`, id))
		if err != nil {
			return err
		}
		text, err := fn(&r)
		if err != nil {
			return err
		}
		refs := []journal.Ref{}
		if r.Run != "" {
			refs = append(refs, journal.MakeRef("run", r.Run))
		}
		if r.Change != "" {
			refs = append(refs, journal.MakeRef("change", r.Change))
		}
		if _, err := tx.Record(journal.Fact{At: now, Kind: kind, Actor: actor, Cause: r.Fact, Subject: r.Ref(), Refs: refs, Text: text}); err != nil {
			return err
		}
		out = r
		_, err = tx.ExecContext(ctx, `UPDATE requests SET status=?, reason=?, decided_by=?, decided_ms=?, run=?, change_id=?, asked_ms=?, paused_ms=?, done_ms=?, reopened=?, failed=?, self_service=? WHERE id=?`,
			r.Status, r.Reason, r.DecidedBy, state.Millis(r.DecidedAt), r.Run, r.Change, state.Millis(r.AskedAt), r.Paused.Milliseconds(), state.Millis(r.DoneAt), r.Reopened, r.Failed, r.SelfService, r.ID)
		if err != nil {
			return fmt.Errorf("cannot store request %d: %w", id, err)
		}
		return nil
	})
	return out, err
}

// Get returns one request.
func (d *Desk) Get(ctx context.Context, id int64) (act.Request, error) {
	return scan(d.o.DB.Read().QueryRowContext(ctx, `SELECT `+columns+` FROM requests WHERE id = ?`, id))
}

// List returns requests, newest first.
func (d *Desk) List(ctx context.Context, f act.RequestFilter) ([]act.Request, error) {
	where, args := []string{"1=1"}, []any{}
	add := func(cond string, arg any) { where, args = append(where, cond), append(args, arg) }
	if f.Open {
		where = append(where, "status IN ('waiting','asked','queued','running')")
	}
	if f.Owner != "" {
		add("owner = ?", f.Owner)
	}
	if f.Requester != "" {
		add("requester = ?", f.Requester)
	}
	if f.Item != "" {
		add("item = ?", f.Item)
	}
	if !f.From.IsZero() {
		add("submitted_ms >= ?", state.Millis(f.From))
	}
	if !f.To.IsZero() {
		add("submitted_ms < ?", state.Millis(f.To))
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	args = append(args, limit, max(f.Offset, 0))
	//nolint:gosec // only constants are joined; values are arguments
	rows, err := d.o.DB.Read().QueryContext(ctx, `SELECT `+columns+` FROM requests WHERE `+strings.Join(where, " AND ")+` ORDER BY id DESC LIMIT ? OFFSET ?`, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot list requests: %w", err)
	}
	defer rows.Close()
	var out []act.Request
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}
