package incident

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// Updates implements respond.Desk, oldest first.
func (b *Book) Updates(ctx context.Context, n respond.Number) ([]respond.IncidentUpdate, error) {
	if _, err := b.Get(ctx, n); err != nil {
		return nil, err
	}
	return updates(ctx, b.o.DB.Read(), `incident = ? ORDER BY id`, n)
}

func updates(ctx context.Context, q querier, cond string, args ...any) (out []respond.IncidentUpdate, err error) {
	//nolint:gosec // cond is ours
	rows, err := q.QueryContext(ctx, `SELECT id, incident, phase, text, public, actor, at_ms FROM incident_updates WHERE `+cond, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot list updates: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var u respond.IncidentUpdate
		var at int64
		if err := rows.Scan(&u.ID, &u.Incident, &u.Phase, &u.Text, &u.Public, &u.By, &at); err != nil {
			return nil, fmt.Errorf("cannot list updates: %w", err)
		}
		u.At = state.Time(at)
		out = append(out, u)
	}
	return out, rows.Err()
}

// AddUpdate implements respond.Desk. An incident whose cause is still open may be told
// to be resolved: what users see is not what we still clean up.
func (b *Book) AddUpdate(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, phase respond.Phase, text string, public bool) (respond.IncidentUpdate, error) {
	if !slices.Contains(respond.Phases, phase) {
		return respond.IncidentUpdate{}, &respond.InvalidError{Field: "phase", Got: string(phase), Want: "investigating, identified, monitoring or resolved"}
	}
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	if text == "" || strings.ContainsRune(text, 0) {
		return respond.IncidentUpdate{}, &respond.InvalidError{Field: "text", Got: cut(text), Want: "a text"}
	}
	if err := checkText(text); err != nil {
		return respond.IncidentUpdate{}, err
	}
	u := respond.IncidentUpdate{Incident: n, Phase: phase, Text: text, Public: public, By: actor, At: now.UTC().Truncate(time.Millisecond)}
	_, err := b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		if i.Status == respond.Merged {
			return &respond.TransitionError{From: i.Status, Event: "update"}
		}
		if err := room(ctx, tx, "incident_updates", n); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO incident_updates (incident, phase, text, public, actor, at_ms) VALUES (?,?,?,?,?,?)`, n, phase, text, public, actor, state.Millis(now))
		if err != nil {
			return fmt.Errorf("cannot store an update: %w", err)
		}
		if u.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		where := "inside"
		if public {
			where = "in public"
		}
		_, err = b.fact(tx, now, actor, "incident.update", i.Fact, i, fmt.Sprintf("said %s: %s: %s", where, phase, text))
		return err
	})
	return u, err
}

// Template implements respond.Desk: a first wording in words that those outside
// understand, to be changed before it is sent. It says nothing that is not known.
func (b *Book) Template(ctx context.Context, now time.Time, n respond.Number, phase respond.Phase) (string, error) {
	i, err := b.Get(ctx, n)
	if err != nil {
		return "", err
	}
	what := "our service"
	if len(i.Services) > 0 {
		var names []string
		for _, s := range i.Services {
			names = append(names, string(s))
		}
		what = strings.Join(names, ", ")
	}
	since := i.Clocks.Impact
	if since.IsZero() {
		since = i.Clocks.Detected
	}
	from := since.UTC().Format("15:04 UTC")
	if b.o.Wording != nil {
		if own := b.o.Wording(phase); own != "" {
			until := i.Clocks.Mitigated
			if until.IsZero() {
				until = now
			}
			return strings.NewReplacer("{services}", what, "{since}", from, "{until}", until.UTC().Format("15:04 UTC")).Replace(own), nil
		}
	}
	switch phase {
	case respond.Investigating:
		return fmt.Sprintf("Since %s some users have had trouble with %s. We are looking into it. The next update follows within 30 minutes.", from, what), nil
	case respond.Identified:
		return fmt.Sprintf("We have found what troubles %s since %s, and are working on it. The next update follows within 30 minutes.", what, from), nil
	case respond.Monitoring:
		at := i.Clocks.Mitigated
		if at.IsZero() {
			at = now
		}
		return fmt.Sprintf("%s has worked again since %s. We keep watching it.", strings.ToUpper(what[:1])+what[1:], at.UTC().Format("15:04 UTC")), nil
	case respond.Over:
		end := i.Clocks.Mitigated
		if end.IsZero() {
			end = now
		}
		return fmt.Sprintf("The trouble with %s is over. It lasted from %s to %s. We are sorry for it.", what, from, end.UTC().Format("15:04 UTC")), nil
	}
	return "", &respond.InvalidError{Field: "phase", Got: string(phase), Want: "investigating, identified, monitoring or resolved"}
}
