package why

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// Trace is the way of one finding.
type Trace struct {
	Finding int64  `json:"finding"`
	Verdict string `json:"verdict"` // one sentence
	Steps   []Step `json:"steps"`
}

// Of traces a finding. incident is nil where it has none; sent are what receivers
// were told of it.
func Of(w *declare.Workspace, f detect.Finding, r Routing, incident *Incident, policy *declare.Escalation, sent []respond.Notification, now time.Time) Trace {
	t := Trace{Finding: f.ID}
	add := func(s Step) { t.Steps = append(t.Steps, s) }
	place, hold, isRule := Declared(w, &f)
	evaluated := Step{Stage: "evaluated", Outcome: Passed, At: f.Since, Setting: place, Text: fmt.Sprintf("detector %s saw it; the condition holds since %s", f.Detector, stamp(f.Since))}
	if f.Expr != "" {
		evaluated.Text += fmt.Sprintf(", with value %g of %s", f.Value, f.Expr)
	}
	add(evaluated)
	if isRule {
		add(Step{Stage: "for", Outcome: Passed, At: f.OpenedAt, Setting: place, Text: fmt.Sprintf("it had to hold for %s and became a finding %s after it began", hold, f.OpenedAt.Sub(f.Since).Round(time.Second))})
	} else {
		add(Step{Stage: "for", Outcome: Nothing, At: f.OpenedAt, Text: "this detector has no for: it became a finding at once", Setting: place})
	}
	at := now
	if !f.Open() {
		at = f.OpenedAt
		step := Step{Stage: "resolved", Outcome: Passed, At: f.ResolvedAt, Text: "it holds no more since " + stamp(f.ResolvedAt) + "; what follows is as it was when it opened", Setting: "routing.yml as it is now: what it was then is not on record"}
		if !r.AsOf.IsZero() {
			step.Setting = "routing.yml as it was since " + stamp(r.AsOf)
		}
		add(step)
	}
	others := slices.DeleteFunc(slices.Clone(r.Open), func(o detect.Finding) bool { return o.ID == f.ID })
	steps, _, stopped := decisions(Routing{Config: r.Config, Silences: r.Silences, Open: others}, f.Labels, at)
	t.Steps = append(t.Steps, steps...)
	told := receivers(&t, sent)
	switch {
	case incident == nil && f.Severity != detect.Page:
		add(Step{Stage: "incident", Outcome: Stopped, Text: fmt.Sprintf("severity %s opens none: it is work for a queue, not for a person now", f.Severity), Setting: "label severity"})
	case incident == nil && stopped:
		add(Step{Stage: "incident", Outcome: Stopped, Text: "what is silenced or inhibited opens none, until that ends"})
	case incident == nil:
		add(Step{Stage: "incident", Outcome: Waits, Text: "none yet"})
	default:
		traceIncident(&t, incident, policy)
	}
	t.Verdict = verdict(f, incident, told, stopped)
	return t
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// receivers are what was delivered through routing.yml.
func receivers(t *Trace, sent []respond.Notification) (told int) {
	for _, n := range sent {
		s := Step{Stage: "delivered", Outcome: Passed, At: n.At, Setting: "routing.yml: receiver " + n.Receiver, Text: "told " + n.Receiver + " by " + n.Integration}
		if n.Status == "sent" {
			told++
		} else {
			s.Outcome, s.Text = Stopped, "could not tell "+n.Receiver+" by "+n.Integration+": "+n.Detail
		}
		t.Steps = append(t.Steps, s)
	}
	return told
}

func traceIncident(t *Trace, i *Incident, policy *declare.Escalation) {
	add := func(s Step) { t.Steps = append(t.Steps, s) }
	add(Step{Stage: "incident", Outcome: Passed, At: i.Clocks.Detected, Text: fmt.Sprintf("belongs to incident %d, %s, of team %s", i.Number, i.Title, i.Team)})
	switch e := i.Escalation; {
	case e != nil:
		setting := "escalation " + e.Policy
		if policy != nil && policy.Name == e.Policy {
			setting = policySetting(policy)
		}
		add(Step{Stage: "escalated", Outcome: Passed, At: e.Started, Setting: setting, Text: fmt.Sprintf("the escalation is %s, after %d of %d steps in round %d", e.Status, min(e.Step, len(e.Steps)), len(e.Steps), e.Round+1)})
	case policy == nil:
		add(Step{Stage: "escalated", Outcome: Stopped, Text: fmt.Sprintf("no escalation policy is for team %q: only receivers of routing.yml are told", i.Team), Setting: "oncall/*.yml: escalations"})
	default:
		add(Step{Stage: "escalated", Outcome: Waits, Text: "not begun", Setting: policySetting(policy)})
	}
	for k := len(i.Deliveries) - 1; k >= 0; k-- { // oldest first
		d := i.Deliveries[k]
		add(Step{Stage: "on call", Outcome: Passed, At: d.QueuedAt, Text: fmt.Sprintf("%s gets a %s", d.Person, d.Purpose), Setting: d.Why})
		for k, a := range d.Attempts {
			same := 1 // attempts by this way that have failed alike
			for j := k - 1; j >= 0 && alike(d.Attempts[j], a); j-- {
				same++
			}
			if k+1 < len(d.Attempts) && alike(d.Attempts[k+1], a) {
				continue // the last one of them speaks for all
			}
			s := Step{Stage: "delivered", Outcome: Passed, At: a.At, Text: fmt.Sprintf("told %s by %s (%s) in %d ms", d.Person, a.Kind, a.Address, a.TookMS), Setting: "ways of contact of " + string(d.Person)}
			if !a.OK {
				s.Outcome, s.Text = Stopped, fmt.Sprintf("could not tell %s by %s (%s): %s", d.Person, a.Kind, a.Address, a.Detail)
				if same > 1 {
					s.Text += fmt.Sprintf(", %d times", same)
				}
			}
			add(s)
		}
		switch {
		case d.State == respond.DeliveryCancelled:
			add(Step{Stage: "delivered", Outcome: Stopped, At: d.DoneAt, Text: fmt.Sprintf("%s was not told any more: the incident was taken or over", d.Person)})
		case d.State == respond.DeliveryFailed && len(d.Attempts) == 0:
			add(Step{Stage: "delivered", Outcome: Stopped, At: d.DoneAt, Text: fmt.Sprintf("%s has no verified way of contact for severity %s", d.Person, d.Severity), Setting: "ways of contact of " + string(d.Person)})
		case d.State == respond.DeliveryQueued:
			add(Step{Stage: "delivered", Outcome: Waits, At: d.Next, Text: fmt.Sprintf("%s is told at %s", d.Person, stamp(d.Next))})
		}
	}
	if at := i.Clocks.Acknowledged; !at.IsZero() {
		add(Step{Stage: "acknowledged", Outcome: Passed, At: at, Text: fmt.Sprintf("acknowledged; %s has it", somebody(i.Assignee))})
	} else if i.Ended() {
		add(Step{Stage: "acknowledged", Outcome: Nothing, Text: "it ended without an acknowledgement"})
	} else {
		add(Step{Stage: "acknowledged", Outcome: Waits, Text: "nobody has acknowledged"})
	}
}

func alike(a, b respond.Attempt) bool {
	return !a.OK && !b.OK && a.Kind == b.Kind && a.Address == b.Address && a.Detail == b.Detail
}

func somebody(p declare.PersonID) string {
	if p == "" {
		return "nobody"
	}
	return string(p)
}

func verdict(f detect.Finding, i *Incident, told int, stopped bool) string {
	var people []string
	if i != nil {
		for _, d := range i.Deliveries {
			if d.State == respond.DeliveryDelivered && d.Purpose == respond.PurposePage && !slices.Contains(people, string(d.Person)) {
				people = append(people, string(d.Person))
			}
		}
		slices.Sort(people)
	}
	switch {
	case len(people) > 0:
		return "It paged " + strings.Join(people, ", ") + "."
	case told == 1:
		return "It told one receiver, and paged no person by their own ways."
	case told > 0:
		return fmt.Sprintf("It told %d receivers, and paged no person by their own ways.", told)
	case stopped:
		return "It told nobody: it is silenced or inhibited."
	case i != nil && i.Escalation == nil:
		return "It told nobody: its route has nothing to tell by, and no escalation policy is for the incident's team."
	case i != nil:
		return "It has told nobody yet."
	case f.Severity != detect.Page:
		return fmt.Sprintf("It pages nobody: its severity is %s.", f.Severity)
	}
	return "It told nobody."
}
