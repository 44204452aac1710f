package web

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
)

// The series that detect writes for each objective.
const (
	seriesRemaining = "slo:period_error_budget_remaining:ratio"
	seriesBurn      = "slo:current_burn_rate:ratio"
)

// objectiveState is an objective with how it stands.
type objectiveState struct {
	*declare.Objective
	Status    string  // kept, burning, burning slowly, spent, no data
	Remaining float64 // share of the budget that is left; NaN without data
	Burn      float64 // 1: the budget ends with the window; NaN without data
	Findings  []detect.Finding
	Why       []string // the verdict, sentence by sentence
}

// RemainingExpr and BurnExpr are the queries behind the numbers.
func (o objectiveState) RemainingExpr() string { return objectiveExpr(seriesRemaining, o.Name) }

// BurnExpr is the query behind Burn.
func (o objectiveState) BurnExpr() string { return objectiveExpr(seriesBurn, o.Name) }

// Exhausted is when the budget is used up at the present pace; 0 when it will not be.
func (o objectiveState) Exhausted() time.Duration {
	if math.IsNaN(o.Burn) || math.IsNaN(o.Remaining) || o.Burn <= 1 || o.Remaining <= 0 {
		return 0
	}
	return time.Duration(o.Remaining / o.Burn * float64(o.Window.Length))
}

func objectiveExpr(series string, name declare.ObjectiveName) string {
	return series + `{objective=` + strconv.Quote(string(name)) + `}`
}

// objectiveStates reads the state of all objectives with two queries and one look
// at the open findings.
func (s *site) objectiveStates(ctx context.Context, w *declare.Workspace, now time.Time) (map[declare.ObjectiveName]objectiveState, error) {
	remaining, err := s.byObjective(ctx, seriesRemaining, now)
	if err != nil {
		return nil, err
	}
	burn, err := s.byObjective(ctx, seriesBurn, now)
	if err != nil {
		return nil, err
	}
	open := true
	found, _, err := s.Findings.List(ctx, detect.Filter{Open: &open, Limit: 1000})
	if err != nil {
		return nil, err
	}
	byName := map[declare.ObjectiveName][]detect.Finding{}
	for _, f := range found {
		if f.Objective != "" {
			byName[f.Objective] = append(byName[f.Objective], f)
		}
	}
	out := make(map[declare.ObjectiveName]objectiveState, len(w.Objectives))
	for _, o := range w.Objectives {
		st := objectiveState{Objective: o, Remaining: math.NaN(), Burn: math.NaN(), Findings: byName[o.Name]}
		if v, ok := remaining[o.Name]; ok {
			st.Remaining = v
		}
		if v, ok := burn[o.Name]; ok {
			st.Burn = v
		}
		st.judge()
		out[o.Name] = st
	}
	return out, nil
}

func (s *site) byObjective(ctx context.Context, series string, now time.Time) (map[declare.ObjectiveName]float64, error) {
	found, err := s.Query(ctx, series, now)
	if err != nil {
		return nil, fmt.Errorf("cannot query %q: %w", series, err)
	}
	out := make(map[declare.ObjectiveName]float64, len(found))
	for _, f := range found {
		if n := len(f.Points); n > 0 {
			out[declare.ObjectiveName(f.Labels["objective"])] = f.Points[n-1].Value
		}
	}
	return out, nil
}

// judge decides the status, and says why.
func (o *objectiveState) judge() {
	say := func(format string, args ...any) { o.Why = append(o.Why, fmt.Sprintf(format, args...)) }
	say("%s of the %s has to be good over %s (%s): the budget is the %s that may be bad.",
		percent(o.Target), map[bool]string{true: "events", false: "time"}[o.Method == declare.Occurrences], o.Window.Text, o.Method, percent(o.Budget()))
	page, ticket := false, false
	for _, f := range o.Findings {
		page = page || f.Severity == detect.Page
		ticket = ticket || f.Severity == detect.Ticket
		say("The finding %q is open since %s UTC: %s", f.Name, f.OpenedAt.UTC().Format("15:04:05"), f.Summary)
	}
	switch {
	case math.IsNaN(o.Remaining):
		say("There is no value of its budget: nothing was observed in its window yet, or its queries select nothing.")
	default:
		say("%s of the budget is left, and it burns at %s now; 1× would use it up exactly at the window's end.", percent(o.Remaining), burnTimes(o.Burn))
	}
	if d := o.Exhausted(); d > 0 {
		say("At this pace the rest is used up in %s.", duration(d))
	}
	switch {
	case page:
		o.Status = "burning"
	case !math.IsNaN(o.Remaining) && o.Remaining <= 0:
		o.Status = "spent"
	case ticket:
		o.Status = "burning slowly"
	case math.IsNaN(o.Remaining):
		o.Status = "no data"
	default:
		o.Status = "kept"
	}
}

// troubled says whether somebody should look.
func (o objectiveState) troubled() bool {
	return o.Status == "burning" || o.Status == "burning slowly" || o.Status == "spent"
}

// chart runs one range query for a page. An error is shown in the chart's place:
// the rest of the page is needed most when the store is in trouble.
func (s *site) chart(ctx context.Context, id, title, unitName, expr string, from, to time.Time) *Chart {
	step := stepFor(to.Sub(from), time.Second)
	from = to.Add(-to.Sub(from).Truncate(step)) // the last point is the present one
	series, err := s.QueryRange(ctx, expr, from, to, step)
	if err != nil {
		s.Logger.Warn("cannot draw chart", "expr", expr, "error", err)
		return &Chart{ID: id, Title: title, Expr: expr, From: from.Unix(), To: to.Unix(), Error: "The query failed: " + err.Error()}
	}
	c := newChart(series, from, to, step)
	c.ID, c.Title, c.Unit, c.Expr = id, title, unitName, expr
	return c
}

// changeMarks are the changes of a service and of what it depends on, as marks.
func (s *site) changeMarks(ctx context.Context, w *declare.Workspace, id declare.ServiceID, from, to time.Time) ([]ChartMark, error) {
	ids := []declare.ServiceID{id}
	for r := range w.Distances(id) {
		if kind, name := resourceLabel(r); kind == "component" && name != string(id) {
			ids = append(ids, declare.ServiceID(name))
		}
	}
	changes, err := s.Changes.List(ctx, act.ChangeFilter{Services: ids, From: from, To: to, Limit: 50})
	if err != nil {
		return nil, err
	}
	var out []ChartMark
	for _, c := range changes {
		out = append(out, ChartMark{
			At: float64(c.StartedAt.UnixMilli()) / 1000, Label: fmt.Sprintf("%s: %s", c.Service, c.Summary),
			URL: changeURL(c.ID), Far: c.Service != id,
		})
	}
	return out, nil
}
