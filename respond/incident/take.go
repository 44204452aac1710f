package incident

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// atOnce is how many findings are placed in one transaction: others write in between.
const atOnce = 1000

// Take gives findings their incident and returns them with what a page must say. A
// muted finding opens nothing. Thousands at once are placed in few transactions: a
// storm must not hold up the page that it is about.
func (b *Book) Take(ctx context.Context, now time.Time, findings []detect.Finding, muted func(detect.Finding) bool) ([]detect.Finding, error) {
	out := slices.Clone(findings)
	if err := incidentsOf(ctx, b.o.DB.Read(), out); err != nil {
		return nil, err
	}
	var fresh []*detect.Finding
	held, over := map[respond.Number]*detect.Finding{}, map[respond.Number]*detect.Finding{}
	paging := false
	for i := range out {
		f := &out[i]
		n := respond.Number(f.Incident)
		switch {
		case f.Open() && n != 0:
			// It belongs to one. Where that was resolved by hand while the finding still
			// holds, it stays so: a person has decided, and a new episode opens a new one.
			if held[n] == nil {
				held[n] = f
			}
		case f.Open() && f.Severity == detect.Page:
			if !muted(*f) {
				fresh, paging = append(fresh, f), true
			}
		case f.Open():
			fresh = append(fresh, f)
		case n != 0 && f.Severity == detect.Page:
			over[n] = f // the last one is the cause
		}
	}
	if !paging {
		// Tickets that no active incident concerns come again every minute: they cost
		// no transaction.
		var err error
		if fresh, err = b.concerned(ctx, now, fresh); err != nil {
			return nil, err
		}
	}
	var opened []opening
	for chunk := range slices.Chunk(fresh, atOnce) {
		o, err := b.place(ctx, now, chunk)
		if err != nil {
			return nil, fmt.Errorf("cannot take findings from %d on: %w", chunk[0].ID, err)
		}
		opened = append(opened, o...)
	}
	for _, n := range slices.Sorted(maps.Keys(over)) {
		if err := b.takeResolved(ctx, now, over[n]); err != nil {
			return nil, fmt.Errorf("cannot take finding %d: %w", over[n].ID, err)
		}
	}
	for _, o := range opened {
		if err := b.investigate(ctx, now, o.number, o.finding); err != nil {
			return nil, err
		}
	}
	pages := map[respond.Number]map[string]string{}
	for _, n := range slices.Sorted(maps.Keys(held)) {
		if err := b.resume(ctx, now, n, held[n]); err != nil {
			return nil, err
		}
	}
	for i := range out {
		if err := b.enrich(ctx, &out[i], pages); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// incidentsOf reads to which incidents findings belong.
func incidentsOf(ctx context.Context, q querier, found []detect.Finding) error {
	byID := make(map[int64]*detect.Finding, len(found))
	for i := range found {
		found[i].Incident = 0
		byID[found[i].ID] = &found[i]
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(byID)), 500) {
		args := make([]any, len(ids))
		for i, id := range ids {
			args[i] = id
		}
		//nolint:gosec // only question marks are joined
		rows, err := q.QueryContext(ctx, `SELECT id, incident FROM findings WHERE incident > 0 AND id IN (?`+strings.Repeat(",?", len(ids)-1)+`)`, args...)
		if err != nil {
			return fmt.Errorf("cannot read findings: %w", err)
		}
		err = func() error {
			defer rows.Close()
			for rows.Next() {
				var id, n int64
				if err := rows.Scan(&id, &n); err != nil {
					return err
				}
				byID[id].Incident = n
			}
			return rows.Err()
		}()
		if err != nil {
			return fmt.Errorf("cannot read findings: %w", err)
		}
	}
	return nil
}

// concerned are the findings that an active incident covers.
func (b *Book) concerned(ctx context.Context, now time.Time, found []*detect.Finding) ([]*detect.Finding, error) {
	if len(found) == 0 {
		return nil, nil
	}
	d, err := b.board(ctx, b.o.DB.Read(), now)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(f *detect.Finding) bool { return d.related(f) == nil }), nil
}

// opening is an incident that has just been opened, and by what.
type opening struct {
	number  respond.Number
	finding *detect.Finding
}

