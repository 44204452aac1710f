package api

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// Service is a service with how it stands now.
type Service struct {
	ID          declare.ServiceID       `json:"id"`
	Title       string                  `json:"title"`
	Description string                  `json:"description,omitempty"`
	Owner       declare.TeamID          `json:"owner"`
	System      string                  `json:"system,omitempty"`
	Tier        int                     `json:"tier,omitempty" doc:"1, the most important, to 4; absent when not declared."`
	DependsOn   []declare.ResourceID    `json:"depends_on"`
	UsedBy      []declare.ServiceID     `json:"used_by"`
	Labels      map[string]string       `json:"labels,omitempty"`
	Annotations map[string]string       `json:"annotations,omitempty"`
	Links       []Link                  `json:"links,omitempty"`
	Objectives  []declare.ObjectiveName `json:"objectives"`
	Runbooks    []string                `json:"runbooks"`
	OnCall      declare.PersonID        `json:"on_call,omitempty"`
	Open        Counts                  `json:"open_findings"`
	Incidents   []respond.Number        `json:"incidents" doc:"Active ones."`
	Declared    declare.Position        `json:"declared"`
}

// Link is a link of the catalog.
type Link struct {
	URL   string `json:"url"`
	Title string `json:"title,omitempty"`
}

// Counts counts findings by severity.
type Counts struct {
	Page   int `json:"page"`
	Ticket int `json:"ticket"`
	Info   int `json:"info"`
}

func (n *Counts) add(s detect.Severity) {
	switch s {
	case detect.Page:
		n.Page++
	case detect.Ticket:
		n.Ticket++
	default:
		n.Info++
	}
}

type serviceQuery struct {
	Owner declare.TeamID `query:"owner" doc:"The team that owns it."`
}

func (s *server) services(c *call, q serviceQuery) (List[Service], error) {
	ws := s.Workspace()
	found, err := s.openFindings(c)
	if err != nil {
		return List[Service]{}, err
	}
	active, err := s.Incidents.List(c.Context(), respond.IncidentFilter{Active: true, Limit: 1000})
	if err != nil {
		return List[Service]{}, err
	}
	var out []Service
	for _, svc := range ws.Services {
		if q.Owner == "" || svc.Owner == q.Owner {
			out = append(out, service(ws, svc, found, active, c.now))
		}
	}
	return listOf(out), nil
}

func (s *server) service(c *call, _ none) (Service, error) {
	ws, id := s.Workspace(), declare.ServiceID(c.PathValue("service"))
	svc := ws.Service(id)
	if svc == nil {
		return Service{}, unknown("service", string(id), "GET "+Root+"/services lists them.")
	}
	found, err := s.openFindings(c)
	if err != nil {
		return Service{}, err
	}
	active, err := s.Incidents.List(c.Context(), respond.IncidentFilter{Active: true, Service: id, Limit: 1000})
	if err != nil {
		return Service{}, err
	}
	return service(ws, svc, found, active, c.now), nil
}

func service(ws *declare.Workspace, svc *declare.Service, found []detect.Finding, active []respond.Incident, now time.Time) Service {
	out := Service{
		ID: svc.ID, Title: svc.Title, Description: svc.Description, Owner: svc.Owner, System: svc.System, Tier: svc.Tier,
		DependsOn: filled(svc.DependsOn), Labels: svc.Labels, Annotations: svc.Annotations, Declared: svc.Pos,
		Links:     each(svc.Links, func(l declare.Link) Link { return Link{l.URL, l.Title} }),
		UsedBy:    []declare.ServiceID{},
		Runbooks:  []string{},
		Incidents: []respond.Number{},
	}
	out.Objectives = each(ws.ObjectivesOf(svc.ID), func(o *declare.Objective) declare.ObjectiveName { return o.Name })
	for _, other := range ws.Services {
		if slices.Contains(other.DependsOn, svc.Resource()) {
			out.UsedBy = append(out.UsedBy, other.ID)
		}
	}
	for _, rb := range ws.Runbooks {
		if slices.Contains(rb.Services, svc.ID) {
			out.Runbooks = append(out.Runbooks, rb.Name)
		}
	}
	for _, sch := range ws.Schedules {
		if sch.Team == svc.Owner && out.OnCall == "" {
			out.OnCall = sch.OnCall(now)
		}
	}
	for _, f := range found {
		if f.Service == svc.ID {
			out.Open.add(f.Severity)
		}
	}
	for _, i := range active {
		if slices.Contains(i.Services, svc.ID) {
			out.Incidents = append(out.Incidents, i.Number)
		}
	}
	return out
}
