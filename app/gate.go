package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/act/verify"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/objective"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

// connectGate makes the gate and what verifies changes after they went through it.
func (a *App) connectGate() {
	a.gates, a.verified = gate.NewBook(a.db), verify.NewBook(a.db)
	a.regularly("act: verification", verifyEvery, "verify changes", a.verifyDue)
}

// hygiene says how well a change was made.
func (a *App) hygiene(c act.Change, now time.Time) act.Hygiene {
	blocked := ""
	if r, held := gate.Blocked(a.ws().Gate, c, c.StartedAt); held {
		blocked = r.Why
	}
	return change.Hygiene(c, blocked, now)
}

// gate answers whether a change may go now, and puts the answer on record.
func (a *App) gate(ctx context.Context, now time.Time, who act.Identity, q gate.Question) (gate.Decision, error) {
	w, c := a.ws(), q.Change
	if q.Ref != "" {
		var err error
		if c, err = a.changes.Get(ctx, q.Ref); err != nil {
			return gate.Decision{}, fmt.Errorf("change %q: %w", q.Ref, err)
		}
	}
	if err := change.Check(now, who.Actor(), c); err != nil && c.Service != "" {
		return gate.Decision{}, err
	}
	if c.Risk == "" {
		c.Risk, c.RiskWhy = change.Risk(c, change.TouchedIn(w, c))
	}
	if c.Summary == "" {
		c.Summary = strings.TrimSpace(fmt.Sprintf("%s of %s %s", c.Kind, c.Service, c.To))
	}
	in := gate.Input{Change: c, Known: w.Service(c.Service) != nil, Near: change.Near(w, c.Service), Policy: w.Gate, Artefacts: q.Artefacts, Problems: q.Problems}
	if err := a.gateState(ctx, now, w, c, &in); err != nil {
		return gate.Decision{}, err
	}
	if q.Override != "" {
		level := w.LevelOf(who.Person)
		rank := func(name declare.LevelName) int {
			return slices.IndexFunc(w.Settings.Levels, func(l declare.Level) bool { return l.Name == name })
		}
		in.Override = &gate.Override{By: who.Person, Level: level.Name, Reason: q.Override, May: rank(w.Gate.Override) >= 0 && rank(level.Name) >= rank(w.Gate.Override)}
	}
	return a.gates.Record(ctx, now, who.Actor(), c, q.Ref != "", gate.Decide(in, now))
}

// gateState fills in what holds at this moment.
func (a *App) gateState(ctx context.Context, now time.Time, w *declare.Workspace, c act.Change, in *gate.Input) error {
	for _, o := range w.ObjectivesOf(c.Service) {
		v, err := a.engine.Query(ctx, objective.Expressions(o, w.Settings.Evaluation.Spacing).Remaining, now)
		if err != nil {
			return fmt.Errorf("cannot tell the budget of %s: %w", o.Name, err)
		}
		b := gate.Budget{Objective: o.Name}
		if len(v) > 0 && !math.IsNaN(v[0].F) {
			b.Left, b.Known = v[0].F, true
		}
		in.Budgets = append(in.Budgets, b)
	}
	near := map[declare.ServiceID]bool{c.Service: true}
	distances := w.Distances(c.Service)
	for _, s := range w.Services {
		if d, ok := distances[s.Resource()]; ok && d > 0 {
			near[s.ID] = true
			h := gate.Health{Service: s.ID}
			for _, f := range a.findings.OpenFindings("") {
				if f.Service == s.ID && f.Severity == detect.Page {
					h.Failing, h.Why = true, f.Title()
				}
			}
			in.Dependencies = append(in.Dependencies, h)
		}
	}
	active, err := a.incidents.List(ctx, respond.IncidentFilter{Active: true})
	if err != nil {
		return err
	}
	for _, i := range active {
		if near[i.Service] && i.Status != respond.Mitigated {
			in.Incidents = append(in.Incidents, gate.Incident{Number: int64(i.Number), Title: i.Title, Service: i.Service})
		}
	}
	recent, err := a.changes.List(ctx, act.ChangeFilter{From: now.Add(-w.Gate.Within), To: now.Add(time.Millisecond), Limit: 1000})
	if err != nil {
		return err
	}
	for _, o := range recent {
		if o.EndedAt.IsZero() && o.ID != c.ID && near[o.Service] {
			in.Concurrent = append(in.Concurrent, o)
		}
	}
	return nil
}

const (
	verifyEvery = 10 * time.Second
	slots       = 10            // values on each side
	verifyFor   = 6 * time.Hour // a change whose service is too quiet until then stays without a verdict
)

