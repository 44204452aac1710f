package change

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// ErrReplayed is a delivery that was taken before.
var ErrReplayed = errors.New("this delivery was taken already")

// KeepDeliveries is how long a delivery's IDs are remembered: what is older is refused.
const KeepDeliveries = 30 * 24 * time.Hour

// Take stores everything that one call of a webhook says, or nothing: with its ID, so
// that the same call again is ErrReplayed.
func (b *Book) Take(ctx context.Context, now time.Time, actor journal.Actor, d act.Delivery) ([]act.Change, error) {
	for i := range d.Changes {
		if err := check(now, actor, &d.Changes[i]); err != nil {
			return nil, err
		}
	}
	var fresh []act.Change
	err := b.o.DB.Update(ctx, func(tx *state.Tx) error {
		for _, id := range d.IDs {
			res, err := tx.ExecContext(ctx, `INSERT INTO hook_deliveries (source, id, at_ms) VALUES (?,?,?) ON CONFLICT DO NOTHING`, d.Source, id, state.Millis(now))
			if err != nil {
				return fmt.Errorf("cannot remember delivery %q: %w", id, err)
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 {
				return cmp.Or(err, ErrReplayed)
			}
		}
		if len(d.IDs) > 0 {
			if _, err := tx.ExecContext(ctx, `DELETE FROM hook_deliveries WHERE at_ms < ?`, state.Millis(now.Add(-KeepDeliveries))); err != nil {
				return fmt.Errorf("cannot forget old deliveries: %w", err)
			}
		}
		for _, m := range d.Merges {
			if err := storeMerge(ctx, tx, m); err != nil {
				return err
			}
		}
		for _, c := range d.Checks {
			if _, err := tx.ExecContext(ctx, `UPDATE merges SET checks = ? WHERE merge_sha = ? OR head = ?`, c.Outcome, c.Commit, c.Commit); err != nil {
				return fmt.Errorf("cannot store checks of %q: %w", c.Commit, err)
			}
		}
		for i := range d.Changes {
			stored, err := b.store(ctx, tx, now, actor, &d.Changes[i])
			if err != nil {
				return err
			}
			if stored {
				fresh = append(fresh, d.Changes[i])
			}
		}
		return nil
	})
	return fresh, err
}

// Recorded tells the next room of changes that Take stored.
func (b *Book) Recorded(ctx context.Context, changes []act.Change) {
	for _, c := range changes {
		if b.o.OnRecord != nil {
			b.o.OnRecord(ctx, c)
		}
	}
}

const mergeColumns = `id, repo, title, author, reviewers, url, branch, head, merge_sha, checks, commit_ms, created_ms, review_ms, merged_ms`

func scanMerge(row interface{ Scan(...any) error }) (act.Merge, error) {
	var m act.Merge
	var reviewers string
	var commit, created, review, merged int64
	err := row.Scan(&m.ID, &m.Repository, &m.Title, &m.Author, &reviewers, &m.URL, &m.Branch, &m.Head, &m.MergeCommit, &m.Checks, &commit, &created, &review, &merged)
	if errors.Is(err, sql.ErrNoRows) {
		return m, act.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(reviewers), &m.Reviewers)
	}
	if err != nil {
		return m, fmt.Errorf("cannot read merge: %w", err)
	}
	m.CommittedAt, m.CreatedAt, m.ReviewedAt, m.MergedAt = state.Time(commit), state.Time(created), state.Time(review), state.Time(merged)
	return m, nil
}

