package outcome

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/link"
	"github.com/evenkeel/evenkeel/state"
)

const (
	maxNote     = 1000
	maxEpisodes = 100_000 // the newest, of one question
)

// Book implements respond.Outcomes.
type Book struct {
	db  *state.DB
	log *slog.Logger
	key *link.Key // signs links
}

var (
	_ respond.Outcomes     = (*Book)(nil)
	_ respond.OutcomeLinks = (*Book)(nil)
)

// Open reads the key that signs links, or makes it.
func Open(ctx context.Context, db *state.DB, log *slog.Logger) (*Book, error) {
	key, err := link.Open(ctx, db, "outcome.link.key")
	return &Book{db: db, log: log, key: key}, err
}

// Outcome implements respond.Outcomes.
func (b *Book) Outcome(ctx context.Context, finding int64) (respond.Outcome, error) {
	return read(ctx, b.db.Read(), finding)
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func read(ctx context.Context, q querier, finding int64) (respond.Outcome, error) {
	o := respond.Outcome{Finding: finding}
	var at int64
	err := q.QueryRowContext(ctx, `SELECT outcome, inferred, note, actor, at_ms FROM outcomes WHERE finding = ?`, finding).Scan(&o.Outcome, &o.Inferred, &o.Note, &o.By, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return o, respond.ErrNotFound
	}
	if err != nil {
		return o, fmt.Errorf("cannot read the outcome of finding %d: %w", finding, err)
	}
	o.At = state.Time(at)
	return o, nil
}

func check(l respond.OutcomeLabel, note string) (string, error) {
	if !slices.Contains(respond.OutcomeLabels, l) {
		return "", &respond.InvalidError{Field: "outcome", Got: string(l), Want: "action, no_action, duplicate, false or maintenance"}
	}
	note = strings.TrimSpace(note)
	if len(note) > maxNote || strings.ContainsRune(note, 0) {
		return "", &respond.InvalidError{Field: "note", Got: fmt.Sprintf("%d bytes", len(note)), Want: fmt.Sprintf("a text of at most %d bytes", maxNote)}
	}
	return note, nil
}

// Label implements respond.Outcomes. The same word again is no news.
func (b *Book) Label(ctx context.Context, now time.Time, actor journal.Actor, finding int64, l respond.OutcomeLabel, note string) (o respond.Outcome, err error) {
	if note, err = check(l, note); err != nil {
		return o, err
	}
	err = b.db.Update(ctx, func(tx *state.Tx) error {
		was, err := read(ctx, tx, finding)
		if err == nil && !was.Inferred && was.Outcome == l && was.Note == note {
			o = was
			return nil
		}
		if err != nil && !errors.Is(err, respond.ErrNotFound) {
			return err
		}
		o = respond.Outcome{Finding: finding, Outcome: l, Note: note, By: actor, At: now.UTC().Truncate(time.Millisecond)}
		return write(ctx, tx, o)
	})
	return o, err
}

// write stores an outcome with its fact.
func write(ctx context.Context, tx *state.Tx, o respond.Outcome) error {
	var title, service string
	var incident int64
	var cause journal.ID
	err := tx.QueryRowContext(ctx, `SELECT name, service, incident, fact FROM findings WHERE id = ?`, o.Finding).Scan(&title, &service, &incident, &cause)
	if errors.Is(err, sql.ErrNoRows) {
		return respond.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("cannot store an outcome: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO outcomes (finding, outcome, inferred, note, actor, at_ms) VALUES (?,?,?,?,?,?)
		ON CONFLICT (finding) DO UPDATE SET outcome = excluded.outcome, inferred = excluded.inferred, note = excluded.note, actor = excluded.actor, at_ms = excluded.at_ms`,
		o.Finding, o.Outcome, o.Inferred, o.Note, o.By, state.Millis(o.At)); err != nil {
		return fmt.Errorf("cannot store the outcome of finding %d: %w", o.Finding, err)
	}
	f := journal.Fact{
		At: o.At, Kind: "finding.outcome", Actor: o.By, Cause: cause, Subject: journal.MakeRef("finding", fmt.Sprint(o.Finding)),
		Text: fmt.Sprintf("outcome of %s: %s", title, o.Outcome.Words()),
	}
	if o.Inferred {
		f.Text += ", inferred"
	}
	if o.Note != "" {
		f.Text += ": " + o.Note
	}
	if incident != 0 {
		f.Refs = append(f.Refs, respond.Number(incident).Ref())
	}
	if service != "" {
		f.Refs = append(f.Refs, journal.MakeRef("service", service))
	}
	_, err = tx.Record(f)
	return err
}

// LabelIncident implements respond.Outcomes. Of a storm's thousands the first twenty
// have a fact each, the others one together.
func (b *Book) LabelIncident(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, l respond.OutcomeLabel, note string) (count int, err error) {
	if note, err = check(l, note); err != nil {
		return 0, err
	}
	err = b.db.Update(ctx, func(tx *state.Tx) error {
		var cause journal.ID
		if err := tx.QueryRowContext(ctx, `SELECT fact FROM incidents WHERE number = ?`, n).Scan(&cause); errors.Is(err, sql.ErrNoRows) {
			return respond.ErrNotFound
		} else if err != nil {
			return err
		}
		ids, err := unlabelled(ctx, tx, n)
		if err != nil {
			return err
		}
		count = len(ids)
		at := now.UTC().Truncate(time.Millisecond)
		const each = 20
		for _, id := range ids[:min(each, len(ids))] {
			if err := write(ctx, tx, respond.Outcome{Finding: id, Outcome: l, Note: note, By: actor, At: at}); err != nil {
				return err
			}
		}
		if len(ids) <= each {
			return nil
		}
		for _, id := range ids[each:] {
			if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO outcomes (finding, outcome, inferred, note, actor, at_ms) VALUES (?,?,0,?,?,?)`, id, l, note, actor, state.Millis(at)); err != nil {
				return fmt.Errorf("cannot store the outcome of finding %d: %w", id, err)
			}
		}
		_, err = tx.Record(journal.Fact{
			At: at, Kind: "incident.outcome", Actor: actor, Cause: cause, Subject: n.Ref(),
			Text: fmt.Sprintf("outcome of %d further findings of incident %d: %s", len(ids)-each, n, l.Words()),
		})
		return err
	})
	return count, err
}

