package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

type incidentsView struct {
	Page
	State, Service, Team string
	Services             []*declare.Service
	Teams                []*declare.Team
	Incidents            []incidentLine
	Pager                pager
}

func (s *site) incidents(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	q, ws := r.URL.Query(), s.Workspace()
	v := incidentsView{
		Page: s.page(r, me, "Incidents", "incidents"), Services: ws.Services, Teams: ws.Teams,
		State: q.Get("state"), Service: q.Get("service"), Team: q.Get("team"),
	}
	f := respond.IncidentFilter{Active: v.State == "active", Service: declare.ServiceID(v.Service), Team: declare.TeamID(v.Team), Limit: perPage + 1, Offset: pageOf(r)}
	found, err := s.Incidents.List(r.Context(), f)
	if err != nil {
		return err
	}
	more := len(found) > perPage
	for _, i := range found[:min(len(found), perPage)] {
		v.Incidents = append(v.Incidents, incidentLine{Incident: i, Mine: i.Assignee == me.Person})
	}
	v.Pager = newPager(v.Here, f.Offset, len(v.Incidents), -1, more)
	return s.show(w, "incidents", v)
}

type incidentView struct {
	Page
	Incident      incidentLine
	Points        []clockPoint
	Burning       []objectiveState
	Charts        []*Chart
	Findings      []detect.Finding
	Runbooks      []suggestion
	Runs          []act.Run
	Notifications []respond.Notification
	Timeline      []journal.Fact
	Attempts      int // to reach somebody that failed, which the timeline leaves out
	People        []*declare.Person
	Can           map[string]bool // event → the state allows it
	Note          string          // as typed
	Review        bool
	OnCall        []declare.PersonID
	Desk          deskView
	Asked         bool // for an update's wording
	Outcomes      []respond.OutcomeLabel
	Reaching      reaching
}

// clockPoint is one of the five, with how long it took from the one before.
type clockPoint struct {
	Name   string
	At     time.Time
	After  string // since impact
	Source string
}

// suggestion is a runbook for this incident, and why it is one.
type suggestion struct {
	*declare.Runbook
	Why string
}

func numberOf(r *http.Request) (respond.Number, error) {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil || n < 1 {
		return 0, respond.ErrNotFound
	}
	return respond.Number(n), nil
}

func (s *site) incident(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.showIncident(w, r, me, http.StatusOK, "", "")
}

// showIncident renders the page, again with what was typed when an act was refused.
func (s *site) showIncident(w http.ResponseWriter, r *http.Request, me act.Identity, status int, problem, note string) error {
	ctx, now, ws := r.Context(), s.Now(), s.Workspace()
	n, err := numberOf(r)
	if err != nil {
		return err
	}
	i, err := s.Incidents.Get(ctx, n)
	if err != nil {
		return err
	}
	v := incidentView{
		Page: s.page(r, me, "#"+strconv.FormatInt(int64(n), 10)+" "+i.Title, "incidents"), Incident: incidentLine{Incident: i, Mine: i.Assignee == me.Person},
		People: ws.People, Can: map[string]bool{}, Note: note, OnCall: onCall(ws, i.Team, now),
	}
	v.Problem = problem
	for _, e := range []respond.Event{respond.Acknowledge, respond.Mitigate, respond.Resolve} {
		_, err := respond.Next(i.Status, e)
		v.Can[string(e)] = err == nil
	}
	v.Points = clockPoints(i.Clocks)

	if v.Findings, _, err = s.Findings.List(ctx, detect.Filter{Incident: int64(n), Limit: 100}); err != nil {
		return err
	}
	if err := s.incidentObjectives(r, &v, i, now); err != nil {
		return err
	}
	v.Runbooks = suggestions(ws, i)
	if v.Runs, err = s.Runs.List(ctx, act.RunFilter{Incident: int64(n)}); err != nil {
		return err
	}
	if v.Notifications, err = s.Incidents.Notifications(ctx, n); err != nil {
		return err
	}
	if v.Reaching, err = s.reachingOf(r, i, me.Person); err != nil {
		return err
	}
	if v.Timeline, err = s.timeline(ctx, n.Ref()); err != nil {
		return err
	}
	if v.Reaching.On { // each attempt to reach somebody stands there
		all := len(v.Timeline)
		v.Timeline = slices.DeleteFunc(v.Timeline, func(f journal.Fact) bool { return f.Kind == "notice.attempted" })
		v.Attempts = all - len(v.Timeline)
	}
	_, err = s.Reviews.Get(ctx, int64(n))
	v.Review = err == nil
	if v.Desk, err = s.desk(ctx, r, i, now); err != nil {
		return err
	}
	v.Asked = r.URL.Query().Has("phase")
	if s.Outcomes != nil {
		v.Outcomes = respond.OutcomeLabels
	}
	s.render(w, status, "incident", v)
	return nil
}

