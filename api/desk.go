package api

import (
	"net/http"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

// deskRoutes are what people do with incidents beside moving them on.
func (s *server) deskRoutes() []route {
	const at = "/incidents/{incident}"
	return []route{
		send(put, at+"/severity", "Say how bad it is.", ok, s.setSev),
		send(put, at+"/roles", "Give a role to somebody, or to nobody.", ok, s.setRole),
		send(put, at+"/clock", "Correct a point of its clock.", ok, s.setClock),
		send(post, at+"/merge", "It is the same as another one, which gets its findings. The answer is the other one.", ok, s.merge),
		send(post, at+"/split", "Some of its findings are something else. The answer is the new incident.", created, s.split),
		get(at+"/alike", "What goes on at the same time and hangs together with it, and what was like it before.", s.alike),
		get(at+"/tasks", "What is to be done while it lasts.", s.tasks),
		send(post, at+"/tasks", "Add something to do.", created, s.addTask),
		send(post, at+"/tasks/{task}/done", "Say that it is done.", ok, s.finishTask),
		get(at+"/links", "Changes and addresses that matter to it.", s.links),
		send(post, at+"/links", "Link a change, or an address.", created, s.addLink),
		get(at+"/updates", "What was told about it, oldest first.", s.updates),
		send(post, at+"/updates", "Tell something about it: inside, or on status pages.", created, s.addUpdate),
		get(at+"/updates/template", "A first wording of an update.", s.updateTemplate),
	}
}

// desk is the part that all of these need, and the incident that the path names.
func (s *server) desk(c *call) (respond.Desk, respond.Number, error) {
	if s.Desk == nil {
		return nil, 0, &httpError{http.StatusNotFound, Error{Code: "not_found", Message: "this server keeps no desk for incidents"}}
	}
	n, err := c.number("incident")
	return s.Desk, respond.Number(n), err
}

// Severing says how bad an incident is.
type Severing struct {
	Sev respond.Sev `json:"sev" doc:"sev1 (worst) to sev4."`
	Why string      `json:"why,omitempty" doc:"For the timeline."`
}

func (s *server) setSev(c *call, in Severing) (respond.Incident, error) {
	d, n, err := s.desk(c)
	if err != nil {
		return respond.Incident{}, err
	}
	i, err := d.SetSev(c.Context(), c.now, c.me.Actor(), n, in.Sev, in.Why)
	return incident(i), err
}

// RoleGiven gives a role to somebody.
type RoleGiven struct {
	Role   respond.Role     `json:"role" doc:"commander, communications or scribe."`
	Person declare.PersonID `json:"person,omitempty" doc:"Somebody of the catalogue; nobody when it is missing."`
}

func (s *server) setRole(c *call, in RoleGiven) (respond.Incident, error) {
	d, n, err := s.desk(c)
	if err != nil {
		return respond.Incident{}, err
	}
	i, err := d.SetRole(c.Context(), c.now, c.me.Actor(), n, in.Role, in.Person)
	return incident(i), err
}

// ClockPoint corrects a point of an incident's clock.
type ClockPoint struct {
	Point respond.Point `json:"point" doc:"impact, detected, acknowledged, mitigated or resolved."`
	At    time.Time     `json:"at"`
	Why   string        `json:"why" doc:"Where the time comes from."`
}

func (s *server) setClock(c *call, in ClockPoint) (respond.Incident, error) {
	d, n, err := s.desk(c)
	if err != nil {
		return respond.Incident{}, err
	}
	i, err := d.SetClock(c.Context(), c.now, c.me.Actor(), n, in.Point, in.At, in.Why)
	return incident(i), err
}

// Merging names the incident that is the same.
type Merging struct {
	Into respond.Number `json:"into" doc:"The incident that stays."`
	Why  string         `json:"why,omitempty" doc:"For both timelines."`
}

func (s *server) merge(c *call, in Merging) (respond.Incident, error) {
	d, n, err := s.desk(c)
	if err != nil {
		return respond.Incident{}, err
	}
	i, err := d.Merge(c.Context(), c.now, c.me.Actor(), n, in.Into, in.Why)
	return incident(i), err
}

// Splitting names what is something else.
type Splitting struct {
	Findings []int64 `json:"findings" doc:"IDs of findings that get an incident of their own."`
	Why      string  `json:"why,omitempty" doc:"For both timelines."`
}

func (s *server) split(c *call, in Splitting) (respond.Incident, error) {
	d, n, err := s.desk(c)
	if err != nil {
		return respond.Incident{}, err
	}
	i, err := d.Split(c.Context(), c.now, c.me.Actor(), n, in.Findings, in.Why)
	return incident(i), err
}

func (s *server) alike(c *call, _ none) (List[respond.Likeness], error) {
	d, n, err := s.desk(c)
	if err != nil {
		return List[respond.Likeness]{}, err
	}
	all, err := d.Alike(c.Context(), n)
	return listOf(all), err
}

func (s *server) tasks(c *call, _ none) (List[respond.IncidentTask], error) {
	d, n, err := s.desk(c)
	if err != nil {
		return List[respond.IncidentTask]{}, err
	}
	all, err := d.Tasks(c.Context(), n)
	return listOf(all), err
}

// NewTask is something to do.
type NewTask struct {
	Text  string           `json:"text" doc:"One line."`
	Owner declare.PersonID `json:"owner,omitempty" doc:"Who does it."`
}

func (s *server) addTask(c *call, in NewTask) (respond.IncidentTask, error) {
	d, n, err := s.desk(c)
	if err != nil {
		return respond.IncidentTask{}, err
	}
	return d.AddTask(c.Context(), c.now, c.me.Actor(), n, in.Text, in.Owner)
}

func (s *server) finishTask(c *call, _ none) (respond.IncidentTask, error) {
	d, n, err := s.desk(c)
	if err != nil {
		return respond.IncidentTask{}, err
	}
	id, err := c.number("task")
	if err != nil {
		return respond.IncidentTask{}, err
	}
	return d.FinishTask(c.Context(), c.now, c.me.Actor(), n, id)
}

func (s *server) links(c *call, _ none) (List[respond.IncidentLink], error) {
	d, n, err := s.desk(c)
	if err != nil {
		return List[respond.IncidentLink]{}, err
	}
	all, err := d.Links(c.Context(), n)
	return listOf(all), err
}

// NewLink is a change or an address that matters.
type NewLink struct {
	Kind respond.LinkKind `json:"kind" doc:"change or url."`
	Ref  string           `json:"ref" doc:"The change's ID, or the URL."`
	Note string           `json:"note,omitempty" doc:"What it has to do with it."`
}

func (s *server) addLink(c *call, in NewLink) (respond.IncidentLink, error) {
	d, n, err := s.desk(c)
	if err != nil {
		return respond.IncidentLink{}, err
	}
	return d.AddLink(c.Context(), c.now, c.me.Actor(), n, in.Kind, in.Ref, in.Note)
}

func (s *server) updates(c *call, _ none) (List[respond.IncidentUpdate], error) {
	d, n, err := s.desk(c)
	if err != nil {
		return List[respond.IncidentUpdate]{}, err
	}
	all, err := d.Updates(c.Context(), n)
	return listOf(all), err
}

// NewUpdate is a status update.
type NewUpdate struct {
	Phase  respond.Phase `json:"phase" doc:"investigating, identified, monitoring or resolved."`
	Text   string        `json:"text,omitempty" doc:"What is told; the template when it is missing."`
	Public bool          `json:"public,omitempty" doc:"It stands on the status pages of the systems that the incident touches."`
}

func (s *server) addUpdate(c *call, in NewUpdate) (respond.IncidentUpdate, error) {
	d, n, err := s.desk(c)
	if err != nil {
		return respond.IncidentUpdate{}, err
	}
	if in.Text == "" {
		if in.Text, err = d.Template(c.Context(), c.now, n, in.Phase); err != nil {
			return respond.IncidentUpdate{}, err
		}
	}
	return d.AddUpdate(c.Context(), c.now, c.me.Actor(), n, in.Phase, in.Text, in.Public)
}

type templateQuery struct {
	Phase respond.Phase `query:"phase" doc:"investigating, identified, monitoring or resolved."`
}

// UpdateTemplate is a first wording.
type UpdateTemplate struct {
	Phase respond.Phase `json:"phase"`
	Text  string        `json:"text"`
}

func (s *server) updateTemplate(c *call, q templateQuery) (UpdateTemplate, error) {
	d, n, err := s.desk(c)
	if err != nil {
		return UpdateTemplate{}, err
	}
	text, err := d.Template(c.Context(), c.now, n, q.Phase)
	return UpdateTemplate{q.Phase, text}, err
}