func unlabelled(ctx context.Context, tx *state.Tx, n respond.Number) (ids []int64, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT f.id FROM findings f LEFT JOIN outcomes o ON o.finding = f.id
		WHERE f.incident = ? AND (o.finding IS NULL OR o.inferred = 1) AND (f.severity = 'page' OR f.id IN (SELECT finding FROM notified)) ORDER BY f.id`, n)
	if err != nil {
		return nil, fmt.Errorf("cannot list findings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// Episodes implements respond.Outcomes.
func (b *Book) Episodes(ctx context.Context, from, to time.Time) ([]respond.Episode, error) {
	return episodes(ctx, b.db.Read(), `f.opened_ms >= ? AND f.opened_ms < ? ORDER BY f.id DESC LIMIT ?`, state.Millis(from), state.Millis(to), maxEpisodes)
}

func episodes(ctx context.Context, q querier, cond string, args ...any) ([]respond.Episode, error) {
	//nolint:gosec // cond is ours
	rows, err := q.QueryContext(ctx, `SELECT f.id, f.fingerprint, f.detector, f.name, f.objective, f.service, f.severity, f.labels, f.value, f.since_ms, f.opened_ms, f.resolved_ms, f.incident,
			coalesce((SELECT min(n.at_ms) FROM notified d JOIN notifications n ON n.id = d.notification WHERE d.finding = f.id), 0),
			coalesce(i.acked_ms, 0), coalesce(o.outcome, ''), coalesce(o.inferred, 0)
		FROM findings f LEFT JOIN outcomes o ON o.finding = f.id LEFT JOIN incidents i ON i.number = f.incident
		WHERE (f.severity = 'page' AND f.incident > 0 OR EXISTS (SELECT 1 FROM notified d WHERE d.finding = f.id)) AND `+cond, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot list episodes: %w", err)
	}
	defer rows.Close()
	var out []respond.Episode
	for rows.Next() {
		var e respond.Episode
		var labels string
		var since, opened, resolved, told, acked int64
		if err := rows.Scan(&e.Finding, &e.Fingerprint, &e.Detector, &e.Name, &e.Objective, &e.Service, &e.Severity, &labels, &e.Value, &since, &opened, &resolved, &e.Incident,
			&told, &acked, &e.Outcome, &e.Inferred); err != nil {
			return nil, fmt.Errorf("cannot list episodes: %w", err)
		}
		if err := json.Unmarshal([]byte(labels), &e.Labels); err != nil {
			return nil, fmt.Errorf("cannot list episodes: %w", err)
		}
		e.Since, e.Opened, e.Resolved, e.Told = state.Time(since), state.Time(opened), state.Time(resolved), state.Time(told)
		if acked >= opened { // an acknowledgement of before was for something else
			e.Acked = state.Time(acked)
		}
		out = append(out, e)
	}
	slices.Reverse(out)
	return out, rows.Err()
}
