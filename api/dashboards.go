package api

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

// Overview makes the dashboard that a service has without a file.
type Overview = func(ctx context.Context, svc *declare.Service, now time.Time) (*declare.Dashboard, error)

func (s *server) dashboardRoutes() []route {
	return []route{
		get("/dashboards", "The dashboards of the workspace.", s.dashboards),
		get("/dashboards/{dashboard}", "One dashboard, as its file has it.", s.dashboard),
		get("/services/{service}/dashboard", "The dashboard that a service has without a file, made of what is stored of it.", s.serviceDashboard),
	}
}

// DashboardLine is a dashboard in a list.
type DashboardLine struct {
	Name        string            `json:"name"`
	Title       string            `json:"title"`
	Description string            `json:"description,omitempty"`
	Service     declare.ServiceID `json:"service,omitempty"`
	Panels      int               `json:"panels"`
	File        string            `json:"file"`
	URL         string            `json:"url" doc:"Its page."`
}

func (s *server) dashboards(*call, none) (List[DashboardLine], error) {
	return listOf(each(s.Workspace().Dashboards, func(d *declare.Dashboard) DashboardLine {
		return DashboardLine{d.Name, d.Title, d.Description, d.Service, d.Panels(), d.Pos.File, s.URL("/dashboards/" + d.Name)}
	})), nil
}

func (s *server) dashboard(c *call, _ none) (*declare.Dashboard, error) {
	d := s.Workspace().Dashboard(c.PathValue("dashboard"))
	if d == nil {
		return nil, act.ErrNotFound
	}
	return d, nil
}

func (s *server) serviceDashboard(c *call, _ none) (*declare.Dashboard, error) {
	svc := s.Workspace().Service(declare.ServiceID(c.PathValue("service")))
	if svc == nil || s.Overview == nil {
		return nil, act.ErrNotFound
	}
	return s.Overview(c.Context(), svc, c.now)
}
