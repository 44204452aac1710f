// Package change is the book of changes: everything that altered production.
//
// In: what people, pipelines and runs report. Out: changes, for suspects, charts and
// reviews. Promise: a change is stored before it is acknowledged; the same ID twice is
// one change.
package change

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// Options of a Book.
type Options struct {
	DB       *state.DB
	Known    func(declare.ServiceID) bool            // whether the catalogue has a service
	OnRecord func(ctx context.Context, c act.Change) // after a change was stored; may be nil
	// Touched says what a change touches, for its risk; nil for nothing known.
	Touched func(c act.Change) Touched
}

// Book implements act.Changes.
type Book struct{ o Options }

var _ act.Changes = (*Book)(nil)

// New returns the book.
func New(o Options) *Book { return &Book{o: o} }

var (
	kindForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	idForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,127}$`)
)

// future is how far ahead of our clock a change may say that it began.
const future = 10 * time.Minute

func invalid(field, got, want string) error {
	if len(got) > 80 {
		got = got[:80] + "…"
	}
	return &act.InvalidError{Field: field, Got: got, Want: want}
}

// Check refuses a change that could not be recorded, and says why.
func Check(now time.Time, actor journal.Actor, c act.Change) error { return check(now, actor, &c) }

// check refuses what cannot be, and fills in what was left out.
func check(now time.Time, actor journal.Actor, c *act.Change) error {
	if c.ID == "" {
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return fmt.Errorf("cannot name a change: %w", err)
		}
		c.ID = "c-" + hex.EncodeToString(b[:])
	}
	if c.StartedAt.IsZero() {
		c.StartedAt = now
		if !c.EndedAt.IsZero() && c.EndedAt.Before(now) {
			c.StartedAt = c.EndedAt // nobody says how long it took
		}
	}
	if c.Actor == "" {
		c.Actor = actor.Name()
	}
	if c.Summary == "" {
		of := string(c.Service)
		if of == "" && len(c.Resources) > 0 {
			of = c.Resources[0]
		}
		c.Summary = strings.TrimSpace(fmt.Sprintf("%s of %s %s", c.Kind, of, c.To))
	}
	c.StartedAt, c.EndedAt = c.StartedAt.UTC().Truncate(time.Millisecond), c.EndedAt.UTC().Truncate(time.Millisecond)
	switch {
	case !idForm.MatchString(c.ID):
		return invalid("id", c.ID, "letters, digits and _.:/@-, at most 128")
	case !kindForm.MatchString(string(c.Kind)):
		return invalid("kind", string(c.Kind), "a word as deploy, rollback, config, flag, scale, patch or network")
	case c.Service == "" && len(c.Resources) == 0:
		return invalid("service", "", "a service, or resources")
	case c.StartedAt.After(now.Add(future)):
		return invalid("started_at", c.StartedAt.Format(time.RFC3339), "a time at most 10 minutes ahead of this clock")
	case c.StartedAt.Year() < 2000:
		return invalid("started_at", c.StartedAt.Format(time.RFC3339), "a time since 2000")
	case !c.EndedAt.IsZero() && c.EndedAt.Before(c.StartedAt):
		return invalid("ended_at", c.EndedAt.Format(time.RFC3339), "a time not before started_at")
	case len(c.Resources) > 200:
		return invalid("resources", fmt.Sprint(len(c.Resources)), "at most 200")
	case len(c.Labels) > 50:
		return invalid("labels", fmt.Sprint(len(c.Labels)), "at most 50")
	case c.Verdict != "" && c.Verdict != "verified" && c.Verdict != "failed" && c.Verdict != "rolled-back":
		return invalid("verdict", c.Verdict, "verified, failed or rolled-back")
	case c.Risk != "" && c.Risk.Rank() < 1:
		return invalid("risk", string(c.Risk), "low, medium or high; left out, it is found from what the change touches")
	case c.Evidence.Checks != "" && c.Evidence.Checks != "passed" && c.Evidence.Checks != "failed":
		return invalid("evidence.checks", c.Evidence.Checks, "passed or failed")
	case len(c.Evidence.Reviewers) > 50:
		return invalid("evidence.reviewers", fmt.Sprint(len(c.Evidence.Reviewers)), "at most 50")
	case c.URL != "" && !strings.HasPrefix(c.URL, "https://") && !strings.HasPrefix(c.URL, "http://"):
		return invalid("url", c.URL, "an http or https URL")
	}
	texts := map[string]string{"summary": c.Summary, "service": string(c.Service), "actor": c.Actor, "source": c.Source, "from": c.From, "to": c.To, "run": c.Run, "url": c.URL}
	e := &c.Evidence
	e.CommittedAt = e.CommittedAt.UTC().Truncate(time.Millisecond)
	texts["evidence.author"], texts["evidence.rollback"], texts["evidence.environment"], texts["evidence.repository"], texts["evidence.commit"] = e.Author, e.Rollback, e.Environment, e.Repository, e.Commit
	for i, r := range e.Reviewers {
		texts[fmt.Sprintf("evidence.reviewers[%d]", i)] = r
	}
	for k, v := range c.Labels {
		texts["labels."+k] = v
		texts["labels"] = k
	}
	for i, r := range c.Resources {
		texts[fmt.Sprintf("resources[%d]", i)] = r
	}
	for field, text := range texts {
		if len(text) > 500 {
			return invalid(field, text, "at most 500 bytes")
		}
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r\n") {
			return invalid(field, strings.ToValidUTF8(text, "\uFFFD"), "one line of valid UTF-8")
		}
	}
	return nil
}

// Record implements act.Changes.
func (b *Book) Record(ctx context.Context, now time.Time, actor journal.Actor, c act.Change) (act.Change, error) {
	if err := check(now, actor, &c); err != nil {
		return act.Change{}, err
	}
	stored := false
	err := b.o.DB.Update(ctx, func(tx *state.Tx) (err error) {
		stored, err = b.store(ctx, tx, now, actor, &c)
		return err
	})
	if err != nil {
		return act.Change{}, err
	}
	if stored && b.o.OnRecord != nil {
		b.o.OnRecord(ctx, c)
	}
	return c, nil
}

// store puts a change that was checked into a transaction; c becomes what is on record.
func (b *Book) store(ctx context.Context, tx *state.Tx, now time.Time, actor journal.Actor, c *act.Change) (bool, error) {
	was, err := scan(tx.QueryRowContext(ctx, `SELECT `+columns+` FROM changes WHERE id = ?`, c.ID))
	switch {
	case errors.Is(err, act.ErrNotFound):
		if err := enrich(ctx, tx, c); err != nil {
			return false, err
		}
		b.classify(c)
		return true, b.insert(ctx, tx, now, actor, c)
	case err != nil:
		return false, err
	}
	stored, err := update(ctx, tx, now, actor, &was, *c)
	*c = was
	return stored, err
}

func (b *Book) insert(ctx context.Context, tx *state.Tx, now time.Time, actor journal.Actor, c *act.Change) error {
	resources, err := json.Marshal(c.Resources)
	if err != nil {
		return err
	}
	labels, err := json.Marshal(c.Labels)
	if err != nil {
		return err
	}
	why, err := json.Marshal(c.RiskWhy)
	if err != nil {
		return err
	}
	evidence, err := json.Marshal(c.Evidence)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s by %s", c.Summary, c.Actor)
	switch {
	case c.From != "" && c.To != "":
		text += fmt.Sprintf(" (%s → %s)", c.From, c.To)
	case c.To != "" && !strings.Contains(c.Summary, c.To):
		text += fmt.Sprintf(" (to %s)", c.To)
	case c.From != "":
		text += fmt.Sprintf(" (from %s)", c.From)
	}
	if c.Service != "" && !b.o.Known(c.Service) {
		text += "; the catalogue has no such service"
	}
	refs := []journal.Ref{}
	if c.Service != "" {
		refs = append(refs, journal.MakeRef("service", string(c.Service)))
	}
	if c.Run != "" {
		refs = append(refs, journal.MakeRef("run", c.Run))
	}
	if c.Fact, err = tx.Record(journal.Fact{At: now, Kind: "change.recorded", Actor: actor, Subject: journal.MakeRef("change", c.ID), Refs: refs, Text: text}); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO changes (id, kind, summary, service, resources, actor, source, from_ver, to_ver, url, labels, run, verdict, risk, risk_why, evidence, started_ms, ended_ms, recorded_ms, fact)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, c.ID, c.Kind, c.Summary, c.Service, string(resources), c.Actor, c.Source, c.From, c.To, c.URL, string(labels), c.Run, c.Verdict, c.Risk, string(why), string(evidence),
		state.Millis(c.StartedAt), state.Millis(c.EndedAt), state.Millis(now), c.Fact)
	if err != nil {
		return fmt.Errorf("cannot record change %q: %w", c.ID, err)
	}
	return nil
}

// update takes over when and how a change ended; everything else must be the same.
func update(ctx context.Context, tx *state.Tx, now time.Time, actor journal.Actor, was *act.Change, c act.Change) (bool, error) {
	if c.Kind != was.Kind || c.Service != was.Service || c.To != was.To || c.From != was.From {
		return false, &act.ConflictError{Why: fmt.Sprintf("change %q is there already, and is another one: %s", c.ID, was.Summary)}
	}
	next := *was
	if !c.EndedAt.IsZero() {
		next.EndedAt = c.EndedAt
	}
	if c.Verdict != "" {
		next.Verdict = c.Verdict
	}
	next.Evidence = merged(was.Evidence, c.Evidence)
	evidence, err := json.Marshal(next.Evidence)
	if err != nil {
		return false, err
	}
	before, err := json.Marshal(was.Evidence)
	if err != nil {
		return false, err
	}
	if next.EndedAt.Equal(was.EndedAt) && next.Verdict == was.Verdict && bytes.Equal(evidence, before) {
		return false, nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE changes SET ended_ms = ?, verdict = ?, evidence = ? WHERE id = ?`, state.Millis(next.EndedAt), next.Verdict, string(evidence), next.ID); err != nil {
		return false, fmt.Errorf("cannot update change %q: %w", c.ID, err)
	}
	text := "ended: " + next.Summary
	if next.EndedAt.Equal(was.EndedAt) && next.Verdict == was.Verdict {
		text = "more is known of: " + next.Summary
	}
	if next.Verdict != "" {
		text += " (" + next.Verdict + ")"
	}
	refs := []journal.Ref{}
	if next.Service != "" {
		refs = append(refs, journal.MakeRef("service", string(next.Service)))
	}
	if next.Run != "" {
		refs = append(refs, journal.MakeRef("run", next.Run))
	}
	_, err = tx.Record(journal.Fact{At: now, Kind: "change.updated", Actor: actor, Cause: was.Fact, Subject: journal.MakeRef("change", c.ID), Refs: refs, Text: text})
	*was = next
	return true, err
}