// verifyDue compares before and after of each change whose window is over.
func (a *App) verifyDue(ctx context.Context, now time.Time) error {
	w := a.ws()
	recent, err := a.changes.List(ctx, act.ChangeFilter{From: now.Add(-verifyFor - 24*time.Hour), To: now, Limit: 2000})
	if err != nil {
		return err
	}
	errs := []error{a.payRollbacks(ctx, now)}
	for _, c := range recent {
		end := c.EndedAt
		if end.IsZero() {
			end = c.StartedAt.Add(w.Gate.Within) // nobody said when it ended: it is taken for ended then
		}
		due := end.Add(w.Gate.Verify.Window)
		if c.Verdict != "" || c.Kind == act.RunKind || c.Run != "" || now.Before(due) || now.Sub(end) > verifyFor || len(w.ObjectivesOf(c.Service)) == 0 || !change.Production(c.Evidence.Environment) {
			continue
		}
		if v, err := a.verified.Get(ctx, c.ID); err == nil && now.Sub(v.At) < w.Gate.Verify.Window {
			continue // not enough a moment ago
		}
		errs = append(errs, a.verifyOne(ctx, now, w, c, end))
	}
	return errors.Join(errs...)
}

func (a *App) verifyOne(ctx context.Context, now time.Time, w *declare.Workspace, c act.Change, end time.Time) error {
	signals, err := a.signals(ctx, w, c, end, w.Gate.Verify.Window)
	r := verify.Judge(signals)
	if passed := now.Sub(end); err == nil && r.Outcome == verify.NotEnough && passed >= 2*w.Gate.Verify.Window {
		// There was too little traffic: both sides become as long as time has passed.
		signals, err = a.signals(ctx, w, c, end, passed)
		r = verify.Judge(signals)
	}
	if err != nil {
		return fmt.Errorf("cannot verify change %q: %w", c.ID, err)
	}
	owes := r.Outcome == verify.Fail && w.Gate.Verify.Rollback == "start" && c.Kind != act.Rollback
	if _, err := a.verified.Record(ctx, now, c, r, owes); err != nil {
		return err
	}
	switch r.Outcome {
	case verify.Pass:
		c.Verdict = "verified"
	case verify.Fail:
		c.Verdict = "failed"
	default:
		return nil
	}
	if c.EndedAt.IsZero() {
		c.EndedAt = end
	}
	if _, err := a.changes.Record(ctx, now, journal.System("act"), c); err != nil {
		return fmt.Errorf("cannot write the verdict on change %q: %w", c.ID, err)
	}
	if owes {
		return a.rollBack(ctx, now, w, c, nil)
	}
	return nil
}

// payRollbacks starts the rollbacks that are owed since the server was ended, or could
// not store something, between a verdict and the start.
func (a *App) payRollbacks(ctx context.Context, now time.Time) error {
	owed, err := a.verified.Owed(ctx)
	errs := []error{err}
	for _, v := range owed {
		c, err := a.changes.Get(ctx, v.Change)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if c.Verdict == "" {
			continue // it is compared again, and owes anew what comes of that
		}
		errs = append(errs, a.rollBack(ctx, now, a.ws(), c, a.tooLate(ctx, now, v, c)))
	}
	return errors.Join(errs...)
}

// tooLate says why a rollback that was not started at once is a person's matter by now.
func (a *App) tooLate(ctx context.Context, now time.Time, v verify.Verification, c act.Change) error {
	if now.Sub(v.At) > verifyFor {
		return fmt.Errorf("the verdict is of %s, and rollbacks are started within %s", v.At.UTC().Format(time.DateTime+" UTC"), verifyFor)
	}
	since, err := a.changes.List(ctx, act.ChangeFilter{From: v.At, To: now, Limit: 1000})
	if err != nil {
		return err
	}
	for _, o := range since {
		if o.Service == c.Service && o.ID != c.ID && o.StartedAt.After(v.At) && o.Run != rollbackRun(c) {
			return fmt.Errorf("the service has been changed since the verdict: %s", o.Summary)
		}
	}
	return nil
}

// rollbackRun names the run that undoes a change.
func rollbackRun(c act.Change) string {
	sum := sha256.Sum256([]byte("rollback of " + c.ID))
	return "r-" + hex.EncodeToString(sum[:8])
}

