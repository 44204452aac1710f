package oncall

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare/oncall"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

// The bounds of one import.
const (
	maxImport   = 500     // events in the next year
	maxCalendar = 1 << 20 // bytes
	maxSource   = 2000    // bytes
)

// times is what makes two overrides of a calendar the same.
type times struct {
	uid, person string
	from, to    int64
}

func timesOf(o respond.DutyOverride) times {
	return times{o.UID, string(o.Person), o.From.Unix(), o.To.Unix()}
}

// Import implements respond.Roster.
func (b *Book) Import(ctx context.Context, now time.Time, actor journal.Actor, schedule, source string, calendar []byte) ([]respond.DutyOverride, error) {
	s, err := b.schedule(schedule)
	if err != nil {
		return nil, err
	}
	if len(source) > maxSource {
		return nil, &respond.InvalidError{Field: "source", Got: fmt.Sprintf("%d bytes", len(source)), Want: fmt.Sprintf("at most %d", maxSource)}
	}
	if len(calendar) > maxCalendar {
		return nil, &respond.InvalidError{Field: "calendar", Got: fmt.Sprintf("%d bytes", len(calendar)), Want: "at most 1 MiB"}
	}
	loc := s.Location
	if loc == nil {
		loc = time.UTC
	}
	events, err := oncall.ReadCalendar(calendar, loc)
	if err != nil {
		return nil, &respond.InvalidError{Field: "calendar", Got: err.Error(), Want: "an iCalendar file"}
	}
	who := oncall.Who(b.o.Workspace().People)
	var all []respond.DutyOverride
	for _, e := range events {
		if !e.To.After(now) || e.From.After(now.Add(maxLength)) { // what recurs without end ends here
			continue
		}
		o := respond.DutyOverride{Schedule: schedule, Kind: respond.OverrideDuty, Person: e.Person(who), From: e.From, To: e.To, Reason: "imported", Source: source, UID: e.UID}
		if o.Person == "" {
			return nil, &respond.InvalidError{Field: "calendar", Got: e.Summary, Want: "events of people of the catalogue: by the address of an attendee, or a name as the summary"}
		}
		if err := b.check(now, &o); err != nil {
			return nil, err
		}
		if all = append(all, o); len(all) > maxImport {
			return nil, &respond.InvalidError{Field: "calendar", Want: fmt.Sprintf("at most %d events in the next year", maxImport)}
		}
	}
	return b.follow(ctx, now, actor, schedule, source, all)
}

// follow leaves as they are those of all that are there already, adds the others, and
// removes what the calendar brought before and has no more; one without a
// source only replaces events by their UID. What has ended stays on
// record.
func (b *Book) follow(ctx context.Context, now time.Time, actor journal.Actor, schedule, source string, all []respond.DutyOverride) ([]respond.DutyOverride, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	uids := map[string]bool{}
	for _, o := range all {
		uids[o.UID] = o.UID != ""
	}
	have, gone := map[times]respond.DutyOverride{}, map[int64]respond.DutyOverride{}
	for _, o := range b.live {
		ours := uids[o.UID] || (source != "" && o.Source == source)
		if o.Schedule == schedule && ours && o.To.After(now) {
			gone[o.ID] = o
			if o.Source == source {
				have[timesOf(o)] = o
			}
		}
	}
	if len(all) == 0 && len(gone) == 0 {
		return nil, &respond.InvalidError{Field: "calendar", Got: "no such event", Want: "at least one event that has not ended and begins within a year"}
	}
	kept, fresh := map[int64]respond.DutyOverride{}, []respond.DutyOverride{}
	for _, o := range all {
		if old, ok := have[timesOf(o)]; ok {
			kept[old.ID] = old
			delete(gone, old.ID)
			continue
		}
		fresh = append(fresh, o)
	}
	added, err := b.replace(ctx, now, actor, gone, fresh)
	if err != nil {
		return nil, err
	}
	out := append(slices.Collect(maps.Values(kept)), added...)
	slices.SortFunc(out, func(a, c respond.DutyOverride) int {
		if d := a.From.Compare(c.From); d != 0 {
			return d
		}
		return int(a.ID - c.ID)
	})
	return out, nil
}
