package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/act/hook"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
)

// lookAround is how often what runs is compared with what is on record.
const lookAround = 30 * time.Second

// touched reads what a change touches from the catalogue in use.
func (a *App) touched(c act.Change) change.Touched { return change.TouchedIn(a.ws(), c) }

// takeChanges stores many changes at once and looks at the active incidents again.
func (a *App) takeChanges(ctx context.Context, now time.Time, actor journal.Actor, d act.Delivery) ([]act.Change, error) {
	stored, err := a.changes.Take(ctx, now, actor, d)
	if err == nil {
		a.changes.Recorded(ctx, stored)
	}
	return stored, err
}

// hooks takes changes from other systems.
func (a *App) hooks() http.Handler {
	h := hook.New(hook.Options{
		Changes: a.changes, Secret: a.hookSecret, Service: a.serviceNamed, Logger: a.o.Logger.With("room", "act"),
	})
	a.part("act: hooks", h.Run)
	if !a.o.Offline {
		a.regularly("act: unrecorded changes", lookAround, "look for changes that are not on record", a.lookForUnrecorded)
	}
	return h
}

// hookSecret reads a secret where the settings say that it is, each time: it may be
// changed without a restart.
func (a *App) hookSecret(source string) (string, error) {
	h, ok := a.ws().Settings.Hooks[source]
	if !ok {
		return "", fmt.Errorf("evenkeel.yml declares no hooks.%s with a secret", source)
	}
	return a.secret(h.Secret)
}

func (a *App) secret(s declare.Secret) (string, error) {
	if s.Env != "" {
		if v := os.Getenv(s.Env); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the environment variable %s is empty", s.Env)
	}
	name := s.File
	if !filepath.IsAbs(name) {
		name = filepath.Join(a.ws().Dir, name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("cannot read the secret: %w", errors.Unwrap(err))
	}
	if v := strings.TrimSpace(string(data)); v != "" {
		return v, nil
	}
	return "", errors.New("the secret's file is empty")
}

// slugs are the annotations by which catalogues name a service elsewhere.
var slugs = []string{"github.com/project-slug", "gitlab.com/project-slug", "argocd/app-name", "backstage.io/kubernetes-id", "evenkeel.dev/also-known-as"}

// serviceNamed finds the service that another system's name means: as the settings say,
// as the catalogue's annotations say, or of the same name.
func (a *App) serviceNamed(source string, names ...string) declare.ServiceID {
	w := a.ws()
	declared := w.Settings.Hooks[source].Services
	for _, name := range names {
		if s, ok := declared[strings.ToLower(name)]; ok && name != "" {
			return s
		}
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		for _, s := range w.Services {
			for _, key := range slugs {
				for also := range strings.SplitSeq(s.Annotations[key], ",") {
					if strings.EqualFold(strings.TrimSpace(also), name) {
						return s.ID
					}
				}
			}
		}
	}
	for _, name := range names {
		if s := w.Service(declare.ServiceID(strings.ToLower(name))); s != nil {
			return s.ID
		}
	}
	return ""
}

// detectorChange finds changes that nobody recorded.
const detectorChange = "change"

// Saw holds what was seen against what is on record.
func (a *App) Saw(ctx context.Context, now time.Time, seen []change.Sighting) error {
	all, err := a.changes.Saw(ctx, now, seen)
	if err != nil {
		return err
	}
	changes, err := a.changes.List(ctx, act.ChangeFilter{From: now.Add(-9 * 24 * time.Hour), Limit: 10_000})
	if err != nil {
		return err
	}
	holds := map[string]bool{}
	var findings []detect.Finding
	for _, s := range change.Unrecorded(now, all, changes) {
		f := unrecorded(s)
		if f.Team = a.teamOf(s.Service); s.Resource != "" {
			for _, r := range a.ws().Resources {
				if r.ID == s.Resource {
					f.Team = r.Owner
				}
			}
		}
		holds[string(f.Fingerprint)] = true
		findings = append(findings, f)
	}
	for _, f := range a.findings.OpenFindings(detectorChange) {
		if !holds[string(f.Fingerprint)] {
			f.ResolvedAt = now
			findings = append(findings, f)
		}
	}
	if len(findings) == 0 {
		return nil
	}
	return a.findings.Observe(ctx, now, findings)
}

func unrecorded(s change.Sighting) detect.Finding {
	labels := map[string]string{"alertname": "UnrecordedChange", "severity": "ticket", "attribute": s.Attribute, "value": s.Value}
	what, kind, on := string(s.Service), "config", "--service "+string(s.Service)
	switch {
	case s.Resource != "":
		what, kind, on = string(s.Resource), "patch", "--resource "+string(s.Resource)
		labels["resource"] = what
	case s.Attribute == "version", s.Attribute == "image":
		kind = "deploy"
	case strings.HasPrefix(s.Attribute, "replicas"):
		kind = "scale"
	}
	if s.Service != "" {
		labels["service"] = what
	}
	from, to := s.Was, s.Value
	if kind == "deploy" {
		on += fmt.Sprintf(" --from %s --to %s", from, to)
	}
	how := fmt.Sprintf("went from %s to %s", from, to)
	if s.Attribute == "packages" { // a digest says nothing
		how = "were altered"
		if s.Detail != "" {
			how += " (" + s.Detail + ")"
		}
	}
	f := detect.Finding{
		Detector: detectorChange, Name: "UnrecordedChange", Service: s.Service, Severity: detect.Ticket, Since: s.First, Labels: labels,
		Fingerprint: detect.MakeFingerprint(detectorChange, labels),
		Summary:     fmt.Sprintf("%s of %s %s at %s, and no change on record says why", s.Attribute, what, how, s.First.UTC().Format("2006-01-02 15:04")),
		Description: fmt.Sprintf("Record it: evenkeel change record --kind %s %s --started %s", kind, on, s.First.UTC().Format(time.RFC3339)),
	}
	f.Annotations = map[string]string{"summary": f.Summary, "description": f.Description}
	return f
}
