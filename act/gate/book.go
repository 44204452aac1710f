package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// Decision is a verdict that was given, on record.
type Decision struct {
	ID      int64             `json:"id"`
	At      time.Time         `json:"at"`
	Service declare.ServiceID `json:"service"`
	Change  string            `json:"change"` // in a line
	Ref     string            `json:"ref,omitempty" doc:"The change on record that was asked for."`
	AskedBy journal.Actor     `json:"asked_by"`
	Answer  Answer            `json:"answer"`
	Reasons []Reason          `json:"reasons"`
	Fact    journal.ID        `json:"fact"`
}

// Others are the reasons beside the first that were no plain pass either: they would
// have decided alone.
func (d Decision) Others() []Reason { return others(d.Reasons) }

func others(reasons []Reason) []Reason {
	for i := 1; i < len(reasons); i++ { // those that decide stand first
		if reasons[i].State == Pass {
			return reasons[1:i]
		}
	}
	return reasons[min(1, len(reasons)):]
}

// Book keeps what the gate answered.
type Book struct{ db *state.DB }

// NewBook returns the book.
func NewBook(db *state.DB) *Book { return &Book{db} }

// Record stores a verdict before it is given.
func (b *Book) Record(ctx context.Context, now time.Time, actor journal.Actor, c act.Change, recorded bool, v Verdict) (Decision, error) {
	d := Decision{At: now.UTC(), Service: c.Service, Change: c.Summary, AskedBy: actor, Answer: v.Answer, Reasons: v.Reasons}
	subject := journal.MakeRef("service", string(c.Service))
	refs := []journal.Ref{}
	if recorded {
		d.Ref = c.ID
		refs = append(refs, journal.MakeRef("change", c.ID))
	}
	reasons, err := json.Marshal(v.Reasons)
	if err != nil {
		return d, err
	}
	kind := journal.Kind("gate.answered")
	for _, r := range v.Reasons {
		if r.State == Overridden {
			kind = "gate.overridden"
		}
	}
	text := fmt.Sprintf("may %s go? %s: %s", c.Summary, v.Answer, v.Reasons[0].Why)
	if n := len(others(v.Reasons)); n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	err = b.db.Update(ctx, func(tx *state.Tx) error {
		if d.Fact, err = tx.Record(journal.Fact{At: now, Kind: kind, Actor: actor, Subject: subject, Refs: refs, Text: text, Data: reasons}); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO gate_decisions (at_ms, service, change_text, change_id, asked_by, answer, reasons, fact) VALUES (?,?,?,?,?,?,?,?)`,
			state.Millis(now), d.Service, d.Change, d.Ref, d.AskedBy, d.Answer, string(reasons), d.Fact)
		if err != nil {
			return fmt.Errorf("cannot store the gate's answer: %w", err)
		}
		d.ID, err = res.LastInsertId()
		return err
	})
	return d, err
}

// List returns the newest decisions, of one service or of all ("").
func (b *Book) List(ctx context.Context, service declare.ServiceID, limit int) ([]Decision, error) {
	if limit <= 0 {
		limit = 100
	}
	rows, err := b.db.Read().QueryContext(ctx, `SELECT id, at_ms, service, change_text, change_id, asked_by, answer, reasons, fact FROM gate_decisions WHERE ?1 = '' OR service = ?1 ORDER BY id DESC LIMIT ?2`, service, limit)
	if err != nil {
		return nil, fmt.Errorf("cannot list the gate's answers: %w", err)
	}
	defer rows.Close()
	var out []Decision
	for rows.Next() {
		var d Decision
		var at int64
		var reasons string
		if err := rows.Scan(&d.ID, &at, &d.Service, &d.Change, &d.Ref, &d.AskedBy, &d.Answer, &reasons, &d.Fact); err != nil {
			return nil, fmt.Errorf("cannot list the gate's answers: %w", err)
		}
		if err := json.Unmarshal([]byte(reasons), &d.Reasons); err != nil {
			return nil, fmt.Errorf("cannot read the gate's answer %d: %w", d.ID, err)
		}
		d.At = state.Time(at)
		out = append(out, d)
	}
	return out, rows.Err()
}

// Question is what somebody asks the gate.
type Question struct {
	Change    act.Change        // as it would be recorded
	Ref       string            // or the ID of one on record
	Artefacts []string          // what was checked
	Problems  []ArtefactProblem // what was found in it
	Override  string            // why it should go all the same, "" for no override
}
