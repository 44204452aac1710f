package incident

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

var _ respond.Desk = (*Book)(nil)

// sev is how bad an incident counts until a person says: by the tier of its service.
func (b *Book) sev(f *detect.Finding) respond.Sev {
	if b.o.TierOf != nil && b.o.TierOf(f.Service) == 1 {
		return respond.Sev2
	}
	return respond.Sev3
}

// because is a reason for the end of a fact.
func because(why string) string {
	if why = strings.TrimSpace(why); why == "" {
		return ""
	}
	return ": " + why
}

// SetSev implements respond.Desk.
func (b *Book) SetSev(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, sev respond.Sev, why string) (respond.Incident, error) {
	if !slices.Contains(respond.Sevs, sev) {
		return respond.Incident{}, &respond.InvalidError{Field: "sev", Got: string(sev), Want: "sev1, sev2, sev3 or sev4"}
	}
	if err := checkText(why); err != nil {
		return respond.Incident{}, err
	}
	return b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		if i.Status == respond.Merged {
			return &respond.TransitionError{From: i.Status, Event: "set the severity of"}
		}
		was := i.Sev
		if was == sev {
			return nil
		}
		i.Sev = sev
		_, err := b.fact(tx, now, actor, "incident.severity", i.Fact, i, fmt.Sprintf("incident %d is %s, was %s%s", n, sev, was, because(why)))
		return err
	})
}

// SetRole implements respond.Desk.
func (b *Book) SetRole(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, role respond.Role, person declare.PersonID) (respond.Incident, error) {
	if !slices.Contains(respond.Roles, role) {
		return respond.Incident{}, &respond.InvalidError{Field: "role", Got: string(role), Want: "commander, communications or scribe"}
	}
	if person != "" && !b.o.Known(person) {
		return respond.Incident{}, &respond.InvalidError{Field: "person", Got: string(person), Want: "a person of the catalogue"}
	}
	return b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		if i.Ended() {
			return &respond.TransitionError{From: i.Status, Event: "give a role in"}
		}
		if i.Roles[role] == person {
			return nil
		}
		text := fmt.Sprintf("%s is %s of incident %d", person, role, n)
		if person == "" {
			text = fmt.Sprintf("nobody is %s of incident %d", role, n)
			delete(i.Roles, role)
		} else {
			if i.Roles == nil {
				i.Roles = map[respond.Role]declare.PersonID{}
			}
			i.Roles[role] = person
		}
		_, err := b.fact(tx, now, actor, "incident.role", i.Fact, i, text)
		return err
	})
}

// SetClock implements respond.Desk. The points stay in their order.
func (b *Book) SetClock(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, p respond.Point, at time.Time, why string) (respond.Incident, error) {
	if _, err := respond.ParsePoint(string(p)); err != nil {
		return respond.Incident{}, err
	}
	if strings.TrimSpace(why) == "" {
		return respond.Incident{}, &respond.InvalidError{Field: "why", Want: "a reason: where the time comes from"}
	}
	if err := checkText(why); err != nil {
		return respond.Incident{}, err
	}
	if at.IsZero() || at.After(now) {
		return respond.Incident{}, &respond.InvalidError{Field: "at", Got: at.Format(time.RFC3339), Want: "a time that has been"}
	}
	at = at.UTC().Truncate(time.Millisecond)
	return b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		point := i.Clocks.At(p)
		if i.Status == respond.Merged {
			return &respond.TransitionError{From: i.Status, Event: "set the clock of"}
		}
		if point.IsZero() && p != respond.PointImpact {
			return &respond.InvalidError{Field: "point", Got: string(p), Want: "a point that has been reached: moving the incident on sets it"}
		}
		was := *point
		*point = at
		if c := i.Clocks; !c.Mitigated.IsZero() && c.Mitigated.Before(c.Impact) || !c.Resolved.IsZero() && c.Resolved.Before(c.Mitigated) || c.Detected.Before(c.Impact) && p == respond.PointDetected {
			return &respond.InvalidError{Field: "at", Got: at.Format(time.RFC3339), Want: "a time that keeps impact, mitigation and resolution in order"}
		}
		i.Clocks.Say(p, actor.Name()+because(why))
		if p == respond.PointImpact {
			i.Clocks.ImpactSource = actor.Name() + because(why)
		}
		_, err := b.fact(tx, now, actor, "incident.clock", i.Fact, i,
			fmt.Sprintf("incident %d: %s at %s, was %s%s", n, p, at.Format(time.RFC3339), formatted(was), because(why)))
		return err
	})
}

func formatted(t time.Time) string {
	if t.IsZero() {
		return "not set"
	}
	return t.Format(time.RFC3339)
}

// Tasks implements respond.Desk.
func (b *Book) Tasks(ctx context.Context, n respond.Number) ([]respond.IncidentTask, error) {
	if _, err := b.Get(ctx, n); err != nil {
		return nil, err
	}
	return tasks(ctx, b.o.DB.Read(), `incident = ? ORDER BY id`, n)
}

func tasks(ctx context.Context, q querier, cond string, args ...any) (out []respond.IncidentTask, err error) {
	rows, err := q.QueryContext(ctx, `SELECT id, incident, text, owner, created_ms, done_ms FROM incident_tasks WHERE `+cond, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot list tasks: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var t respond.IncidentTask
		var created, done int64
		if err := rows.Scan(&t.ID, &t.Incident, &t.Text, &t.Owner, &created, &done); err != nil {
			return nil, fmt.Errorf("cannot list tasks: %w", err)
		}
		t.CreatedAt, t.DoneAt = state.Time(created), state.Time(done)
		out = append(out, t)
	}
	return out, rows.Err()
}

