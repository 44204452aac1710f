package api

import (
	"net/http"
	"reflect"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

func init() {
	numbered["handup"], numbered["contact"] = true, true
	enums[reflect.TypeFor[respond.EscalationStatus]()] = []string{string(respond.EscalationRunning), string(respond.EscalationAcknowledged), string(respond.EscalationExhausted), string(respond.EscalationEnded)}
	enums[reflect.TypeFor[respond.HandupStatus]()] = []string{string(respond.HandupOpen), string(respond.HandupAccepted), string(respond.HandupReturned)}
	enums[reflect.TypeFor[respond.DeliveryState]()] = []string{string(respond.DeliveryQueued), string(respond.DeliverySending), string(respond.DeliveryDelivered), string(respond.DeliveryFailed), string(respond.DeliveryCancelled)}
	enums[reflect.TypeFor[respond.Purpose]()] = []string{string(respond.PurposePage), string(respond.PurposeCopy), string(respond.PurposeHandup), string(respond.PurposeReturned), string(respond.PurposeVerify)}
}

// Reaching is what the API does with escalations and with the ways to reach people.
type Reaching struct {
	Escalations respond.Escalations
	Reach       respond.Reach
}

var errNotReaching = &httpError{http.StatusNotFound, Error{Code: "not_found", Message: "this server reaches nobody"}}

// reaching gives a handler what it needs, and the incident that its path names.
func reaching[In, Out any](s *server, fn func(c *call, r Reaching, n respond.Number, in In) (Out, error)) func(*call, In) (Out, error) {
	return func(c *call, in In) (Out, error) {
		var none Out
		if s.Reaching.Escalations == nil || s.Reaching.Reach == nil {
			return none, errNotReaching
		}
		n := int64(0)
		if c.PathValue("incident") != "" {
			var err error
			if n, err = c.number("incident"); err != nil {
				return none, err
			}
			if _, err := s.Incidents.Get(c.Context(), respond.Number(n)); err != nil {
				return none, err
			}
		}
		return fn(c, s.Reaching, respond.Number(n), in)
	}
}

func (s *server) escalation() func(*call, none) (respond.Escalation, error) {
	return reaching(s, func(c *call, r Reaching, n respond.Number, _ none) (respond.Escalation, error) {
		e, err := r.Escalations.Get(c.Context(), n)
		e.Steps = filled(e.Steps)
		return e, err
	})
}

func (s *server) stillAtIt() func(*call, none) (respond.Incident, error) {
	return reaching(s, func(c *call, r Reaching, n respond.Number, _ none) (respond.Incident, error) {
		i, err := r.Escalations.Acknowledge(c.Context(), c.now, c.me.Person, n)
		return incident(i), err
	})
}

// Packet hands an incident up. All parts are required: the next level must not have
// to ask.
type Packet struct {
	ID       int64  `json:"id,omitempty" doc:"Of a packet that came back, to send it again."`
	To       string `json:"to,omitempty" doc:"schedule:NAME, person:NAME or team:NAME, several with commas; absent for the policy's next step."`
	Impact   string `json:"impact" doc:"Who suffers from what, since when."`
	Tried    string `json:"tried" doc:"What was tried, and what came of it."`
	Evidence string `json:"evidence" doc:"What you see."`
	Question string `json:"question" doc:"What you need the next level for."`
}

func handup(h respond.Handup) respond.Handup {
	h.People = filled(h.People)
	return h
}

func (s *server) handUp() func(*call, Packet) (respond.Handup, error) {
	return reaching(s, func(c *call, r Reaching, n respond.Number, in Packet) (respond.Handup, error) {
		h, err := r.Escalations.HandUp(c.Context(), c.now, c.me.Person, respond.Handup{
			ID: in.ID, Incident: n, Target: in.To, Impact: in.Impact, Tried: in.Tried, Evidence: in.Evidence, Question: in.Question,
		})
		return handup(h), err
	})
}

func (s *server) handups() func(*call, none) (List[respond.Handup], error) {
	return reaching(s, func(c *call, r Reaching, n respond.Number, _ none) (List[respond.Handup], error) {
		all, err := r.Escalations.Handups(c.Context(), n)
		return listOf(each(all, handup)), err
	})
}

func (s *server) acceptHandup() func(*call, none) (respond.Handup, error) {
	return reaching(s, func(c *call, r Reaching, n respond.Number, _ none) (respond.Handup, error) {
		id, err := c.number("handup")
		if err != nil {
			return respond.Handup{}, err
		}
		h, err := r.Escalations.Accept(c.Context(), c.now, c.me.Person, n, id)
		return handup(h), err
	})
}

// SendBack returns a packet.
type SendBack struct {
	Missing string `json:"missing" doc:"What you still need."`
}

func (s *server) returnHandup() func(*call, SendBack) (respond.Handup, error) {
	return reaching(s, func(c *call, r Reaching, n respond.Number, in SendBack) (respond.Handup, error) {
		id, err := c.number("handup")
		if err != nil {
			return respond.Handup{}, err
		}
		h, err := r.Escalations.SendBack(c.Context(), c.now, c.me.Person, n, id, in.Missing)
		return handup(h), err
	})
}

func (s *server) incidentDeliveries() func(*call, none) (List[respond.Delivery], error) {
	return reaching(s, func(c *call, r Reaching, n respond.Number, _ none) (List[respond.Delivery], error) {
		all, err := r.Reach.Deliveries(c.Context(), n, "")
		return listOf(all), err
	})
}

func (s *server) myDeliveries() func(*call, none) (List[respond.Delivery], error) {
	return reaching(s, func(c *call, r Reaching, _ respond.Number, _ none) (List[respond.Delivery], error) {
		all, err := r.Reach.Deliveries(c.Context(), 0, c.me.Person)
		return listOf(all), err
	})
}

func (s *server) contacts() func(*call, none) (List[respond.ContactMethod], error) {
	return reaching(s, func(c *call, r Reaching, _ respond.Number, _ none) (List[respond.ContactMethod], error) {
		all, err := r.Reach.Methods(c.Context(), c.me.Person)
		return listOf(all), err
	})
}

// NewContact is a way to reach the person who asks.
type NewContact struct {
	Kind       declare.ContactKind `json:"kind"`
	Address    string              `json:"address" doc:"An email address, a member's or chat's ID, a key, or a URL, by kind."`
	Severities []detect.Severity   `json:"severities,omitempty" doc:"Use it for these alone."`
}

func (s *server) addContact() func(*call, NewContact) (respond.ContactMethod, error) {
	return reaching(s, func(c *call, r Reaching, _ respond.Number, in NewContact) (respond.ContactMethod, error) {
		return r.Reach.AddMethod(c.Context(), c.now, c.me.Actor(), respond.ContactMethod{Person: c.me.Person, Kind: in.Kind, URL: in.Address, Severities: in.Severities})
	})
}

// ContactCode verifies a way.
type ContactCode struct {
	Code string `json:"code" doc:"The six digits that were sent."`
}

func (s *server) verifyContact() func(*call, ContactCode) (none, error) {
	return reaching(s, func(c *call, r Reaching, _ respond.Number, in ContactCode) (none, error) {
		id, err := c.number("contact")
		if err != nil {
			return none{}, err
		}
		return none{}, r.Reach.VerifyMethod(c.Context(), c.now, c.me.Actor(), c.me.Person, id, in.Code)
	})
}

func (s *server) removeContact() func(*call, none) (none, error) {
	return reaching(s, func(c *call, r Reaching, _ respond.Number, _ none) (none, error) {
		id, err := c.number("contact")
		if err != nil {
			return none{}, err
		}
		return none{}, r.Reach.RemoveMethod(c.Context(), c.now, c.me.Actor(), c.me.Person, id)
	})
}

// QuietHours keep messages back that are no pages.
type QuietHours struct {
	From       string            `json:"from" doc:"As 22:00."`
	To         string            `json:"to" doc:"As 07:00; the same as from for none."`
	Zone       string            `json:"zone" doc:"Of the IANA database, as Europe/Vienna."`
	Severities []detect.Severity `json:"severities" doc:"What waits: ticket, info."`
}

func (s *server) quietHours() func(*call, none) (QuietHours, error) {
	return reaching(s, func(c *call, r Reaching, _ respond.Number, _ none) (QuietHours, error) {
		q, err := r.Reach.Quiet(c.Context(), c.me.Person)
		day := func(m int) string {
			return time.Date(2000, 1, 1, 0, m, 0, 0, time.UTC).Format("15:04")
		}
		return QuietHours{day(q.From), day(q.To), q.Zone, filled(q.Severities)}, err
	})
}

func (s *server) setQuietHours() func(*call, QuietHours) (none, error) {
	return reaching(s, func(c *call, r Reaching, _ respond.Number, in QuietHours) (none, error) {
		rule := respond.QuietRule{Zone: in.Zone, Severities: in.Severities}
		for field, text := range map[string]string{"from": in.From, "to": in.To} {
			t, err := time.Parse("15:04", text)
			if err != nil {
				return none{}, invalid(field, text, "a time of day as 22:00")
			}
			*map[string]*int{"from": &rule.From, "to": &rule.To}[field] = t.Hour()*60 + t.Minute()
		}
		return none{}, r.Reach.SetQuiet(c.Context(), c.now, c.me.Actor(), c.me.Person, rule)
	})
}

// reachRoutes are the routes of escalations and of ways to reach people.
func (s *server) reachRoutes() []route {
	return append(s.whyRoutes(), []route{
		get("/incidents/{incident}/escalation", "How far it has gone through its escalation policy.", s.escalation()),
		send(post, "/incidents/{incident}/escalation/acknowledge", "Acknowledge it; where that ran out, say that you are still at it.", ok, s.stillAtIt()),
		send(post, "/incidents/{incident}/escalate", "Hand it up to the next level, with what they have to know.", created, s.handUp()),
		get("/incidents/{incident}/handups", "The packets that went up.", s.handups()),
		get("/handups", "The packets of active incidents that wait for an answer, or came back.", s.handups()),
		send(post, "/incidents/{incident}/handups/{handup}/accept", "Take the incident over.", ok, s.acceptHandup()),
		send(post, "/incidents/{incident}/handups/{handup}/return", "Send a packet back with what is missing.", ok, s.returnHandup()),
		get("/incidents/{incident}/deliveries", "Whom it reached, each attempt with its result.", s.incidentDeliveries()),
		get("/deliveries", "What you were told, each attempt with its result.", s.myDeliveries()),
		get("/contacts", "The ways to reach you, in the order in which they are tried.", s.contacts()),
		send(post, "/contacts", "Add a way to reach you; a code goes to it.", created, s.addContact()),
		send(post, "/contacts/{contact}/verify", "Say the code that came.", quiet, s.verifyContact()),
		remove("/contacts/{contact}", "Remove a way to reach you.", s.removeContact()),
		get("/quiet-hours", "When you are not told what is no page.", s.quietHours()),
		send(put, "/quiet-hours", "Set when you are not told what is no page.", quiet, s.setQuietHours()),
	}...)
}
