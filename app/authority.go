package app

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect/objective"
	"github.com/evenkeel/evenkeel/respond"
)

// guide tells the runner what the other rooms know of people and of services.
func (a *App) guide(o runbook.Options) runbook.Options {
	o.Person, o.People, o.Owner, o.Commander, o.Budget = a.authorityOf, a.everybody, a.teamOf, a.commander, a.budget
	o.Blast = func(s ...declare.ServiceID) authority.Blast { return authority.BlastOf(a.ws(), s...) }
	o.OnCall = func(s declare.ServiceID, at time.Time) declare.PersonID { return a.onCall(a.teamOf(s), at) }
	o.Component = a.component
	return o
}

// authorityOf is somebody as authority sees them: with the level and the teams of now.
func (a *App) authorityOf(_ context.Context, id declare.PersonID, _ time.Time) authority.Person {
	w := a.ws()
	p := authority.Person{ID: id, Level: w.LevelOf(id)}
	for _, t := range w.Teams {
		for _, m := range t.Members {
			if m == id {
				p.Teams = append(p.Teams, t.ID)
			}
		}
	}
	return p
}

func (a *App) everybody(ctx context.Context, now time.Time) []authority.Person {
	var out []authority.Person
	for _, p := range a.ws().People {
		out = append(out, a.authorityOf(ctx, p.ID, now))
	}
	return out
}

// commander is who leads an incident, and whether it is active.
func (a *App) commander(ctx context.Context, n int64) (declare.PersonID, bool, error) {
	i, err := a.incidents.Get(ctx, respond.Number(n))
	if err != nil {
		return "", false, err
	}
	return i.Assignee, i.Status != respond.Resolved, nil
}

// component is what the catalogue says of a service, for whoever notices that it has
// changed.
func (a *App) component(id declare.ServiceID) string {
	s := a.ws().Service(id)
	if s == nil {
		return "gone"
	}
	b, err := json.Marshal(struct {
		Owner       declare.TeamID
		System      string
		Tier        int
		DependsOn   []declare.ResourceID
		Annotations map[string]string
	}{s.Owner, s.System, s.Tier, s.DependsOn, s.Annotations})
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// budget says how an objective stands.
func (a *App) budget(ctx context.Context, name declare.ObjectiveName) string {
	w := a.ws()
	o := w.Objective(name)
	if o == nil {
		return fmt.Sprintf("objective %s is not declared any more", name)
	}
	e := objective.Expressions(o, w.Settings.Evaluation.Spacing)
	v, err := a.engine.Query(ctx, e.BurnRate, time.Now())
	if err != nil || len(v) == 0 {
		return fmt.Sprintf("of %s: cannot tell how fast it burns", name)
	}
	return fmt.Sprintf("that of %s burns at %.2f of what it may", name, v[0].F)
}
