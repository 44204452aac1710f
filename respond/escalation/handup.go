package escalation

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
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

// A packet's states (only these three functions move it):
//
//	hand up ──► open ── accept ──► accepted
//	             ▲ │ send back
//	 hand up     │ ▼
//	 again ─── returned

const maxPart = 4000 // bytes of one part of a packet

// Handups implements respond.Escalations.
func (e *Engine) Handups(ctx context.Context, n respond.Number) ([]respond.Handup, error) {
	if n == 0 {
		return handups(ctx, e.o.DB.Read(), `status IN ('open', 'returned') AND incident IN (SELECT number FROM incidents WHERE status IN ('open', 'acknowledged', 'mitigated')) ORDER BY id LIMIT 500`)
	}
	return handups(ctx, e.o.DB.Read(), `incident = ? ORDER BY id`, n)
}

func handups(ctx context.Context, q querier, cond string, args ...any) ([]respond.Handup, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, incident, from_person, target, people, impact, tried, evidence, question, status, missing, decided_by, sent, asked_ms, decided_ms, fact FROM handups WHERE `+cond, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read packets: %w", err)
	}
	defer rows.Close()
	var out []respond.Handup
	for rows.Next() {
		var h respond.Handup
		var people string
		var asked, decided int64
		if err := rows.Scan(&h.ID, &h.Incident, &h.From, &h.Target, &people, &h.Impact, &h.Tried, &h.Evidence, &h.Question, &h.Status, &h.Missing, &h.DecidedBy, &h.Sent, &asked, &decided, &h.Fact); err != nil {
			return nil, fmt.Errorf("cannot read packets: %w", err)
		}
		if err := json.Unmarshal([]byte(people), &h.People); err != nil {
			return nil, fmt.Errorf("cannot read packet %d: %w", h.ID, err)
		}
		h.AskedAt, h.DecidedAt = state.Time(asked), state.Time(decided)
		out = append(out, h)
	}
	return out, rows.Err()
}

func handup(ctx context.Context, tx *state.Tx, n respond.Number, id int64) (respond.Handup, error) {
	found, err := handups(ctx, tx, `incident = ? AND id = ?`, n, id)
	if err != nil || len(found) == 0 {
		return respond.Handup{}, errors.Join(err, map[bool]error{true: respond.ErrNoHandup}[err == nil])
	}
	return found[0], nil
}

// complete refuses a packet that lacks a part: the next level would have to ask.
func complete(h *respond.Handup) error {
	for _, part := range []struct {
		field, want string
		text        *string
	}{
		{"impact", "who suffers from what, since when", &h.Impact}, {"tried", "what was tried, and what came of it", &h.Tried},
		{"evidence", "what you see: graphs, logs, suspects", &h.Evidence}, {"question", "what you need the next level for", &h.Question},
	} {
		*part.text = strings.TrimSpace(*part.text)
		if *part.text == "" {
			return &respond.InvalidError{Field: part.field, Want: part.want}
		}
		if len(*part.text) > maxPart {
			return &respond.InvalidError{Field: part.field, Got: fmt.Sprintf("%d bytes", len(*part.text)), Want: fmt.Sprintf("at most %d", maxPart)}
		}
	}
	return nil
}

// HandUp implements respond.Escalations.
func (e *Engine) HandUp(ctx context.Context, now time.Time, who declare.PersonID, h respond.Handup) (respond.Handup, error) {
	if err := complete(&h); err != nil {
		return h, err
	}
	i, err := e.o.Incidents.Get(ctx, h.Incident)
	if err != nil {
		return h, err
	}
	if i.Ended() {
		return h, &respond.TransitionError{From: i.Status, Event: "hand up"}
	}
	targets, err := e.targets(ctx, i, h.Target)
	if err != nil {
		return h, err
	}
	var names []string
	for _, t := range targets {
		names = append(names, t.String())
	}
	h.Target, h.People = strings.Join(names, ", "), nil
	var reached []declare.Recipient
	for _, r := range e.o.Workspace().Recipients(targets, now) {
		if r.Person != who {
			reached = append(reached, r)
			if !r.Shadow {
				h.People = append(h.People, r.Person)
			}
		}
	}
	if len(h.People) == 0 {
		return h, &respond.InvalidError{Field: "to", Got: h.Target, Want: "somebody else who is there now"}
	}
	people, err := json.Marshal(h.People)
	if err != nil {
		return h, err
	}
	h.From, h.Status, h.AskedAt, h.Missing, h.DecidedBy, h.DecidedAt = who, respond.HandupOpen, now.UTC().Truncate(time.Millisecond), "", "", time.Time{}
	err = e.o.DB.Update(ctx, func(tx *state.Tx) error {
		cause := i.Fact
		if h.ID != 0 {
			was, err := handup(ctx, tx, h.Incident, h.ID)
			if err != nil {
				return err
			}
			if was.Status != respond.HandupReturned {
				return &respond.TransitionError{From: respond.Status(was.Status), Event: "send again", Noun: "a packet"}
			}
			h.Sent, cause = was.Sent+1, was.Fact
		} else {
			h.Sent = 1
			res, err := tx.ExecContext(ctx, `INSERT INTO handups (incident, from_person, target, people, impact, tried, evidence, question, status, asked_ms) VALUES (?,?,'','[]','','','','','open',?)`, h.Incident, who, state.Millis(now))
			if err != nil {
				return fmt.Errorf("cannot store packet: %w", err)
			}
			if h.ID, err = res.LastInsertId(); err != nil {
				return err
			}
		}
		if h.Fact, err = tx.Record(journal.Fact{
			At: now, Kind: "handup.sent", Actor: journal.Person(string(who)), Cause: cause, Subject: h.Incident.Ref(), Refs: refs(h),
			Text: fmt.Sprintf("%s hands incident %d up to %s: %s", who, h.Incident, h.Target, h.Question),
		}); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE handups SET from_person=?, target=?, people=?, impact=?, tried=?, evidence=?, question=?, status=?, missing='', decided_by='', decided_ms=0, sent=?, asked_ms=?, fact=? WHERE id=?`,
			who, h.Target, string(people), h.Impact, h.Tried, h.Evidence, h.Question, h.Status, h.Sent, state.Millis(now), h.Fact, h.ID); err != nil {
			return fmt.Errorf("cannot store packet: %w", err)
		}
		var notices []respond.Notice
		for _, r := range reached {
			n := respond.Notice{
				Key: fmt.Sprintf("handup/%d/%d/%s", h.ID, h.Sent, r.Person), Person: r.Person, Purpose: respond.PurposeHandup, Incident: h.Incident, Severity: i.Severity,
				Title: fmt.Sprintf("#%d %s: %s asks you", i.Number, i.Title, who), Text: packetText(h), Why: r.Why, Cause: h.Fact,
			}
			if r.Shadow {
				n.Purpose, n.Severity = respond.PurposeCopy, detect.Info
			}
			notices = append(notices, n)
		}
		return e.o.Send(ctx, tx, now, notices)
	})
	return h, err
}