// signals measures both sides of a change, each of that length.
func (a *App) signals(ctx context.Context, w *declare.Workspace, c act.Change, end time.Time, length time.Duration) ([]verify.Signal, error) {
	step := length / slots
	type expr func(from, to time.Time) string
	measure := func(s verify.Signal, e expr) (verify.Signal, error) {
		for i := range slots {
			for _, side := range []struct {
				to   time.Time
				into *[]float64
			}{{c.StartedAt.Add(-time.Duration(i) * step), &s.Before}, {end.Add(time.Duration(i+1) * step), &s.After}} {
				v, err := a.engine.Query(ctx, e(side.to.Add(-step), side.to), side.to)
				if err != nil {
					return s, fmt.Errorf("signal %s: %w", s.Name, err)
				}
				if len(v) > 0 {
					*side.into = append(*side.into, v[0].F)
				}
			}
		}
		return s, nil
	}
	var out []verify.Signal
	for _, o := range w.ObjectivesOf(c.Service) {
		e := func(from, to time.Time) string {
			ratio, _, _ := objective.Spent(o, from, to)
			return ratio
		}
		s, err := measure(verify.Signal{Name: "share of bad of " + string(o.Name), Objective: true, Floor: o.Budget(), Expr: objective.Expressions(o, w.Settings.Evaluation.Spacing).ErrorRatio}, e)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	for _, k := range keySignals(w, c.Service, step) {
		s, err := measure(k, func(time.Time, time.Time) string { return k.Expr })
		if err != nil {
			a.o.Logger.Warn("a key signal cannot be measured", "service", c.Service, "signal", k.Name, "err", err)
			continue
		}
		if len(s.Before)+len(s.After) > 0 {
			out = append(out, s)
		}
	}
	return out, nil
}

// annotationSignals holds lines of "name = PromQL" on a service: what is compared
// beside its objectives. Higher is worse; a name that ends with "(lower)" says otherwise.
const annotationSignals = "evenkeel.dev/signals"

func keySignals(w *declare.Workspace, service declare.ServiceID, step time.Duration) []verify.Signal {
	seconds := max(int(step.Seconds()), 1)
	out := []verify.Signal{
		{Name: "processor", Expr: fmt.Sprintf("sum(rate(process_cpu_seconds_total{job=%q}[%ds]))", service, seconds), Slack: 1, Floor: 0.1},
		{Name: "memory", Expr: fmt.Sprintf("sum(process_resident_memory_bytes{job=%q})", service), Slack: 0.5, Floor: 50 << 20},
	}
	if s := w.Service(service); s != nil {
		for line := range strings.Lines(s.Annotations[annotationSignals]) {
			if name, expr, ok := strings.Cut(line, "="); ok && strings.TrimSpace(expr) != "" {
				name, lower := strings.CutSuffix(strings.TrimSpace(name), "(lower)")
				out = append(out, verify.Signal{Name: strings.TrimSpace(name), Expr: strings.TrimSpace(expr), Lower: lower, Slack: 0.2})
			}
		}
	}
	return out
}

// rollBack starts the runbook that undoes a change, in the name of who made it: steps
// that are over their level wait for an approval, as always. Unless refused is nil, it
// only says why not.
func (a *App) rollBack(ctx context.Context, now time.Time, w *declare.Workspace, c act.Change, refused error) error {
	who := declare.PersonID(c.Actor)
	if w.Person(who) == nil {
		who = declare.PersonID(c.Evidence.Author)
	}
	if w.Person(who) == nil {
		who = a.onCall(a.teamOf(c.Service), now)
	}
	settled := func(run string, kind journal.Kind, text string) error {
		return a.verified.Settled(ctx, c.ID, run, journal.Fact{At: now, Kind: kind, Actor: journal.System("act"), Cause: c.Fact, Subject: journal.MakeRef("change", c.ID), Refs: []journal.Ref{journal.MakeRef("service", string(c.Service))}, Text: text})
	}
	params, err := rollbackParams(w, c)
	if err == nil && who == "" {
		err = errors.New("neither who made it nor anybody on call is known")
	}
	if refused != nil {
		err = refused
	}
	run, known := act.Run{}, error(nil)
	if run, known = a.runs.Get(ctx, rollbackRun(c)); known == nil {
		err = nil // started just before the server was ended
	} else if err == nil {
		run, err = a.runs.Start(ctx, now, who, act.StartRun{ID: rollbackRun(c), Runbook: c.Evidence.Rollback, Params: params})
	}
	if err != nil {
		return settled("", "change.rollback.refused", fmt.Sprintf("the rollback of %s is not started: %s", c.Summary, err))
	}
	return settled(run.ID, "change.rollback.started", fmt.Sprintf("the rollback of %s is started in the name of %s: run %s of %s", c.Summary, run.Actor.Name(), run.ID, run.Title))
}

// rollbackParams fills a runbook's parameters in from the change.
func rollbackParams(w *declare.Workspace, c act.Change) (map[string]string, error) {
	rb := w.Runbook(c.Evidence.Rollback)
	if rb == nil {
		return nil, fmt.Errorf("its evidence names no runbook of the workspace (%s)", cmp.Or(c.Evidence.Rollback, "nothing"))
	}
	out := map[string]string{}
	for _, p := range rb.Params {
		switch {
		case p.Type == declare.ParamService:
			out[p.Name] = string(c.Service)
		case (p.Name == "version" || p.Name == "from" || p.Name == "to" || p.Name == "previous") && c.From != "":
			out[p.Name] = c.From
		case p.Default != "":
		case p.Required:
			return nil, fmt.Errorf("runbook %s needs %s, which the change does not tell", rb.Name, p.Name)
		}
	}
	return out, nil
}
