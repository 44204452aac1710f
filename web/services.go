package web

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

type servicesView struct {
	Page
	Text     string
	All      int // without a filter
	Services []serviceLine
	Pager    pager
}

// serviceLine is a service in a list, with how it stands.
type serviceLine struct {
	*declare.Service
	Status     string // failing, degraded, healthy, unmeasured
	OnCall     []declare.PersonID
	Objectives []objectiveState
	Open       int // findings
	Last       *act.Change
}

func (s *site) services(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	ctx, now, ws := r.Context(), s.Now(), s.Workspace()
	v := servicesView{Page: s.page(r, me, "Services", "services"), Text: r.URL.Query().Get("text"), All: len(ws.Services)}
	states, err := s.objectiveStates(ctx, ws, now)
	if err != nil {
		s.Logger.Error("cannot read objectives", "error", err)
		v.Problem = "The objectives cannot be read: " + err.Error()
	}
	open := true
	found, _, err := s.Findings.List(ctx, detect.Filter{Open: &open, Limit: 1000})
	if err != nil {
		return err
	}
	changes, err := s.Changes.List(ctx, act.ChangeFilter{Limit: 500})
	if err != nil {
		return err
	}
	for _, svc := range ws.Services {
		if !says(v.Text, string(svc.ID), svc.Title, string(svc.Owner)) {
			continue
		}
		line := serviceLine{Service: svc, OnCall: onCall(ws, svc.Owner, now)}
		for _, o := range ws.ObjectivesOf(svc.ID) {
			if st, ok := states[o.Name]; ok {
				line.Objectives = append(line.Objectives, st)
			}
		}
		for i := range changes { // newest first
			if changes[i].Service == svc.ID {
				line.Last = &changes[i]
				break
			}
		}
		line.Open, line.Status = health(svc.ID, line.Objectives, found)
		v.Services = append(v.Services, line)
	}
	slices.SortStableFunc(v.Services, func(a, b serviceLine) int {
		return cmp.Or(cmp.Compare(rank[a.Status], rank[b.Status]), cmp.Compare(tierOrder(a.Tier), tierOrder(b.Tier)))
	})
	v.Services, v.Pager = paged(v.Services, r)
	return s.show(w, "services", v)
}

// tierOrder puts services without a tier last.
func tierOrder(tier int) int {
	if tier == 0 {
		return 99
	}
	return tier
}

// rank orders health, worst first.
var rank = map[string]int{"failing": 0, "degraded": 1, "healthy": 2, "unmeasured": 3}

// health sums a service up: failing when something pages, degraded when something
// waits in a queue or a budget is spent.
func health(id declare.ServiceID, objectives []objectiveState, open []detect.Finding) (count int, status string) {
	status = "unmeasured"
	for _, o := range objectives {
		if o.Status != "no data" {
			status = "healthy"
		}
	}
	worse := func(to string) {
		if rank[to] < rank[status] {
			status = to
		}
	}
	for _, o := range objectives {
		if o.Status == "spent" || o.Status == "burning slowly" {
			worse("degraded")
		}
	}
	for _, f := range open {
		if f.Service != id {
			continue
		}
		count++
		switch f.Severity {
		case detect.Page:
			worse("failing")
		case detect.Ticket:
			worse("degraded")
		}
	}
	return count, status
}

// whyHealth says what health decided from.
func whyHealth(status string, objectives []objectiveState, open []detect.Finding) []string {
	var out []string
	for _, f := range open {
		switch f.Severity {
		case detect.Page:
			out = append(out, "It is failing because the finding "+f.Name+" pages.")
		case detect.Ticket:
			out = append(out, "The finding "+f.Name+" waits in the team's queue: that makes it degraded at least.")
		}
	}
	for _, o := range objectives {
		if o.Status == "spent" {
			out = append(out, "The budget of "+string(o.Name)+" is spent: that makes it degraded at least.")
		}
	}
	switch {
	case status == "unmeasured" && len(objectives) == 0:
		out = append(out, "No objective is declared for it, so nobody can tell.")
	case status == "unmeasured":
		out = append(out, "None of its objectives has data.")
	case len(out) == 0:
		out = append(out, "No finding that asks for anybody is open, and no objective's budget is spent.")
	}
	return out
}

// serviceView is one service with everything that is known of it.
type serviceView struct {
	Page
	Service   *declare.Service
	Status    string
	Why       []string // the status, sentence by sentence
	Owner     *declare.Team
	OnCall    []declare.PersonID
	Duties    []duty
	Range     string
	Ranges    []string
	Panels    []objectivePanel
	DependsOn []neighbour
	UsedBy    []neighbour
	Runbooks  []*declare.Runbook
	Findings  []detect.Finding
	Incidents []respond.Incident
	Changes   []act.Change
}

