package finding

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// refresh is how often an open finding's last sighting, and what it says by now, are
// written down: memory is enough in between, because a sighting that is lost is seen again.
const refresh = 30 * time.Second

// Book implements detect.Findings.
type Book struct {
	db   *state.DB
	sink detect.Sink

	mu      sync.Mutex                            // one Observe at a time; guards what follows
	open    map[detect.Fingerprint]detect.Finding // all open ones
	pending map[int64]bool                        // opened or resolved, and not known to be taken by the sink
	changed map[int64]bool                        // open, and they say something else than is written down
}

var _ detect.Findings = (*Book)(nil)

// Open reads the open findings, and those whose last change was not handed on before
// the program ended. The sink may be set later, before the first Observe.
func Open(ctx context.Context, db *state.DB) (*Book, error) {
	b := &Book{db: db, open: map[detect.Fingerprint]detect.Finding{}, pending: map[int64]bool{}, changed: map[int64]bool{}}
	found, _, err := b.List(ctx, detect.Filter{Open: ptr(true), Limit: 100_000})
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		b.open[f.Fingerprint] = f
	}
	rows, err := db.Read().QueryContext(ctx, `SELECT id FROM findings WHERE handed = 0`)
	if err != nil {
		return nil, fmt.Errorf("cannot read findings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("cannot read findings: %w", err)
		}
		b.pending[id] = true
	}
	return b, rows.Err()
}

// SetSink connects the next room.
func (b *Book) SetSink(s detect.Sink) { b.sink = s }

func ptr[T any](v T) *T { return &v }

// OpenFindings returns the open findings of a detector, of all for "".
func (b *Book) OpenFindings(detector string) []detect.Finding {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []detect.Finding
	for _, f := range b.open {
		if detector == "" || f.Detector == detector {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, byID)
	return out
}

func byID(a, b detect.Finding) int { return cmp.Compare(a.ID, b.ID) }

// Observe implements detect.Findings.
func (b *Book) Observe(ctx context.Context, now time.Time, seen []detect.Finding) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var hand, opened, resolved, refreshed []detect.Finding
	for _, f := range distinct(seen) {
		was, known := b.open[f.Fingerprint]
		switch {
		case !known && !f.Open():
			continue // resolved and not known: nothing to say
		case !known:
			f.OpenedAt, f.SeenAt = now, now
			if f.Since.IsZero() || f.Since.After(now) {
				f.Since = now
			}
			opened = append(opened, f)
		case !f.Open():
			was.ResolvedAt, was.SeenAt = f.ResolvedAt, now
			if was.ResolvedAt.Before(was.OpenedAt) { // the sender's clock is behind
				was.ResolvedAt = was.OpenedAt
			}
			if why := f.Annotations[detect.AnnotationResolved]; why != "" {
				was.Annotations = boundMap(was.Annotations) // a copy: others have read the old one
				was.Annotations[detect.AnnotationResolved] = why
			}
			resolved = append(resolved, was)
		default:
			if !sameWords(was, f) {
				b.changed[was.ID] = true
			}
			was.Annotations, was.Summary, was.Description, was.Runbook, was.Value = f.Annotations, f.Summary, f.Description, f.Runbook, f.Value
			if now.Sub(was.SeenAt) >= refresh {
				was.SeenAt = now
				refreshed = append(refreshed, was)
			}
			b.open[f.Fingerprint] = was
			hand = append(hand, was)
		}
	}
	if len(opened)+len(resolved)+len(refreshed) > 0 {
		if err := b.write(ctx, now, opened, resolved, refreshed); err != nil {
			return err
		}
		for _, f := range opened {
			b.open[f.Fingerprint] = f
			b.pending[f.ID] = true
		}
		for _, f := range refreshed {
			delete(b.changed, f.ID)
		}
		for _, f := range resolved {
			delete(b.changed, f.ID)
			delete(b.open, f.Fingerprint)
			b.pending[f.ID] = true
		}
	}
	hand = append(append(hand, opened...), resolved...)
	return b.handOver(ctx, hand)
}