// place opens or joins incidents for findings in one transaction.
func (b *Book) place(ctx context.Context, now time.Time, found []*detect.Finding) (opened []opening, err error) {
	err = b.o.DB.Update(ctx, func(tx *state.Tx) error {
		opened = nil
		// Asked again where nobody else writes: one finding opens one incident.
		asked := make([]detect.Finding, len(found))
		for i, f := range found {
			asked[i].ID = f.ID
		}
		if err := incidentsOf(ctx, tx, asked); err != nil {
			return err
		}
		d, err := b.board(ctx, tx, now)
		if err != nil {
			return err
		}
		joined := map[respond.Number][]*detect.Finding{}
		var order []*respond.Incident
		for i, f := range found {
			if f.Incident = asked[i].Incident; f.Incident != 0 {
				continue
			}
			to := d.related(f)
			if to == nil && f.Severity == detect.Page {
				if to = d.storm(f); to == nil {
					i, err := b.open(ctx, tx, now, f)
					if err != nil {
						return err
					}
					d.add(i, f)
					opened = append(opened, opening{i.Number, f})
					continue
				}
			}
			if to == nil {
				continue
			}
			if err := b.attach(ctx, tx, f, to.Number); err != nil {
				return err
			}
			d.cover(to, f)
			if joined[to.Number] == nil {
				order = append(order, to)
			}
			joined[to.Number] = append(joined[to.Number], f)
		}
		for _, i := range order {
			if err := b.join(ctx, tx, now, joined[i.Number], i); err != nil {
				return err
			}
		}
		return nil
	})
	return opened, err
}

// resume investigates where a kill fell between opening the incident and dating it.
func (b *Book) resume(ctx context.Context, now time.Time, n respond.Number, f *detect.Finding) error {
	i, err := b.Get(ctx, n)
	if err != nil || i.Clocks.ImpactSource != "" || i.Ended() {
		return err
	}
	return b.investigate(ctx, now, n, f)
}

func (b *Book) attach(ctx context.Context, tx *state.Tx, f *detect.Finding, n respond.Number) error {
	f.Incident = int64(n)
	_, err := tx.ExecContext(ctx, `UPDATE findings SET incident = ? WHERE id = ?`, n, f.ID)
	return err
}

// eachJoin is how many findings that join at once get a line of their own in the
// timeline; of more there is one line that counts them.
const eachJoin = 20

// join records what has joined an incident.
func (b *Book) join(ctx context.Context, tx *state.Tx, now time.Time, found []*detect.Finding, i *respond.Incident) error {
	var paged *detect.Finding
	for _, f := range found {
		if i.Runbook == "" {
			i.Runbook = f.Runbook
		}
		if paged == nil && f.Severity == detect.Page {
			paged = f
		}
	}
	if len(found) <= eachJoin {
		for _, f := range found {
			if _, err := b.fact(tx, now, journal.System("respond"), "incident.joined", f.Fact, i, fmt.Sprintf("%s: %s", f.Severity, f.Title()), f.Ref()); err != nil {
				return err
			}
		}
	} else if err := b.joinMany(tx, now, found, i); err != nil {
		return err
	}
	if paged != nil && i.Status == respond.Mitigated {
		if err := b.move(tx, now, journal.System("respond"), i, respond.Regress, paged.Fact, ": "+paged.Title(), paged.Ref()); err != nil {
			return err
		}
	}
	return save(ctx, tx, i)
}

func (b *Book) joinMany(tx *state.Tx, now time.Time, found []*detect.Finding, i *respond.Incident) error {
	count := map[string]int{}
	for _, f := range found {
		count[f.Name]++
	}
	names := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return strings.Compare(a, b)
	})
	var most []string
	for _, n := range names[:min(len(names), 5)] {
		most = append(most, fmt.Sprintf("%s (%d)", n, count[n]))
	}
	if len(names) > 5 {
		most = append(most, fmt.Sprintf("%d other names", len(names)-5))
	}
	var refs []journal.Ref
	for _, f := range found[:eachJoin] {
		refs = append(refs, f.Ref())
	}
	_, err := b.fact(tx, now, journal.System("respond"), "incident.joined", found[0].Fact, i,
		fmt.Sprintf("%d findings joined at once: %s", len(found), strings.Join(most, ", ")), refs...)
	return err
}

func (b *Book) open(ctx context.Context, tx *state.Tx, now time.Time, f *detect.Finding) (*respond.Incident, error) {
	i := &respond.Incident{
		Title: title(f), Severity: f.Severity, Status: respond.Open, Service: f.Service, Team: f.Team, Runbook: f.Runbook, Sev: b.sev(f),
		Services: services(f.Service), Clocks: respond.Clocks{Detected: f.OpenedAt},
	}
	i.Clocks.Say(respond.PointDetected, fmt.Sprintf("finding %d: %s", f.ID, f.Name))
	if i.Team == "" {
		i.Team = b.o.TeamOf(f.Service)
	}
	if err := insert(ctx, tx, i); err != nil {
		return nil, err
	}
	if err := b.attach(ctx, tx, f, i.Number); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("incident %d opened: %s", i.Number, i.Title)
	if who := b.o.OnCall(i.Team, now); who != "" {
		text += fmt.Sprintf("; %s is on call", who)
	}
	var err error
	if i.Fact, err = b.fact(tx, now, journal.System("respond"), "incident.opened", f.Fact, i, text, f.Ref()); err != nil {
		return nil, err
	}
	return i, save(ctx, tx, i)
}

