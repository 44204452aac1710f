package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
)

type dashboardsView struct {
	Page
	Files    []*declare.Dashboard
	Services []*declare.Service
}

func (s *site) dashboards(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	ws := s.Workspace()
	return s.show(w, "dashboards", dashboardsView{Page: s.page(r, me, "Dashboards", "dashboards"), Files: ws.Dashboards, Services: ws.Services})
}

// dashboardView is one dashboard at a time, with what is chosen.
type dashboardView struct {
	Page
	Board          *declare.Dashboard
	Generated      bool // of a service, without a file
	Path           string
	Times          window
	Ranges         []string
	Earlier, Later string
	Vars           []variableView
	Rows           []rowView
	Alerts         []detect.Finding // that held in this time
	States         []objectiveState // of its service
	Every          int              // seconds between two readings; 0 for none
	Took           time.Duration
}

// rowView is a row as it is drawn.
type rowView struct {
	ID, Title string
	Toggle    string // opens or closes it; "" where it cannot be collapsed
	Closed    bool
	Panels    []*panelView
}

func (s *site) dashboard(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	d := s.Workspace().Dashboard(r.PathValue("name"))
	if d == nil {
		return act.ErrNotFound
	}
	return s.drawDashboard(w, r, me, dashboardView{Board: d, Path: "/dashboards/" + d.Name})
}

// serviceDashboard is the one that a service has without a file.
func (s *site) serviceDashboard(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	svc := s.Workspace().Service(declare.ServiceID(r.PathValue("id")))
	if svc == nil || s.Overview == nil {
		return act.ErrNotFound
	}
	d, err := s.Overview(r.Context(), svc, s.Now())
	if err != nil {
		return err
	}
	return s.drawDashboard(w, r, me, dashboardView{Board: d, Generated: true, Path: "/services/" + string(svc.ID) + "/dashboard"})
}

// drawWait bounds the making of one dashboard.
const drawWait = 25 * time.Second

func (s *site) drawDashboard(w http.ResponseWriter, r *http.Request, me act.Identity, v dashboardView) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), drawWait)
	defer cancel()
	q, ws := r.URL.Query(), s.Workspace()
	v.Page = s.page(r, me, v.Board.Title, "dashboards")
	v.Times, v.Ranges = windowOf(q, s.Now(), time.Duration(v.Board.Range)), ranges
	if !slices.Contains(v.Ranges, v.Times.Range) {
		v.Ranges = append([]string{v.Times.Range}, ranges...)
	}
	if v.Times.Problem != "" {
		v.Page.Problem = v.Times.Problem
	}
	if v.Times.Live {
		v.Every = int(time.Duration(v.Board.Refresh) / time.Second)
	}
	half := v.Times.Span() / 2
	v.Earlier = withQuery(v.Here, "from", stampURL(v.Times.From.Add(-half)), "to", stampURL(v.Times.To.Add(-half)))
	v.Later = withQuery(v.Here, "from", stampURL(v.Times.From.Add(half)), "to", stampURL(v.Times.To.Add(half)))

	p := painter{site: s, window: v.Times, spacing: ws.Settings.Evaluation.Spacing, here: v.Here}
	p.step = v.Times.step(p.spacing)
	var err error
	if v.Vars, p.scope, err = s.choose(ctx, v.Board, q, v.Times, p.step, p.spacing); err != nil {
		v.Page.Problem = "Some variables cannot be filled: " + err.Error()
	}
	if p.marks, err = s.dashboardMarks(ctx, ws, v.Board.Service, v.Times.From, v.Times.To); err != nil {
		s.Logger.Warn("cannot read changes", "error", err)
	}
	if v.Alerts, p.shades, err = s.alertsIn(ctx, v.Board.Service, v.Times.From, v.Times.To); err != nil {
		s.Logger.Warn("cannot read findings", "error", err)
	}
	if v.Board.Service != "" {
		if states, err := s.objectiveStates(ctx, ws, s.Now()); err == nil {
			for _, o := range ws.ObjectivesOf(v.Board.Service) {
				v.States = append(v.States, states[o.Name])
			}
		}
	}
	v.Rows = p.paint(ctx, v.Board, q["open"])
	v.Took = time.Since(began).Round(time.Millisecond)
	return s.show(w, "dashboard", v)
}

func (s *site) dashboardMarks(ctx context.Context, ws *declare.Workspace, id declare.ServiceID, from, to time.Time) ([]ChartMark, error) {
	if id != "" {
		return s.changeMarks(ctx, ws, id, from, to)
	}
	return s.allChangeMarks(ctx, from, to), nil
}

// maxShades is how many alerts a chart shows: more would be one grey.
const maxShades = 20

// alertsIn are the findings that held in a time: those that page, and of one service those
// that wait, too.
func (s *site) alertsIn(ctx context.Context, id declare.ServiceID, from, to time.Time) ([]detect.Finding, []ChartShade, error) {
	found, _, err := s.Findings.List(ctx, detect.Filter{Service: id, Limit: 1000})
	if err != nil {
		return nil, nil, err
	}
	var alerts []detect.Finding
	var shades []ChartShade
	for _, f := range found {
		end := f.ResolvedAt
		if f.Open() || end.After(to) {
			end = to
		}
		if len(alerts) == maxShades || f.Severity == detect.Info || id == "" && f.Severity != detect.Page || !f.Since.Before(to) || !end.After(from) {
			continue
		}
		alerts = append(alerts, f)
		shades = append(shades, ChartShade{From: float64(f.Since.UnixMilli()) / 1000, To: float64(end.UnixMilli()) / 1000, Label: f.Name + ": " + f.Summary})
	}
	return alerts, shades, nil
}
