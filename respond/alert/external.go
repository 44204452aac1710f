package alert

import (
	"context"
	"slices"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
)

// external is what the Alertmanager API sees as its store: alerts that others post
// become findings first, and come back through Send like our own.
type external struct {
	*store
	p *Pipeline

	mu   sync.Mutex // guards ends
	ends map[detect.Fingerprint]ending
}

// ending is an alert of others, and when it ends unless its sender confirms it.
type ending struct {
	finding detect.Finding
	at      time.Time
}

// Put implements provider.Alerts for the API.
func (e *external) Put(ctx context.Context, alerts ...*amalert.Alert) error {
	all := make([]ending, 0, len(alerts))
	for _, a := range alerts {
		all = append(all, ending{foreign(text(a.Labels), text(a.Annotations), a.StartsAt), a.EndsAt})
	}
	return e.take(ctx, time.Now(), all)
}

// take hands alerts of others on.
func (e *external) take(ctx context.Context, now time.Time, all []ending) error {
	seen := make([]detect.Finding, len(all))
	firing := 0
	for i := range all {
		seen[i] = all[i].finding
		if !all[i].at.After(now) {
			seen[i].ResolvedAt = all[i].at
			continue
		}
		firing++
	}
	e.p.received.Firing().Add(float64(firing))
	e.p.received.Resolved().Add(float64(len(all) - firing))
	if err := e.p.o.External(ctx, now, seen); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range all {
		if x.at.After(now) {
			e.ends[x.finding.Fingerprint] = x
		} else {
			delete(e.ends, x.finding.Fingerprint)
		}
	}
	return nil
}

func text(set model.LabelSet) map[string]string {
	out := make(map[string]string, len(set))
	for k, v := range set {
		out[string(k)] = string(v)
	}
	return out
}

// ours are the annotations by which this program says what it has made of an alert: a
// sender does not say that.
var ours = []string{"finding", "incident", "incident_url", "outcome_url", "suspects", noticeAnnotation, alsoAnnotation}

func foreign(labels, annotations map[string]string, since time.Time) detect.Finding {
	for _, name := range ours {
		delete(annotations, name)
	}
	runbook := annotations["runbook"]
	if runbook == "" {
		runbook = annotations["runbook_url"]
	}
	summary := annotations["summary"]
	if summary == "" {
		summary = annotations["message"]
	}
	return detect.Finding{
		Detector: detect.DetectorAlert, Name: labels[model.AlertNameLabel], Service: declare.ServiceID(labels["service"]), Team: declare.TeamID(labels["team"]),
		Severity: detect.SeverityOf(labels["severity"]), Summary: summary, Description: annotations["description"], Runbook: runbook,
		Labels: labels, Annotations: annotations, Since: since, Fingerprint: detect.MakeFingerprint(detect.DetectorAlert, labels),
	}
}

// expire ends alerts that their sender has stopped to confirm.
func (e *external) expire(ctx context.Context, now time.Time) {
	var gone []detect.Finding
	e.mu.Lock()
	for _, x := range e.ends {
		if !x.at.After(now) {
			x.finding.ResolvedAt = x.at
			gone = append(gone, x.finding)
		}
	}
	e.mu.Unlock()
	for some := range slices.Chunk(gone, maxAlerts) {
		if err := e.p.o.External(ctx, now, some); err != nil {
			e.p.o.Logger.Error("cannot end foreign alerts", "err", err)
			return // they are still in ends: the next tick tries again
		}
		e.mu.Lock()
		for i := range some {
			if x, there := e.ends[some[i].Fingerprint]; there && !x.at.After(now) {
				delete(e.ends, some[i].Fingerprint)
			}
		}
		e.mu.Unlock()
	}
}

// Expect tells the pipeline of foreign alerts that were open before a restart: unless
// their sender confirms them by then, they end.
func (p *Pipeline) Expect(findings []detect.Finding, until time.Time) {
	p.external.mu.Lock()
	defer p.external.mu.Unlock()
	for _, f := range findings {
		p.external.ends[f.Fingerprint] = ending{f, until}
	}
}