func title(f *detect.Finding) string {
	if f.Service != "" && f.Objective != "" {
		return fmt.Sprintf("%s: %s burns its error budget", f.Service, f.Objective)
	}
	if f.Service != "" {
		return fmt.Sprintf("%s: %s", f.Service, f.Title())
	}
	return f.Title()
}

// investigate dates the impact back and ranks suspects, outside of the transaction
// that opened the incident: queries take their time, and the incident exists already.
func (b *Book) investigate(ctx context.Context, now time.Time, n respond.Number, f *detect.Finding) error {
	onset, source := f.Since, "the condition began to hold"
	if b.o.Onset != nil {
		if at, how := b.o.Onset(ctx, *f); !at.IsZero() {
			onset, source = at, how
		}
	}
	i, err := b.change(ctx, n, func(_ *state.Tx, i *respond.Incident) error {
		i.Clocks.Impact, i.Clocks.ImpactSource = onset, source
		i.Clocks.Say(respond.PointImpact, source)
		return nil
	})
	if err != nil || b.o.Suspects == nil {
		return err
	}
	suspects, err := b.o.Suspects(ctx, i)
	if err != nil {
		// A page without suspects is better than no page.
		b.o.Logger.Error("cannot rank suspects", "incident", n, "err", err)
		return nil
	}
	_, err = b.change(ctx, n, func(tx *state.Tx, i *respond.Incident) error {
		i.Suspects = suspects
		_, err := b.fact(tx, now, journal.System("respond"), "incident.suspects", i.Fact, i, suspectText(suspects))
		return err
	})
	return err
}

// takeResolved mitigates an incident whose last paging finding has gone.
func (b *Book) takeResolved(ctx context.Context, now time.Time, f *detect.Finding) error {
	_, err := b.change(ctx, respond.Number(f.Incident), func(tx *state.Tx, i *respond.Incident) error {
		return b.calm(ctx, tx, now, i, f.Fact, f.Ref())
	})
	if errors.Is(err, respond.ErrNotFound) {
		return nil
	}
	return err
}

// calm mitigates an incident in which nothing pages any more.
func (b *Book) calm(ctx context.Context, tx *state.Tx, now time.Time, i *respond.Incident, cause journal.ID, refs ...journal.Ref) error {
	if i.Status != respond.Open && i.Status != respond.Acknowledged {
		return nil
	}
	var still bool
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM findings WHERE incident = ? AND severity = ? AND resolved_ms = 0)`, i.Number, detect.Page).Scan(&still); err != nil || still {
		return err
	}
	return b.move(tx, now, journal.System("respond"), i, respond.Mitigate, cause, ": nothing pages any more", refs...)
}

// enrich adds what a page must say to a finding's annotations.
func (b *Book) enrich(ctx context.Context, f *detect.Finding, pages map[respond.Number]map[string]string) error {
	n := respond.Number(f.Incident)
	if n == 0 {
		return nil
	}
	says, ok := pages[n]
	if !ok {
		i, err := b.Get(ctx, n)
		if err != nil {
			return err
		}
		says = b.says(i)
		pages[n] = says
	}
	a := maps.Clone(f.Annotations)
	if a == nil {
		a = map[string]string{}
	}
	maps.Copy(a, says)
	a["outcome_url"] = b.o.URL(b.outcomePath(f))
	if f.Runbook != "" && !strings.Contains(f.Runbook, "://") {
		a["runbook_url"] = b.o.URL("/runbooks/" + f.Runbook + "?incident=" + fmt.Sprint(f.Incident))
	}
	f.Annotations = a
	return nil
}

// outcomePath is where a reader of the message says what became of it.
func (b *Book) outcomePath(f *detect.Finding) string {
	if b.o.OutcomeLink != nil {
		return "/outcome/" + b.o.OutcomeLink(f.ID, f.OpenedAt)
	}
	return "/findings/" + fmt.Sprint(f.ID) + "/outcome"
}

// says is what a page must say of an incident.
func (b *Book) says(i respond.Incident) map[string]string {
	var lines []string
	for _, s := range i.Suspects[:min(3, len(i.Suspects))] {
		lines = append(lines, fmt.Sprintf("%d. %s (%.2f)", s.Rank, s.Reason, s.Score))
	}
	if len(lines) == 0 {
		lines = []string{"no change stands out"}
	}
	return map[string]string{
		"incident": fmt.Sprint(int64(i.Number)), "incident_url": b.o.URL(fmt.Sprintf("/incidents/%d", i.Number)), "suspects": strings.Join(lines, "\n"),
	}
}
