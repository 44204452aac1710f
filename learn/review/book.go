package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/learn"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// Options of a Book.
type Options struct {
	DB        *state.DB
	Incidents respond.Incidents
	Findings  detect.Findings
	Runs      act.Runs
	Changes   act.Changes
	// Impact says what an objective's users suffered between two times.
	Impact func(ctx context.Context, f detect.Finding, from, to time.Time) (Impact, error)
}

// Book implements learn.Reviews.
type Book struct{ o Options }

var _ learn.Reviews = (*Book)(nil)

// New returns the book.
func New(o Options) *Book { return &Book{o: o} }

// around is how long before the impact changes are told of.
const around = 30 * time.Minute

// gather reads everything that a draft is made of.
func (b *Book) gather(ctx context.Context, n int64) (Material, error) {
	var m Material
	var err error
	if m.Incident, err = b.o.Incidents.Get(ctx, respond.Number(n)); err != nil {
		return m, err
	}
	if m.Findings, _, err = b.o.Findings.List(ctx, detect.Filter{Incident: n, Limit: 1000}); err != nil {
		return m, err
	}
	slices.Reverse(m.Findings) // oldest first
	if m.Facts, err = b.o.DB.Facts(ctx, journal.Query{Ref: respond.Number(n).Ref(), Oldest: true, Limit: 2000}); err != nil {
		return m, err
	}
	runs, err := b.o.Runs.List(ctx, act.RunFilter{Incident: n, Limit: 100})
	if err != nil {
		return m, err
	}
	for _, r := range slices.Backward(runs) {
		whole, err := b.o.Runs.Get(ctx, r.ID)
		if err != nil {
			return m, err
		}
		m.Runs = append(m.Runs, whole)
	}
	from, to := m.Incident.Clocks.Impact, m.Incident.Clocks.Mitigated
	if from.IsZero() {
		from = m.Incident.Clocks.Detected
	}
	if to.IsZero() {
		to = m.Incident.Clocks.Resolved
	}
	if to.IsZero() && len(m.Facts) > 0 {
		to = m.Facts[len(m.Facts)-1].At
	}
	changes, err := b.o.Changes.List(ctx, act.ChangeFilter{From: from.Add(-around), To: to.Add(time.Second), Limit: 200})
	if err != nil {
		return m, err
	}
	for _, c := range changes {
		suspect := slices.ContainsFunc(m.Incident.Suspects, func(s respond.Suspect) bool { return s.Change == c.ID })
		if c.Run == "" && (suspect || slices.Contains(m.Incident.Services, c.Service)) {
			m.Changes = append(m.Changes, c)
		}
	}
	seen := map[string]bool{}
	for _, f := range m.Findings {
		if f.Objective == "" || seen[string(f.Objective)] || b.o.Impact == nil {
			continue
		}
		seen[string(f.Objective)] = true
		im, err := b.o.Impact(ctx, f, from, to)
		if err != nil {
			return m, fmt.Errorf("cannot measure the impact on %q: %w", f.Objective, err)
		}
		m.Impacts = append(m.Impacts, im)
	}
	return m, nil
}

// Draft implements learn.Reviews.
func (b *Book) Draft(ctx context.Context, now time.Time, actor journal.Actor, incident int64) (learn.Review, error) {
	if r, err := b.Get(ctx, incident); !errors.Is(err, learn.ErrNotFound) {
		return r, err
	}
	return b.write(ctx, now, actor, incident)
}

// Redraft implements learn.Reviews.
func (b *Book) Redraft(ctx context.Context, now time.Time, actor journal.Actor, incident int64) (learn.Review, error) {
	r, err := b.Get(ctx, incident)
	if err != nil && !errors.Is(err, learn.ErrNotFound) {
		return r, err
	}
	if r.Status == "published" {
		return r, &act.ConflictError{Why: "the review is published: edit it instead"}
	}
	return b.write(ctx, now, actor, incident)
}

