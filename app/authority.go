package app

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/objective"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/respond"
)

// guide tells the runner what the other rooms know of people and of services.
func (a *App) guide(o runbook.Options) runbook.Options {
	o.Person, o.People, o.Owner, o.Commander, o.Budget = a.authorityOf, a.everybody, a.teamOf, a.commander, a.budget
	o.Blast = func(s ...declare.ServiceID) authority.Blast { return authority.BlastOf(a.ws(), s...) }
	o.OnCall = func(s declare.ServiceID, at time.Time) declare.PersonID { return a.onCall(a.teamOf(s), at) }
	o.Component = a.component
	o.TokenHolds = a.accounts.Holds
	o.Burn = a.burned
	o.Tripped = func(ctx context.Context) {
		if err := a.lookAtDuties(ctx, time.Now()); err != nil {
			a.o.Logger.Error("cannot call a person", "err", err)
		}
	}
	o.Logs = a.countLogs
	o.Secret = a.runnerSecret
	r := a.ws().Settings.Runner // as it was at the start
	o.User, o.Kube, o.Terraform, o.SSH = r.User, r.Kubeconfig, r.Terraform, runbook.SSH{User: r.SSH.User, Key: r.SSH.Key, KnownHosts: r.SSH.KnownHosts}
	o.Ground = runbook.Ground{URL: r.Rehearsal}
	o.Dir, o.Keep = a.o.Workspace, filepath.Join(a.o.Data, "runs")
	return o
}

// burned is how fast an objective's budget burned between two times.
func (a *App) burned(ctx context.Context, name declare.ObjectiveName, from, to time.Time) ([]runbook.Sample, error) {
	w := a.ws()
	o := w.Objective(name)
	if o == nil {
		return nil, fmt.Errorf("objective %q is not declared any more", name)
	}
	step := max(w.Settings.Evaluation.Spacing, to.Sub(from)/60, time.Second)
	m, err := a.engine.Range(ctx, objective.Expressions(o, w.Settings.Evaluation.Spacing).BurnRate, from, to, step)
	if err != nil || len(m) == 0 {
		return nil, err
	}
	var out []runbook.Sample
	for _, p := range m[0].Floats {
		if !math.IsNaN(p.F) && !math.IsInf(p.F, 0) {
			out = append(out, runbook.Sample{At: time.UnixMilli(p.T), Value: p.F})
		}
	}
	return out, nil
}

// countLogs answers LogsQL that ends in numbers.
func (a *App) countLogs(ctx context.Context, query string, at time.Time) ([]runbook.Value, error) {
	q, err := logs.ParseQuery(query, at)
	if err != nil {
		return nil, err
	}
	points, err := a.logs.StatsAt(ctx, q)
	if err != nil {
		return nil, err
	}
	var out []runbook.Value
	for _, p := range points {
		v, err := strconv.ParseFloat(fmt.Sprint(p.Value), 64)
		if err != nil {
			return nil, fmt.Errorf("got %v, expected a query that ends in numbers", p.Value)
		}
		out = append(out, runbook.Value{Labels: labels.FromMap(p.Metric).String(), Value: v})
	}
	return out, nil
}

// runnerSecret reads a secret where evenkeel.yml says that it is, each time anew.
func (a *App) runnerSecret(name string) (string, error) {
	where, ok := a.ws().Settings.Runner.Secrets[name]
	if !ok {
		return "", fmt.Errorf("runner.secrets in evenkeel.yml has no %s", name)
	}
	return a.secret(where)
}

// keepDuties turns what is overdue into findings, and ends them when it is done.
func (a *App) keepDuties(ctx context.Context) error {
	for {
		if err := a.lookAtDuties(ctx, time.Now()); err != nil && ctx.Err() == nil {
			a.o.Logger.Error("cannot look at what is owed", "err", err)
		}
		select {
		case <-time.After(time.Minute):
		case <-ctx.Done():
			return nil
		}
	}
}

// detectorDuty finds what is owed and overdue.
const detectorDuty = "duty"

func (a *App) lookAtDuties(ctx context.Context, now time.Time) error {
	owed, err := a.runs.Duties(ctx, false)
	if err != nil {
		return err
	}
	var seen []detect.Finding
	open := map[detect.Fingerprint]bool{}
	for _, d := range owed {
		if !d.Overdue(now) {
			continue
		}
		set := map[string]string{"alertname": "DutyOverdue", "severity": "ticket", "duty": fmt.Sprint(d.ID), "run": d.Run}
		f := detect.Finding{Detector: detectorDuty, Name: "DutyOverdue", Severity: detect.Ticket, Labels: set, Since: d.DueAt, Fingerprint: detect.MakeFingerprint(detectorDuty, set)}
		f.Summary = "overdue: " + d.Summary
		f.Annotations = map[string]string{"summary": f.Summary, "run": a.link("/runs/" + d.Run)}
		if run, err := a.runs.Get(ctx, d.Run); err == nil {
			f.Service, f.Team = run.Service, a.teamOf(run.Service)
		}
		open[f.Fingerprint] = true
		seen = append(seen, f)
	}
	breakers, err := a.runs.Breakers(ctx)
	if err != nil {
		return err
	}
	for _, b := range breakers { // run after run has not helped: a person is called
		set := map[string]string{"alertname": "RunbookDoesNotHelp", "severity": "page", "runbook": b.Runbook, "service": string(b.Service)}
		f := detect.Finding{Detector: detectorDuty, Name: "RunbookDoesNotHelp", Severity: detect.Page, Service: b.Service, Team: a.teamOf(b.Service), Labels: set, Since: b.OpenedAt, Fingerprint: detect.MakeFingerprint(detectorDuty, set)}
		f.Summary = b.Why
		f.Annotations = map[string]string{"summary": b.Why, "run": a.link("/runs/" + b.Run)}
		open[f.Fingerprint] = true
		seen = append(seen, f)
	}
	for _, f := range a.findings.OpenFindings(detectorDuty) {
		if !open[f.Fingerprint] {
			f.ResolvedAt = now
			seen = append(seen, f)
		}
	}
	if len(seen) == 0 {
		return nil
	}
	return a.findings.Observe(ctx, now, seen)
}

// authorityOf is somebody as authority sees them: with the level and the teams of now.
func (a *App) authorityOf(ctx context.Context, id declare.PersonID, now time.Time) authority.Person {
	w := a.ws()
	p := authority.Person{ID: id, Level: w.LevelOf(id), Teams: teamsOf(w, id)}
	loans, err := a.accounts.Loans(ctx, now, false)
	if err != nil { // what cannot be read does not count
		a.o.Logger.Error("cannot read what is lent", "err", err)
	}
	for _, l := range loans {
		if l.Borrower == id && l.Holds(now) {
			p.Lent = append(p.Lent, authority.Loan{From: l.Lender, Level: w.LevelOf(l.Lender), Teams: teamsOf(w, l.Lender), Upto: l.Upto})
		}
	}
	return p
}

func teamsOf(w *declare.Workspace, id declare.PersonID) (teams []declare.TeamID) {
	for _, t := range w.Teams {
		if slices.Contains(t.Members, id) {
			teams = append(teams, t.ID)
		}
	}
	return teams
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
	if who := i.Roles[respond.Commander]; who != "" {
		return who, !i.Ended(), nil
	}
	return i.Assignee, !i.Ended(), nil
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
