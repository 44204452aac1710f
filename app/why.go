package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/why"
	"github.com/evenkeel/evenkeel/state"
)

// whyFinding traces every decision on a finding's way.
func (a *App) whyFinding(ctx context.Context, now time.Time, id int64) (why.Trace, error) {
	f, err := a.findings.Get(ctx, id)
	if err != nil {
		return why.Trace{}, err
	}
	routing, err := a.routing(ctx)
	if err == nil && !f.Open() {
		routing, err = a.routingAt(ctx, routing, f.OpenedAt)
	}
	if err != nil {
		return why.Trace{}, err
	}
	sent, err := a.notificationsOf(ctx, id)
	if err != nil {
		return why.Trace{}, err
	}
	var incident *why.Incident
	var policy *declare.Escalation
	if f.Incident != 0 {
		i, err := a.incidents.Get(ctx, respond.Number(f.Incident))
		if err != nil {
			return why.Trace{}, err
		}
		incident, policy = &why.Incident{Incident: i}, a.policyOf(i)
		switch e, err := a.ladder.Get(ctx, i.Number); {
		case err == nil:
			incident.Escalation = &e
		case !errors.Is(err, respond.ErrNotFound):
			return why.Trace{}, err
		}
		if incident.Deliveries, err = a.reach.Deliveries(ctx, i.Number, ""); err != nil {
			return why.Trace{}, err
		}
	}
	return why.Of(a.ws(), f, routing, incident, policy, sent, now), nil
}

// explain says whom a finding with these labels would reach at a time.
func (a *App) explain(ctx context.Context, labels map[string]string, at time.Time) (why.Forecast, error) {
	routing, err := a.routing(ctx)
	if err != nil {
		return why.Forecast{}, err
	}
	var failed error
	methods := func(p declare.PersonID) []respond.ContactMethod {
		all, err := a.reach.Methods(ctx, p)
		failed = errors.Join(failed, err)
		return all
	}
	policy := func(team declare.TeamID, service declare.ServiceID) *declare.Escalation {
		return a.policyOf(respond.Incident{Team: team, Service: service})
	}
	f := why.Ask(a.ws(), labels, at, routing, policy, methods)
	return f, failed
}

// routing is what decides where findings go now.
func (a *App) routing(ctx context.Context) (why.Routing, error) {
	silences, err := a.alerts.Silences(ctx)
	if err != nil {
		return why.Routing{}, err
	}
	yes := true
	open, _, err := a.findings.List(ctx, detect.Filter{Open: &yes, Limit: 10_000})
	if err != nil {
		return why.Routing{}, err
	}
	out := why.Routing{Config: a.ws().Routing, Open: open}
	for _, s := range silences {
		out.Silences = append(out.Silences, why.Silence{ID: s.ID, By: s.CreatedBy, Comment: s.Comment, Matchers: s.Matchers, From: s.StartsAt, To: s.EndsAt})
	}
	return out, nil
}

// keepRouting writes down which routing is in force from now on, without secrets.
func (a *App) keepRouting(ctx context.Context, w *declare.Workspace, now time.Time) error {
	const most = 1000 // versions
	text := ""
	if w.Routing != nil {
		text = w.Routing.String()
	}
	return a.db.Update(ctx, func(tx *state.Tx) error {
		var last string
		err := tx.QueryRowContext(ctx, `SELECT source FROM routing_versions ORDER BY at_ms DESC LIMIT 1`).Scan(&last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("cannot read the routing of before: %w", err)
		}
		if err == nil && last == text {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO routing_versions (at_ms, source) VALUES (?, ?) ON CONFLICT (at_ms) DO UPDATE SET source = excluded.source`, state.Millis(now), text); err != nil {
			return fmt.Errorf("cannot keep the routing: %w", err)
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM routing_versions WHERE at_ms NOT IN (SELECT at_ms FROM routing_versions ORDER BY at_ms DESC LIMIT ?)`, most)
		return err
	})
}

// routingAt is the routing of a time gone by: the version in force then, and the
// findings that were open then. Where no version is on record it is the one of now.
func (a *App) routingAt(ctx context.Context, now why.Routing, at time.Time) (why.Routing, error) {
	out := now
	var ms int64
	var source string
	err := a.db.Read().QueryRowContext(ctx, `SELECT at_ms, source FROM routing_versions WHERE at_ms <= ? ORDER BY at_ms DESC LIMIT 1`, state.Millis(at)).Scan(&ms, &source)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return out, fmt.Errorf("cannot read the routing of then: %w", err)
	case source != "":
		cfg, err := amconfig.Load(source)
		if err != nil {
			return out, fmt.Errorf("cannot read the routing of then: %w", err)
		}
		out.Config, out.AsOf = cfg, state.Time(ms)
	}
	if out.Open, err = a.findings.OpenAt(ctx, at); err != nil {
		return out, err
	}
	return out, nil
}

// notificationsOf are what receivers were told of one finding.
func (a *App) notificationsOf(ctx context.Context, id int64) ([]respond.Notification, error) {
	rows, err := a.db.Read().QueryContext(ctx, `SELECT n.id, n.at_ms, n.receiver, n.integration, n.incident, n.status, n.detail FROM notifications n, json_each(n.findings) f
		WHERE f.value = ? AND n.id >= (SELECT coalesce(min(id), 0) FROM notifications WHERE at_ms >= (SELECT opened_ms FROM findings WHERE id = ?)) ORDER BY n.id LIMIT 200`, id, id)
	if err != nil {
		return nil, fmt.Errorf("cannot read notifications: %w", err)
	}
	defer rows.Close()
	var out []respond.Notification
	for rows.Next() {
		n := respond.Notification{Findings: []int64{id}}
		var ms int64
		if err := rows.Scan(&n.ID, &ms, &n.Receiver, &n.Integration, &n.Incident, &n.Status, &n.Detail); err != nil {
			return nil, fmt.Errorf("cannot read notifications: %w", err)
		}
		n.At = state.Time(ms)
		out = append(out, n)
	}
	return out, rows.Err()
}
