package status

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/respond"
)

// What follows has the shape of Statuspage's API, version 2: what reads that, reads this.
type (
	spPage struct {
		ID        string    `json:"id"`
		Name      string    `json:"name"`
		URL       string    `json:"url"`
		TimeZone  string    `json:"time_zone"`
		UpdatedAt time.Time `json:"updated_at"`
	}
	spStatus struct {
		Indicator   string `json:"indicator"`
		Description string `json:"description"`
	}
	spComponent struct {
		ID          string    `json:"id"`
		Name        string    `json:"name"`
		Status      State     `json:"status"`
		CreatedAt   time.Time `json:"created_at"`
		UpdatedAt   time.Time `json:"updated_at"`
		Position    int       `json:"position"`
		Description *string   `json:"description"`
		Showcase    bool      `json:"showcase"`
		GroupID     *string   `json:"group_id"`
		PageID      string    `json:"page_id"`
		Group       bool      `json:"group"`
		OnlyWhenBad bool      `json:"only_show_if_degraded"`
	}
	spUpdate struct {
		ID         string        `json:"id"`
		Status     respond.Phase `json:"status"`
		Body       string        `json:"body"`
		IncidentID string        `json:"incident_id"`
		CreatedAt  time.Time     `json:"created_at"`
		UpdatedAt  time.Time     `json:"updated_at"`
		DisplayAt  time.Time     `json:"display_at"`
	}
	spIncident struct {
		ID           string        `json:"id"`
		Name         string        `json:"name"`
		Status       respond.Phase `json:"status"`
		CreatedAt    time.Time     `json:"created_at"`
		UpdatedAt    time.Time     `json:"updated_at"`
		MonitoringAt *time.Time    `json:"monitoring_at"`
		ResolvedAt   *time.Time    `json:"resolved_at"`
		Impact       string        `json:"impact"`
		Shortlink    string        `json:"shortlink"`
		StartedAt    time.Time     `json:"started_at"`
		PageID       string        `json:"page_id"`
		Updates      []spUpdate    `json:"incident_updates"`
		Components   []spComponent `json:"components"`
	}
)

// Statuspage answers /api/v2/NAME.json of a page; nil for a name that there is none of.
func (b *Book) Statuspage(p Page, name string) any {
	page := b.spPage(p)
	status := spStatus{indicator(p.State), map[State]string{Operational: "All Systems Operational", Degraded: "Minor Service Outage", Partial: "Partial System Outage", Major: "Major Service Outage"}[p.State]}
	components := b.spComponents(p)
	incidents := func(lists ...[]Trouble) []spIncident {
		out := []spIncident{}
		for _, l := range lists {
			for _, t := range l {
				out = append(out, b.spIncident(p, t))
			}
		}
		return out
	}
	switch name {
	case "summary":
		return map[string]any{"page": page, "status": status, "components": components, "incidents": incidents(p.Active), "scheduled_maintenances": []any{}}
	case "status":
		return map[string]any{"page": page, "status": status}
	case "components":
		return map[string]any{"page": page, "components": components}
	case "incidents":
		return map[string]any{"page": page, "incidents": incidents(p.Active, p.History)}
	case "incidents/unresolved":
		return map[string]any{"page": page, "incidents": incidents(p.Active)}
	case "scheduled-maintenances", "scheduled-maintenances/active", "scheduled-maintenances/upcoming":
		return map[string]any{"page": page, "scheduled_maintenances": []any{}}
	}
	return nil
}

// message is what a webhook gets: the page's state and the incident.
func (b *Book) message(p Page, t Trouble) any {
	return map[string]any{
		"page": map[string]any{"id": p.System, "status_indicator": indicator(p.State), "status_description": p.State.Words()}, "incident": b.spIncident(p, t),
	}
}

func (b *Book) spPage(p Page) spPage {
	return spPage{p.System, p.Title, b.o.URL("/status/" + p.System), "Etc/UTC", p.Updated}
}

func indicator(s State) string {
	return map[State]string{Operational: "none", Degraded: "minor", Partial: "major", Major: "critical"}[s]
}

func (b *Book) spComponents(p Page) []spComponent {
	out := []spComponent{}
	for k, c := range p.Components {
		out = append(out, spComponent{ID: string(c.ID), Name: c.Name, Status: c.State, CreatedAt: p.Updated, UpdatedAt: p.Updated, Position: k + 1, PageID: p.System})
	}
	return out
}

func (b *Book) spIncident(p Page, t Trouble) spIncident {
	id := fmt.Sprint(int64(t.Number))
	i := spIncident{
		ID: id, Name: t.Name, Status: t.Phase, CreatedAt: t.Updates[len(t.Updates)-1].At, UpdatedAt: t.Updates[0].At, StartedAt: t.Started,
		Impact: indicator(impact(t.Sev)), Shortlink: b.o.URL("/status/"+p.System) + "#incident-" + id, PageID: p.System, Updates: []spUpdate{}, Components: []spComponent{},
	}
	for k, u := range t.Updates {
		i.Updates = append(i.Updates, spUpdate{fmt.Sprint(u.ID), u.Phase, u.Text, id, u.At, u.At, u.At})
		if u.Phase == respond.Monitoring {
			i.MonitoringAt = &t.Updates[k].At
		}
	}
	if t.Over() {
		i.ResolvedAt = &t.Ended
	}
	for _, c := range b.spComponents(p) {
		for _, s := range t.Services {
			if c.ID == string(s) {
				i.Components = append(i.Components, c)
			}
		}
	}
	return i
}