// incidentObjectives draws what burns: the objectives that its findings name.
func (s *site) incidentObjectives(r *http.Request, v *incidentView, i respond.Incident, now time.Time) error {
	ctx, ws := r.Context(), s.Workspace()
	states, err := s.objectiveStates(ctx, ws, now)
	if err != nil {
		s.Logger.Error("cannot read objectives", "error", err)
	}
	began := i.Clocks.Impact
	if began.IsZero() {
		began = i.Clocks.Detected
	}
	ended := i.Clocks.Mitigated
	if ended.IsZero() {
		ended = i.Clocks.Resolved
	}
	from, to := around(began, ended, now)
	marks, err := s.changeMarks(ctx, ws, i.Service, from.Add(-30*time.Minute), to.Add(time.Second))
	if err != nil {
		return err
	}
	shadeTo := ended
	if shadeTo.IsZero() {
		shadeTo = to
	}
	var seen []declare.ObjectiveName
	for _, f := range v.Findings {
		if f.Objective == "" || slices.Contains(seen, f.Objective) || len(seen) == 4 {
			continue
		}
		seen = append(seen, f.Objective)
		st, ok := states[f.Objective]
		if !ok {
			continue
		}
		v.Burning = append(v.Burning, st)
		c := s.chart(ctx, "burn-"+string(f.Objective), "Burn rate of "+string(f.Objective), "times", st.BurnExpr(), from, to)
		c.Marks = marks
		c.Shades = []ChartShade{{float64(began.Unix()), float64(shadeTo.Unix()), "impact"}}
		c.Limits = []ChartLimit{{1, "1×: the budget ends with the window"}}
		if len(c.Series) == 1 {
			c.Series[0].Label = "Burn rate"
		}
		v.Charts = append(v.Charts, c)
	}
	return nil
}

func clockPoints(c respond.Clocks) []clockPoint {
	points := []clockPoint{
		{Name: "Impact", At: c.Impact, Source: c.ImpactSource}, {Name: "Detected", At: c.Detected, Source: c.Sources[respond.PointDetected]},
		{Name: "Acknowledged", At: c.Acknowledged, Source: c.Sources[respond.PointAcknowledged]}, {Name: "Mitigated", At: c.Mitigated, Source: c.Sources[respond.PointMitigated]},
		{Name: "Resolved", At: c.Resolved, Source: c.Sources[respond.PointResolved]},
	}
	for i := 1; i < len(points); i++ {
		points[i].After = span(c.Impact, points[i].At)
		if c.Impact.IsZero() {
			points[i].After = span(c.Detected, points[i].At)
		}
	}
	return points
}

// suggestions are the runbooks for an incident: the one that its finding names,
// then those of its services.
func suggestions(ws *declare.Workspace, i respond.Incident) []suggestion {
	var out []suggestion
	if rb := ws.Runbook(i.Runbook); rb != nil {
		out = append(out, suggestion{rb, "named by the finding"})
	}
	for _, rb := range ws.Runbooks {
		for _, id := range i.Services {
			if rb.Name != i.Runbook && slices.Contains(rb.Services, id) {
				out = append(out, suggestion{rb, "written for " + string(id)})
				break
			}
		}
	}
	return out
}

func (s *site) doIncident(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		err = form(r)
	}
	if err != nil {
		return err
	}
	event, note := respond.Event(r.PostFormValue("event")), strings.TrimSpace(r.PostFormValue("note"))
	if event != respond.Acknowledge && event != respond.Mitigate && event != respond.Resolve {
		return &act.InvalidError{Field: "event", Got: string(event), Want: "acknowledge, mitigate or resolve"}
	}
	return s.afterIncident(w, r, me, n, string(event), note, func() error {
		_, err := s.Incidents.Do(r.Context(), s.Now(), me.Actor(), n, event, note)
		return err
	})
}

func (s *site) assignIncident(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		err = form(r)
	}
	if err != nil {
		return err
	}
	to := declare.PersonID(strings.TrimSpace(r.PostFormValue("to")))
	return s.afterIncident(w, r, me, n, "assigned", "", func() error {
		if s.Workspace().Person(to) == nil && to != me.Person {
			return &act.InvalidError{Field: "to", Got: string(to), Want: "somebody of the catalogue"}
		}
		_, err := s.Incidents.Assign(r.Context(), s.Now(), me.Actor(), n, to)
		return err
	})
}

func (s *site) noteIncident(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	n, err := numberOf(r)
	if err == nil {
		err = form(r)
	}
	if err != nil {
		return err
	}
	text := strings.TrimSpace(r.PostFormValue("text"))
	return s.afterIncident(w, r, me, n, "noted", text, func() error {
		if text == "" || len(text) > 4000 {
			return &act.InvalidError{Field: "note", Want: "a text of 1 to 4000 characters"}
		}
		return s.Incidents.Note(r.Context(), s.Now(), me.Actor(), n, text)
	})
}

// afterIncident does an act and goes back to the page that it came from; when it is
// refused, the incident is shown as it is now, with the reason and what was typed.
func (s *site) afterIncident(w http.ResponseWriter, r *http.Request, me act.Identity, n respond.Number, done, typed string, do func() error) error {
	here := "/incidents/" + strconv.FormatInt(int64(n), 10)
	err := do()
	if err == nil {
		return after(w, r, local(r.PostFormValue("next"), here), done)
	}
	status, _, message, _ := explainError(err)
	if status == http.StatusNotFound || status >= 500 || status == 0 {
		return err
	}
	return s.showIncident(w, r, me, status, message, typed)
}
