package incident

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// Merge implements respond.Desk: findings, services, tasks and links go over; the
// clock of what stays begins with the earlier one. Both timelines say so.
func (b *Book) Merge(ctx context.Context, now time.Time, actor journal.Actor, n, into respond.Number, why string) (respond.Incident, error) {
	if n == into {
		return respond.Incident{}, &respond.InvalidError{Field: "into", Got: fmt.Sprint(into), Want: "another incident"}
	}
	if err := checkText(why); err != nil {
		return respond.Incident{}, err
	}
	var to respond.Incident
	var moved []int64
	_, err := b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		var err error
		if to, err = get(ctx, tx, into); err != nil {
			return err
		}
		if to.Ended() {
			return &respond.TransitionError{From: to.Status, Event: "merge into"}
		}
		if moved, err = ids(ctx, tx, n); err != nil {
			return err
		}
		text := fmt.Sprintf(" into %d%s", into, because(why))
		if err := b.move(tx, now, actor, i, respond.Merge, i.Fact, text, into.Ref()); err != nil {
			return err
		}
		i.MergedInto = into
		for _, table := range []string{"findings", "incident_tasks"} {
			//nolint:gosec // the tables are ours
			if _, err := tx.ExecContext(ctx, `UPDATE `+table+` SET incident = ? WHERE incident = ?`, into, n); err != nil {
				return fmt.Errorf("cannot merge incident %d: %w", n, err)
			}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE OR IGNORE incident_links SET incident = ? WHERE incident = ?`, into, n); err != nil {
			return fmt.Errorf("cannot merge incident %d: %w", n, err)
		}
		for _, s := range i.Services {
			if !slices.Contains(to.Services, s) {
				to.Services = append(to.Services, s)
			}
		}
		if c := i.Clocks; !c.Impact.IsZero() && (to.Clocks.Impact.IsZero() || c.Impact.Before(to.Clocks.Impact)) {
			to.Clocks.Impact, to.Clocks.ImpactSource = c.Impact, fmt.Sprintf("of incident %d: %s", n, c.ImpactSource)
			to.Clocks.Say(respond.PointImpact, to.Clocks.ImpactSource)
		}
		if i.Clocks.Detected.Before(to.Clocks.Detected) {
			to.Clocks.Detected = i.Clocks.Detected
			to.Clocks.Say(respond.PointDetected, fmt.Sprintf("of incident %d", n))
		}
		if i.Sev != "" && (to.Sev == "" || i.Sev < to.Sev) {
			to.Sev = i.Sev // the worse one
		}
		cause, err := b.fact(tx, now, actor, "incident.merged_in", i.Fact, &to, fmt.Sprintf("incident %d merged in with %s%s", n, howMany(len(moved)), because(why)), n.Ref())
		if err != nil {
			return err
		}
		var pages bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM findings WHERE incident = ? AND severity = ? AND resolved_ms = 0)`, into, detect.Page).Scan(&pages); err != nil {
			return err
		}
		if pages && to.Status == respond.Mitigated {
			if err := b.move(tx, now, journal.System("respond"), &to, respond.Regress, cause, fmt.Sprintf(": incident %d still pages", n), n.Ref()); err != nil {
				return err
			}
		}
		return save(ctx, tx, &to)
	})
	if err != nil {
		return respond.Incident{}, err
	}
	b.moved(into, moved)
	return to, nil
}

func (b *Book) moved(n respond.Number, findings []int64) {
	if b.o.Moved != nil {
		b.o.Moved(int64(n), findings)
	}
}

func ids(ctx context.Context, q querier, n respond.Number) (out []int64, err error) {
	rows, err := q.QueryContext(ctx, `SELECT id FROM findings WHERE incident = ? ORDER BY id`, n)
	if err != nil {
		return nil, fmt.Errorf("cannot list findings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("cannot list findings: %w", err)
		}
		out = append(out, id)
	}
	return out, rows.Err()
}