func refs(h respond.Handup) []journal.Ref {
	out := []journal.Ref{journal.MakeRef("handup", fmt.Sprint(h.ID))}
	for _, p := range h.People {
		out = append(out, journal.MakeRef("person", string(p)))
	}
	return out
}

func packetText(h respond.Handup) string {
	return fmt.Sprintf("Question: %s\nImpact: %s\nTried: %s\nEvidence: %s\n", h.Question, h.Impact, h.Tried, h.Evidence)
}

// targets are who is asked: those that were named, else the policy's next step.
func (e *Engine) targets(ctx context.Context, i respond.Incident, text string) ([]declare.Target, error) {
	if text = strings.TrimSpace(text); text != "" {
		var out []declare.Target
		w := e.o.Workspace()
		for _, one := range strings.Split(text, ",") {
			t, err := declare.ParseTarget(one)
			if err != nil {
				return nil, &respond.InvalidError{Field: "to", Got: one, Want: "schedule:NAME, person:NAME or team:NAME"}
			}
			if (t.Kind == declare.TargetPerson && w.Person(declare.PersonID(t.Name)) == nil) || (t.Kind == declare.TargetTeam && w.Team(declare.TeamID(t.Name)) == nil) || (t.Kind == declare.TargetSchedule && w.Schedule(t.Name) == nil) {
				return nil, &respond.InvalidError{Field: "to", Got: one, Want: "a " + string(t.Kind) + " that is declared"}
			}
			out = append(out, t)
		}
		return out, nil
	}
	steps := []declare.EscalationStep(nil)
	at := 0
	if was, err := read(ctx, e.o.DB.Read(), i.Number); err != nil {
		return nil, err
	} else if was.Status != "" {
		steps, at = was.Steps, was.Step
	} else if p := e.o.Policy(i); p != nil {
		steps, at = p.Steps, 1
	}
	if at = max(at, 1); at < len(steps) {
		return steps[at].Notify, nil
	}
	return nil, &respond.InvalidError{Field: "to", Want: "schedule:NAME, person:NAME or team:NAME: the policy has no further step"}
}

