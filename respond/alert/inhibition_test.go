package alert

import (
	"testing"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/detect"
)

// TestInhibitionsAtOnce: a finding is inhibited by a source that comes with it or came
// before, where their labels are equal, and as long as the source lasts.
func TestInhibitionsAtOnce(t *testing.T) {
	cfg, err := amconfig.Load(`
route: {receiver: a}
receivers: [{name: a}]
inhibit_rules:
  - {source_matchers: ['alertname="ClusterDown"'], target_matchers: ['severity="page"'], equal: [cluster]}
  - {source_match: {tier: top}, target_match_re: {tier: 'top|low'}, equal: [service]}
`)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	finding := func(labels ...string) detect.Finding {
		f := detect.Finding{Labels: map[string]string{}}
		for i := 0; i < len(labels); i += 2 {
			f.Labels[labels[i]] = labels[i+1]
		}
		return f
	}
	down := finding("alertname", "ClusterDown", "cluster", "a", "severity", "page")
	podA, podB := finding("alertname", "Pod", "cluster", "a", "severity", "page"), finding("alertname", "Pod", "cluster", "b", "severity", "page")
	top, low := finding("tier", "top", "service", "s", "n", "1"), finding("tier", "low", "service", "s")
	top2 := finding("tier", "top", "service", "s", "n", "2")
	over := down
	over.ResolvedAt = now

	var in inhibitions
	in.use(cfg.InhibitRules)
	f := func(want bool, what detect.Finding, with ...detect.Finding) {
		t.Helper()
		if got := in.mutes(labelsOf(&what), in.among(with)); got != want {
			t.Errorf("inhibited: %v, want %v", got, want)
		}
	}
	f(false, podA)
	f(true, podA, podA, down)
	f(false, podB, podB, down) // another cluster
	f(false, down, down)       // not by itself
	f(false, podA, podA, over) // the source has ended
	f(true, low, top)
	f(false, top, top, top2) // both match both sides

	see := func(f detect.Finding, ends time.Time) {
		in.see(now, &amalert.Alert{Alert: model.Alert{Labels: labelsOf(&f), EndsAt: ends}})
	}
	see(down, time.Time{})
	f(true, podA)
	f(false, podB)
	in.use(cfg.InhibitRules) // a reload keeps what fires
	f(true, podA)
	see(down, now)
	f(false, podA)
	if len(in.firing) != 0 || len(in.rules[0].sources) != 0 {
		t.Errorf("remembered in vain: %v %v", in.firing, in.rules[0].sources)
	}
	in.use(nil)
	f(false, podA, down)
}
