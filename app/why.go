package app

import (
	"context"
	"errors"
	"fmt"
	"time"

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
