package runbook

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// Upkeep is one reason to look at a runbook.
type Upkeep struct {
	Runbook string    `json:"runbook,omitempty"`
	Title   string    `json:"title,omitempty"`
	Kind    string    `json:"kind"` // breaker, broken, overdue, changed, votes, uncovered, unused
	Why     string    `json:"why"`
	Since   time.Time `json:"since,omitzero"`
}

// Paging is something that wakes people, and the runbook that it names.
type Paging struct {
	Name    string
	Service declare.ServiceID
	Runbook string
}

// soon is how long before its date a runbook comes into the queue.
const soon = 14 * 24 * time.Hour

func textOf(book *declare.Runbook) string {
	h := sha256.Sum256(book.Source)
	return hex.EncodeToString(h[:])
}

// Read records that somebody has read a runbook, and found it right as it is.
func (r *Runner) Read(ctx context.Context, now time.Time, who declare.PersonID, name string) error {
	book := r.o.Runbook(name)
	if book == nil {
		return fmt.Errorf("runbook %q: %w", name, act.ErrNotFound)
	}
	return r.o.DB.Update(ctx, func(tx *state.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO runbook_readings (runbook, print, text, person, at_ms) VALUES (?,?,?,?,?)`, name, r.print(book), textOf(book), who, state.Millis(now)); err != nil {
			return fmt.Errorf("cannot record the reading of %q: %w", name, err)
		}
		_, err := tx.Record(journal.Fact{At: now, Kind: "runbook.read", Actor: journal.Person(string(who)), Subject: journal.MakeRef("runbook", name), Text: fmt.Sprintf("%s has read %s and found it right", who, book.Title)})
		return err
	})
}

// Vote says after a run whether its runbook was of use. A person votes once on a run,
// and may change their mind.
func (r *Runner) Vote(ctx context.Context, now time.Time, who declare.PersonID, id string, useful bool, note string) error {
	if note = strings.TrimSpace(note); len(note) > 2_000 {
		return &act.InvalidError{Field: "note", Want: "at most 2000 characters"}
	}
	_, err := r.change(ctx, id, func(t *turn) error {
		if !t.run.Status.Ended() {
			return &act.ConflictError{Why: "the run has not ended yet: vote when it has"}
		}
		if _, err := t.tx.ExecContext(ctx, `INSERT INTO runbook_votes (run, runbook, print, person, helped, note, at_ms) VALUES (?,?,?,?,?,?,?)
			ON CONFLICT (run, person) DO UPDATE SET helped = excluded.helped, note = excluded.note, at_ms = excluded.at_ms`,
			id, t.run.Runbook, t.run.Print, who, useful, note, state.Millis(now)); err != nil {
			return fmt.Errorf("cannot store the vote: %w", err)
		}
		word := "of use"
		if !useful {
			word = "not of use"
		}
		return t.record(now, journal.Person(string(who)), "runbook.voted", strings.TrimSuffix(fmt.Sprintf("%s found %s %s: %s", who, t.run.Runbook, word, note), ": "))
	})
	return err
}

// Upkeep is the queue of what to look at, the worst first.
func (r *Runner) Upkeep(ctx context.Context, now time.Time, books []*declare.Runbook, paging []Paging) ([]Upkeep, error) {
	var out []Upkeep
	db := r.o.DB.Read()
	breakers, err := r.Breakers(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range breakers {
		out = append(out, Upkeep{Runbook: b.Runbook, Kind: "breaker", Why: b.Why, Since: b.OpenedAt})
	}
	for _, book := range books {
		add := func(kind string, since time.Time, format string, args ...any) {
			out = append(out, Upkeep{Runbook: book.Name, Title: book.Title, Kind: kind, Why: fmt.Sprintf(format, args...), Since: since})
		}
		for _, st := range book.Steps {
			if st.Language != "sh" {
				continue // runs elsewhere, or is no command
			}
			for _, m := range Missing(st.Body, st.Pos) {
				add("broken", time.Time{}, "step %s runs %s, which this machine does not have", st.Name, m.Got)
			}
		}
		var print, text string
		var who declare.PersonID
		var readMs, used int64
		err := db.QueryRowContext(ctx, `SELECT print, text, person, at_ms FROM runbook_readings WHERE runbook = ? ORDER BY at_ms DESC LIMIT 1`, book.Name).Scan(&print, &text, &who, &readMs)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("cannot read who has read %q: %w", book.Name, err)
		}
		read := state.Time(readMs)
		switch {
		case !read.IsZero() && text != textOf(book):
			add("changed", read, "the file has changed since %s read it", who)
		case !read.IsZero() && print != r.print(book):
			add("changed", read, "a component that it names has changed since %s read it: %s", who, join(book.Services))
		}
		if !book.VerifyBy.IsZero() && read.Before(book.VerifyBy.Add(-soon)) {
			switch {
			case now.After(book.VerifyBy):
				add("overdue", book.VerifyBy, "somebody should have read it again by %s", book.VerifyBy.Format("2006-01-02"))
			case now.After(book.VerifyBy.Add(-soon)):
				add("overdue", book.VerifyBy, "somebody has to read it again by %s", book.VerifyBy.Format("2006-01-02"))
			}
		}
		var votes, against int
		if err := db.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(helped = 0), 0) FROM (SELECT helped FROM runbook_votes WHERE runbook = ? AND print = ? ORDER BY at_ms DESC LIMIT 5)`, book.Name, r.print(book)).Scan(&votes, &against); err != nil {
			return nil, fmt.Errorf("cannot count the votes on %q: %w", book.Name, err)
		}
		if against >= 2 {
			add("votes", time.Time{}, "%d of the last %d who used it found it of no use", against, votes)
		}
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM runs WHERE runbook = ? AND ended_ms > ?`, book.Name, state.Millis(now.Add(-365*24*time.Hour))).Scan(&used); err != nil {
			return nil, fmt.Errorf("cannot count the runs of %q: %w", book.Name, err)
		}
		if used == 0 && len(book.Steps) > 0 {
			add("unused", time.Time{}, "nobody has run or rehearsed it in a year: nobody knows whether it works")
		}
	}
	for _, p := range paging {
		switch {
		case p.Runbook == "":
			out = append(out, Upkeep{Kind: "uncovered", Why: fmt.Sprintf("%s pages, and names no runbook", p.Name)})
		case !slices.ContainsFunc(books, func(b *declare.Runbook) bool { return b.Name == p.Runbook }):
			out = append(out, Upkeep{Kind: "uncovered", Runbook: p.Runbook, Why: fmt.Sprintf("%s pages, and names runbook %s, which there is not", p.Name, p.Runbook)})
		}
	}
	order := []string{"breaker", "broken", "overdue", "changed", "votes", "uncovered", "unused"}
	slices.SortStableFunc(out, func(a, b Upkeep) int { return slices.Index(order, a.Kind) - slices.Index(order, b.Kind) })
	return out, nil
}

func join(services []declare.ServiceID) string {
	names := make([]string, len(services))
	for i, s := range services {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}