const columns = `id, kind, summary, service, resources, actor, source, from_ver, to_ver, url, labels, run, verdict, risk, risk_why, evidence, started_ms, ended_ms, fact`

func scan(row interface{ Scan(...any) error }) (act.Change, error) {
	var c act.Change
	var resources, labels, why, evidence string
	var started, ended int64
	err := row.Scan(&c.ID, &c.Kind, &c.Summary, &c.Service, &resources, &c.Actor, &c.Source, &c.From, &c.To, &c.URL, &labels, &c.Run, &c.Verdict, &c.Risk, &why, &evidence, &started, &ended, &c.Fact)
	if errors.Is(err, sql.ErrNoRows) {
		return c, act.ErrNotFound
	}
	if err == nil {
		err = errors.Join(json.Unmarshal([]byte(resources), &c.Resources), json.Unmarshal([]byte(labels), &c.Labels),
			json.Unmarshal([]byte(why), &c.RiskWhy), json.Unmarshal([]byte(evidence), &c.Evidence))
	}
	if err != nil {
		return c, fmt.Errorf("cannot read change: %w", err)
	}
	c.StartedAt, c.EndedAt = state.Time(started), state.Time(ended)
	return c, nil
}

// Get implements act.Changes.
func (b *Book) Get(ctx context.Context, id string) (act.Change, error) {
	return scan(b.o.DB.Read().QueryRowContext(ctx, `SELECT `+columns+` FROM changes WHERE id = ?`, id))
}

