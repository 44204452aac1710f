package app

import (
	"testing"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/finding"
	"github.com/evenkeel/evenkeel/respond/why"
	"github.com/evenkeel/evenkeel/state"
)

// TestRoutingOfThen: a finding of the past is traced by the routing that was in force
// then, and by what was open then; its secrets are not kept.
func TestRoutingOfThen(t *testing.T) {
	ctx, noon := t.Context(), time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	db, err := state.Open(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	a := &App{db: db}
	if a.findings, err = finding.Open(ctx, db); err != nil {
		t.Fatal(err)
	}
	load := func(receiver string) *amconfig.Config {
		cfg, err := amconfig.Load("route: {receiver: " + receiver + "}\nreceivers: [{name: " + receiver + ", webhook_configs: [{url: 'http://a.example/secret-path'}]}]\n")
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	first, second := load("first"), load("second")
	for _, v := range []struct {
		at  time.Duration
		cfg *amconfig.Config
	}{{0, first}, {time.Minute, first}, {time.Hour, second}} {
		if err := a.keepRouting(ctx, &declare.Workspace{Routing: v.cfg}, noon.Add(v.at)); err != nil {
			t.Fatal(err)
		}
	}
	var kept, secret int
	if err := db.Read().QueryRow(`SELECT count(*), coalesce(sum(instr(source, 'secret-path') > 0), 0) FROM routing_versions`).Scan(&kept, &secret); err != nil || kept != 2 || secret != 0 {
		t.Errorf("%d versions are kept, %d with a secret (%v)", kept, secret, err)
	}
	f := detect.Finding{Detector: "rule", Name: "Down", Severity: detect.Page, Labels: map[string]string{"alertname": "Down"}}
	if err := a.findings.Observe(ctx, noon, []detect.Finding{f}); err != nil {
		t.Fatal(err)
	}
	f.ResolvedAt = noon.Add(30 * time.Minute)
	if err := a.findings.Observe(ctx, f.ResolvedAt, []detect.Finding{f}); err != nil {
		t.Fatal(err)
	}
	look := func(at time.Duration, receiver string, since time.Duration, open int) {
		t.Helper()
		got, err := a.routingAt(ctx, why.Routing{Config: second}, noon.Add(at))
		if err != nil || got.Config.Route.Receiver != receiver || len(got.Open) != open {
			t.Errorf("%s: got %+v, %v", at, got, err)
		}
		if since >= 0 != !got.AsOf.IsZero() || since >= 0 && !got.AsOf.Equal(noon.Add(since)) {
			t.Errorf("%s: as of %s", at, got.AsOf)
		}
	}
	look(-time.Hour, "second", -1, 0) // nothing is on record of then
	look(10*time.Minute, "first", 0, 1)
	look(45*time.Minute, "first", 0, 0)
	look(2*time.Hour, "second", time.Hour, 0)
}
