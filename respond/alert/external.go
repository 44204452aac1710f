package alert

import (
	"context"
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
	ends map[model.Fingerprint]*amalert.Alert
}

// Put implements provider.Alerts for the API.
func (e *external) Put(ctx context.Context, alerts ...*amalert.Alert) error {
	now := time.Now()
	seen := make([]detect.Finding, 0, len(alerts))
	for _, a := range alerts {
		f := foreign(a)
		if a.ResolvedAt(now) {
			f.ResolvedAt = a.EndsAt
		}
		seen = append(seen, f)
	}
	if err := e.p.o.External(ctx, now, seen); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range alerts {
		if a.ResolvedAt(now) {
			delete(e.ends, a.Fingerprint())
		} else {
			e.ends[a.Fingerprint()] = a
		}
	}
	return nil
}

func foreign(a *amalert.Alert) detect.Finding {
	text := func(set model.LabelSet) map[string]string {
		out := make(map[string]string, len(set))
		for k, v := range set {
			out[string(k)] = string(v)
		}
		return out
	}
	l, ann := text(a.Labels), text(a.Annotations)
	for _, ours := range []string{"finding", "incident", "incident_url", "outcome_url", "suspects"} {
		delete(ann, ours) // a sender does not say what this program has made of it
	}
	runbook := ann["runbook"]
	if runbook == "" {
		runbook = ann["runbook_url"]
	}
	summary := ann["summary"]
	if summary == "" {
		summary = ann["message"]
	}
	return detect.Finding{
		Detector: detect.DetectorAlert, Name: a.Name(), Service: declare.ServiceID(l["service"]), Team: declare.TeamID(l["team"]),
		Severity: detect.SeverityOf(l["severity"]), Summary: summary, Description: ann["description"], Runbook: runbook,
		Labels: l, Annotations: ann, Since: a.StartsAt, Fingerprint: detect.MakeFingerprint(detect.DetectorAlert, l),
	}
}

// expire ends alerts that their sender has stopped to confirm.
func (e *external) expire(ctx context.Context, now time.Time) {
	var gone []detect.Finding
	var keys []model.Fingerprint
	e.mu.Lock()
	for fp, a := range e.ends {
		if a.ResolvedAt(now) {
			f := foreign(a)
			f.ResolvedAt = a.EndsAt
			gone = append(gone, f)
			keys = append(keys, fp)
		}
	}
	e.mu.Unlock()
	if len(gone) == 0 {
		return
	}
	if err := e.p.o.External(ctx, now, gone); err != nil {
		e.p.o.Logger.Error("cannot end foreign alerts", "err", err)
		return // they are still in ends: the next tick tries again
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, fp := range keys {
		if a := e.ends[fp]; a != nil && a.ResolvedAt(now) {
			delete(e.ends, fp)
		}
	}
}

// Expect tells the pipeline of foreign alerts that were open before a restart: unless
// their sender confirms them by then, they end.
func (p *Pipeline) Expect(findings []detect.Finding, until time.Time) {
	p.external.mu.Lock()
	defer p.external.mu.Unlock()
	for i := range findings {
		a := p.toAlert(&findings[i], time.Now())
		delete(a.Annotations, "finding")
		a.EndsAt = until
		p.external.ends[a.Fingerprint()] = a
	}
}
