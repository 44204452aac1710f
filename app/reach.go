package app

import (
	"context"
	"net/http"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/escalation"
	"github.com/evenkeel/evenkeel/respond/reach"
)

// annotationEscalation of a service names its own policy.
const annotationEscalation = "evenkeel.dev/escalation"

// connectReach makes what reaches people. It follows the book of incidents: whatever
// opened, acknowledged or ended an incident, an escalation looks at how it stands.
func (a *App) connectReach(ctx context.Context) (err error) {
	log := a.o.Logger.With("room", "respond")
	if a.reach, err = reach.Open(ctx, reach.Options{DB: a.db, Logger: log, Workspace: a.ws, URL: a.link, Dial: a.o.Dial}); err != nil {
		return err
	}
	a.ladder = escalation.New(escalation.Options{DB: a.db, Logger: log, Incidents: a.incidents, Workspace: a.ws, Policy: a.policyOf, Send: a.reach.Send})
	a.part("respond: escalation", a.ladder.Run)
	a.part("respond: reaching people", a.reach.Run)
	return nil
}

// policyOf is the escalation policy for an incident: that of its service, else of its
// team, else the one of no team.
func (a *App) policyOf(i respond.Incident) *declare.Escalation {
	w := a.ws()
	if s := w.Service(i.Service); s != nil {
		if e := w.Escalation(s.Annotations[annotationEscalation]); e != nil {
			return e
		}
	}
	return w.EscalationOf(i.Team)
}

// slackActions answers buttons in Slack; Slack's own signature says that it is Slack.
func (a *App) slackActions() http.Handler { return a.reach.SlackActions(a.ladder.Acknowledge) }
