package runbook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	parse "github.com/evenkeel/evenkeel/declare/runbook"
)

// deepest is how many runs may be steps of one another.
const deepest = 5

// sub runs another runbook as a step, and follows it to its end. It is found again after
// a restart: a step never starts two.
func (r *Runner) sub(ctx context.Context, run *act.Run, step *declare.Step, out io.Writer) result {
	id, err := r.child(ctx, run.ID, step.Index, run.Steps[step.Index].Attempt)
	if err != nil {
		return result{detail: err.Error()}
	}
	if id == "" {
		depth, err := r.depth(ctx, run)
		if err != nil {
			return result{detail: err.Error()}
		}
		if depth >= deepest {
			return result{detail: fmt.Sprintf("runbooks are steps of each other more than %d deep", deepest)}
		}
		params, err := parse.SubParams(step.Body, run.Params)
		if err != nil {
			return result{detail: err.Error()}
		}
		s := act.StartRun{Runbook: step.Attrs["run"], Params: params, Mode: run.Mode, BreakGlass: run.BreakGlass, Token: run.Token, Asked: run.Asked}
		if who := declare.PersonID(run.Actor.Name()); run.TakenBy != "" && s.Asked == "" {
			s.Asked = who
		}
		child, err := r.start(ctx, time.Now(), run.Doer(), s, run, step.Index)
		if err != nil {
			return result{detail: fmt.Sprintf("cannot start runbook %s: %v", step.Attrs["run"], err)}
		}
		id = child.ID
	}
	said := ""
	for {
		child, err := r.Get(ctx, id)
		if err != nil {
			return result{detail: err.Error()}
		}
		if line := fmt.Sprintf("run %s %s: %s", id, child.Status, child.Reason); line != said {
			said = line
			fmt.Fprintln(out, line)
		}
		if child.Status.Ended() {
			ok := child.Status == act.RunVerified || child.Status == act.RunDone
			return result{ok: ok, detail: fmt.Sprintf("run %s %s", id, child.Status)}
		}
		if wait(ctx, poll) != nil {
			return result{detail: "interrupted"}
		}
	}
}

// child is the run that a step has started: one that goes on, or ended well. A step that
// is tried again starts a new one only where the last has failed.
func (r *Runner) child(ctx context.Context, run string, step, attempt int) (string, error) {
	var id string
	err := r.o.DB.Read().QueryRowContext(ctx, `SELECT id FROM runs WHERE parent = ? AND parent_step = ? AND (ended_ms = 0 OR status IN ('verified','done')) ORDER BY started_ms DESC LIMIT 1`, run, step).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot find the run of step %d (attempt %d): %w", step, attempt, err)
	}
	return id, nil
}

func (r *Runner) depth(ctx context.Context, run *act.Run) (int, error) {
	n := 1
	for parent := run.Parent; parent != ""; n++ {
		p, err := r.Get(ctx, parent)
		if err != nil {
			return 0, err
		}
		parent = p.Parent
	}
	return n, nil
}

// children are the runs of a run's steps that go on.
func (r *Runner) children(ctx context.Context, run string) ([]string, error) {
	rows, err := r.o.DB.Read().QueryContext(ctx, `SELECT id FROM runs WHERE parent = ? AND ended_ms = 0`, run)
	if err != nil {
		return nil, fmt.Errorf("cannot find the runs of a run's steps: %w", err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("cannot find the runs of a run's steps: %w", err)
		}
		out = append(out, id)
	}
	return out, rows.Err()
}
