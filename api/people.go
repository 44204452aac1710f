package api

import (
	"slices"

	"github.com/evenkeel/evenkeel/declare"
)

// Team is a team of the catalog.
type Team struct {
	ID       declare.TeamID      `json:"id"`
	Title    string              `json:"title"`
	Parent   declare.TeamID      `json:"parent,omitempty"`
	Members  []declare.PersonID  `json:"members"`
	Services []declare.ServiceID `json:"services" doc:"Those that it owns."`
	OnCall   []declare.PersonID  `json:"on_call" doc:"Now."`
}

// Person is somebody of the catalog.
type Person struct {
	ID    declare.PersonID `json:"id"`
	Name  string           `json:"name"`
	Level declare.Level    `json:"level"`
	Teams []declare.TeamID `json:"teams"`
}

func (s *server) teams(c *call, _ none) (List[Team], error) {
	ws := s.Workspace()
	return listOf(each(ws.Teams, func(t *declare.Team) Team {
		out := Team{ID: t.ID, Title: t.Title, Parent: t.Parent, Members: filled(t.Members), Services: []declare.ServiceID{}, OnCall: []declare.PersonID{}}
		for _, svc := range ws.Services {
			if svc.Owner == t.ID {
				out.Services = append(out.Services, svc.ID)
			}
		}
		for _, sch := range ws.Schedules {
			if p := sch.OnCall(c.now); sch.Team == t.ID && p != "" && !slices.Contains(out.OnCall, p) {
				out.OnCall = append(out.OnCall, p)
			}
		}
		return out
	})), nil
}

func (s *server) people(*call, none) (List[Person], error) {
	ws := s.Workspace()
	return listOf(each(ws.People, func(p *declare.Person) Person {
		return Person{ID: p.ID, Name: p.Name, Level: ws.LevelOf(p.ID), Teams: filled(p.Teams)}
	})), nil
}