// objectivePanel is an objective with its charts.
type objectivePanel struct {
	objectiveState
	Budget, BurnRate *Chart
}

// neighbour is something that a service depends on, or that depends on it.
type neighbour struct {
	Kind, Name, URL, Status string
}

var ranges = []string{"15m", "1h", "6h", "1d", "7d", "30d"}

func (s *site) service(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	ctx, now, ws := r.Context(), s.Now().Truncate(time.Second), s.Workspace()
	svc := ws.Service(declare.ServiceID(r.PathValue("id")))
	if svc == nil {
		return act.ErrNotFound
	}
	v := serviceView{Page: s.page(r, me, svc.Title, "services"), Service: svc, Owner: ws.Team(svc.Owner), OnCall: onCall(ws, svc.Owner, now), Ranges: ranges}
	for _, d := range duties(ws, now, me.Person) {
		if d.Team == svc.Owner {
			v.Duties = append(v.Duties, d)
		}
	}
	states, err := s.objectiveStates(ctx, ws, now)
	if err != nil {
		s.Logger.Error("cannot read objectives", "error", err)
		v.Problem = "The objectives cannot be read: " + err.Error()
	}
	open := true
	found, _, err := s.Findings.List(ctx, detect.Filter{Open: &open, Limit: 1000})
	if err != nil {
		return err
	}
	// Six hours show a working day's part; where objectives are shorter, their window.
	usual := 15 * time.Minute
	for _, o := range ws.ObjectivesOf(svc.ID) {
		usual = max(usual, o.Window.Length)
	}
	span, chosen := rangeOf(r.URL.Query().Get("range"), min(usual, 6*time.Hour))
	if chosen {
		v.Range = r.URL.Query().Get("range")
	}
	from := now.Add(-span)
	marks, err := s.changeMarks(ctx, ws, svc.ID, from, now.Add(time.Second))
	if err != nil {
		return err
	}
	var own []objectiveState
	for _, o := range ws.ObjectivesOf(svc.ID) {
		st, ok := states[o.Name]
		if !ok {
			continue
		}
		own = append(own, st)
		p := objectivePanel{objectiveState: st}
		p.Budget = s.chart(ctx, "budget-"+string(o.Name), "Error budget left", "percent", st.RemainingExpr(), from, now)
		p.BurnRate = s.chart(ctx, "burn-"+string(o.Name), "Burn rate", "times", st.BurnExpr(), from, now)
		p.BurnRate.Limits = []ChartLimit{{1, "1×: the budget ends with the window"}}
		for _, c := range []*Chart{p.Budget, p.BurnRate} {
			c.Marks = marks
			if !chosen {
				c.trim()
			}
			if len(c.Series) == 1 {
				c.Series[0].Label = c.Title
			}
		}
		v.Panels = append(v.Panels, p)
	}
	_, v.Status = health(svc.ID, own, found)
	for _, f := range found {
		if f.Service == svc.ID {
			v.Findings = append(v.Findings, f)
		}
	}
	v.Why = whyHealth(v.Status, own, v.Findings)
	v.DependsOn, v.UsedBy = s.neighbours(ws, svc, states, found)
	for _, rb := range ws.Runbooks {
		if slices.Contains(rb.Services, svc.ID) {
			v.Runbooks = append(v.Runbooks, rb)
		}
	}
	if v.Incidents, err = s.Incidents.List(ctx, respond.IncidentFilter{Service: svc.ID, Limit: 10}); err != nil {
		return err
	}
	if v.Changes, err = s.Changes.List(ctx, act.ChangeFilter{Service: svc.ID, Limit: 12}); err != nil {
		return err
	}
	return s.show(w, "service", v)
}

// neighbours are one step of dependsOn in both directions, each with how it stands.
func (s *site) neighbours(ws *declare.Workspace, svc *declare.Service, states map[declare.ObjectiveName]objectiveState, found []detect.Finding) (down, up []neighbour) {
	look := func(id declare.ResourceID) neighbour {
		kind, name := resourceLabel(id)
		n := neighbour{Kind: kind, Name: name}
		if other := ws.Service(declare.ServiceID(name)); other != nil && kind == "component" {
			var objectives []objectiveState
			for _, o := range ws.ObjectivesOf(other.ID) {
				if st, ok := states[o.Name]; ok {
					objectives = append(objectives, st)
				}
			}
			n.Kind, n.URL = "service", "/services/"+name
			_, n.Status = health(other.ID, objectives, found)
		}
		return n
	}
	for _, id := range svc.DependsOn {
		down = append(down, look(id))
	}
	for _, other := range ws.Services {
		if slices.Contains(other.DependsOn, svc.Resource()) {
			up = append(up, look(other.Resource()))
		}
	}
	return down, up
}