// handOver calls the sink with these and with those that it has not taken before.
func (b *Book) handOver(ctx context.Context, hand []detect.Finding) error {
	if b.sink == nil {
		return nil
	}
	known := make(map[int64]bool, len(hand))
	for i := range hand {
		known[hand[i].ID] = true
	}
	for id := range b.pending {
		if known[id] {
			continue
		}
		f, err := b.Get(ctx, id)
		if err != nil {
			return err
		}
		hand = append(hand, f)
	}
	if len(hand) == 0 {
		return nil
	}
	if err := b.sink(ctx, hand); err != nil {
		return fmt.Errorf("cannot hand on %d findings: %w", len(hand), err)
	}
	return b.taken(ctx)
}

// taken notes that nothing is pending any more.
func (b *Book) taken(ctx context.Context) error {
	if len(b.pending) == 0 {
		return nil
	}
	// Where the machine loses this, they are handed on again, which does no harm.
	err := b.db.UpdateUnsynced(ctx, func(tx *state.Tx) error {
		// They are those that are pending: only this book writes findings, one call at a time.
		if _, err := tx.ExecContext(ctx, `UPDATE findings SET handed = 1 WHERE handed = 0`); err != nil {
			return fmt.Errorf("cannot note that %d findings were handed on: %w", len(b.pending), err)
		}
		return nil
	})
	if err == nil {
		clear(b.pending)
	}
	return err
}

// Redeliver hands every open finding on again: after a start, when the rooms that
// follow have forgotten them. What was resolved and not handed on comes with them.
func (b *Book) Redeliver(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.handOver(ctx, slices.SortedFunc(maps.Values(b.open), byID))
}

