package api

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/budget"
	"github.com/evenkeel/evenkeel/detect/objective"
)

// Objective is what a service owes its users, and how that stands.
type Objective struct {
	Name        declare.ObjectiveName `json:"name"`
	Title       string                `json:"title"`
	Description string                `json:"description,omitempty"`
	Service     declare.ServiceID     `json:"service"`
	Team        declare.TeamID        `json:"team,omitempty"`
	Target      float64               `json:"target" doc:"Share of good, between 0 and 1."`
	Window      string                `json:"window" doc:"As declared: 30d, 1M."`
	Calendar    bool                  `json:"calendar" doc:"The window starts anew with each calendar period; otherwise it rolls."`
	Method      declare.Budgeting     `json:"method"`
	Runbook     string                `json:"runbook,omitempty"`
	Labels      map[string]string     `json:"labels,omitempty"`
	Parts       []ObjectivePart       `json:"parts,omitempty" doc:"Of a composite."`
	AllHold     bool                  `json:"all_hold,omitempty" doc:"A composite's slice is good only where it is good in every part; otherwise the parts count by their weights."`
	PartOf      declare.ObjectiveName `json:"part_of,omitempty" doc:"The composite that this is a part of: it pages, this does not."`
	Status      ObjectiveStatus       `json:"status"`
	Queries     ObjectiveQueries      `json:"queries"`
	Declared    declare.Position      `json:"declared"`
}

// ObjectivePart is an objective that a composite is made of.
type ObjectivePart struct {
	Objective declare.ObjectiveName `json:"objective"`
	Service   declare.ServiceID     `json:"service"`
	Weight    float64               `json:"weight"`
}

// ObjectiveState sums an objective up.
type ObjectiveState string

// The states of an objective.
const (
	ObjectiveFine    ObjectiveState = "fine"
	ObjectiveBurning ObjectiveState = "burning" // a finding is open
	ObjectiveSpent   ObjectiveState = "spent"   // no budget is left
	ObjectiveUnknown ObjectiveState = "unknown" // no data
)

// ObjectiveStatus is how an objective stands. What is not known is null.
type ObjectiveStatus struct {
	At              time.Time      `json:"at"`
	State           ObjectiveState `json:"state"`
	BudgetRemaining *float64       `json:"budget_remaining" doc:"Share of the budget that is left; below 0 when it is overspent; null without data."`
	BurnRate        *float64       `json:"burn_rate" doc:"How many times faster than sustainable the budget burns now; null without data."`
	Findings        []int64        `json:"findings" doc:"Open ones."`
	Error           string         `json:"error,omitempty" doc:"Why the numbers could not be read."`
}

// ObjectiveQueries are the PromQL expressions behind the numbers.
type ObjectiveQueries struct {
	BudgetRemaining string `json:"budget_remaining"`
	BurnRate        string `json:"burn_rate"`
	ErrorRatio      string `json:"error_ratio"`
	Traffic         string `json:"traffic,omitempty" doc:"Events a second; absent where the indicator counts none."`
}

type objectiveQuery struct {
	Service declare.ServiceID `query:"service"`
}

// The series that hold the status of every objective.
const (
	remainingSeries = "slo:period_error_budget_remaining:ratio"
	burnSeries      = "slo:current_burn_rate:ratio"
)

func (s *server) objectives(c *call, q objectiveQuery) (List[Objective], error) {
	ws := s.Workspace()
	status, err := s.objectiveStatus(c, remainingSeries, burnSeries)
	if err != nil {
		return List[Objective]{}, err
	}
	var out []Objective
	for _, o := range ws.Objectives {
		if q.Service == "" || o.Service == q.Service {
			out = append(out, toObjective(ws, o, status(o)))
		}
	}
	return listOf(out), nil
}

