package rule

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/rules"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/objective"
)

// reconcile resolves open findings that no alert stands for. The manager says so by
// itself when an alert stops to fire; it does not when the rule has gone or has other
// labels now, nor when the alert stopped while the program did not run. It is called
// with the lock held.
func (r *Runner) reconcile(ctx context.Context, now time.Time) error {
	var open []detect.Finding
	for _, d := range []string{detect.DetectorRule, detect.DetectorObjective, detect.DetectorSelf} {
		open = append(open, r.opts.Findings.OpenFindings(d)...)
	}
	missing := map[detect.Fingerprint]time.Time{}
	var gone []detect.Finding
	if len(open) > 0 {
		groups := r.manager.RuleGroups()
		active := activeFingerprints(groups)
		for _, f := range open {
			if active[f.Fingerprint] {
				continue
			}
			since, before := r.missing[f.Fingerprint]
			if !before {
				since = now
			}
			missing[f.Fingerprint] = since
			if why := r.over(&f, groups, since, now); why != "" {
				r.opts.Logger.Info("finding resolved", "finding", f.ID, "name", f.Name, "why", why)
				f.ResolvedAt = now
				f.Annotations = map[string]string{detect.AnnotationResolved: why}
				gone = append(gone, f)
			}
		}
	}
	r.missing = missing
	if len(gone) == 0 {
		return nil
	}
	return r.opts.Findings.Observe(ctx, now, gone)
}

// over says why a finding without an alert has ended, "" while it may not have.
func (r *Runner) over(f *detect.Finding, groups []*rules.Group, since, now time.Time) string {
	declared := false
	for _, g := range groups {
		if !alerts(g, f) {
			continue
		}
		declared = true
		if g.GetLastEvaluation().Before(since) || now.Sub(since) < patience*g.Interval() {
			return ""
		}
	}
	switch {
	case !declared:
		return "its rule is no longer declared"
	case !f.OpenedAt.Before(r.started):
		return "its rule has changed and does not fire any more"
	case now.Sub(r.started) < restartGrace:
		return ""
	}
	return "it does not hold any more after the restart"
}

// alerts says whether a group holds the rule that a finding came from.
func alerts(g *rules.Group, f *detect.Finding) bool {
	for _, rule := range g.AlertingRules() {
		if rule.Name() != f.Name {
			continue
		}
		if f.Detector != detect.DetectorObjective || rule.Labels().Get(objective.LabelObjective) == string(f.Objective) {
			return true
		}
	}
	return false
}

// activeFingerprints are those of all alerts that are pending or firing now. A pending
// one counts: after a restart it may be on its way back to firing.
func activeFingerprints(groups []*rules.Group) map[detect.Fingerprint]bool {
	out := map[detect.Fingerprint]bool{}
	for _, g := range groups {
		for _, rule := range g.AlertingRules() {
			for _, a := range rule.ActiveAlerts() {
				f := finding(a, "")
				out[f.Fingerprint] = true
			}
		}
	}
	return out
}
