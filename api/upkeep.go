package api

import (
	"slices"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/act"
	runner "github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/learn/approval"
)

// upkeepRoutes are the lines of the table that this file serves.
func (s *server) upkeepRoutes() []route {
	return []route{
		get("/upkeep", "Which runbooks somebody should look at, and which alerts page without one.", s.upkeep),
		get("/approvals", "How approvals went in the last days, all together and by class: how long people waited, and what came of it, with the records behind.", s.approvals),
		send(post, "/runbooks/{runbook}/read", "Say that you have read a runbook and found it right.", quiet, s.readRunbook),
		send(post, "/runbooks/{runbook}/breaker", "Let a runbook run again whose runs had not helped, after looking.", quiet, s.closeBreaker),
		send(post, "/runs/{run}/vote", "Say after a run whether its runbook was of use.", quiet, s.vote),
	}
}

// Paging are the alerts and objectives that page, with the runbook that each names.
func Paging(ws *declare.Workspace) []runner.Paging {
	var out []runner.Paging
	for _, o := range ws.Objectives {
		out = append(out, runner.Paging{Name: "objective " + string(o.Name), Service: o.Service, Runbook: o.Runbook})
	}
	for _, f := range ws.RuleFiles {
		for _, g := range f.Groups.Groups {
			for _, r := range g.Rules {
				if r.Alert == "" || detect.SeverityOf(r.Labels["severity"]) != detect.Page {
					continue
				}
				book := r.Annotations["runbook"]
				if book == "" && r.Annotations["runbook_url"] != "" {
					continue // it has one, elsewhere
				}
				out = append(out, runner.Paging{Name: "alert " + r.Alert, Service: declare.ServiceID(r.Labels["service"]), Runbook: book})
			}
		}
	}
	return out
}

func (s *server) upkeep(c *call, _ none) (List[runner.Upkeep], error) {
	ws := s.Workspace()
	found, err := s.Guide.Upkeep(c.Context(), c.now, ws.Runbooks, Paging(ws))
	return listOf(found), err
}

type approvalsQuery struct {
	Days    int               `query:"days" doc:"So many days back; 30 when absent."`
	Service declare.ServiceID `query:"service"`
	Team    declare.TeamID    `query:"team" doc:"Of all services that the team owns."`
}

func (s *server) approvals(c *call, q approvalsQuery) (List[approval.Measure], error) {
	if q.Days == 0 {
		q.Days = 30
	}
	if q.Days < 1 || q.Days > 3650 {
		return List[approval.Measure]{}, invalid("days", strconv.Itoa(q.Days), "from 1 to 3650")
	}
	w := s.Workspace()
	if q.Service != "" && w.Service(q.Service) == nil {
		return List[approval.Measure]{}, unknown("service", string(q.Service), "GET "+Root+"/services lists them.")
	}
	if q.Team != "" && w.Team(q.Team) == nil {
		return List[approval.Measure]{}, unknown("team", string(q.Team), "GET "+Root+"/teams lists them.")
	}
	found, err := s.Guide.Answered(c.Context(), c.now.Add(-time.Duration(q.Days)*24*time.Hour), c.now.Add(time.Second))
	found = slices.DeleteFunc(found, func(a act.Answer) bool {
		svc := w.Service(a.Service)
		return q.Service != "" && a.Service != q.Service || q.Team != "" && (svc == nil || svc.Owner != q.Team)
	})
	return listOf(approval.Make(found)), err
}

func (s *server) readRunbook(c *call, _ none) (none, error) {
	return none{}, s.Guide.Read(c.Context(), c.now, c.me.Person, c.PathValue("runbook"))
}

// Closing says why a runbook may run again.
type Closing struct {
	Why string `json:"why" doc:"What was found."`
}

func (s *server) closeBreaker(c *call, in Closing) (none, error) {
	return none{}, s.Guide.CloseBreaker(c.Context(), c.now, c.me.Person, c.PathValue("runbook"), in.Why)
}

// Voting says whether a runbook was of use.
type Voting struct {
	Useful bool   `json:"useful"`
	Note   string `json:"note,omitempty" doc:"What was missing, or wrong."`
}

func (s *server) vote(c *call, in Voting) (none, error) {
	if c.me.Service {
		return none{}, &act.DeniedError{Why: "a vote is a person's"}
	}
	return none{}, s.Guide.Vote(c.Context(), c.now, c.me.Person, c.PathValue("run"), in.Useful, in.Note)
}