// List implements act.Changes.
func (b *Book) List(ctx context.Context, f act.ChangeFilter) ([]act.Change, error) {
	where, args := []string{"1=1"}, []any{}
	add := func(cond string, a ...any) { where, args = append(where, cond), append(args, a...) }
	if f.Service != "" {
		add("service = ?", f.Service)
	}
	if len(f.Services) > 0 {
		marks := make([]any, len(f.Services))
		for i, s := range f.Services {
			marks[i] = s
		}
		add("service IN (?"+strings.Repeat(",?", len(marks)-1)+")", marks...)
	}
	if f.Kind != "" {
		add("kind = ?", f.Kind)
	}
	if !f.From.IsZero() {
		add("started_ms >= ?", state.Millis(f.From))
	}
	if !f.To.IsZero() {
		add("started_ms < ?", state.Millis(f.To))
	}
	if f.Text != "" {
		add("instr(lower(summary), lower(?)) > 0", f.Text)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	args = append(args, limit, max(f.Offset, 0))
	//nolint:gosec // only constants are joined; values are arguments
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT `+columns+` FROM changes WHERE `+strings.Join(where, " AND ")+` ORDER BY started_ms DESC, id LIMIT ? OFFSET ?`, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot list changes: %w", err)
	}
	defer rows.Close()
	var out []act.Change
	for rows.Next() {
		c, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}