// storeMerge adds what is new to what is known of a merge: calls about it come in any
// order.
func storeMerge(ctx context.Context, tx *state.Tx, m act.Merge) error {
	was, err := scanMerge(tx.QueryRowContext(ctx, `SELECT `+mergeColumns+` FROM merges WHERE id = ?`, m.ID))
	if err != nil && !errors.Is(err, act.ErrNotFound) {
		return err
	}
	m.Repository, m.Title, m.Author, m.URL = cmp.Or(m.Repository, was.Repository), cmp.Or(m.Title, was.Title), cmp.Or(m.Author, was.Author), cmp.Or(m.URL, was.URL)
	m.Branch, m.Head, m.MergeCommit, m.Checks = cmp.Or(m.Branch, was.Branch), cmp.Or(m.Head, was.Head), cmp.Or(m.MergeCommit, was.MergeCommit), cmp.Or(m.Checks, was.Checks)
	m.Reviewers = append(slices.Clone(was.Reviewers), m.Reviewers...)
	slices.Sort(m.Reviewers)
	m.Reviewers = slices.Compact(m.Reviewers)
	m.CommittedAt, m.CreatedAt = earlier(was.CommittedAt, m.CommittedAt), earlier(was.CreatedAt, m.CreatedAt)
	m.ReviewedAt, m.MergedAt = earlier(was.ReviewedAt, m.ReviewedAt), earlier(was.MergedAt, m.MergedAt)
	if !m.MergedAt.IsZero() && m.CommittedAt.IsZero() {
		// Pushes to its branch told when its first commit was made.
		var first int64
		err := tx.QueryRowContext(ctx, `SELECT commit_ms FROM merges WHERE id = ?`, branchID(m.Repository, m.Branch)).Scan(&first)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("cannot read the branch of merge %q: %w", m.ID, err)
		}
		m.CommittedAt = state.Time(first)
	}
	if m.Reviewers == nil {
		m.Reviewers = []string{}
	}
	reviewers, err := json.Marshal(m.Reviewers)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO merges (`+mergeColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, m.ID, m.Repository, m.Title, m.Author, string(reviewers),
		m.URL, m.Branch, m.Head, m.MergeCommit, m.Checks, state.Millis(m.CommittedAt), state.Millis(m.CreatedAt), state.Millis(m.ReviewedAt), state.Millis(m.MergedAt))
	if err != nil {
		return fmt.Errorf("cannot store merge %q: %w", m.ID, err)
	}
	return nil
}

// branchID is the merge that a branch's pushes are kept as until it is one.
func branchID(repo, branch string) string { return "branch:" + repo + ":" + branch }

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// enrich fills a change's evidence in from the merge of its commit.
func enrich(ctx context.Context, tx *state.Tx, c *act.Change) error {
	sha := c.Evidence.Commit
	if sha == "" {
		return nil
	}
	m, err := scanMerge(tx.QueryRowContext(ctx, `SELECT `+mergeColumns+` FROM merges WHERE (merge_sha = ? OR head = ?) AND id NOT LIKE 'branch:%' ORDER BY merged_ms DESC LIMIT 1`, sha, sha))
	if errors.Is(err, act.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c.Evidence = merged(act.Evidence{Author: m.Author, Reviewers: m.Reviewers, Checks: m.Checks, CommittedAt: m.CommittedAt, Repository: m.Repository}, c.Evidence)
	return nil
}

// merged is a change's evidence with what came later.
func merged(a, b act.Evidence) act.Evidence {
	out := act.Evidence{
		Author: cmp.Or(b.Author, a.Author), Reviewers: slices.Clone(a.Reviewers), Rollback: cmp.Or(b.Rollback, a.Rollback), Checks: cmp.Or(b.Checks, a.Checks),
		Environment: cmp.Or(b.Environment, a.Environment), Repository: cmp.Or(b.Repository, a.Repository), Commit: cmp.Or(b.Commit, a.Commit),
		CommittedAt: earlier(a.CommittedAt, b.CommittedAt), Emergency: a.Emergency || b.Emergency,
	}
	for _, r := range b.Reviewers {
		if !slices.Contains(out.Reviewers, r) {
			out.Reviewers = append(out.Reviewers, r)
		}
	}
	return out
}

// Merges lists what was merged in [from, to), oldest first.
func (b *Book) Merges(ctx context.Context, from, to time.Time) ([]act.Merge, error) {
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT `+mergeColumns+` FROM merges WHERE merged_ms >= ? AND merged_ms < ? ORDER BY merged_ms, id LIMIT 100000`, state.Millis(from), state.Millis(to))
	if err != nil {
		return nil, fmt.Errorf("cannot list merges: %w", err)
	}
	defer rows.Close()
	var out []act.Merge
	for rows.Next() {
		m, err := scanMerge(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, rows.Err()
}
