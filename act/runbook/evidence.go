package runbook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/state"
)

// evidence is what an approver should know beside the step itself, one thing a line.
func (r *Runner) evidence(ctx context.Context, run *act.Run, a *act.Approval) {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	book := reread(run)
	checked, undo := 0, 0
	for i := range book.Steps {
		s := &book.Steps[i]
		if s.Rollback {
			undo++
			continue
		}
		if i < a.Step && s.Expect != "" && i < len(run.Steps) {
			checked++
			say("check %s: %s, %s", s.Name, run.Steps[i].Status, run.Steps[i].Detail)
		}
	}
	if checked == 0 {
		say("no check stands before it")
	}
	for _, line := range r.look(ctx, run, book, a.Step) {
		say("%s%s", ofCluster, line)
	}
	switch dry, err := r.lastDry(ctx, run); {
	case err != nil:
		say("dry run: cannot tell (%v)", err)
	case dry.ID == "":
		say("no dry run with these parameters in the last day")
	default:
		say("dry run %s: %s, %s", dry.ID, dry.Status, dry.Reason)
	}
	if undo > 0 {
		say("rollback: %s for when it fails", plural(undo, "step"))
	} else {
		say("no rollback is written")
	}
	if r.o.Blast != nil {
		b := r.o.Blast(services(book, run.Params)...)
		tier := ""
		if b.Tier > 0 {
			tier = fmt.Sprintf(", the most important of tier %d", b.Tier)
		}
		say("reach: %s, %d that depend on %s%s", plural(b.Services, "service"), b.Dependents, map[bool]string{true: "it", false: "them"}[b.Services == 1], tier)
	}
	if r.o.Budget != nil && run.Objective != "" {
		say("budget: %s", r.o.Budget(ctx, run.Objective))
	}
	if n := r.helped(ctx, run.Runbook); n != "" {
		say("%s", n)
	}
	a.Evidence = mask(strings.Join(lines, "\n"))
	err := r.o.DB.Update(ctx, func(tx *state.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE approvals SET evidence = ? WHERE id = ? AND decision = ''`, a.Evidence, a.ID)
		return err
	})
	if err != nil && ctx.Err() == nil {
		r.o.Logger.Warn("cannot store the evidence for an approval", "run", run.ID, "err", err)
	}
}

// lastDry is the newest dry run of the same runbook with the same parameters.
func (r *Runner) lastDry(ctx context.Context, run *act.Run) (act.Run, error) {
	dry, err := scan(r.o.DB.Read().QueryRowContext(ctx, `SELECT `+columns+` FROM runs WHERE runbook = ? AND mode = 'dry' AND ended_ms > 0 AND source = ?
		AND params = (SELECT params FROM runs WHERE id = ?) AND started_ms > ? ORDER BY started_ms DESC LIMIT 1`, run.Runbook, string(run.Source), run.ID, state.Millis(run.StartedAt)-24*3600*1000))
	if errors.Is(err, act.ErrNotFound) {
		return act.Run{}, nil
	}
	return dry, err
}

// helped says how the last runs have turned out, "" where there were none.
func (r *Runner) helped(ctx context.Context, book string) string {
	var all, well int
	var last sql.NullInt64
	err := r.o.DB.Read().QueryRowContext(ctx, `SELECT count(*), coalesce(sum(status IN ('verified','done')), 0), max(ended_ms) FROM
		(SELECT status, ended_ms FROM runs WHERE runbook = ? AND mode = '' AND ended_ms > 0 ORDER BY ended_ms DESC LIMIT 20)`, book).Scan(&all, &well, &last)
	if err != nil || all == 0 {
		return ""
	}
	return fmt.Sprintf("%d of its last %s went well, the last on %s", well, plural(all, "run"), state.Time(last.Int64).Format("2006-01-02"))
}

// plural is a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
