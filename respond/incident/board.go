package incident

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

const (
	// joinDistance is how far along dependencies one incident reaches.
	joinDistance = 3
	// stormIncidents opened within stormSpan are a storm: what pages then, and nothing
	// known connects, joins what is there. A data centre that burns is one event.
	stormIncidents = 5
	stormSpan      = time.Minute
)

// board is the active incidents while findings are placed, indexed by what they reach:
// a storm asks thousands of times.
type board struct {
	b        *Book
	recent   []*respond.Incident                      // opened within stormSpan
	covers   map[declare.ResourceID]*respond.Incident // the service has a finding in it
	reaches  map[declare.ResourceID]reach             // something covered depends on it
	nameless map[string]*respond.Incident             // by alert, of findings that name no service
}

// reach is the nearest incident of something, and how far it is.
type reach struct {
	incident *respond.Incident
	far      int
}

// nearer prefers the nearer one, of two that are as near the newer one.
func (r reach) nearer(o reach) reach {
	if r.incident == nil || o.incident != nil && (o.far < r.far || o.far == r.far && o.incident.Number > r.incident.Number) {
		return o
	}
	return r
}

func component(s declare.ServiceID) declare.ResourceID {
	return declare.ResourceID("component/default/" + string(s))
}

func (b *Book) board(ctx context.Context, q querier, now time.Time) (*board, error) {
	d := &board{
		b: b, covers: map[declare.ResourceID]*respond.Incident{}, reaches: map[declare.ResourceID]reach{}, nameless: map[string]*respond.Incident{},
	}
	all, err := list(ctx, q, active+` ORDER BY number DESC`)
	if err != nil {
		return nil, err
	}
	byNumber := map[respond.Number]*respond.Incident{}
	for i := range all {
		byNumber[all[i].Number] = &all[i]
		for _, s := range all[i].Services {
			d.index(&all[i], s)
		}
		if all[i].Clocks.Detected.After(now.Add(-stormSpan)) {
			d.recent = append(d.recent, &all[i])
		}
	}
	if !slices.ContainsFunc(all, func(i respond.Incident) bool { return i.Service == "" }) {
		return d, nil
	}
	// CROSS JOIN has SQLite begin with the incidents, which are few.
	rows, err := q.QueryContext(ctx, `SELECT DISTINCT f.incident, f.name FROM incidents i CROSS JOIN findings f ON f.incident = i.number WHERE i.status IN ('open', 'acknowledged', 'mitigated') AND i.service = '' AND f.service = '' ORDER BY f.incident`)
	if err != nil {
		return nil, fmt.Errorf("cannot list incidents: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var n respond.Number
		var name string
		if err := rows.Scan(&n, &name); err != nil {
			return nil, fmt.Errorf("cannot list incidents: %w", err)
		}
		d.nameless[name] = byNumber[n]
	}
	return d, rows.Err()
}

// index notes that an incident covers a service, and so reaches what that depends on.
func (d *board) index(i *respond.Incident, s declare.ServiceID) {
	at := component(s)
	d.covers[at] = reach{d.covers[at], 0}.nearer(reach{i, 0}).incident
	for to, far := range d.b.o.Distances(s) {
		if far <= joinDistance {
			d.reaches[to] = d.reaches[to].nearer(reach{i, far})
		}
	}
}

// related is the active incident that covers a finding: of its service first, else of
// something that it depends on or that depends on it, within joinDistance. Findings
// that name no service belong together when they are of the same alert.
func (d *board) related(f *detect.Finding) *respond.Incident {
	if f.Service == "" {
		return d.nameless[f.Name]
	}
	if i := d.covers[component(f.Service)]; i != nil {
		return i
	}
	best := d.reaches[component(f.Service)]
	for to, far := range d.b.o.Distances(f.Service) {
		if i := d.covers[to]; i != nil && far <= joinDistance {
			best = best.nearer(reach{i, far})
		}
	}
	return best.incident
}

// storm is the incident that a page joins although nothing known connects them, while
// incidents open faster than people could tell them apart: one of the same team, else
// the first of the storm.
func (d *board) storm(f *detect.Finding) *respond.Incident {
	if len(d.recent) < stormIncidents {
		return nil
	}
	team := f.Team
	if team == "" {
		team = d.b.o.TeamOf(f.Service)
	}
	for _, i := range d.recent {
		if i.Team == team {
			return i
		}
	}
	return slices.MinFunc(d.recent, func(a, b *respond.Incident) int { return int(a.Number - b.Number) })
}

// add notes an incident that f has opened.
func (d *board) add(i *respond.Incident, f *detect.Finding) {
	d.recent = append(d.recent, i)
	if f.Service == "" {
		d.nameless[f.Name] = i
		return
	}
	d.index(i, f.Service)
}

// cover notes that an incident reaches as far as f.
func (d *board) cover(i *respond.Incident, f *detect.Finding) {
	if f.Service == "" {
		if d.nameless[f.Name] == nil {
			d.nameless[f.Name] = i
		}
		return
	}
	if !slices.Contains(i.Services, f.Service) {
		i.Services = append(i.Services, f.Service)
		d.index(i, f.Service)
	}
}
