package web

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect/budget"
	"github.com/evenkeel/evenkeel/journal"
)

type objectivesView struct {
	Page
	Text       string
	All        int // without a filter
	Objectives []objectiveState
	Pager      pager
}

// objectives is what all services owe, the worst first.
func (s *site) objectives(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	ws := s.Workspace()
	v := objectivesView{Page: s.page(r, me, "Objectives", "objectives"), Text: r.URL.Query().Get("text"), All: len(ws.Objectives)}
	states, err := s.objectiveStates(r.Context(), ws, s.Now())
	if err != nil {
		s.Logger.Error("cannot read objectives", "error", err)
		v.Problem = "The objectives cannot be read: " + err.Error()
	}
	for _, o := range ws.Objectives {
		if st, ok := states[o.Name]; ok && says(v.Text, string(o.Name), o.Title, string(o.Service)) {
			v.Objectives = append(v.Objectives, st)
		}
	}
	left := func(o objectiveState) float64 {
		if math.IsNaN(o.Remaining) {
			return 2 // after those that are known
		}
		return o.Remaining
	}
	slices.SortStableFunc(v.Objectives, func(a, b objectiveState) int { return cmp.Compare(left(a), left(b)) })
	v.Objectives, v.Pager = paged(v.Objectives, r)
	return s.show(w, "objectives", v)
}

// objectiveView is one objective with its budget.
type objectiveView struct {
	Page
	State    objectiveState
	Report   *budget.Report
	Unknown  string // why there is no report
	Outlook  []string
	Burns    []burnLine
	Budget   *Chart
	BurnRate *Chart
	Ratio    *Chart
	Division []division
	Parts    []partLine
	Range    string
	Ranges   []string
}

type burnLine struct {
	budget.Burn
	Expr string
}

// division is what was spent, by one kind of cause.
type division struct {
	Title string
	Unit  string // of what was bad; "" where it is not counted
	Rows  []divided
}

type divided struct {
	budget.Share
	Link Link
	Rest bool // nothing explains it
	Part float64
}

type partLine struct {
	objectiveState
	Weight float64
}

func (s *site) objective(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	ctx, now, ws := r.Context(), s.Now().Truncate(time.Second), s.Workspace()
	o := ws.Objective(declare.ObjectiveName(r.PathValue("name")))
	if o == nil {
		return act.ErrNotFound
	}
	v := objectiveView{Page: s.page(r, me, o.Title, "objectives"), Ranges: ranges}
	states, err := s.objectiveStates(ctx, ws, now)
	if err != nil {
		s.Logger.Error("cannot read objectives", "error", err)
		v.Problem = "The objectives cannot be read: " + err.Error()
	}
	v.State = objectiveState{Objective: o, Status: "no data", Remaining: math.NaN(), Burn: math.NaN()}
	if st, ok := states[o.Name]; ok {
		v.State = st
	}
	for _, p := range o.Parts {
		if st, ok := states[p.Objective.Name]; ok {
			v.Parts = append(v.Parts, partLine{st, p.Weight})
		}
	}
	switch v.Report, err = s.budgetOf(ctx, o, now); {
	case err != nil:
		s.Logger.Warn("cannot account for a budget", "objective", o.Name, "error", err)
		v.Unknown = "It cannot be accounted for: " + err.Error()
	case v.Report == nil || v.Report.Spent == nil:
		v.Unknown = "Nothing was observed in its window yet, or its queries select nothing."
	}
	span, chosen := rangeOf(r.URL.Query().Get("range"), min(o.Window.Length, 6*time.Hour))
	if chosen {
		v.Range = r.URL.Query().Get("range")
	}
	from := now.Add(-span)
	marks, err := s.changeMarks(ctx, ws, o.Service, from, now.Add(time.Second))
	if err != nil {
		return err
	}
	v.BurnRate = s.chart(ctx, "burn", "Burn rate", "times", v.State.BurnExpr(), from, now)
	v.BurnRate.Limits = []ChartLimit{{1, "1×: the budget ends with the window"}}
	v.BurnRate.Marks = marks
	v.Ratio = s.chart(ctx, "all-burns", "Burn rate over each window", "times", objectiveExpr(budgetBurns, o.Name), from, now)
	for _, c := range []*Chart{v.BurnRate, v.Ratio} {
		if !chosen {
			c.trim()
		}
	}
	for i, line := range v.Ratio.Series {
		v.Ratio.Series[i].Label = strings.TrimSuffix(strings.TrimPrefix(line.Label, `{sloth_window="`), `"}`)
	}
	if len(v.BurnRate.Series) == 1 {
		v.BurnRate.Series[0].Label = v.BurnRate.Title
	}
	if rep := v.Report; rep != nil {
		v.Outlook = rep.Words(now)
		for _, b := range rep.Burns {
			v.Burns = append(v.Burns, burnLine{b, fmt.Sprintf("%s{objective=%q,sloth_window=%q}", budgetBurns, o.Name, b.Window)})
		}
		v.Division = divisions(rep)
		if v.Unknown == "" {
			v.Budget = s.forecastChart(ctx, v.State, rep, now)
		}
	}
	return s.show(w, "objective", v)
}

