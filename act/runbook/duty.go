package runbook

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// When duties are due.
const (
	recordWithin = 24 * time.Hour
	reviewWithin = 3 * 24 * time.Hour
)

// owe notes a duty once for a step.
func (t *turn) owe(now time.Time, kind act.DutyKind, step int, by, notBy declare.PersonID, summary string, within time.Duration) error {
	var n int
	if err := t.tx.QueryRowContext(t.ctx, `SELECT count(*) FROM duties WHERE run = ? AND step = ? AND kind = ?`, t.run.ID, step, kind).Scan(&n); err != nil {
		return fmt.Errorf("cannot look for duties: %w", err)
	}
	if n > 0 {
		return nil
	}
	fact, err := t.tx.Record(journal.Fact{At: now, Kind: journal.Kind("duty." + string(kind) + ".owed"), Actor: journal.Person(string(t.run.Doer())), Cause: t.run.Fact, Subject: t.run.Ref(), Refs: refs(t.run), Text: summary})
	if err != nil {
		return err
	}
	if _, err := t.tx.ExecContext(t.ctx, `INSERT INTO duties (kind, run, step, owed_by, not_by, summary, created_ms, due_ms, fact) VALUES (?,?,?,?,?,?,?,?,?)`,
		kind, t.run.ID, step, by, notBy, summary, state.Millis(now), state.Millis(now.Add(within)), fact); err != nil {
		return fmt.Errorf("cannot note a duty: %w", err)
	}
	return nil
}

// Duties are those that are owed, and with all those that are done, newest first.
func (r *Runner) Duties(ctx context.Context, all bool) ([]act.Duty, error) {
	rows, err := r.o.DB.Read().QueryContext(ctx, `SELECT id, kind, run, step, owed_by, not_by, summary, created_ms, due_ms, done_ms, done_by, verdict, text FROM duties WHERE ? OR done_ms = 0 ORDER BY id DESC LIMIT 1000`, all)
	if err != nil {
		return nil, fmt.Errorf("cannot list duties: %w", err)
	}
	defer rows.Close()
	var out []act.Duty
	for rows.Next() {
		var d act.Duty
		var created, due, done int64
		if err := rows.Scan(&d.ID, &d.Kind, &d.Run, &d.Step, &d.OwedBy, &d.NotBy, &d.Summary, &created, &due, &done, &d.DoneBy, &d.Verdict, &d.Text); err != nil {
			return nil, fmt.Errorf("cannot list duties: %w", err)
		}
		d.CreatedAt, d.DueAt, d.DoneAt = state.Time(created), state.Time(due), state.Time(done)
		out = append(out, d)
	}
	return out, rows.Err()
}

var verdicts = map[act.DutyKind][]string{act.DutyRecord: {"confirmed", "disputed"}, act.DutyReview: {"right", "wrong"}}