func (b *Book) write(ctx context.Context, now time.Time, opened, resolved, refreshed []detect.Finding) error {
	return b.db.Update(ctx, func(tx *state.Tx) error {
		if len(opened) > 0 {
			// The number is needed before the row is there: its fact names it, and the row
			// names the fact.
			var last int64
			if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'findings'`).Scan(&last); err != nil {
				return fmt.Errorf("cannot number findings: %w", err)
			}
			for i := range opened {
				opened[i].ID = last + int64(i) + 1
				if err := insert(ctx, tx, now, &opened[i]); err != nil {
					return err
				}
			}
		}
		if err := b.sight(ctx, tx, now, refreshed); err != nil {
			return err
		}
		for _, f := range resolved {
			if b.changed[f.ID] {
				if err := b.sight(ctx, tx, now, []detect.Finding{f}); err != nil {
					return err
				}
			}
			if err := resolve(ctx, tx, now, &f); err != nil {
				return err
			}
		}
		return nil
	})
}

// sight writes down that findings have been seen now, and of those that changed what
// they say by now. The value stays the one with which they opened.
func (b *Book) sight(ctx context.Context, tx *state.Tx, now time.Time, seen []detect.Finding) error {
	if len(seen) == 0 {
		return nil
	}
	ids, words := make([]int64, len(seen)), [][5]any{}
	for i := range seen {
		f := &seen[i]
		if ids[i] = f.ID; !b.changed[f.ID] {
			continue
		}
		annotations, err := json.Marshal(f.Annotations)
		if err != nil {
			return fmt.Errorf("cannot refresh finding %d: %w", f.ID, err)
		}
		words = append(words, [5]any{f.ID, f.Summary, f.Description, f.Runbook, string(annotations)})
	}
	fail := func(err error) error { return fmt.Errorf("cannot refresh %d findings: %w", len(seen), err) }
	list, err := json.Marshal(ids)
	if err != nil {
		return fail(err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE findings SET seen_ms = ? WHERE id IN (SELECT value FROM json_each(?))`, state.Millis(now), string(list)); err != nil {
		return fail(err)
	}
	if len(words) == 0 {
		return nil
	}
	if list, err = json.Marshal(words); err != nil {
		return fail(err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE findings SET summary = j.value ->> 1, description = j.value ->> 2, runbook = j.value ->> 3, annotations = j.value ->> 4
		FROM json_each(?) j WHERE findings.id = j.value ->> 0`, string(list))
	if err != nil {
		return fail(err)
	}
	return nil
}

// sameWords says whether two sightings of a finding say the same.
func sameWords(a, b detect.Finding) bool {
	return a.Summary == b.Summary && a.Description == b.Description && a.Runbook == b.Runbook && maps.Equal(a.Annotations, b.Annotations)
}

func resolve(ctx context.Context, tx *state.Tx, now time.Time, f *detect.Finding) error {
	annotations, err := json.Marshal(f.Annotations)
	if err != nil {
		return fmt.Errorf("cannot resolve finding %d: %w", f.ID, err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE findings SET resolved_ms = ?, seen_ms = ?, annotations = ?, handed = 0 WHERE id = ?`,
		state.Millis(f.ResolvedAt), state.Millis(f.SeenAt), string(annotations), f.ID); err != nil {
		return fmt.Errorf("cannot resolve finding %d: %w", f.ID, err)
	}
	text := "resolved: " + f.Title()
	if why := f.Annotations[detect.AnnotationResolved]; why != "" {
		text += " (" + why + ")"
	}
	_, err = tx.Record(journal.Fact{At: now, Kind: "finding.resolved", Actor: journal.System("detect"), Cause: f.Fact, Subject: f.Ref(), Refs: refs(f), Text: text})
	return err
}

func insert(ctx context.Context, tx *state.Tx, now time.Time, f *detect.Finding) error {
	labels, err := json.Marshal(f.Labels)
	if err != nil {
		return fmt.Errorf("cannot store finding %q: %w", f.Name, err)
	}
	annotations, err := json.Marshal(f.Annotations)
	if err != nil {
		return fmt.Errorf("cannot store finding %q: %w", f.Name, err)
	}
	data, err := json.Marshal(openedData{Expr: f.Expr, Labels: labels, Since: f.Since, Value: f.Value})
	if err != nil {
		data = nil // an infinite value has no JSON: the row has it all the same
	}
	f.Fact, err = tx.Record(journal.Fact{
		At: now, Kind: "finding.opened", Actor: journal.System("detect"), Subject: f.Ref(), Refs: refs(f),
		Text: fmt.Sprintf("%s: %s", f.Severity, f.Title()), Data: data,
	})
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO findings (id, fingerprint, detector, name, service, team, objective, severity, summary, description, runbook, expr, value, labels, annotations, since_ms, opened_ms, seen_ms, fact, handed)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0)`,
		f.ID, f.Fingerprint, f.Detector, f.Name, f.Service, f.Team, f.Objective, f.Severity, f.Summary, f.Description, f.Runbook, f.Expr, f.Value,
		string(labels), string(annotations), state.Millis(f.Since), state.Millis(f.OpenedAt), state.Millis(f.SeenAt), f.Fact)
	if err != nil {
		return fmt.Errorf("cannot store finding %q: %w", f.Name, err)
	}
	return nil
}

// openedData is what the fact of a new finding keeps beside its text.
type openedData struct {
	Expr   string          `json:"expr"`
	Labels json.RawMessage `json:"labels"`
	Since  time.Time       `json:"since"`
	Value  float64         `json:"value"`
}

// refs are the further nouns on whose timelines a finding's facts belong.
func refs(f *detect.Finding) []journal.Ref {
	var out []journal.Ref
	if f.Service != "" {
		out = append(out, journal.MakeRef("service", string(f.Service)))
	}
	if f.Objective != "" {
		out = append(out, journal.MakeRef("objective", string(f.Objective)))
	}
	if f.Incident != 0 {
		out = append(out, journal.MakeRef("incident", fmt.Sprint(f.Incident)))
	}
	return out
}

// Attached tells the book to which incidents findings belong, once that is committed.
// It is for the sink: Observe holds the lock.
func (b *Book) Attached(found []detect.Finding) {
	for i := range found {
		f := &found[i]
		if was, ok := b.open[f.Fingerprint]; ok && was.ID == f.ID && was.Incident != f.Incident {
			was.Incident = f.Incident
			b.open[f.Fingerprint] = was
		}
	}
}

// Moved tells the book that findings belong to another incident now. It MUST NOT be
// called from the sink.
func (b *Book) Moved(incident int64, ids []int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	moved := make(map[int64]bool, len(ids))
	for _, id := range ids {
		moved[id] = true
	}
	for fp, f := range b.open {
		if moved[f.ID] {
			f.Incident = incident
			b.open[fp] = f
		}
	}
}