// budgetBurns is the series of burn rates over all windows.
const budgetBurns = "slo:burn_rate:ratio"

func (s *site) budgetOf(ctx context.Context, o *declare.Objective, now time.Time) (*budget.Report, error) {
	if s.Options.Budget == nil {
		return nil, nil
	}
	return s.Options.Budget(ctx, o, now)
}

// forecastChart is the budget that is left: as it was over the period, and as it will be
// if what was seen lately goes on.
func (s *site) forecastChart(ctx context.Context, st objectiveState, r *budget.Report, now time.Time) *Chart {
	from, began := s.began(ctx, st, r.From, now)
	to := now.Add(now.Sub(from) / 3) // a third ahead, to leave the past its room
	if !r.End.IsZero() && !began {
		to = r.End
	}
	f := r.Forecast
	if f != nil && f.Expected.At.After(now) {
		if end := f.Expected.At.Add(f.Expected.At.Sub(now) / 2); began || end.Before(to) {
			to = end
		}
		if late := f.Latest.At; late.After(to) && late.Sub(now) < 2*to.Sub(now) {
			to = late
		}
	}
	if least := now.Add(now.Sub(from) / 4); to.Before(least) {
		to = least
	}
	step := stepFor(to.Sub(from), time.Second)
	past, err := s.QueryRange(ctx, st.RemainingExpr(), now.Add(-now.Sub(from).Truncate(step)), now, step)
	if err != nil {
		s.Logger.Warn("cannot draw chart", "expr", st.RemainingExpr(), "error", err)
		return &Chart{ID: "budget", Title: "Error budget left", Expr: st.RemainingExpr(), From: from.Unix(), To: to.Unix(), Error: "The query failed: " + err.Error()}
	}
	if len(past) > 1 { // after a service has changed hands
		past = past[:1]
	}
	names := []string{"left"}
	if len(past) == 0 {
		names = nil
	}
	if f != nil && !f.Expected.Spent {
		line := func(name string, at time.Time) {
			end, last := at, 0.0
			switch {
			case at.IsZero():
				return
			case at.After(to):
				end, last = to, st.Remaining*(1-float64(to.Sub(now))/float64(at.Sub(now)))
			}
			var points []Point
			for t := now; !t.After(end); t = t.Add(step) {
				share := float64(t.Sub(now)) / float64(end.Sub(now))
				points = append(points, Point{t, st.Remaining + share*(last-st.Remaining)})
			}
			points = append(points, Point{end, last})
			past, names = append(past, Series{Points: points}), append(names, name)
		}
		if f.Sure {
			line("earliest", f.Earliest.At)
		}
		line("expected", f.Expected.At)
		if f.Sure {
			line("latest", f.Latest.At)
		}
	}
	c := newChart(past, from, to, step)
	c.ID, c.Title, c.Unit, c.Expr = "budget", "Error budget left, and when it runs out", "percent", st.RemainingExpr()
	for i := range c.Series {
		c.Series[i].Label = names[i]
	}
	c.Limits = []ChartLimit{{0, "spent"}}
	for _, b := range r.Causes {
		if b.By != budget.ByIncident {
			continue
		}
		for _, share := range b.Shares {
			if share.Name != budget.Unattributed {
				c.Shades = append(c.Shades, ChartShade{From: float64(share.From.Unix()), To: float64(share.To.Unix()), Label: share.Title})
			}
		}
	}
	return c
}

// began is when the first value of what is left was written, where that is well after
// the period's beginning: a chart of a new server is not empty for the most part.
func (s *site) began(ctx context.Context, st objectiveState, from, now time.Time) (time.Time, bool) {
	step := stepFor(now.Sub(from), time.Second)
	series, err := s.QueryRange(ctx, st.RemainingExpr(), from, now, step)
	if err != nil || len(series) == 0 {
		return from, false
	}
	first := now
	for _, one := range series {
		if len(one.Points) > 0 && one.Points[0].At.Before(first) {
			first = one.Points[0].At
		}
	}
	return first, first.Sub(from) > now.Sub(from)/4
}

func divisions(r *budget.Report) []division {
	titles := map[budget.By]string{
		budget.ByIncident: "By incident", budget.ByChange: "By change", budget.ByDependency: "By what it depends on", budget.ByPart: "By part",
	}
	var out []division
	for _, b := range r.Causes {
		d := division{Title: titles[b.By], Unit: r.Unit}
		if b.By == budget.ByPart {
			d.Unit = ""
		}
		for _, share := range b.Shares {
			row := divided{Share: share, Rest: share.Name == budget.Unattributed, Link: refLink(journal.Ref(share.Name))}
			if row.Rest && share.Spent == 0 && len(b.Shares) > 1 {
				continue
			}
			if r.Spent != nil && *r.Spent > 0 {
				row.Part = share.Spent / *r.Spent
			}
			d.Rows = append(d.Rows, row)
		}
		out = append(out, d)
	}
	return out
}
