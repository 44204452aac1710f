package runbook

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/state"
)

const columns = `id, runbook, title, source, service, incident, objective, params, actor, status, reason, change_id, started_ms, ended_ms, verify_ms, fact, token, taken_by, break_glass, mode, asked, print, parent, parent_step, minutes, evidence, fault, fault_ms, shown_ms, over_ms`

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func scan(row interface{ Scan(...any) error }) (act.Run, error) {
	var run act.Run
	var params, source string
	var started, ended, verify, fault, shown, over int64
	err := row.Scan(&run.ID, &run.Runbook, &run.Title, &source, &run.Service, &run.Incident, &run.Objective, &params, &run.Actor, &run.Status, &run.Reason, &run.Change,
		&started, &ended, &verify, &run.Fact, &run.Token, &run.TakenBy, &run.BreakGlass, &run.Mode, &run.Asked, &run.Print, &run.Parent, &run.ParentStep, &run.Minutes, &run.Baseline,
		&run.Fault, &fault, &shown, &over)
	if errors.Is(err, sql.ErrNoRows) {
		return run, act.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(params), &run.Params)
	}
	if err != nil {
		return run, fmt.Errorf("cannot read run: %w", err)
	}
	run.Source = []byte(source)
	run.FaultAt, run.ShownAt, run.FaultOverAt = state.Time(fault), state.Time(shown), state.Time(over)
	run.StartedAt, run.EndedAt, run.VerifyBy = state.Time(started), state.Time(ended), state.Time(verify)
	return run, nil
}

// load reads a run whole.
func load(ctx context.Context, q querier, id string) (act.Run, error) {
	run, err := scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM runs WHERE id = ?`, id))
	if err != nil {
		return run, err
	}
	if err := loadSteps(ctx, q, &run, true); err != nil {
		return run, err
	}
	rows, err := q.QueryContext(ctx, `SELECT id, step, risk, shown_hash, requested_by, requested_ms, decision, decided_by, decided_ms, reason, class, part, evidence, voice, recorded_by FROM approvals WHERE run = ? ORDER BY id`, id)
	if err != nil {
		return run, fmt.Errorf("cannot read approvals: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		a := act.Approval{Run: id}
		var requested, decided int64
		if err := rows.Scan(&a.ID, &a.Step, &a.Risk, &a.ShownHash, &a.RequestedBy, &requested, &a.Decision, &a.DecidedBy, &decided, &a.Reason, &a.Class, &a.Part, &a.Evidence, &a.Voice, &a.RecordedBy); err != nil {
			return run, fmt.Errorf("cannot read approvals: %w", err)
		}
		a.RequestedAt, a.DecidedAt = state.Time(requested), state.Time(decided)
		run.Approvals = append(run.Approvals, a)
	}
	if err := rows.Err(); err != nil {
		return run, fmt.Errorf("cannot read approvals: %w", err)
	}
	return run, loadLocks(ctx, q, &run)
}

func loadSteps(ctx context.Context, q querier, run *act.Run, outputs bool) error {
	out := "output"
	if !outputs {
		out = "''"
	}
	rows, err := q.QueryContext(ctx, `SELECT idx, name, language, risk, rollback, status, attempt, `+out+`, detail, started_ms, ended_ms FROM run_steps WHERE run = ? ORDER BY idx`, run.ID)
	if err != nil {
		return fmt.Errorf("cannot read steps: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var s act.RunStep
		var started, ended int64
		if err := rows.Scan(&s.Index, &s.Name, &s.Language, &s.Risk, &s.Rollback, &s.Status, &s.Attempt, &s.Output, &s.Detail, &started, &ended); err != nil {
			return fmt.Errorf("cannot read steps: %w", err)
		}
		s.StartedAt, s.EndedAt = state.Time(started), state.Time(ended)
		run.Steps = append(run.Steps, s)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	book := reread(run)
	for i := range run.Steps {
		if i < len(book.Steps) {
			run.Steps[i].Body, run.Steps[i].Class = book.Steps[i].Body, book.Steps[i].Class
			run.Steps[i].Shown = shown(&book.Steps[i], book, run)
		}
	}
	return nil
}

// Get implements act.Runs.
func (r *Runner) Get(ctx context.Context, id string) (act.Run, error) {
	return load(ctx, r.o.DB.Read(), id)
}

// List implements act.Runs.
func (r *Runner) List(ctx context.Context, f act.RunFilter) ([]act.Run, error) {
	where, args := []string{"1=1"}, []any{}
	if f.Active || f.Waiting {
		where = append(where, `status IN ('running','waiting','verifying','rolling-back')`)
	}
	if f.Waiting {
		where = append(where, `EXISTS (SELECT 1 FROM run_steps s WHERE s.run = runs.id AND s.status IN ('waiting','interrupted'))`)
	}
	if f.Incident != 0 {
		where, args = append(where, `incident = ?`), append(args, f.Incident)
	}
	if f.Runbook != "" {
		where, args = append(where, `runbook = ?`), append(args, f.Runbook)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	args = append(args, limit, max(f.Offset, 0))
	//nolint:gosec // only constants are joined; values are arguments
	rows, err := r.o.DB.Read().QueryContext(ctx, `SELECT `+columns+` FROM runs WHERE `+strings.Join(where, " AND ")+` ORDER BY started_ms DESC, id LIMIT ? OFFSET ?`, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot list runs: %w", err)
	}
	var out []act.Run
	for rows.Next() {
		run, err := scan(rows)
		if err != nil {
			rows.Close()
			return nil, err
		}
		out = append(out, run)
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range out {
		if err := loadSteps(ctx, r.o.DB.Read(), &out[i], false); err != nil {
			return nil, err
		}
	}
	return out, nil
}
