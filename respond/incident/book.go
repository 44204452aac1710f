package incident

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// Options of a Book. All functions are required but those that say otherwise, Suspects and Onset.
type Options struct {
	DB     *state.DB
	Logger *slog.Logger
	// Distances says how far everything is that a service depends on.
	Distances func(declare.ServiceID) map[declare.ResourceID]int
	// TeamOf is the owner of a service.
	TeamOf func(declare.ServiceID) declare.TeamID
	// TierOf is how important a service is, 1 to 4; 0 where that is not known. Optional.
	TierOf func(declare.ServiceID) int
	// Moved is told which findings belong to another incident now. Optional.
	Moved func(incident int64, findings []int64)
	// OnCall is who has the duty of a team, "" for nobody.
	OnCall func(declare.TeamID, time.Time) declare.PersonID
	// Known says whether a person exists, for assignments.
	Known func(declare.PersonID) bool
	// Onset dates the impact back; a zero time when it cannot.
	Onset func(context.Context, detect.Finding) (time.Time, string)
	// Suspects ranks what may have caused an incident.
	Suspects func(context.Context, respond.Incident) ([]respond.Suspect, error)
	// OutcomeLink makes the token of the link by which a reader says what became of a
	// finding. Optional.
	OutcomeLink func(finding int64, opened time.Time) string
	// Wording is the workspace's own first wording of an update, "" for ours. Optional.
	Wording func(phase respond.Phase) string
	// URL makes a link to a path of the pages.
	URL func(path string) string
}

// Book implements respond.Incidents.
type Book struct{ o Options }

var _ respond.Incidents = (*Book)(nil)

// New returns the book.
func New(o Options) *Book { return &Book{o: o} }

const columns = `number, title, severity, status, service, team, assignee, services, impact_ms, impact_source, detected_ms, acked_ms, mitigated_ms, resolved_ms, suspects, runbook, fact, sev, roles, clock_sources, merged_into`

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func scan(row interface{ Scan(...any) error }) (respond.Incident, error) {
	var i respond.Incident
	var services, suspects, roles, sources string
	var impact, detected, acked, mitigated, resolved int64
	err := row.Scan(&i.Number, &i.Title, &i.Severity, &i.Status, &i.Service, &i.Team, &i.Assignee, &services, &impact, &i.Clocks.ImpactSource,
		&detected, &acked, &mitigated, &resolved, &suspects, &i.Runbook, &i.Fact,
		&i.Sev, &roles, &sources, &i.MergedInto)
	if errors.Is(err, sql.ErrNoRows) {
		return i, respond.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(services), &i.Services)
	}
	if err == nil {
		err = json.Unmarshal([]byte(suspects), &i.Suspects)
	}
	if err == nil {
		err = json.Unmarshal([]byte(roles), &i.Roles)
	}
	if err == nil {
		err = json.Unmarshal([]byte(sources), &i.Clocks.Sources)
	}
	if err != nil {
		return i, fmt.Errorf("cannot read incident: %w", err)
	}
	c := &i.Clocks
	c.Impact, c.Detected, c.Acknowledged, c.Mitigated, c.Resolved = state.Time(impact), state.Time(detected), state.Time(acked), state.Time(mitigated), state.Time(resolved)
	return i, nil
}