// Accept implements respond.Escalations.
func (e *Engine) Accept(ctx context.Context, now time.Time, who declare.PersonID, n respond.Number, id int64) (respond.Handup, error) {
	h, err := e.decide(ctx, now, who, n, id, respond.HandupAccepted, "")
	if err != nil {
		return h, err
	}
	_, err = e.o.Incidents.Assign(ctx, now, journal.Person(string(who)), n, who)
	return h, err
}

// SendBack implements respond.Escalations.
func (e *Engine) SendBack(ctx context.Context, now time.Time, who declare.PersonID, n respond.Number, id int64, missing string) (respond.Handup, error) {
	missing = strings.TrimSpace(missing)
	if missing == "" || len(missing) > maxPart {
		return respond.Handup{}, &respond.InvalidError{Field: "missing", Got: fmt.Sprintf("%d bytes", len(missing)), Want: "what you still need, in 1 to 4000 bytes"}
	}
	return e.decide(ctx, now, who, n, id, respond.HandupReturned, missing)
}

func (e *Engine) decide(ctx context.Context, now time.Time, who declare.PersonID, n respond.Number, id int64, to respond.HandupStatus, missing string) (h respond.Handup, err error) {
	err = e.o.DB.Update(ctx, func(tx *state.Tx) error {
		if h, err = handup(ctx, tx, n, id); err != nil {
			return err
		}
		if h.Status != respond.HandupOpen {
			return &respond.TransitionError{From: respond.Status(h.Status), Event: respond.Event(map[respond.HandupStatus]string{respond.HandupAccepted: "accept", respond.HandupReturned: "send back"}[to]), Noun: "a packet"}
		}
		if !slices.Contains(h.People, who) {
			return &respond.InvalidError{Field: "person", Got: string(who), Want: fmt.Sprintf("one of those who were asked: %v", h.People)}
		}
		h.Status, h.Missing, h.DecidedBy, h.DecidedAt = to, missing, who, now.UTC().Truncate(time.Millisecond)
		kind, text := journal.Kind("handup.accepted"), fmt.Sprintf("%s takes incident %d over from %s", who, n, h.From)
		if to == respond.HandupReturned {
			kind, text = "handup.returned", fmt.Sprintf("%s sends the packet back to %s; missing: %s", who, h.From, missing)
		}
		fact, err := tx.Record(journal.Fact{At: now, Kind: kind, Actor: journal.Person(string(who)), Cause: h.Fact, Subject: n.Ref(), Refs: append(refs(h), journal.MakeRef("person", string(h.From))), Text: text})
		if err != nil {
			return err
		}
		h.Fact = fact
		if _, err := tx.ExecContext(ctx, `UPDATE handups SET status=?, missing=?, decided_by=?, decided_ms=?, fact=? WHERE id=?`, to, missing, who, state.Millis(now), fact, id); err != nil {
			return fmt.Errorf("cannot store packet: %w", err)
		}
		if to != respond.HandupReturned {
			return nil
		}
		return e.o.Send(ctx, tx, now, []respond.Notice{{
			Key: fmt.Sprintf("returned/%d/%d", h.ID, h.Sent), Person: h.From, Purpose: respond.PurposeReturned, Incident: n, Severity: detect.Page,
			Title: fmt.Sprintf("#%d: %s needs more", n, who), Text: "Missing: " + missing + "\n", Why: "asked in packet " + fmt.Sprint(h.ID), Cause: fact,
		}})
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = respond.ErrNoHandup
	}
	return h, err
}