// Fulfil does a duty: the commander confirms in writing, or disputes; somebody else
// finds the broken glass right, or wrong.
func (r *Runner) Fulfil(ctx context.Context, now time.Time, who declare.PersonID, id int64, verdict, text string) (act.Duty, error) {
	if text = strings.TrimSpace(text); text == "" || len(text) > 2_000 {
		return act.Duty{}, &act.InvalidError{Field: "text", Want: "the record, in at most 2000 characters"}
	}
	all, err := r.Duties(ctx, true)
	if err != nil {
		return act.Duty{}, err
	}
	i := slices.IndexFunc(all, func(d act.Duty) bool { return d.ID == id })
	if i < 0 {
		return act.Duty{}, fmt.Errorf("duty %d: %w", id, act.ErrNotFound)
	}
	d := all[i]
	if !slices.Contains(verdicts[d.Kind], verdict) {
		return act.Duty{}, &act.InvalidError{Field: "verdict", Got: verdict, Want: strings.Join(verdicts[d.Kind], " or ")}
	}
	switch {
	case d.OwedBy != "" && who != d.OwedBy:
		return act.Duty{}, &act.DeniedError{Why: fmt.Sprintf("it is %s who owes this record", d.OwedBy)}
	case who == d.NotBy:
		return act.Duty{}, &act.DeniedError{Why: fmt.Sprintf("%s did it: a review is somebody else's", who)}
	}
	if d.Kind == act.DutyReview {
		if p := r.person(ctx, who, now); p.Level.Rank < declare.Senior && !p.Level.Leader {
			return act.Duty{}, &act.DeniedError{Why: fmt.Sprintf("%s is of L%d: the review takes somebody of L3 or above", who, p.Level.Rank)}
		}
	}
	_, err = r.change(ctx, d.Run, func(t *turn) error {
		res, err := t.tx.ExecContext(ctx, `UPDATE duties SET done_ms=?, done_by=?, verdict=?, text=? WHERE id=? AND done_ms=0`, state.Millis(now), journal.Person(string(who)), verdict, text, id)
		if err != nil {
			return fmt.Errorf("cannot do a duty: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return &act.ConflictError{Why: "it is done already"}
		}
		return t.record(now, journal.Person(string(who)), journal.Kind("duty."+string(d.Kind)+"."+verdict), fmt.Sprintf("%s: %s (%s)", who, text, verdict))
	})
	if err != nil {
		return act.Duty{}, err
	}
	d.DoneAt, d.DoneBy, d.Verdict, d.Text = now, journal.Person(string(who)), verdict, text
	return d, nil
}

// Voice writes down that the commander of the run's incident has approved a step by
// voice. It counts at once; within a day the commander owes the record in writing.
func (r *Runner) Voice(ctx context.Context, now time.Time, who, commander declare.PersonID, id string, step int, hash, words string) (act.Run, error) {
	if words = strings.TrimSpace(words); words == "" || len(words) > 2_000 {
		return act.Run{}, &act.InvalidError{Field: "words", Want: "what was said, in at most 2000 characters"}
	}
	_, err := r.change(ctx, id, func(t *turn) error {
		s, err := t.at(step)
		if err != nil {
			return err
		}
		open := t.open(step)
		if open == nil || s.Status != act.StepWaiting {
			return &act.ConflictError{Why: fmt.Sprintf("step %s does not wait for an approval", s.Name)}
		}
		if hash != open.ShownHash || hash != shownHash(s) {
			return &act.ConflictError{Why: "what was shown is not what would run now: look again"}
		}
		c, err := r.caseOf(ctx, t.run, t.source(), step, now)
		if err != nil {
			return err
		}
		switch {
		case c.Incident == 0:
			return &act.DeniedError{Why: "an approval by voice is for an active incident, and this run is for none"}
		case c.Commander != commander:
			return &act.DeniedError{Why: fmt.Sprintf("%s does not command incident %d (%s does)", commander, c.Incident, orNobody(c.Commander))}
		}
		said := authority.Approval{By: r.person(ctx, commander, now), Voice: true}
		if v := authority.Approve(said.By, c); !v.OK() {
			return &act.DeniedError{Why: v.Why}
		}
		c.Approvals = append(c.Approvals, said)
		if v := authority.Decide(c); !v.OK() {
			return &act.DeniedError{Why: v.Why}
		}
		open.Decision, open.DecidedBy, open.DecidedAt, open.Reason = "approved", journal.Person(string(commander)), now, words
		open.Voice, open.RecordedBy = true, journal.Person(string(who))
		if err := t.answer(open); err != nil {
			return err
		}
		if t.run.Status == act.RunWaiting {
			t.status(act.RunRunning, "")
		}
		summary := fmt.Sprintf("%s approved step %s of %s by voice (%q, written down by %s)", commander, s.Name, t.run.Runbook, words, who)
		if err := t.record(now, journal.Person(string(who)), "run.approval.approved", summary); err != nil {
			return err
		}
		return t.owe(now, act.DutyRecord, step, commander, "", summary, recordWithin)
	})
	if err != nil {
		return act.Run{}, err
	}
	r.kick(id)
	return r.Get(ctx, id)
}

func orNobody(p declare.PersonID) string {
	if p == "" {
		return "nobody"
	}
	return string(p)
}