func (b *Book) write(ctx context.Context, now time.Time, actor journal.Actor, incident int64) (learn.Review, error) {
	m, err := b.gather(ctx, incident)
	if err != nil {
		return learn.Review{}, fmt.Errorf("cannot draft the review of incident %d: %w", incident, err)
	}
	markdown := Draft(m)
	err = b.o.DB.Update(ctx, func(tx *state.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO reviews (incident, status, markdown, drafted_ms, updated_ms, updated_by) VALUES (?,?,?,?,?,?)
			ON CONFLICT (incident) DO UPDATE SET markdown = excluded.markdown, drafted_ms = excluded.drafted_ms, updated_ms = excluded.updated_ms, updated_by = excluded.updated_by`,
			incident, "draft", markdown, state.Millis(now), state.Millis(now), actor); err != nil {
			return fmt.Errorf("cannot store the review of incident %d: %w", incident, err)
		}
		return b.fact(tx, now, actor, "review.drafted", m.Incident.Fact, incident, fmt.Sprintf("review of incident %d drafted", incident))
	})
	if err != nil {
		return learn.Review{}, err
	}
	return b.Get(ctx, incident)
}

func (b *Book) fact(tx *state.Tx, now time.Time, actor journal.Actor, kind journal.Kind, cause journal.ID, incident int64, text string) error {
	_, err := tx.Record(journal.Fact{At: now, Kind: kind, Actor: actor, Cause: cause, Subject: journal.MakeRef("review", fmt.Sprint(incident)), Refs: []journal.Ref{respond.Number(incident).Ref()}, Text: text})
	return err
}

// maxMarkdown bounds a review.
const maxMarkdown = 1 << 20

// Save implements learn.Reviews.
func (b *Book) Save(ctx context.Context, now time.Time, actor journal.Actor, incident int64, markdown string, publish bool) (learn.Review, error) {
	if len(markdown) > maxMarkdown || strings.TrimSpace(markdown) == "" {
		return learn.Review{}, &act.InvalidError{Field: "markdown", Want: fmt.Sprintf("a text of at most %d bytes", maxMarkdown)}
	}
	r, err := b.Get(ctx, incident)
	if err != nil {
		return r, err
	}
	status, kind, verb := r.Status, journal.Kind("review.saved"), "saved"
	if publish {
		status, kind, verb = "published", "review.published", "published"
	}
	err = b.o.DB.Update(ctx, func(tx *state.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE reviews SET status=?, markdown=?, updated_ms=?, updated_by=? WHERE incident=?`, status, strings.ToValidUTF8(markdown, "\uFFFD"), state.Millis(now), actor, incident); err != nil {
			return fmt.Errorf("cannot store the review of incident %d: %w", incident, err)
		}
		return b.fact(tx, now, actor, kind, 0, incident, fmt.Sprintf("review of incident %d %s", incident, verb))
	})
	if err != nil {
		return r, err
	}
	return b.Get(ctx, incident)
}

// AddFollowUp implements learn.Reviews.
func (b *Book) AddFollowUp(ctx context.Context, now time.Time, actor journal.Actor, incident int64, text, owner string) (learn.FollowUp, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 2000 || len(owner) > 200 {
		return learn.FollowUp{}, &act.InvalidError{Field: "text", Want: "a text of at most 2000 characters"}
	}
	if _, err := b.Get(ctx, incident); err != nil {
		return learn.FollowUp{}, err
	}
	f := learn.FollowUp{Incident: incident, Text: text, Owner: owner, CreatedAt: now}
	err := b.o.DB.Update(ctx, func(tx *state.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO follow_ups (incident, text, owner, created_ms) VALUES (?,?,?,?)`, incident, text, owner, state.Millis(now))
		if err != nil {
			return fmt.Errorf("cannot store a follow-up: %w", err)
		}
		if f.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		return b.fact(tx, now, actor, "followup.added", 0, incident, "follow-up: "+text)
	})
	return f, err
}

// FinishFollowUp implements learn.Reviews.
func (b *Book) FinishFollowUp(ctx context.Context, now time.Time, actor journal.Actor, id int64) error {
	return b.o.DB.Update(ctx, func(tx *state.Tx) error {
		var incident int64
		var text string
		err := tx.QueryRowContext(ctx, `UPDATE follow_ups SET done_ms = ? WHERE id = ? AND done_ms = 0 RETURNING incident, text`, state.Millis(now), id).Scan(&incident, &text)
		if errors.Is(err, sql.ErrNoRows) {
			return learn.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("cannot finish follow-up %d: %w", id, err)
		}
		return b.fact(tx, now, actor, "followup.done", 0, incident, "follow-up done: "+text)
	})
}

// Get implements learn.Reviews.
func (b *Book) Get(ctx context.Context, incident int64) (learn.Review, error) {
	r, err := scan(b.o.DB.Read().QueryRowContext(ctx, `SELECT incident, status, markdown, drafted_ms, updated_ms, updated_by FROM reviews WHERE incident = ?`, incident))
	if err != nil {
		return r, err
	}
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT id, incident, text, owner, created_ms, done_ms FROM follow_ups WHERE incident = ? ORDER BY id`, incident)
	if err != nil {
		return r, fmt.Errorf("cannot read follow-ups: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var f learn.FollowUp
		var created, done int64
		if err := rows.Scan(&f.ID, &f.Incident, &f.Text, &f.Owner, &created, &done); err != nil {
			return r, fmt.Errorf("cannot read follow-ups: %w", err)
		}
		f.CreatedAt, f.DoneAt = state.Time(created), state.Time(done)
		r.FollowUps = append(r.FollowUps, f)
	}
	return r, rows.Err()
}

// List implements learn.Reviews.
func (b *Book) List(ctx context.Context) ([]learn.Review, error) {
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT incident, status, '', drafted_ms, updated_ms, updated_by FROM reviews ORDER BY incident DESC LIMIT 1000`)
	if err != nil {
		return nil, fmt.Errorf("cannot list reviews: %w", err)
	}
	defer rows.Close()
	var out []learn.Review
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func scan(row interface{ Scan(...any) error }) (learn.Review, error) {
	var r learn.Review
	var drafted, updated int64
	err := row.Scan(&r.Incident, &r.Status, &r.Markdown, &drafted, &updated, &r.UpdatedBy)
	if errors.Is(err, sql.ErrNoRows) {
		return r, learn.ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("cannot read review: %w", err)
	}
	r.DraftedAt, r.UpdatedAt = state.Time(drafted), state.Time(updated)
	return r, nil
}
