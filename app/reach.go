package app

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
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
	a.part("respond: unreachable people", a.watchReach)
	return nil
}

// lookForReach is how often it is looked who cannot be reached, when nothing was heard.
const lookForReach = 15 * time.Second

// reachChanges are the facts after which somebody may be reachable, or not any more.
var reachChanges = []journal.Kind{"escalation.exhausted", "escalation.stopped", "escalation.ended", "escalation.rearmed", "contact.added", "contact.verified", "contact.removed", "notice.failed"}

// watchReach keeps the findings of pages that nobody answered, and of people who
// cannot be paged.
func (a *App) watchReach(ctx context.Context) error {
	tick := time.NewTicker(lookForReach)
	defer tick.Stop()
	facts := a.db.Follow(ctx)
	for {
		if err := a.observeReach(ctx, time.Now()); err != nil && ctx.Err() == nil {
			a.o.Logger.Error("cannot record who cannot be reached", "err", err)
		}
		for heard := false; !heard; {
			select {
			case <-ctx.Done():
				return nil
			case f, open := <-facts:
				if !open {
					facts = nil
				}
				heard = slices.Contains(reachChanges, f.Kind)
			case <-tick.C:
				heard = true
			}
		}
	}
}

func (a *App) observeReach(ctx context.Context, now time.Time) error {
	open := a.findings.OpenFindings(detect.DetectorReach)
	unanswered, err := a.ladder.Exhausted(ctx, open, now)
	if err != nil {
		return err
	}
	unreachable, err := a.reach.Unreachable(ctx, open, now)
	if err != nil {
		return err
	}
	return a.findings.Observe(ctx, now, append(unanswered, unreachable...))
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
