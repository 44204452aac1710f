package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/provider"
	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/state"
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
	kept    bool // in the database, too
}

// Put implements provider.Alerts for the API.
func (e *external) Put(ctx context.Context, alerts ...*amalert.Alert) error {
	all := make([]ending, 0, len(alerts))
	for _, a := range alerts {
		all = append(all, ending{finding: foreign(text(a.Labels), text(a.Annotations), a.GeneratorURL, a.StartsAt), at: a.EndsAt})
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
	var far, near []ending
	e.mu.Lock()
	for _, x := range all {
		fp := x.finding.Fingerprint
		was := e.ends[fp]
		switch x.kept = x.at.After(now.Add(lifetime)); {
		case x.kept:
			far = append(far, x)
		case was.kept:
			near = append(near, x)
		}
		if x.at.After(now) {
			e.ends[fp] = x
		} else {
			delete(e.ends, fp)
		}
	}
	e.mu.Unlock()
	return e.keep(ctx, far, near)
}

// keep writes down the ends that are farther away than a restart waits for senders, and
// forgets those that are so no more.
func (e *external) keep(ctx context.Context, far, near []ending) error {
	if len(far)+len(near) == 0 {
		return nil
	}
	set := make([][2]any, len(far))
	for i, x := range far {
		set[i] = [2]any{x.finding.Fingerprint, state.Millis(x.at)}
	}
	drop := make([]detect.Fingerprint, len(near))
	for i, x := range near {
		drop[i] = x.finding.Fingerprint
	}
	setJSON, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("cannot keep when alerts end: %w", err)
	}
	dropJSON, err := json.Marshal(drop)
	if err != nil {
		return fmt.Errorf("cannot keep when alerts end: %w", err)
	}
	err = e.p.o.DB.Update(ctx, func(tx *state.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM alert_ends WHERE fingerprint IN (SELECT value FROM json_each(?))`, string(dropJSON)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO alert_ends (fingerprint, ends_ms) SELECT value ->> 0, value ->> 1 FROM json_each(?)`, string(setJSON))
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot keep when alerts end: %w", err)
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

// generatorAnnotation is where the sender has the alert: what is told of it leads to ours.
const generatorAnnotation = "generator_url"

func foreign(labels, annotations map[string]string, generator string, since time.Time) detect.Finding {
	if generator != "" {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[generatorAnnotation] = generator
	}
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
		var kept []ending
		e.mu.Lock()
		for i := range some {
			x, there := e.ends[some[i].Fingerprint]
			if !there || x.at.After(now) {
				continue
			}
			delete(e.ends, some[i].Fingerprint)
			if x.kept {
				kept = append(kept, x)
			}
		}
		e.mu.Unlock()
		if err := e.keep(ctx, nil, kept); err != nil {
			e.p.o.Logger.Error("cannot forget when alerts have ended", "err", err) // the next start does
		}
	}
}

// Expect tells the pipeline of foreign alerts that were open before a restart: unless
// their sender confirms them within a lifetime, or has said that they last longer, they end.
func (p *Pipeline) Expect(ctx context.Context, now time.Time, findings []detect.Finding) error {
	open := make(map[detect.Fingerprint]ending, len(findings))
	for _, f := range findings {
		open[f.Fingerprint] = ending{finding: f, at: now.Add(lifetime)}
	}
	rows, err := p.o.DB.Read().QueryContext(ctx, `SELECT fingerprint, ends_ms FROM alert_ends`)
	if err != nil {
		return fmt.Errorf("cannot read when alerts end: %w", err)
	}
	defer rows.Close()
	var over []ending
	for rows.Next() {
		var fp detect.Fingerprint
		var ms int64
		if err := rows.Scan(&fp, &ms); err != nil {
			return fmt.Errorf("cannot read when alerts end: %w", err)
		}
		x, is := open[fp]
		if !is {
			over = append(over, ending{finding: detect.Finding{Fingerprint: fp}})
			continue
		}
		if at := state.Time(ms); at.After(x.at) {
			x.at = at
		}
		x.kept = true
		open[fp] = x
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("cannot read when alerts end: %w", err)
	}
	p.external.mu.Lock()
	maps.Copy(p.external.ends, open)
	p.external.mu.Unlock()
	return p.external.keep(ctx, nil, over)
}

// shown is an alert as the API shows it: one that holds has no end of its own here, but
// readers expect one.
func (e *external) shown(a *amalert.Alert, now time.Time) *amalert.Alert {
	if !a.EndsAt.IsZero() {
		return a
	}
	out := *a
	out.EndsAt = now.Add(lifetime)
	e.mu.Lock()
	defer e.mu.Unlock()
	if x, is := e.ends[detect.MakeFingerprint(detect.DetectorAlert, text(a.Labels))]; is {
		out.EndsAt = x.at
	}
	return &out
}

// GetPending implements provider.Alerts for the API.
func (e *external) GetPending() provider.AlertIterator {
	all, now := e.list(), time.Now()
	ch := make(chan *provider.Alert, len(all))
	for _, a := range all {
		ch <- &provider.Alert{Data: e.shown(a, now)}
	}
	close(ch)
	return provider.NewAlertIterator(ch, make(chan struct{}), nil)
}
