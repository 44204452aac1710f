package api

import (
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

// Workspace is what is declared, in numbers, and what is wrong with it.
type Workspace struct {
	Revision   string            `json:"revision" doc:"Of the workspace in use."`
	LoadedAt   time.Time         `json:"loaded_at"`
	LookedAt   time.Time         `json:"looked_at" doc:"When the folder was last found changed."`
	Refused    bool              `json:"refused" doc:"The folder holds something newer that is not valid; the one in use is the last valid one."`
	Problems   []declare.Problem `json:"problems" doc:"Of the folder as it was last looked at: errors, and warnings."`
	Services   int               `json:"services"`
	Objectives int               `json:"objectives"`
	RuleFiles  int               `json:"rule_files"`
	Runbooks   int               `json:"runbooks"`
	Schedules  int               `json:"schedules"`
	Teams      int               `json:"teams"`
	People     int               `json:"people"`
}

func (s *server) workspace(*call, none) (Workspace, error) { return s.theWorkspace(), nil }

func (s *server) theWorkspace() Workspace {
	ws := s.Workspace()
	problems, at := s.WorkspaceProblems()
	if at.IsZero() {
		at = ws.LoadedAt
	}
	return Workspace{
		Revision: ws.Revision, LoadedAt: ws.LoadedAt.UTC(), LookedAt: at.UTC(),
		Refused: len(problems.Errors()) > 0, Problems: filled([]declare.Problem(problems)),
		Services: len(ws.Services), Objectives: len(ws.Objectives), RuleFiles: len(ws.RuleFiles), Runbooks: len(ws.Runbooks),
		Schedules: len(ws.Schedules), Teams: len(ws.Teams), People: len(ws.People),
	}
}

// Store is one of the places that keep data.
type Store struct {
	Name   string `json:"name" doc:"metrics, state, …"`
	Kind   string `json:"kind" doc:"Whose: Prometheus TSDB, SQLite, …"`
	Bytes  int64  `json:"bytes,omitempty" doc:"On disk."`
	Series int64  `json:"series,omitempty" doc:"Active ones."`
	Detail string `json:"detail,omitempty"`
	Error  string `json:"error,omitempty" doc:"What is wrong with it."`
}

// Status is the server at a glance.
type Status struct {
	Version   string             `json:"version"`
	Started   time.Time          `json:"started_at"`
	Uptime    int64              `json:"uptime_seconds"`
	Now       time.Time          `json:"now"`
	Workspace Workspace          `json:"workspace"`
	Findings  Counts             `json:"open_findings"`
	Incidents []respond.Incident `json:"incidents" doc:"Active ones."`
	Waiting   []act.Run          `json:"waiting_runs" doc:"Runs that wait for an approval or a decision."`
	Stores    []Store            `json:"stores"`
}

func (s *server) status(c *call, _ none) (Status, error) {
	out := Status{
		Version: s.Version, Started: s.Started.UTC(), Uptime: int64(c.now.Sub(s.Started).Seconds()), Now: c.now.UTC(),
		Workspace: s.theWorkspace(), Stores: filled(s.Stores(c.Context())),
	}
	found, err := s.openFindings(c)
	if err != nil {
		return out, err
	}
	for _, f := range found {
		out.Findings.add(f.Severity)
	}
	active, err := s.Incidents.List(c.Context(), respond.IncidentFilter{Active: true, Limit: 1000})
	if err != nil {
		return out, err
	}
	waiting, err := s.Runs.List(c.Context(), act.RunFilter{Waiting: true, Limit: 1000})
	if err != nil {
		return out, err
	}
	out.Incidents, out.Waiting = each(active, incident), each(waiting, run)
	return out, nil
}