func get(ctx context.Context, q querier, n respond.Number) (respond.Incident, error) {
	return scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM incidents WHERE number = ?`, n))
}

func list(ctx context.Context, q querier, cond string, args ...any) ([]respond.Incident, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+columns+` FROM incidents WHERE `+cond, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot list incidents: %w", err)
	}
	defer rows.Close()
	var out []respond.Incident
	for rows.Next() {
		i, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, rows.Err()
}

const active = `status IN ('open', 'acknowledged', 'mitigated')`

// List implements respond.Incidents.
func (b *Book) List(ctx context.Context, f respond.IncidentFilter) ([]respond.Incident, error) {
	where, args := []string{"1=1"}, []any{}
	if f.Active {
		where = append(where, active)
	}
	if f.Service != "" {
		where, args = append(where, `instr(services, ?) > 0`), append(args, fmt.Sprintf("%q", f.Service))
	}
	if f.Team != "" {
		where, args = append(where, `team = ?`), append(args, f.Team)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	args = append(args, limit, max(f.Offset, 0))
	return list(ctx, b.o.DB.Read(), strings.Join(where, " AND ")+` ORDER BY number DESC LIMIT ? OFFSET ?`, args...)
}

// Get implements respond.Incidents.
func (b *Book) Get(ctx context.Context, n respond.Number) (respond.Incident, error) {
	return get(ctx, b.o.DB.Read(), n)
}

// services is the list of one, or of none.
func services(s declare.ServiceID) []declare.ServiceID {
	if s == "" {
		return []declare.ServiceID{}
	}
	return []declare.ServiceID{s}
}

// insert gives an incident its row and its number.
func insert(ctx context.Context, tx *state.Tx, i *respond.Incident) error {
	res, err := tx.ExecContext(ctx, `INSERT INTO incidents (title, severity, status, service, team, detected_ms) VALUES (?,?,?,?,?,?)`,
		i.Title, i.Severity, i.Status, i.Service, i.Team, state.Millis(i.Clocks.Detected))
	if err != nil {
		return fmt.Errorf("cannot store an incident: %w", err)
	}
	id, err := res.LastInsertId()
	i.Number = respond.Number(id)
	return err
}

// save writes every column that can change.
func save(ctx context.Context, tx *state.Tx, i *respond.Incident) error {
	var texts []any
	for _, v := range []any{i.Services, i.Suspects, i.Roles, i.Clocks.Sources} {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		texts = append(texts, string(text))
	}
	if i.Suspects == nil {
		texts[1] = "[]"
	}
	c := i.Clocks
	_, err := tx.ExecContext(ctx, `UPDATE incidents SET services=?, suspects=?, roles=?, clock_sources=?, title=?, severity=?, status=?, assignee=?, impact_ms=?, impact_source=?, detected_ms=?, acked_ms=?, mitigated_ms=?, resolved_ms=?, runbook=?, fact=?, sev=?, merged_into=? WHERE number=?`,
		append(texts, i.Title, i.Severity, i.Status, i.Assignee, state.Millis(c.Impact), c.ImpactSource, state.Millis(c.Detected), state.Millis(c.Acknowledged),
			state.Millis(c.Mitigated), state.Millis(c.Resolved), i.Runbook, i.Fact, i.Sev, i.MergedInto, i.Number)...)
	if err != nil {
		return fmt.Errorf("cannot store incident %d: %w", i.Number, err)
	}
	return nil
}

func (b *Book) fact(tx *state.Tx, now time.Time, actor journal.Actor, kind journal.Kind, cause journal.ID, i *respond.Incident, text string, refs ...journal.Ref) (journal.ID, error) {
	return tx.Record(journal.Fact{
		At: now, Kind: kind, Actor: actor, Cause: cause, Subject: i.Number.Ref(), Text: text,
		Refs: append(refs, journal.MakeRef("service", string(i.Service))),
	})
}

// Notifications implements respond.Incidents.
func (b *Book) Notifications(ctx context.Context, n respond.Number) ([]respond.Notification, error) {
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT id, at_ms, receiver, integration, incident, findings, status, detail FROM notifications WHERE incident = ? ORDER BY id`, n)
	if err != nil {
		return nil, fmt.Errorf("cannot list notifications: %w", err)
	}
	defer rows.Close()
	var out []respond.Notification
	for rows.Next() {
		var x respond.Notification
		var ms int64
		var findings string
		if err := rows.Scan(&x.ID, &ms, &x.Receiver, &x.Integration, &x.Incident, &findings, &x.Status, &x.Detail); err != nil {
			return nil, fmt.Errorf("cannot list notifications: %w", err)
		}
		if err := json.Unmarshal([]byte(findings), &x.Findings); err != nil {
			return nil, fmt.Errorf("cannot list notifications: %w", err)
		}
		x.At = state.Time(ms)
		out = append(out, x)
	}
	return out, rows.Err()
}
