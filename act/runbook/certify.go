package runbook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// print names a runbook as it is, and the components that it names as they are: what a
// certificate and a reading are for. Prose may be mended without making it another.
func (r *Runner) print(book *declare.Runbook) string {
	h := sha256.New()
	put := func(parts ...string) {
		for _, p := range parts {
			fmt.Fprintf(h, "%d:%s", len(p), p)
		}
	}
	for _, p := range book.Params {
		b, _ := json.Marshal(p.Values)
		put(p.Name, string(p.Type), p.Pattern, p.Default, string(b))
	}
	for _, s := range book.Steps {
		b, _ := json.Marshal(s.Attrs)
		put(s.Language, s.Name, string(s.Class), s.Body, string(b))
	}
	put(string(book.Verify.Objective), book.Verify.Within.String())
	if r.o.Component != nil {
		for _, s := range book.Services {
			put(string(s), r.o.Component(s))
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// practice is what somebody has done with a runbook, newest first.
func (r *Runner) practice(ctx context.Context, q querier, who declare.PersonID, book string) ([]authority.Practice, error) {
	// A shadow run is a real one that went well, with a step that somebody else approved
	// and so stood beside.
	rows, err := q.QueryContext(ctx, `SELECT id, mode, status, print, ended_ms,
			EXISTS (SELECT 1 FROM approvals a WHERE a.run = runs.id AND a.decision = 'approved' AND a.decided_by != runs.actor)
		FROM runs WHERE actor = ? AND runbook = ? AND ended_ms > 0 AND taken_by = '' ORDER BY ended_ms DESC LIMIT 200`, journal.Person(string(who)), book)
	if err != nil {
		return nil, fmt.Errorf("cannot read the practice of %q: %w", who, err)
	}
	defer rows.Close()
	var out []authority.Practice
	for rows.Next() {
		var p authority.Practice
		var mode act.RunMode
		var status act.RunStatus
		var ended int64
		var watched bool
		if err := rows.Scan(&p.Run, &mode, &status, &p.Print, &ended, &watched); err != nil {
			return nil, fmt.Errorf("cannot read the practice of %q: %w", who, err)
		}
		p.At, p.Well = state.Time(ended), status == act.RunVerified || status == act.RunDone
		switch {
		case mode == act.ModeRehearsal:
			p.Kind = authority.Rehearsed
		case mode == act.ModeReal && watched:
			p.Kind = authority.Shadowed
		default:
			continue
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// certified says whether somebody holds a certificate for a runbook as it is now.
func (r *Runner) certified(ctx context.Context, who declare.PersonID, book *declare.Runbook, now time.Time) (bool, string, error) {
	c, err := r.Certificate(ctx, who, book, now)
	return c.Holds, c.Why, err
}

// Certificate is what somebody has earned for a runbook, and what it still takes.
func (r *Runner) Certificate(ctx context.Context, who declare.PersonID, book *declare.Runbook, now time.Time) (authority.Certificate, error) {
	done, err := r.practice(ctx, r.o.DB.Read(), who, book.Name)
	if err != nil {
		return authority.Certificate{}, err
	}
	return authority.Certify(done, r.print(book), now), nil
}

// earn records a certificate when the run that ends here completes it.
func (t *turn) earn(now time.Time) error {
	run := t.run
	if run.TakenBy != "" || run.Mode == act.ModeDry || (run.Status != act.RunDone && run.Status != act.RunVerified) {
		return nil
	}
	who := declare.PersonID(run.Actor.Name())
	before, err := t.r.practice(t.ctx, t.tx, who, run.Runbook)
	if err != nil {
		return err
	}
	kind := authority.Rehearsed
	if run.Mode == act.ModeReal {
		kind = authority.Shadowed
		watched := false
		for _, a := range run.Approvals {
			watched = watched || (a.Decision == "approved" && a.DecidedBy != run.Actor)
		}
		if !watched {
			return nil
		}
	}
	had := authority.Certify(before, run.Print, now)
	has := authority.Certify(append([]authority.Practice{{Run: run.ID, Kind: kind, At: now, Well: true, Print: run.Print}}, before...), run.Print, now)
	if had.Holds || !has.Holds {
		return nil
	}
	return t.record(now, system, "certificate.earned", fmt.Sprintf("%s is certified for %s until %s (%s)", who, run.Runbook, has.Until.UTC().Format("2006-01-02"), strings.Join(has.Runs, ", ")))
}