// Split implements respond.Desk: what turns out to be something else gets an incident
// of its own, with its own clock. At least one finding stays.
func (b *Book) Split(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, findings []int64, why string) (respond.Incident, error) {
	findings = slices.Compact(slices.Sorted(slices.Values(findings)))
	if len(findings) == 0 || len(findings) > 500 {
		return respond.Incident{}, &respond.InvalidError{Field: "findings", Got: fmt.Sprint(len(findings)), Want: "1 to 500 findings"}
	}
	if err := checkText(why); err != nil {
		return respond.Incident{}, err
	}
	args := []any{n}
	for _, id := range findings {
		args = append(args, id)
	}
	in := `incident = ? AND id IN (?` + strings.Repeat(",?", len(findings)-1) + `)`
	var to *respond.Incident
	var first detect.Finding
	_, err := b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		if i.Ended() {
			return &respond.TransitionError{From: i.Status, Event: "split"}
		}
		all, err := ids(ctx, tx, n)
		if err != nil {
			return err
		}
		found, err := parts(ctx, tx, in, args...)
		if err != nil {
			return err
		}
		switch {
		case len(found) != len(findings):
			return &respond.InvalidError{Field: "findings", Got: fmt.Sprint(findings), Want: fmt.Sprintf("findings of incident %d", n)}
		case len(found) == len(all):
			return &respond.InvalidError{Field: "findings", Got: "all of them", Want: "at least one that stays"}
		}
		first = found[0]
		for _, f := range found { // it is about what pages, where something does
			if f.Severity == detect.Page {
				first = f
				break
			}
		}
		to = &respond.Incident{
			Title: title(&first), Severity: first.Severity, Status: respond.Open, Service: first.Service, Team: first.Team, Sev: b.sev(&first),
			Services: services(first.Service), Clocks: respond.Clocks{Detected: first.OpenedAt}, Runbook: first.Runbook,
		}
		to.Clocks.Say(respond.PointDetected, fmt.Sprintf("finding %d: %s", first.ID, first.Name))
		if to.Team == "" {
			to.Team = b.o.TeamOf(first.Service)
		}
		for _, f := range found {
			if f.Service != "" && !slices.Contains(to.Services, f.Service) {
				to.Services = append(to.Services, f.Service)
			}
		}
		if err := insert(ctx, tx, to); err != nil {
			return err
		}
		//nolint:gosec // only question marks are joined
		if _, err := tx.ExecContext(ctx, `UPDATE findings SET incident = ? WHERE `+in, append([]any{to.Number}, args...)...); err != nil {
			return fmt.Errorf("cannot split incident %d: %w", n, err)
		}
		left, err := parts(ctx, tx, `incident = ?`, n)
		if err != nil {
			return err
		}
		// Services that only the others had go with them; its own stays.
		i.Services = slices.DeleteFunc(i.Services, func(s declare.ServiceID) bool {
			return s != i.Service && slices.Contains(to.Services, s) && !slices.ContainsFunc(left, func(f detect.Finding) bool { return f.Service == s })
		})
		cause, err := b.fact(tx, now, actor, "incident.split", i.Fact, i, fmt.Sprintf("incident %d has %s of incident %d now%s", to.Number, howMany(len(found)), n, because(why)), to.Number.Ref())
		if err != nil {
			return err
		}
		if to.Fact, err = b.fact(tx, now, actor, "incident.opened", cause, to, fmt.Sprintf("incident %d opened, split from %d: %s", to.Number, n, to.Title), n.Ref(), first.Ref()); err != nil {
			return err
		}
		if err := b.calm(ctx, tx, now, to, to.Fact); err != nil {
			return err
		}
		if err := save(ctx, tx, to); err != nil {
			return err
		}
		return b.calm(ctx, tx, now, i, cause)
	})
	if err != nil {
		return respond.Incident{}, err
	}
	b.moved(to.Number, findings)
	if err := b.investigate(ctx, now, to.Number, &first); err != nil {
		return respond.Incident{}, err
	}
	return b.Get(ctx, to.Number)
}

// parts are findings with what an incident takes from them.
func parts(ctx context.Context, q querier, cond string, args ...any) (out []detect.Finding, err error) {
	//nolint:gosec // cond is ours
	rows, err := q.QueryContext(ctx, `SELECT id, name, service, team, objective, severity, summary, runbook, since_ms, opened_ms, resolved_ms, fact FROM findings WHERE `+cond+` ORDER BY id`, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot list findings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var f detect.Finding
		var since, opened, resolved int64
		if err := rows.Scan(&f.ID, &f.Name, &f.Service, &f.Team, &f.Objective, &f.Severity, &f.Summary, &f.Runbook, &since, &opened, &resolved, &f.Fact); err != nil {
			return nil, fmt.Errorf("cannot list findings: %w", err)
		}
		f.Since, f.OpenedAt, f.ResolvedAt = state.Time(since), state.Time(opened), state.Time(resolved)
		out = append(out, f)
	}
	return out, rows.Err()
}

// howMany counts findings in words.
func howMany(n int) string {
	if n == 1 {
		return "1 finding"
	}
	return fmt.Sprintf("%d findings", n)
}
