package toil

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

// Book is the log: what people write down in a line.
type Book struct{ db *state.DB }

// NewBook returns the log.
func NewBook(db *state.DB) *Book { return &Book{db} }

// Entry is one line of the log.
type Entry struct {
	ID      int64            `json:"id"`
	At      time.Time        `json:"at"`
	Person  declare.PersonID `json:"-"`
	Team    declare.TeamID   `json:"team"`
	Minutes float64          `json:"minutes"`
	Text    string           `json:"text"`
}

// Log writes down that somebody has just spent some time on something.
func (b *Book) Log(ctx context.Context, now time.Time, who declare.PersonID, team declare.TeamID, d time.Duration, text string) (Entry, error) {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	switch {
	case d < time.Minute || d > 12*time.Hour:
		return Entry{}, &act.InvalidError{Field: "duration", Got: d.String(), Want: "a time from 1m to 12h"}
	case text == "" || len(text) > 300:
		return Entry{}, &act.InvalidError{Field: "text", Want: "what it was, in at most 300 bytes"}
	}
	e := Entry{At: now.UTC(), Person: who, Team: team, Minutes: d.Minutes(), Text: text}
	err := b.db.Update(ctx, func(tx *state.Tx) error {
		fact, err := tx.Record(journal.Fact{At: now, Kind: "toil.logged", Actor: journal.Person(string(who)), Subject: journal.MakeRef("team", string(team)), Text: fmt.Sprintf("%s of toil: %s", d, text)})
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO toil (at_ms, person, team, seconds, text, fact) VALUES (?,?,?,?,?,?)`, state.Millis(now), who, team, int64(d.Seconds()), text, fact)
		if err != nil {
			return fmt.Errorf("cannot log toil: %w", err)
		}
		e.ID, err = res.LastInsertId()
		return err
	})
	return e, err
}

// Spans are the lines of a time, as work.
func (b *Book) Spans(ctx context.Context, from, to time.Time) ([]Span, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT at_ms, person, team, seconds, text FROM toil WHERE at_ms >= ? AND at_ms - 1000 * seconds < ? ORDER BY at_ms LIMIT 100000`, state.Millis(from), state.Millis(to))
	if err != nil {
		return nil, fmt.Errorf("cannot read the log of toil: %w", err)
	}
	defer rows.Close()
	var out []Span
	for rows.Next() {
		var s Span
		var at, seconds int64
		if err := rows.Scan(&at, &s.Person, &s.Team, &seconds, &s.Task); err != nil {
			return nil, fmt.Errorf("cannot read the log of toil: %w", err)
		}
		s.To, s.Source = state.Time(at), "log"
		s.From = s.To.Add(-time.Duration(seconds) * time.Second)
		out = append(out, s)
	}
	return out, rows.Err()
}