const (
	maxTask  = 500
	maxTasks = 200 // of one incident; links and updates too
)

// line is a text of one line that a person gave.
func line(field, text string, most int) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > most || strings.ContainsAny(text, "\r\n\x00") {
		return "", &respond.InvalidError{Field: field, Got: cut(text), Want: fmt.Sprintf("one line of 1 to %d bytes", most)}
	}
	return text, nil
}

func cut(text string) string {
	if len(text) > 60 {
		return strings.ToValidUTF8(text[:60], "") + "…"
	}
	return text
}

// room says whether an incident may get another row of a table.
func room(ctx context.Context, tx *state.Tx, table string, n respond.Number) error {
	var have int
	//nolint:gosec // the table is one of ours
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM `+table+` WHERE incident = ?`, n).Scan(&have); err != nil {
		return err
	}
	if have >= maxTasks {
		return &respond.InvalidError{Field: "incident", Got: fmt.Sprint(have), Want: fmt.Sprintf("at most %d in one incident", maxTasks)}
	}
	return nil
}

// AddTask implements respond.Desk.
func (b *Book) AddTask(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, text string, owner declare.PersonID) (respond.IncidentTask, error) {
	text, err := line("text", text, maxTask)
	if err != nil {
		return respond.IncidentTask{}, err
	}
	if owner != "" && !b.o.Known(owner) {
		return respond.IncidentTask{}, &respond.InvalidError{Field: "owner", Got: string(owner), Want: "a person of the catalogue"}
	}
	t := respond.IncidentTask{Incident: n, Text: text, Owner: owner, CreatedAt: now.UTC()}
	_, err = b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		if i.Status == respond.Merged {
			return &respond.TransitionError{From: i.Status, Event: "add a task to"}
		}
		if err := room(ctx, tx, "incident_tasks", n); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO incident_tasks (incident, text, owner, created_ms) VALUES (?,?,?,?)`, n, text, owner, state.Millis(now))
		if err != nil {
			return fmt.Errorf("cannot store a task: %w", err)
		}
		if t.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		to := ""
		if owner != "" {
			to = " (" + string(owner) + ")"
		}
		_, err = b.fact(tx, now, actor, "incident.task", i.Fact, i, "task: "+text+to)
		return err
	})
	return t, err
}

// FinishTask implements respond.Desk. One that is done stays as it is.
func (b *Book) FinishTask(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, id int64) (t respond.IncidentTask, err error) {
	_, err = b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		found, err := tasks(ctx, tx, `incident = ? AND id = ?`, n, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return respond.ErrNotFound
		}
		if t = found[0]; !t.DoneAt.IsZero() {
			return nil
		}
		t.DoneAt = now.UTC()
		if _, err := tx.ExecContext(ctx, `UPDATE incident_tasks SET done_ms = ? WHERE id = ?`, state.Millis(now), id); err != nil {
			return fmt.Errorf("cannot store a task: %w", err)
		}
		_, err = b.fact(tx, now, actor, "incident.task_done", i.Fact, i, "done: "+t.Text)
		return err
	})
	return t, err
}

// Links implements respond.Desk.
func (b *Book) Links(ctx context.Context, n respond.Number) (out []respond.IncidentLink, err error) {
	if _, err := b.Get(ctx, n); err != nil {
		return nil, err
	}
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT id, incident, kind, ref, note, actor, at_ms FROM incident_links WHERE incident = ? ORDER BY id`, n)
	if err != nil {
		return nil, fmt.Errorf("cannot list links: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var l respond.IncidentLink
		var at int64
		if err := rows.Scan(&l.ID, &l.Incident, &l.Kind, &l.Ref, &l.Note, &l.By, &at); err != nil {
			return nil, fmt.Errorf("cannot list links: %w", err)
		}
		l.At = state.Time(at)
		out = append(out, l)
	}
	return out, rows.Err()
}

// AddLink implements respond.Desk. The same link again is the same link.
func (b *Book) AddLink(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, kind respond.LinkKind, ref, note string) (respond.IncidentLink, error) {
	ref, err := line("ref", ref, 2000)
	if err != nil {
		return respond.IncidentLink{}, err
	}
	if note = strings.TrimSpace(note); note != "" {
		if note, err = line("note", note, maxTask); err != nil {
			return respond.IncidentLink{}, err
		}
	}
	l := respond.IncidentLink{Incident: n, Kind: kind, Ref: ref, Note: note, By: actor, At: now.UTC()}
	_, err = b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		var refs []journal.Ref
		switch kind {
		case respond.LinkChange:
			var have int
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM changes WHERE id = ?`, ref).Scan(&have); err != nil {
				return err
			}
			if have == 0 {
				return &respond.InvalidError{Field: "ref", Got: cut(ref), Want: "the ID of a change that is on record"}
			}
			refs = append(refs, journal.MakeRef("change", ref))
		case respond.LinkURL:
			if u, err := url.Parse(ref); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
				return &respond.InvalidError{Field: "ref", Got: cut(ref), Want: "a URL as https://tickets.example.org/7"}
			}
		default:
			return &respond.InvalidError{Field: "kind", Got: string(kind), Want: "change or url"}
		}
		if err := room(ctx, tx, "incident_links", n); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO incident_links (incident, kind, ref, note, actor, at_ms) VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING`, n, kind, ref, note, actor, state.Millis(now))
		if err != nil {
			return fmt.Errorf("cannot store a link: %w", err)
		}
		if new, err := res.RowsAffected(); err != nil || new == 0 {
			return err
		}
		if l.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		_, err = b.fact(tx, now, actor, "incident.linked", i.Fact, i, fmt.Sprintf("linked %s %s%s", kind, ref, because(note)), refs...)
		return err
	})
	return l, err
}
