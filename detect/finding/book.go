package finding

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// refresh is how often an open finding's last sighting is written down: memory is
// enough in between, because a sighting that is lost is seen again.
const refresh = 30 * time.Second

// The bounds of one finding: what comes from rules and foreign senders is cut.
const (
	maxLabels = 100
	maxText   = 10_000
)

// Book implements detect.Findings.
type Book struct {
	db   *state.DB
	sink detect.Sink

	mu      sync.Mutex                            // one Observe at a time; guards what follows
	open    map[detect.Fingerprint]detect.Finding // all open ones
	pending map[int64]bool                        // whose last hand-off failed
}

var _ detect.Findings = (*Book)(nil)

// Open reads the open findings. The sink may be set later, before the first Observe.
func Open(ctx context.Context, db *state.DB) (*Book, error) {
	b := &Book{db: db, open: map[detect.Fingerprint]detect.Finding{}, pending: map[int64]bool{}}
	found, _, err := b.List(ctx, detect.Filter{Open: ptr(true), Limit: 100_000})
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		b.open[f.Fingerprint] = f
	}
	return b, nil
}

// SetSink connects the next room.
func (b *Book) SetSink(s detect.Sink) { b.sink = s }

func ptr[T any](v T) *T { return &v }

// OpenFindings returns the open findings of a detector.
func (b *Book) OpenFindings(detector string) []detect.Finding {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []detect.Finding
	for _, f := range b.open {
		if f.Detector == detector {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b detect.Finding) int { return int(a.ID - b.ID) })
	return out
}

// Observe implements detect.Findings.
func (b *Book) Observe(ctx context.Context, now time.Time, seen []detect.Finding) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var hand, opened, resolved, refreshed []detect.Finding
	for _, f := range seen {
		f = bound(f)
		was, known := b.open[f.Fingerprint]
		switch {
		case !known && !f.Open():
			continue // resolved and not known: nothing to say
		case !known:
			f.OpenedAt, f.SeenAt = now, now
			if f.Since.IsZero() {
				f.Since = now
			}
			opened = append(opened, f)
		case !f.Open():
			was.ResolvedAt, was.SeenAt = f.ResolvedAt, now
			resolved = append(resolved, was)
		default:
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
		}
		for _, f := range refreshed {
			b.open[f.Fingerprint] = f
		}
		for _, f := range resolved {
			delete(b.open, f.Fingerprint)
		}
	}
	hand = append(append(hand, opened...), resolved...)
	return b.handOver(ctx, hand)
}

// handOver calls the sink with these and with those that it failed to take before.
func (b *Book) handOver(ctx context.Context, hand []detect.Finding) error {
	if b.sink == nil {
		return nil
	}
	for id := range b.pending {
		if slices.ContainsFunc(hand, func(f detect.Finding) bool { return f.ID == id }) {
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
		for _, f := range hand {
			b.pending[f.ID] = true
		}
		return fmt.Errorf("cannot hand on %d findings: %w", len(hand), err)
	}
	clear(b.pending)
	return nil
}

// Redeliver hands every open finding on again: after a start, when the rooms that
// follow have forgotten them.
func (b *Book) Redeliver(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.handOver(ctx, slices.Collect(maps.Values(b.open)))
}

func (b *Book) write(ctx context.Context, now time.Time, opened, resolved, refreshed []detect.Finding) error {
	return b.db.Update(ctx, func(tx *state.Tx) error {
		for i := range opened {
			if err := insert(ctx, tx, now, &opened[i]); err != nil {
				return err
			}
		}
		for _, f := range refreshed {
			if _, err := tx.ExecContext(ctx, `UPDATE findings SET seen_ms = ? WHERE id = ?`, state.Millis(f.SeenAt), f.ID); err != nil {
				return fmt.Errorf("cannot refresh finding %d: %w", f.ID, err)
			}
		}
		for _, f := range resolved {
			if _, err := tx.ExecContext(ctx, `UPDATE findings SET resolved_ms = ?, seen_ms = ? WHERE id = ?`, state.Millis(f.ResolvedAt), state.Millis(f.SeenAt), f.ID); err != nil {
				return fmt.Errorf("cannot resolve finding %d: %w", f.ID, err)
			}
			fact := journal.Fact{At: now, Kind: "finding.resolved", Actor: journal.System("detect"), Cause: f.Fact, Subject: f.Ref(), Refs: refs(&f), Text: "resolved: " + f.Title()}
			if _, err := tx.Record(fact); err != nil {
				return err
			}
		}
		return nil
	})
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
	res, err := tx.ExecContext(ctx, `INSERT INTO findings (fingerprint, detector, name, service, team, objective, severity, summary, description, runbook, expr, value, labels, annotations, since_ms, opened_ms, seen_ms)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		f.Fingerprint, f.Detector, f.Name, f.Service, f.Team, f.Objective, f.Severity, f.Summary, f.Description, f.Runbook, f.Expr, f.Value,
		string(labels), string(annotations), state.Millis(f.Since), state.Millis(f.OpenedAt), state.Millis(f.SeenAt))
	if err != nil {
		return fmt.Errorf("cannot store finding %q: %w", f.Name, err)
	}
	if f.ID, err = res.LastInsertId(); err != nil {
		return fmt.Errorf("cannot store finding %q: %w", f.Name, err)
	}
	data, err := json.Marshal(map[string]any{"labels": f.Labels, "expr": f.Expr, "value": f.Value, "since": f.Since})
	if err != nil {
		data = nil // NaN has no JSON: the row has it all the same
	}
	f.Fact, err = tx.Record(journal.Fact{
		At: now, Kind: "finding.opened", Actor: journal.System("detect"), Subject: f.Ref(), Refs: refs(f),
		Text: fmt.Sprintf("%s: %s", f.Severity, f.Title()), Data: data,
	})
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE findings SET fact = ? WHERE id = ?`, f.Fact, f.ID)
	return err
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

// Attach notes that findings belong to an incident, in the incident's transaction.
func Attach(ctx context.Context, tx *state.Tx, incident int64, ids ...int64) error {
	for _, id := range ids {
		if _, err := tx.ExecContext(ctx, `UPDATE findings SET incident = ? WHERE id = ?`, incident, id); err != nil {
			return fmt.Errorf("cannot attach finding %d: %w", id, err)
		}
	}
	return nil
}

// Attached tells the book what Attach has committed.
func (b *Book) Attached(incident int64, ids ...int64) {
	// Called from the sink, under the lock of Observe: the map is ours already.
	for fp, f := range b.open {
		if slices.Contains(ids, f.ID) {
			f.Incident = incident
			b.open[fp] = f
		}
	}
}

func bound(f detect.Finding) detect.Finding {
	f.Labels, f.Annotations = boundMap(f.Labels), boundMap(f.Annotations)
	f.Summary, f.Description, f.Expr = cut(f.Summary), cut(f.Description), cut(f.Expr)
	if f.Fingerprint == "" {
		f.Fingerprint = detect.MakeFingerprint(f.Detector, f.Labels)
	}
	if f.Value != f.Value { // NaN does not survive JSON nor SQL
		f.Value = 0
	}
	return f
}

func boundMap(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i == maxLabels {
			break
		}
		out[cut(k)] = cut(m[k])
	}
	return out
}

func cut(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
