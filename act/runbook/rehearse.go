package runbook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// Ground is where rehearsals are held: something like production that may be broken on
// purpose, and that has faults to put in place. A rehearsal against a fault sends its
// requests there and nowhere else; what else would alter something stays dry.
type Ground struct {
	// URL is where POST /faults/NAME puts a fault in place and DELETE takes it away; ""
	// where there is no such place: then rehearsals are dry.
	URL string
}

// appears is how long a fault may take until the objective shows it, and how long its
// end may take.
const (
	appears  = 5 * time.Minute
	faultEnd = time.Minute
)

// against says which fault a rehearsal of a runbook is against, "" for none.
func (r *Runner) against(mode act.RunMode, fault string) string {
	if mode == act.ModeRehearsal && r.o.Ground.URL != "" {
		return fault
	}
	return ""
}

// onGround says whether a request goes to the rehearsal's ground.
func (r *Runner) onGround(to string) bool {
	ground, err1 := url.Parse(r.o.Ground.URL)
	u, err2 := url.Parse(to)
	return err1 == nil && err2 == nil && ground.Host != "" && u.Host == ground.Host && u.Scheme == ground.Scheme
}

// oneFault refuses a rehearsal while another one's fault is in place: nobody could tell
// them apart.
func oneFault(ctx context.Context, tx *state.Tx, run *act.Run) error {
	var other string
	err := tx.QueryRowContext(ctx, `SELECT id FROM runs WHERE fault != '' AND parent = '' AND (ended_ms = 0 OR fault_ms > 0 AND over_ms = 0) LIMIT 1`).Scan(&other)
	if run.Fault != "" && err == nil {
		return &act.ConflictError{Why: fmt.Sprintf("another rehearsal goes on, with a fault of its own: %s", other)}
	}
	return nil
}

// begin puts the fault of a rehearsal in place and waits until it shows. More says that
// the steps may begin.
func (r *Runner) begin(ctx context.Context, run *act.Run) (more bool, err error) {
	fail := func(why string) (bool, error) {
		_, err := r.change(ctx, run.ID, func(t *turn) error {
			if t.run.Status.Ended() {
				return nil
			}
			return t.end(time.Now(), act.RunFailed, why)
		})
		return false, err
	}
	if run.FaultAt.IsZero() {
		calm, why, err := r.o.Verify(ctx, run.Objective, run.StartedAt)
		if err == nil && !calm {
			return fail(fmt.Sprintf("no fault was put in place: %s is not met as it is (%s); rehearse when all is calm", run.Objective, why))
		}
		if err == nil {
			err = r.fault(ctx, http.MethodPost, run)
		}
		if err != nil {
			if ctx.Err() != nil {
				return false, nil
			}
			return fail("the fault could not be put in place: " + err.Error())
		}
		_, err = r.change(ctx, run.ID, func(t *turn) error {
			now := time.Now()
			t.run.FaultAt = now
			t.status(act.RunRunning, fmt.Sprintf("fault %s is in place; waiting for %s to show it", run.Fault, run.Objective))
			return t.record(now, system, "run.fault.injected", fmt.Sprintf("fault %s was put in place for a rehearsal of %s", run.Fault, run.Runbook))
		})
		return err == nil, err
	}
	calm, _, err := r.o.Verify(ctx, run.Objective, run.StartedAt)
	switch {
	case ctx.Err() != nil:
		return false, nil
	case err == nil && !calm:
		_, err := r.change(ctx, run.ID, func(t *turn) error {
			now := time.Now()
			t.run.ShownAt = now
			t.status(act.RunRunning, "")
			return t.record(now, system, "run.fault.shown", fmt.Sprintf("%s shows the fault %s after %s", run.Objective, run.Fault, now.Sub(run.FaultAt).Round(time.Second)))
		})
		return err == nil, err
	case time.Since(run.FaultAt) > appears:
		return fail(fmt.Sprintf("%s has not shown the fault %s within %s: there was nothing to repair", run.Objective, run.Fault, appears))
	}
	return wait(ctx, poll) == nil, nil
}

// fault asks the ground to put the fault of a run in place, or to take it away.
func (r *Runner) fault(ctx context.Context, method string, run *act.Run) error {
	ctx, cancel := context.WithTimeout(ctx, faultEnd)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(r.o.Ground.URL, "/")+"/faults/"+url.PathEscape(run.Fault), strings.NewReader(`{"actor":"rehearsal `+run.ID+`"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "evenkeel")
	res, err := r.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return err
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 500))
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("got status %s from the place of rehearsal: %s", res.Status, strings.ToValidUTF8(strings.TrimSpace(string(said)), "\uFFFD"))
	}
	return nil
}

// afterwards takes the fault away while nobody waits for it.
func (r *Runner) afterwards(run act.Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx := r.ctx; ctx != nil && run.Fault != "" {
		r.wg.Go(func() { r.takeAway(ctx, &run) })
	}
}

// takeAway ends the fault of a rehearsal that has ended, whoever ended it and however.
func (r *Runner) takeAway(ctx context.Context, run *act.Run) {
	if run.FaultAt.IsZero() || !run.FaultOverAt.IsZero() || !run.Status.Ended() {
		return
	}
	if err := r.fault(ctx, http.MethodDelete, run); err != nil {
		r.o.Logger.Error("cannot take a rehearsal's fault away; trying again in a minute", "run", run.ID, "fault", run.Fault, "err", err)
		return
	}
	err := r.o.DB.Update(ctx, func(tx *state.Tx) error {
		now := time.Now()
		if _, err := tx.ExecContext(ctx, `UPDATE runs SET over_ms = ? WHERE id = ?`, state.Millis(now), run.ID); err != nil {
			return err
		}
		_, err := tx.Record(journal.Fact{At: now, Kind: "run.fault.ended", Actor: system, Cause: run.Fact, Subject: run.Ref(), Refs: refs(run), Text: fmt.Sprintf("fault %s was taken away", run.Fault)})
		return err
	})
	if err != nil {
		r.o.Logger.Error("cannot store that a rehearsal's fault is over", "run", run.ID, "err", err)
	}
}

// tidyGround takes away the faults of rehearsals that ended while nobody could.
func (r *Runner) tidyGround(ctx context.Context) {
	if r.o.Ground.URL == "" {
		return
	}
	rows, err := r.o.DB.Read().QueryContext(ctx, `SELECT `+columns+` FROM runs WHERE fault_ms > 0 AND over_ms = 0 AND ended_ms > 0 LIMIT 100`)
	if err != nil {
		r.o.Logger.Error("cannot look for faults of rehearsals", "err", err)
		return
	}
	defer rows.Close()
	var over []act.Run
	for rows.Next() {
		run, err := scan(rows)
		if err != nil {
			r.o.Logger.Error("cannot look for faults of rehearsals", "err", err)
			return
		}
		over = append(over, run)
	}
	if err := rows.Err(); err != nil {
		r.o.Logger.Error("cannot look for faults of rehearsals", "err", err)
	}
	for i := range over {
		r.takeAway(ctx, &over[i])
	}
}
