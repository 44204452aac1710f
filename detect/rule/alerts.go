package rule

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/prometheus/rules"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/objective"
)

// together is what one evaluation of a group has to hand on. Its alerts go as one: an
// inhibition must know of both sides, whichever rule stands first.
type together struct {
	mu   sync.Mutex
	seen []detect.Finding
}

type togetherKey struct{}

// together lets notify collect until done is called.
func (r *Runner) together(ctx context.Context) (_ context.Context, done func()) {
	t := &together{}
	return context.WithValue(ctx, togetherKey{}, t), func() { r.observe(ctx, t.seen) }
}

// notify is the manager's hand-off of alerts that fire or have stopped to.
func (r *Runner) notify(ctx context.Context, expr string, alerts ...*rules.Alert) {
	seen := make([]detect.Finding, 0, len(alerts))
	for _, a := range alerts {
		if a.State == rules.StatePending {
			continue
		}
		seen = append(seen, finding(a, expr))
	}
	if t, ok := ctx.Value(togetherKey{}).(*together); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.seen = append(t.seen, seen...)
		return
	}
	r.observe(ctx, seen)
}

func (r *Runner) observe(ctx context.Context, seen []detect.Finding) {
	if len(seen) == 0 {
		return
	}
	if err := r.opts.Findings.Observe(ctx, time.Now(), seen); err != nil {
		// The manager sends firing alerts again, and the book those that it could not hand on.
		r.opts.Logger.Error("cannot take findings", "err", err)
	}
}

// finding turns an alert into a finding.
func finding(a *rules.Alert, expr string) detect.Finding {
	l, ann := a.Labels.Map(), a.Annotations.Map()
	f := detect.Finding{
		Detector: detect.DetectorRule, Name: l["alertname"], Service: declare.ServiceID(l["service"]), Team: declare.TeamID(l["team"]),
		Objective: declare.ObjectiveName(l[objective.LabelObjective]), Severity: detect.SeverityOf(l["severity"]),
		Summary: first(ann["summary"], ann["message"]), Description: ann["description"], Runbook: first(ann["runbook"], ann["runbook_url"]),
		Expr: expr, Value: a.Value, Labels: l, Annotations: ann, Since: a.ActiveAt,
	}
	switch {
	case f.Name == objective.AlertName && f.Objective != "":
		f.Detector = detect.DetectorObjective
	case l["detector"] == detect.DetectorSelf:
		f.Detector = detect.DetectorSelf
	}
	if a.State == rules.StateInactive || !a.ResolvedAt.IsZero() {
		f.ResolvedAt = a.ResolvedAt
		if f.ResolvedAt.IsZero() {
			f.ResolvedAt = time.Now()
		}
	}
	f.Fingerprint = detect.MakeFingerprint(f.Detector, f.Labels)
	return f
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
