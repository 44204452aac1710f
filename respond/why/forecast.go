package why

import (
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/reach"
)

// Forecast is who would be reached by a finding, how and when.
type Forecast struct {
	At       time.Time         `json:"at"`
	Labels   map[string]string `json:"labels"`
	Severity detect.Severity   `json:"severity"`
	Team     declare.TeamID    `json:"team,omitempty"`
	Verdict  string            `json:"verdict"`
	Steps    []Step            `json:"steps"`
	Reached  []Reached         `json:"reached"`
}

// Reached is one person or receiver, in order of time.
type Reached struct {
	At       time.Time        `json:"at"`
	Person   declare.PersonID `json:"person,omitempty"`
	Receiver string           `json:"receiver,omitempty"`
	Copy     bool             `json:"copy,omitempty"` // they shadow somebody
	By       []string         `json:"by"`             // ways, in the order in which they are tried; none: cannot be reached
	Why      string           `json:"why"`
}

// Ask says what would happen to a finding with these labels at a time, if nobody
// answered. methods are somebody's ways of contact.
func Ask(w *declare.Workspace, l map[string]string, at time.Time, r Routing, policy func(team declare.TeamID, service declare.ServiceID) *declare.Escalation, methods func(declare.PersonID) []respond.ContactMethod) Forecast {
	f := Forecast{At: at, Labels: l, Severity: detect.SeverityOf(l["severity"]), Team: declare.TeamID(l["team"]), Reached: []Reached{}}
	service := w.Service(declare.ServiceID(l["service"]))
	if service != nil && f.Team == "" {
		f.Team = service.Owner
	}
	asked := detect.Finding{Name: l["alertname"], Objective: declare.ObjectiveName(l["objective"])}
	switch place, hold, isRule := Declared(w, &asked); {
	case place == "":
		f.Steps = append(f.Steps, Step{Stage: "evaluated", Outcome: Nothing, Text: "no rule or objective of that name is declared: it is asked for as if it had been found"})
	case isRule:
		f.Steps = append(f.Steps, Step{Stage: "evaluated", Outcome: Passed, Text: "its rule is declared", Setting: place},
			Step{Stage: "for", Outcome: Passed, Text: fmt.Sprintf("it becomes a finding once it has held for %s; the times below count from then", hold), Setting: place})
	default:
		f.Steps = append(f.Steps, Step{Stage: "evaluated", Outcome: Passed, Text: "its objective is declared; it becomes a finding at once when the budget burns", Setting: place})
	}
	steps, ways, stopped := decisions(r, l, at)
	f.Steps = append(f.Steps, steps...)
	if !stopped {
		for _, way := range ways {
			if way.MutedBy == "" && len(way.Integrations) > 0 {
				f.Reached = append(f.Reached, Reached{At: at.Add(way.Wait), Receiver: way.Receiver, By: way.Integrations, Why: "routing.yml: " + way.Route})
			}
		}
	}
	add := func(s Step) { f.Steps = append(f.Steps, s) }
	switch {
	case f.Severity != detect.Page:
		add(Step{Stage: "incident", Outcome: Stopped, Text: fmt.Sprintf("severity %s opens none", f.Severity), Setting: "label severity"})
	case stopped:
		add(Step{Stage: "incident", Outcome: Stopped, Text: "what is silenced or inhibited opens none, until that ends"})
	default:
		add(Step{Stage: "incident", Outcome: Passed, Text: fmt.Sprintf("opens an incident of team %q, or joins one that is active near its service", f.Team)})
		f.escalate(w, policy(f.Team, declare.ServiceID(l["service"])), methods)
	}
	f.Verdict = f.verdict()
	return f
}

// escalate walks through a policy as if nobody answered.
func (f *Forecast) escalate(w *declare.Workspace, p *declare.Escalation, methods func(declare.PersonID) []respond.ContactMethod) {
	if p == nil {
		f.Steps = append(f.Steps, Step{Stage: "escalated", Outcome: Stopped, Text: fmt.Sprintf("no escalation policy is for team %q", f.Team), Setting: "oncall/*.yml: escalations"})
		return
	}
	at := f.At
	for round := range p.Repeat + 1 {
		for i, s := range p.Steps {
			var targets []string
			for _, t := range s.Notify {
				targets = append(targets, t.String())
			}
			people := w.Recipients(s.Notify, at)
			step := Step{Stage: "escalated", Outcome: Passed, At: at, Setting: fmt.Sprintf("%s, step %d", policySetting(p), i+1), Text: fmt.Sprintf("notifies %s, then waits %s", strings.Join(targets, ", "), s.Wait)}
			if len(people) == 0 {
				step.Outcome, step.Text = Stopped, "notifies "+strings.Join(targets, ", ")+": nobody is there then"
			}
			if round == 0 {
				f.Steps = append(f.Steps, step)
			}
			for _, r := range people {
				severity := f.Severity
				if r.Shadow {
					severity = detect.Info
				}
				one := Reached{At: at, Person: r.Person, Copy: r.Shadow, Why: r.Why, By: []string{}}
				for _, m := range reach.Usable(methods(r.Person), severity) {
					one.By = append(one.By, string(m.Kind)+" "+m.Address)
				}
				if round == 0 {
					on := Step{Stage: "on call", Outcome: Passed, At: at, Text: string(r.Person), Setting: r.Why}
					if len(one.By) == 0 {
						on.Outcome, on.Text = Stopped, string(r.Person)+", who has no verified way of contact for severity "+string(severity)
					}
					f.Steps = append(f.Steps, on)
					if len(one.By) > 0 {
						f.Steps = append(f.Steps, Step{Stage: "delivered", Outcome: Passed, At: at, Text: fmt.Sprintf("%s is told by %s", r.Person, strings.Join(one.By, "; where that fails, by ")), Setting: "ways of contact of " + string(r.Person)})
					}
				}
				f.Reached = append(f.Reached, one)
			}
			at = at.Add(s.Wait)
		}
	}
	text := "an acknowledgement ends it"
	if p.AckTimeout > 0 {
		text = fmt.Sprintf("an acknowledgement holds for %s while it is not mitigated, then it begins anew", p.AckTimeout)
	}
	switch p.Repeat {
	case 0:
	case 1:
		text += "; without one all steps come once more"
	default:
		text += fmt.Sprintf("; without one all steps come %d times more", p.Repeat)
	}
	f.Steps = append(f.Steps, Step{Stage: "acknowledged", Outcome: Waits, At: at, Text: text + "; nobody is left after " + stamp(at), Setting: policySetting(p)})
}

func (f *Forecast) verdict() string {
	for _, r := range f.Reached {
		if r.Person != "" && !r.Copy && len(r.By) > 0 {
			return fmt.Sprintf("%s would be paged first, at %s by %s.", r.Person, stamp(r.At), r.By[0])
		}
	}
	for _, r := range f.Reached {
		if r.Receiver != "" {
			return fmt.Sprintf("Receiver %s would be told at %s; no person is paged.", r.Receiver, stamp(r.At))
		}
	}
	for _, s := range f.Steps {
		if s.Outcome == Stopped {
			return "Nobody would be reached: " + s.Text + "."
		}
	}
	return "Nobody would be reached."
}
