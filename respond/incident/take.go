package incident

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// joinDistance is how far along dependencies one incident reaches.
const joinDistance = 3

// Take gives findings their incident and returns them with what a page must say. A
// muted finding opens nothing.
func (b *Book) Take(ctx context.Context, now time.Time, findings []detect.Finding, muted func(detect.Finding) bool) ([]detect.Finding, error) {
	out := slices.Clone(findings)
	for i := range out {
		f := &out[i]
		var err error
		if f.Open() {
			err = b.takeOpen(ctx, now, f, muted)
		} else {
			err = b.takeResolved(ctx, now, f)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot take finding %d: %w", f.ID, err)
		}
		if err := b.enrich(ctx, f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (b *Book) takeOpen(ctx context.Context, now time.Time, f *detect.Finding, muted func(detect.Finding) bool) error {
	if err := incidentOf(ctx, b.o.DB.Read(), f); err != nil {
		return err
	}
	if f.Incident != 0 {
		// It belongs to one. Where that was resolved by hand while the finding still
		// holds, it stays so: a person has decided, and a new episode opens a new one.
		return b.resume(ctx, now, f)
	}
	if f.Severity == detect.Page && muted(*f) {
		return nil
	}
	opened := respond.Number(0)
	err := b.o.DB.Update(ctx, func(tx *state.Tx) error {
		// Asked again where nobody else writes: one finding opens one incident.
		if err := incidentOf(ctx, tx, f); err != nil || f.Incident != 0 {
			return err
		}
		related, err := b.related(ctx, tx, f.Service)
		if err != nil {
			return err
		}
		switch {
		case related != nil:
			return b.join(ctx, tx, now, f, related)
		case f.Severity == detect.Page:
			opened, err = b.open(ctx, tx, now, f)
			return err
		}
		return nil
	})
	if err != nil || opened == 0 {
		return err
	}
	return b.investigate(ctx, now, opened, f)
}

func incidentOf(ctx context.Context, q querier, f *detect.Finding) error {
	return q.QueryRowContext(ctx, `SELECT incident FROM findings WHERE id = ?`, f.ID).Scan(&f.Incident)
}

// resume investigates where a kill fell between opening the incident and dating it.
func (b *Book) resume(ctx context.Context, now time.Time, f *detect.Finding) error {
	i, err := b.Get(ctx, respond.Number(f.Incident))
	if err != nil || i.Clocks.ImpactSource != "" || i.Status == respond.Resolved {
		return err
	}
	return b.investigate(ctx, now, i.Number, f)
}

// related is the active incident that covers a service: of itself first, else of
// something that it depends on or that depends on it.
func (b *Book) related(ctx context.Context, tx *state.Tx, service declare.ServiceID) (*respond.Incident, error) {
	if service == "" {
		return nil, nil
	}
	all, err := list(ctx, tx, active+` ORDER BY number DESC`)
	if err != nil {
		return nil, err
	}
	best, nearest := -1, joinDistance+1
	for i := range all {
		for _, s := range all[i].Services {
			if d := b.between(service, s); d < nearest {
				best, nearest = i, d
			}
		}
	}
	if best < 0 {
		return nil, nil
	}
	return &all[best], nil
}

// between is the number of dependency steps from one service to another, either way.
func (b *Book) between(a, c declare.ServiceID) int {
	if a == c {
		return 0
	}
	far := joinDistance + 1
	if d, ok := b.o.Distances(a)[declare.ResourceID("component/default/"+string(c))]; ok {
		far = min(far, d)
	}
	if d, ok := b.o.Distances(c)[declare.ResourceID("component/default/"+string(a))]; ok {
		far = min(far, d)
	}
	return far
}

func (b *Book) attach(ctx context.Context, tx *state.Tx, f *detect.Finding, n respond.Number) error {
	f.Incident = int64(n)
	_, err := tx.ExecContext(ctx, `UPDATE findings SET incident = ? WHERE id = ?`, n, f.ID)
	return err
}

func (b *Book) join(ctx context.Context, tx *state.Tx, now time.Time, f *detect.Finding, i *respond.Incident) error {
	if err := b.attach(ctx, tx, f, i.Number); err != nil {
		return err
	}
	if !slices.Contains(i.Services, f.Service) {
		i.Services = append(i.Services, f.Service)
	}
	if i.Runbook == "" {
		i.Runbook = f.Runbook
	}
	if _, err := b.fact(tx, now, journal.System("respond"), "incident.joined", f.Fact, i, fmt.Sprintf("%s: %s", f.Severity, f.Title()), f.Ref()); err != nil {
		return err
	}
	if f.Severity == detect.Page && i.Status == respond.Mitigated {
		if err := b.move(tx, now, journal.System("respond"), i, respond.Regress, f.Fact, ": "+f.Title(), f.Ref()); err != nil {
			return err
		}
	}
	return save(ctx, tx, i)
}

func (b *Book) open(ctx context.Context, tx *state.Tx, now time.Time, f *detect.Finding) (respond.Number, error) {
	i := respond.Incident{
		Title: title(f), Severity: f.Severity, Status: respond.Open, Service: f.Service, Team: f.Team, Runbook: f.Runbook,
		Services: []declare.ServiceID{}, Clocks: respond.Clocks{Detected: f.OpenedAt},
	}
	if f.Service != "" {
		i.Services = append(i.Services, f.Service)
	}
	if i.Team == "" {
		i.Team = b.o.TeamOf(f.Service)
	}
	res, err := tx.ExecContext(ctx, `INSERT INTO incidents (title, severity, status, service, team, detected_ms) VALUES (?,?,?,?,?,?)`,
		i.Title, i.Severity, i.Status, i.Service, i.Team, state.Millis(i.Clocks.Detected))
	if err != nil {
		return 0, err
	}
	id, err := res.LastInsertId()
	if err != nil {
		return 0, err
	}
	i.Number = respond.Number(id)
	if err := b.attach(ctx, tx, f, i.Number); err != nil {
		return 0, err
	}
	text := fmt.Sprintf("incident %d opened: %s", i.Number, i.Title)
	if who := b.o.OnCall(i.Team, now); who != "" {
		text += fmt.Sprintf("; %s is on call", who)
	}
	if i.Fact, err = b.fact(tx, now, journal.System("respond"), "incident.opened", f.Fact, &i, text, f.Ref()); err != nil {
		return 0, err
	}
	return i.Number, save(ctx, tx, &i)
}

func title(f *detect.Finding) string {
	if f.Service != "" && f.Objective != "" {
		return fmt.Sprintf("%s: %s burns its error budget", f.Service, f.Objective)
	}
	if f.Service != "" {
		return fmt.Sprintf("%s: %s", f.Service, f.Title())
	}
	return f.Title()
}

// investigate dates the impact back and ranks suspects, outside of the transaction
// that opened the incident: queries take their time, and the incident exists already.
func (b *Book) investigate(ctx context.Context, now time.Time, n respond.Number, f *detect.Finding) error {
	onset, source := f.Since, "the condition began to hold"
	if b.o.Onset != nil {
		if at, how := b.o.Onset(ctx, *f); !at.IsZero() {
			onset, source = at, how
		}
	}
	i, err := b.change(ctx, n, func(_ *state.Tx, i *respond.Incident) error {
		i.Clocks.Impact, i.Clocks.ImpactSource = onset, source
		return nil
	})
	if err != nil || b.o.Suspects == nil {
		return err
	}
	suspects, err := b.o.Suspects(ctx, i)
	if err != nil {
		// A page without suspects is better than no page.
		b.o.Logger.Error("cannot rank suspects", "incident", n, "err", err)
		return nil
	}
	_, err = b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		i.Suspects = suspects
		_, err := b.fact(tx, now, journal.System("respond"), "incident.suspects", i.Fact, i, suspectText(suspects))
		return err
	})
	return err
}

// takeResolved mitigates an incident whose last paging finding has gone.
func (b *Book) takeResolved(ctx context.Context, now time.Time, f *detect.Finding) error {
	if err := incidentOf(ctx, b.o.DB.Read(), f); err != nil {
		return err
	}
	if f.Incident == 0 || f.Severity != detect.Page {
		return nil
	}
	_, err := b.change(ctx, respond.Number(f.Incident), func(tx *state.Tx, i *respond.Incident) error {
		var still int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM findings WHERE incident = ? AND severity = ? AND resolved_ms = 0`, f.Incident, detect.Page).Scan(&still); err != nil {
			return err
		}
		if still > 0 || (i.Status != respond.Open && i.Status != respond.Acknowledged) {
			return nil
		}
		return b.move(tx, now, journal.System("respond"), i, respond.Mitigate, f.Fact, ": nothing pages any more", f.Ref())
	})
	if errors.Is(err, respond.ErrNotFound) {
		return nil
	}
	return err
}

// enrich adds what a page must say to a finding's annotations.
func (b *Book) enrich(ctx context.Context, f *detect.Finding) error {
	if f.Incident == 0 {
		return nil
	}
	i, err := b.Get(ctx, respond.Number(f.Incident))
	if err != nil {
		return err
	}
	a := maps.Clone(f.Annotations)
	if a == nil {
		a = map[string]string{}
	}
	a["incident"] = fmt.Sprint(int64(i.Number))
	a["incident_url"] = b.o.URL(fmt.Sprintf("/incidents/%d", i.Number))
	var lines []string
	for _, s := range i.Suspects[:min(3, len(i.Suspects))] {
		lines = append(lines, fmt.Sprintf("%d. %s (%.2f)", s.Rank, s.Reason, s.Score))
	}
	if len(lines) == 0 {
		lines = []string{"no change stands out"}
	}
	a["suspects"] = strings.Join(lines, "\n")
	if f.Runbook != "" && !strings.Contains(f.Runbook, "://") {
		a["runbook_url"] = b.o.URL("/runbooks/" + f.Runbook + "?incident=" + fmt.Sprint(f.Incident))
	}
	f.Annotations = a
	return nil
}
