package app

import (
	"fmt"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn/tune"
	"github.com/evenkeel/evenkeel/respond/status"
)

// keepOutcomes connects what became of findings with what is learned from it.
func (a *App) keepOutcomes() {
	a.part("respond: outcomes", a.outcomes.Run)
	a.status = status.New(status.Options{DB: a.db, Workspace: a.ws, Incident: a.incidents.Get, URL: a.link, Logger: a.o.Logger.With("room", "respond")})
	if !a.o.Offline {
		a.part("respond: status pages", a.status.Run)
	}
	a.tuning = tune.New(tune.Options{
		DB: a.db, Workspace: a.ws, Outcomes: a.outcomes, Replay: a.replay, Reload: a.Reload,
		// A rule that pages less is a risk as a step of a runbook is.
		May: func(p declare.PersonID) (bool, string) {
			l := a.ws().LevelOf(p)
			return l.Alone.Rank() >= declare.RiskMedium.Rank(), fmt.Sprintf("%s is of the level %s, which acts alone up to %s risk; changing a rule is of medium risk", p, l.Name, l.Alone)
		},
	})
}
