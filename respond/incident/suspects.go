package incident

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// RefreshSuspects ranks anew, while the incident is active. It is a fact when others lead
// the list, or in another order; new evidence, and what changes far behind, is only kept.
func (b *Book) RefreshSuspects(ctx context.Context, now time.Time, n respond.Number) error {
	i, err := b.Get(ctx, n)
	if err != nil || i.Ended() || b.o.Suspects == nil {
		return err
	}
	suspects, err := b.o.Suspects(ctx, i)
	if err != nil {
		return err
	}
	_, err = b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		old := i.Suspects
		i.Suspects = keepDecisions(slices.Clone(suspects), old)
		if same(i.Suspects, old) {
			return nil
		}
		_, err := b.fact(tx, now, journal.System("respond"), "incident.suspects", i.Fact, i, suspectText(i.Suspects))
		return err
	})
	return err
}

// keepDecisions carries what people said over to a new list. One that was judged and is
// not found any more stays, at the end: the record of a decision does not vanish.
func keepDecisions(fresh, old []respond.Suspect) []respond.Suspect {
	for _, o := range old {
		if o.Decision == nil {
			continue
		}
		found := false
		for k := range fresh {
			if fresh[k].Key() == o.Key() {
				fresh[k].Decision, found = o.Decision, true
			}
		}
		if !found {
			o.Rank = len(fresh) + 1
			fresh = append(fresh, o)
		}
	}
	return fresh
}

// same says that the same ones lead two lists: those of at least half of the first
// one's score.
func same(a, b []respond.Suspect) bool {
	a, b = leading(a), leading(b)
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key() != b[i].Key() {
			return false
		}
	}
	return true
}

func leading(s []respond.Suspect) []respond.Suspect {
	n := 0
	for n < len(s) && s[n].Score >= s[0].Score/2 {
		n++
	}
	return s[:n]
}

func suspectText(s []respond.Suspect) string {
	if len(s) == 0 {
		return "nobody stands out as a suspect"
	}
	return "first suspect: " + s[0].Reason
}

// Judge records what somebody says of a suspect, in the incident, as a fact, and in the
// record that weighs later suspects.
func (b *Book) Judge(ctx context.Context, now time.Time, actor journal.Actor, n respond.Number, rank int, v respond.Verdict, note string) (respond.Incident, error) {
	if v != respond.Confirmed && v != respond.Rejected {
		return respond.Incident{}, &respond.InvalidError{Field: "verdict", Got: string(v), Want: "confirmed or rejected"}
	}
	if err := checkText(note); err != nil {
		return respond.Incident{}, err
	}
	return b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		if rank < 1 || rank > len(i.Suspects) {
			return &respond.InvalidError{Field: "rank", Got: fmt.Sprint(rank), Want: fmt.Sprintf("one of the %d suspects", len(i.Suspects))}
		}
		s := &i.Suspects[rank-1]
		if d := s.Decision; d != nil && d.Verdict == v && d.Note == note && d.Actor == actor {
			return nil // said already
		}
		s.Decision = &respond.SuspectDecision{Verdict: v, Actor: actor, At: now, Note: note}
		text := fmt.Sprintf("suspect %s: %s", v, s.Summary)
		if note != "" {
			text += ": " + note
		}
		fact, err := b.fact(tx, now, actor, journal.Kind("incident.suspect_"+string(v)), i.Fact, i, text)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO suspect_decisions (incident, resource, change_id, kind, decision, actor, note, at_ms, fact) VALUES (?,?,?,?,?,?,?,?,?)
			ON CONFLICT (incident, resource, change_id) DO UPDATE SET decision=excluded.decision, actor=excluded.actor, note=excluded.note, at_ms=excluded.at_ms, fact=excluded.fact`,
			n, s.Resource, s.Change, s.Kind, v, actor, note, state.Millis(now), fact)
		return err
	})
}

// Past counts what was decided about suspects, by kind of change and by resource. The
// incident itself is left out: its own verdicts must not move its own list.
func (b *Book) Past(ctx context.Context, but respond.Number) (respond.Past, error) {
	past := respond.Past{Kinds: map[string]respond.Record{}, Resources: map[string]respond.Record{}}
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT kind, resource, decision, count(*) FROM suspect_decisions WHERE incident <> ? GROUP BY kind, resource, decision`, but)
	if err != nil {
		return past, err
	}
	defer rows.Close()
	for rows.Next() {
		var kind, resource, decision string
		var n int
		if err := rows.Scan(&kind, &resource, &decision, &n); err != nil {
			return past, err
		}
		count := func(m map[string]respond.Record, k string) {
			if k == "" {
				return
			}
			r := m[k]
			if decision == string(respond.Confirmed) {
				r.Confirmed += n
			} else {
				r.Rejected += n
			}
			m[k] = r
		}
		count(past.Kinds, kind)
		count(past.Resources, resource)
	}
	return past, rows.Err()
}
