// Package surge makes findings of log patterns that are new or far more frequent, where
// they tell of trouble.
//
// In: patterns that shifted, the findings that are open, the workspace. Out: findings of
// the services that somebody owns: NewErrorPattern, SurgingErrorPattern. Promise: it is
// pure, and bounded whatever comes: a service has at most MostOf such findings at a time.
//
//	(nothing) → open, while its lines come → closed, when they ebb or after a while
package surge

import (
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/observe/pattern"
)

const (
	// Window is the time that is looked at, Quiet the time before it that it is compared
	// with. A service that was not heard of for all of Quiet has nothing new yet.
	Window = 10 * time.Minute
	Quiet  = time.Hour
	// MostOf is how many findings a service may have.
	MostOf = 5
	// Least is how many lines within Window make a finding, and keep it.
	Least = 10
	// Longest is after how long a finding closes although its lines still come: it is
	// then what this service always logs.
	Longest = 6 * time.Hour
)

// Spans are the quiet time and the window at a time.
func Spans(now time.Time) (quiet, window pattern.Span) {
	from := now.Add(-Window)
	return pattern.Span{From: from.Add(-Quiet), To: from}, pattern.Span{From: from, To: now}
}

// Seen is what a book of patterns tells of one service.
type Seen struct {
	Service declare.ServiceID
	Since   time.Time // it was first heard of
	Shifted []pattern.Anomaly
	// Lines is how many lines of a pattern came within the window; no, when the pattern is
	// gone or has become part of another.
	Lines func(id string) (n uint64, ok bool)
}

// Judge returns the findings that are to be observed: those that hold, and those of the
// open ones that do not any more, resolved.
func Judge(w *declare.Workspace, seen []Seen, open []detect.Finding, now time.Time) []detect.Finding {
	var out []detect.Finding
	of := map[declare.ServiceID]Seen{}
	for _, s := range seen {
		of[s.Service] = s
	}
	held := map[declare.ServiceID]int{}
	known := map[string]bool{}
	for _, f := range open {
		s, there := of[f.Service]
		id := f.Labels["pattern"]
		switch n, ok := lines(s, id); {
		case !there || !ok:
			f.Annotations = because(f, "its pattern is not kept any more, or is part of another")
			f.ResolvedAt = now
		case n < Least:
			f.Annotations = because(f, fmt.Sprintf("%d lines of it came within %s, fewer than %d", n, Window, Least))
			f.ResolvedAt = now
		case now.Sub(f.Since) > Longest:
			f.Annotations = because(f, fmt.Sprintf("it has come for %s: it is not new any more", Longest))
			f.ResolvedAt = now
		default:
			held[f.Service]++
		}
		known[string(f.Service)+" "+id] = true
		out = append(out, f)
	}
	for _, s := range seen {
		service := w.Service(s.Service)
		if service == nil || service.Owner == "" || s.Since.IsZero() || s.Since.After(now.Add(-Window-Quiet)) {
			continue
		}
		for _, p := range s.Shifted { // the most surprising first
			if held[s.Service] >= MostOf {
				break
			}
			if p.Count < Least || known[string(s.Service)+" "+p.ID] {
				continue
			}
			f, ok := finding(service, p, now)
			if !ok {
				continue
			}
			held[s.Service]++
			out = append(out, f)
		}
	}
	return out
}

func lines(s Seen, id string) (uint64, bool) {
	if s.Lines == nil {
		return 0, false
	}
	return s.Lines(id)
}

func because(f detect.Finding, why string) map[string]string {
	out := map[string]string{detect.AnnotationResolved: why}
	for k, v := range f.Annotations {
		if k != detect.AnnotationResolved {
			out[k] = v
		}
	}
	return out
}

// finding is that of a pattern of errors or warnings which is new or surging.
func finding(s *declare.Service, p pattern.Anomaly, now time.Time) (detect.Finding, bool) {
	severity, ok := map[string]detect.Severity{"fatal": detect.Ticket, "error": detect.Ticket, "warn": detect.Info}[p.Severity]
	if !ok || !slices.Contains([]string{pattern.New, pattern.Surging}, p.Kind) {
		return detect.Finding{}, false
	}
	name, since := "NewErrorPattern", p.First
	if p.Kind == pattern.Surging {
		name, since = "SurgingErrorPattern", now.Add(-Window)
	}
	f := detect.Finding{
		Detector: detect.DetectorPattern, Name: name, Service: s.ID, Team: s.Owner, Severity: severity, Since: since, Value: p.During,
		Summary:     fmt.Sprintf("%s: %s", s.ID, p.Sentence()),
		Description: fmt.Sprintf("%.3g lines a minute in the last %s, %.3g in the hour before. Lines of it: /patterns/%s.", p.During, Window, p.Before, p.ID),
		Labels:      map[string]string{"alertname": name, "severity": string(severity), "service": string(s.ID), "team": string(s.Owner), "pattern": p.ID},
	}
	f.Annotations = map[string]string{"summary": f.Summary, "description": f.Description}
	f.Fingerprint = detect.MakeFingerprint(f.Detector, f.Labels)
	return f, true
}
