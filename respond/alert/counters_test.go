package alert

import (
	"strings"
	"testing"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
)

// TestAlertsByState: a scrape sees what fires, and what of it is silenced or inhibited.
func TestAlertsByState(t *testing.T) {
	r := open(t, t.TempDir())
	cfg, err := amconfig.Load(`
route: {receiver: a}
receivers: [{name: a}]
inhibit_rules: [{source_matchers: ['alertname="Down"'], target_matchers: ['alertname="Slow"'], equal: [cluster]}]
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(cfg); err != nil {
		t.Fatal(err)
	}
	defer func() { r.dispatcher.Load().stop(endPatience) }()
	now := time.Now()
	var all []detect.Finding
	for n, labels := range []map[string]string{
		{"alertname": "Down", "cluster": "a"}, {"alertname": "Slow", "cluster": "a"}, {"alertname": "Slow", "cluster": "b"},
		{"alertname": "Full", "cluster": "a"}, {"alertname": "Over", "cluster": "a"},
	} {
		f := detect.Finding{ID: int64(n + 1), Name: labels["alertname"], Labels: labels, Since: now.Add(-time.Minute), OpenedAt: now.Add(-time.Minute)}
		if f.Name == "Over" {
			f.ResolvedAt = now.Add(-time.Second)
		}
		all = append(all, f)
	}
	if err := r.Send(t.Context(), now, all); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddSilence(t.Context(), now, journal.Person("bob"), []string{`alertname="Full"`}, time.Hour, "works"); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP alertmanager_alerts Alerts that fire, by state: active, or suppressed by a silence or an inhibition.
# TYPE alertmanager_alerts gauge
alertmanager_alerts{state="active"} 2
alertmanager_alerts{state="suppressed"} 2
`
	if err := testutil.CollectAndCompare(standing{r.Pipeline}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