func (s *server) objective(c *call, _ none) (Objective, error) {
	ws, name := s.Workspace(), declare.ObjectiveName(c.PathValue("objective"))
	o := ws.Objective(name)
	if o == nil {
		return Objective{}, unknown("objective", string(name), "GET "+Root+"/objectives lists them.")
	}
	q := objective.Expressions(o, ws.Settings.Evaluation.Spacing)
	status, err := s.objectiveStatus(c, q.Remaining, q.BurnRate)
	if err != nil {
		return Objective{}, err
	}
	return toObjective(ws, o, status(o)), nil
}

// budget says how the budget stands: burn rates, forecast, causes.
func (s *server) budget(c *call, _ none) (*budget.Report, error) {
	ws, name := s.Workspace(), declare.ObjectiveName(c.PathValue("objective"))
	o := ws.Objective(name)
	if o == nil {
		return nil, unknown("objective", string(name), "GET "+Root+"/objectives lists them.")
	}
	if s.Budget == nil {
		return nil, unknown("budget", string(name), "This server keeps no samples.")
	}
	return s.Budget(c.Context(), o, c.now)
}

func toObjective(ws *declare.Workspace, o *declare.Objective, status ObjectiveStatus) Objective {
	q := objective.Expressions(o, ws.Settings.Evaluation.Spacing)
	out := Objective{
		Name: o.Name, Title: o.Title, Description: o.Description, Service: o.Service, Target: o.Target,
		Window: o.Window.Text, Calendar: o.Window.Calendar, Method: o.Method, Runbook: o.Runbook, Labels: o.Labels,
		Status: status, Declared: o.Pos, AllHold: o.AllHold, PartOf: o.PartOf,
		Queries: ObjectiveQueries{BudgetRemaining: q.Remaining, BurnRate: q.BurnRate, ErrorRatio: q.ErrorRatio, Traffic: q.Traffic},
	}
	for _, p := range o.Parts {
		out.Parts = append(out.Parts, ObjectivePart{Objective: p.Objective.Name, Service: p.Objective.Service, Weight: p.Weight})
	}
	if svc := ws.Service(o.Service); svc != nil {
		out.Team = svc.Owner
	}
	return out
}

// objectiveStatus asks two queries, whose answers may hold many objectives, and
// returns how each stands. A query that fails leaves the numbers unknown and says so.
func (s *server) objectiveStatus(c *call, remainingExpr, burnExpr string) (func(*declare.Objective) ObjectiveStatus, error) {
	found, err := s.openFindings(c)
	if err != nil {
		return nil, err
	}
	remaining, errRemaining := s.byObjective(c.Context(), remainingExpr, c.now)
	burn, errBurn := s.byObjective(c.Context(), burnExpr, c.now)
	failed := ""
	for _, err := range []error{errRemaining, errBurn} {
		if err != nil {
			s.Logger.Warn("cannot query objectives", "err", err)
			failed = "the numbers could not be read: " + cut(err.Error())
		}
	}
	return func(o *declare.Objective) ObjectiveStatus {
		out := ObjectiveStatus{At: c.now.UTC(), State: ObjectiveFine, Findings: []int64{}, Error: failed}
		out.BudgetRemaining, out.BurnRate = remaining[o.Name], burn[o.Name]
		for _, f := range found {
			if f.Detector == detect.DetectorObjective && f.Objective == o.Name {
				out.Findings = append(out.Findings, f.ID)
			}
		}
		switch {
		case out.BudgetRemaining != nil && *out.BudgetRemaining <= 0:
			out.State = ObjectiveSpent
		case len(out.Findings) > 0:
			out.State = ObjectiveBurning
		case out.BudgetRemaining == nil:
			out.State = ObjectiveUnknown
		}
		return out
	}, nil
}

func (s *server) byObjective(ctx context.Context, expr string, at time.Time) (map[declare.ObjectiveName]*float64, error) {
	vector, err := s.Query(ctx, expr, at)
	out := map[declare.ObjectiveName]*float64{}
	for _, sample := range vector {
		out[declare.ObjectiveName(sample.Metric.Get("objective"))] = finite(sample.F)
	}
	return out, err
}
