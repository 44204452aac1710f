package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// ws is the workspace in use: what is declared, with what people changed in schedules
// laid over it.
func (a *App) ws() *declare.Workspace {
	if a.roster == nil { // not yet: the app is being made
		return a.watcher.Current()
	}
	return a.roster.Over(a.watcher.Current())
}

// Reload looks at the workspace folder now.
func (a *App) Reload(ctx context.Context) error { return a.watcher.Reload(ctx) }

// apply takes over a valid workspace, room by room.
func (a *App) apply(ctx context.Context, w *declare.Workspace, now time.Time) error {
	a.metrics.SetLimits(w.Settings.Limits)
	errs := []error{a.alerts.Apply(w.Routing), a.keepRouting(ctx, w, now), a.rules.Apply(ctx, w, now), a.applyLogs(ctx, w, now)}
	if a.scraper != nil {
		errs = append(errs, a.scraper.Apply(w))
	}
	if a.sources != nil {
		errs = append(errs, a.sources.Apply(w))
	}
	return errors.Join(errs...)
}

// workspaceFinding is open while the folder holds something that cannot be used.
func workspaceFinding(problems declare.Problems) detect.Finding {
	f := detect.Finding{
		Detector: detect.DetectorWorkspace, Name: "WorkspaceInvalid", Severity: detect.Ticket,
		Labels: map[string]string{"alertname": "WorkspaceInvalid", "severity": "ticket"},
	}
	if errs := problems.Errors(); len(errs) > 0 {
		f.Summary = fmt.Sprintf("the workspace is not valid (%d problems); the last valid one stays in force", len(errs))
		f.Description = errs.Error()
		f.Annotations = map[string]string{"summary": f.Summary, "description": f.Description}
	}
	return f
}

// onLoad follows a new revision of the folder, valid or refused.
func (a *App) onLoad(ctx context.Context, w *declare.Workspace, problems declare.Problems) {
	now := time.Now()
	f := workspaceFinding(problems)
	kind, text := journal.Kind("workspace.refused"), "workspace refused: "+problems.Errors().Error()
	if w != nil {
		if err := a.apply(ctx, w, now); err != nil {
			problems = declare.Problems{{Want: "a workspace that every room can use", Hint: err.Error()}}
			f = workspaceFinding(problems)
			text = "workspace refused: " + err.Error()
		} else {
			f.ResolvedAt = now
			kind, text = "workspace.loaded", "workspace loaded, revision "+w.Revision
		}
	}
	if len(text) > 2000 {
		text = strings.ToValidUTF8(text[:2000], "") + "…"
	}
	if kind == "workspace.refused" {
		a.o.Logger.Error("the last valid workspace stays in use", "why", text)
	}
	err := a.db.Update(ctx, func(tx *state.Tx) error {
		_, err := tx.Record(journal.Fact{At: now, Kind: kind, Actor: journal.System("declare"), Subject: "workspace/", Text: text})
		return err
	})
	if err = errors.Join(err, a.findings.Observe(ctx, now, []detect.Finding{f})); err != nil {
		a.o.Logger.Error("cannot record what became of the workspace", "err", err)
	}
}

// link makes a URL of a path of the pages.
func (a *App) link(path string) string {
	u := *a.url
	rest, query, _ := strings.Cut(path, "?")
	u = *u.JoinPath(rest)
	u.RawQuery = query
	return u.String()
}

func (a *App) known(s declare.ServiceID) bool { return a.ws().Service(s) != nil }

func (a *App) distances(s declare.ServiceID) map[declare.ResourceID]int { return a.ws().Distances(s) }

func (a *App) teamOf(s declare.ServiceID) declare.TeamID {
	if svc := a.ws().Service(s); svc != nil {
		return svc.Owner
	}
	return ""
}

func (a *App) onCall(team declare.TeamID, at time.Time) declare.PersonID {
	for _, s := range a.ws().Schedules {
		if s.Team == team {
			if who := s.OnCall(at); who != "" {
				return who
			}
		}
	}
	return ""
}
