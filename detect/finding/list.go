package finding

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/state"
)

const columns = `id, fingerprint, detector, name, service, team, objective, severity, summary, description, runbook, expr, value, labels, annotations, since_ms, opened_ms, seen_ms, resolved_ms, incident, fact`

// List implements detect.Findings.
func (b *Book) List(ctx context.Context, q detect.Filter) ([]detect.Finding, int, error) {
	where, args := []string{"1=1"}, []any{}
	add := func(cond string, a ...any) { where, args = append(where, cond), append(args, a...) }
	if q.Open != nil && *q.Open {
		add("resolved_ms = 0")
	} else if q.Open != nil {
		add("resolved_ms > 0")
	}
	if q.Service != "" {
		add("service = ?", q.Service)
	}
	if q.Severity != "" {
		add("severity = ?", q.Severity)
	}
	if q.Detector != "" {
		add("detector = ?", q.Detector)
	}
	if q.Incident != 0 {
		add("incident = ?", q.Incident)
	}
	if q.Text != "" {
		add("(instr(lower(name), lower(?)) > 0 OR instr(lower(summary), lower(?)) > 0)", q.Text, q.Text)
	}
	cond := strings.Join(where, " AND ")
	var total int
	if err := b.db.Read().QueryRowContext(ctx, `SELECT count(*) FROM findings WHERE `+cond, args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("cannot list findings: %w", err)
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 200
	}
	rows, err := b.db.Read().QueryContext(ctx, `SELECT `+columns+` FROM findings WHERE `+cond+` ORDER BY id DESC LIMIT ? OFFSET ?`, append(args, limit, max(q.Offset, 0))...)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot list findings: %w", err)
	}
	defer rows.Close()
	var out []detect.Finding
	for rows.Next() {
		f, err := scan(rows)
		if err != nil {
			return nil, 0, err
		}
		out = append(out, f)
	}
	return out, total, rows.Err()
}

// OpenAt are the findings that were open at a time gone by, as they stood then: not
// resolved yet. At most 10,000, the newest first.
func (b *Book) OpenAt(ctx context.Context, at time.Time) ([]detect.Finding, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT `+columns+` FROM findings WHERE opened_ms <= ? AND (resolved_ms = 0 OR resolved_ms > ?) ORDER BY id DESC LIMIT 10000`, state.Millis(at), state.Millis(at))
	if err != nil {
		return nil, fmt.Errorf("cannot list findings of then: %w", err)
	}
	defer rows.Close()
	var out []detect.Finding
	for rows.Next() {
		f, err := scan(rows)
		if err != nil {
			return nil, err
		}
		f.ResolvedAt = time.Time{}
		out = append(out, f)
	}
	return out, rows.Err()
}

// Get implements detect.Findings.
func (b *Book) Get(ctx context.Context, id int64) (detect.Finding, error) {
	f, err := scan(b.db.Read().QueryRowContext(ctx, `SELECT `+columns+` FROM findings WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return f, detect.ErrNotFound
	}
	return f, err
}

func scan(row interface{ Scan(...any) error }) (detect.Finding, error) {
	var f detect.Finding
	var labels, annotations string
	var since, opened, seen, resolved int64
	err := row.Scan(&f.ID, &f.Fingerprint, &f.Detector, &f.Name, &f.Service, &f.Team, &f.Objective, &f.Severity, &f.Summary, &f.Description, &f.Runbook,
		&f.Expr, &f.Value, &labels, &annotations, &since, &opened, &seen, &resolved, &f.Incident, &f.Fact)
	if err != nil {
		return f, fmt.Errorf("cannot read finding: %w", err)
	}
	if err := json.Unmarshal([]byte(labels), &f.Labels); err != nil {
		return f, fmt.Errorf("cannot read finding %d: %w", f.ID, err)
	}
	if err := json.Unmarshal([]byte(annotations), &f.Annotations); err != nil {
		return f, fmt.Errorf("cannot read finding %d: %w", f.ID, err)
	}
	f.Since, f.OpenedAt, f.SeenAt, f.ResolvedAt = state.Time(since), state.Time(opened), state.Time(seen), state.Time(resolved)
	return f, nil
}
