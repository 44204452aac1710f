package state

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/journal"
)

// MaxFacts bounds one answer of Facts.
const MaxFacts = 10_000

// maxCauses bounds one chain of causes: far deeper than any real one.
const maxCauses = 1_000

var _ journal.Reader = (*DB)(nil)

// Record writes a fact inside the transaction and returns its ID. A zero At is
// an error: time is the caller's, so that a replay can be exact.
func (tx *Tx) Record(f journal.Fact) (journal.ID, error) {
	if f.At.IsZero() || f.Kind == "" || f.Actor == "" || f.Subject == "" {
		return 0, fmt.Errorf("cannot record fact %q: time, kind, actor and subject are required", f.Kind)
	}
	res, err := tx.ExecContext(tx.ctx, `INSERT INTO facts (at_ms, kind, actor, cause, subject, text, data) VALUES (?,?,?,?,?,?,?)`,
		Millis(f.At), f.Kind, f.Actor, f.Cause, f.Subject, strings.ToValidUTF8(f.Text, "\uFFFD"), string(f.Data))
	if err != nil {
		return 0, fmt.Errorf("cannot record fact %q: %w", f.Kind, err)
	}
	id, err := res.LastInsertId()
	if err != nil {
		return 0, fmt.Errorf("cannot record fact %q: %w", f.Kind, err)
	}
	f.ID = journal.ID(id)
	refs := append([]journal.Ref{f.Subject}, f.Refs...)
	slices.Sort(refs)
	for _, ref := range slices.Compact(refs) {
		if _, err := tx.ExecContext(tx.ctx, `INSERT INTO fact_refs (ref, fact_id) VALUES (?,?)`, ref, id); err != nil {
			return 0, fmt.Errorf("cannot record fact %q on %q: %w", f.Kind, ref, err)
		}
	}
	tx.facts = append(tx.facts, f)
	return f.ID, nil
}

// Facts implements journal.Reader.
func (db *DB) Facts(ctx context.Context, q journal.Query) ([]journal.Fact, error) {
	where, args := []string{"1=1"}, []any{}
	from := "facts f"
	add := func(cond string, arg any) { where, args = append(where, cond), append(args, arg) }
	if q.Ref != "" {
		from = "fact_refs r JOIN facts f ON f.id = r.fact_id"
		add("r.ref = ?", q.Ref)
	}
	if q.Actor != "" {
		add("f.actor = ?", q.Actor)
	}
	if strings.HasSuffix(string(q.Kind), ".") {
		add("substr(f.kind, 1, ?) = ?", len(q.Kind))
		args = append(args, q.Kind)
	} else if q.Kind != "" {
		add("f.kind = ?", q.Kind)
	}
	if q.After > 0 {
		add("f.id > ?", q.After)
	}
	if q.Before > 0 {
		add("f.id < ?", q.Before)
	}
	if q.Text != "" {
		add("instr(lower(f.text), lower(?)) > 0", q.Text)
	}
	order := "DESC"
	if q.Oldest {
		order = "ASC"
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	args = append(args, min(limit, MaxFacts))
	//nolint:gosec // only constants are joined; values are arguments
	return db.facts(ctx, `SELECT f.id, f.at_ms, f.kind, f.actor, f.cause, f.subject, f.text, f.data FROM `+from+
		` WHERE `+strings.Join(where, " AND ")+` ORDER BY f.id `+order+` LIMIT ?`, args...)
}

// Causes implements journal.Reader.
func (db *DB) Causes(ctx context.Context, id journal.ID) ([]journal.Fact, error) {
	return db.facts(ctx, `WITH RECURSIVE chain (id, depth) AS (
			SELECT ?, 0
			UNION ALL SELECT f.cause, c.depth + 1 FROM chain c JOIN facts f ON f.id = c.id WHERE f.cause > 0 AND c.depth < ?)
		SELECT f.id, f.at_ms, f.kind, f.actor, f.cause, f.subject, f.text, f.data
		FROM chain c JOIN facts f ON f.id = c.id ORDER BY c.depth`, id, maxCauses)
}

func (db *DB) facts(ctx context.Context, query string, args ...any) ([]journal.Fact, error) {
	rows, err := db.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read journal: %w", err)
	}
	defer rows.Close()
	var out []journal.Fact
	for rows.Next() {
		var f journal.Fact
		var ms int64
		var data string
		if err := rows.Scan(&f.ID, &ms, &f.Kind, &f.Actor, &f.Cause, &f.Subject, &f.Text, &data); err != nil {
			return nil, fmt.Errorf("cannot read journal: %w", err)
		}
		f.At = Time(ms)
		if data != "" {
			f.Data = []byte(data)
		}
		out = append(out, f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("cannot read journal: %w", err)
	}
	return out, nil
}

// Follow implements journal.Reader.
func (db *DB) Follow(ctx context.Context) <-chan journal.Fact {
	ch := make(chan journal.Fact, 256)
	db.mu.Lock()
	db.followers[ch] = struct{}{}
	db.mu.Unlock()
	go func() {
		<-ctx.Done()
		db.mu.Lock()
		delete(db.followers, ch)
		close(ch) // under the lock: publish never sends on a closed channel
		db.mu.Unlock()
	}()
	return ch
}

func (db *DB) publish(facts []journal.Fact) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for ch := range db.followers {
		for _, f := range facts {
			select {
			case ch <- f:
			default: // too slow: the reader sees a gap in the IDs
			}
		}
	}
}
