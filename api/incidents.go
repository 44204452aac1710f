package api

import (
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

type incidentQuery struct {
	Active  bool              `query:"active" doc:"Only those that are not resolved."`
	Service declare.ServiceID `query:"service"`
	Team    declare.TeamID    `query:"team"`
	page
}

// incident makes lists of what may be nil.
func incident(i respond.Incident) respond.Incident {
	i.Services, i.Suspects = filled(i.Services), suspects(i.Suspects)
	return i
}

func suspects(in []respond.Suspect) []respond.Suspect {
	return each(in, func(x respond.Suspect) respond.Suspect {
		x.Evidence = filled(x.Evidence)
		return x
	})
}

func (s *server) incidents(c *call, q incidentQuery) (List[respond.Incident], error) {
	found, err := s.Incidents.List(c.Context(), respond.IncidentFilter{
		Active: q.Active, Service: q.Service, Team: q.Team, Limit: q.limit() + 1, Offset: q.Offset,
	})
	return cutList(q.page, each(found, incident)), err
}

// theIncident reads the incident that the path names.
func (s *server) theIncident(c *call) (respond.Incident, error) {
	n, err := c.number("incident")
	if err != nil {
		return respond.Incident{}, err
	}
	i, err := s.Incidents.Get(c.Context(), respond.Number(n))
	return incident(i), err
}

func (s *server) incident(c *call, _ none) (respond.Incident, error) { return s.theIncident(c) }

// timelineLimit is as many facts as the journal gives at once.
const timelineLimit = 10_000

func (s *server) incidentTimeline(c *call, _ none) (List[journal.Fact], error) {
	i, err := s.theIncident(c)
	if err != nil {
		return List[journal.Fact]{}, err
	}
	facts, err := s.Journal.Facts(c.Context(), journal.Query{Ref: i.Number.Ref(), Oldest: true, Limit: timelineLimit})
	return listOf(facts), err
}

func (s *server) incidentSuspects(c *call, _ none) (List[respond.Suspect], error) {
	i, err := s.theIncident(c)
	return listOf(i.Suspects), err
}

func (s *server) incidentNotifications(c *call, _ none) (List[respond.Notification], error) {
	i, err := s.theIncident(c)
	if err != nil {
		return List[respond.Notification]{}, err
	}
	sent, err := s.Incidents.Notifications(c.Context(), i.Number)
	return listOf(sent), err
}

// IncidentNote is what a person has to say when moving an incident on.
type IncidentNote struct {
	Note string `json:"note,omitempty" doc:"Why, for the timeline."`
}

// move returns the handler of one event.
func (s *server) move(e respond.Event) func(*call, IncidentNote) (respond.Incident, error) {
	return func(c *call, in IncidentNote) (respond.Incident, error) {
		n, err := c.number("incident")
		if err != nil {
			return respond.Incident{}, err
		}
		if err := tooLong("note", in.Note); err != nil {
			return respond.Incident{}, err
		}
		i, err := s.Incidents.Do(c.Context(), c.now, c.me.Actor(), respond.Number(n), e, in.Note)
		return incident(i), err
	}
}

// Assignment gives an incident to somebody.
type Assignment struct {
	Person declare.PersonID `json:"person" doc:"Somebody of the catalog."`
}

func (s *server) assign(c *call, in Assignment) (respond.Incident, error) {
	n, err := c.number("incident")
	if err != nil {
		return respond.Incident{}, err
	}
	if s.Workspace().Person(in.Person) == nil {
		return respond.Incident{}, invalid("person", string(in.Person), "somebody of the catalogue")
	}
	i, err := s.Incidents.Assign(c.Context(), c.now, c.me.Actor(), respond.Number(n), in.Person)
	return incident(i), err
}

// TimelineNote is a line for the timeline.
type TimelineNote struct {
	Text string `json:"text" doc:"One line for the timeline."`
}

func (s *server) note(c *call, in TimelineNote) (none, error) {
	n, err := c.number("incident")
	if err != nil {
		return none{}, err
	}
	if strings.TrimSpace(in.Text) == "" {
		return none{}, invalid("text", in.Text, "a text that is not empty")
	}
	if err := tooLong("text", in.Text); err != nil {
		return none{}, err
	}
	return none{}, s.Incidents.Note(c.Context(), c.now, c.me.Actor(), respond.Number(n), in.Text)
}

// maxText bounds what a person writes into one line of the journal.
const maxText = 10_000

func tooLong(field, text string) error {
	if len(text) > maxText {
		return invalid(field, text, "at most 10,000 bytes")
	}
	return nil
}
