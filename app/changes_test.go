package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/detect"
)

const estate = `
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: shop}
spec: {type: team, children: [], members: [alice, bob]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: alice, labels: {evenkeel.dev/level: engineer}}
spec: {memberOf: [shop]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: bob, labels: {evenkeel.dev/level: senior}}
spec: {memberOf: [shop]}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: checkout, labels: {evenkeel.dev/tier: "1"}, annotations: {github.com/project-slug: acme/checkout}}
spec: {type: service, lifecycle: production, owner: shop}
`

// newApp is the whole program on files, without the network.
func newApp(t *testing.T, files map[string]string) *App {
	t.Helper()
	dir := t.TempDir()
	if files["catalog/shop.yml"] == "" {
		files["catalog/shop.yml"] = estate
	}
	for name, text := range files {
		path := filepath.Join(dir, "workspace", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := New(t.Context(), Options{Workspace: filepath.Join(dir, "workspace"), Data: filepath.Join(dir, "data"), Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func (a *App) sample(t *testing.T, at time.Time, value float64, ls ...string) {
	t.Helper()
	app := a.metrics.AppenderV2(t.Context())
	if _, err := app.Append(0, labels.FromStrings(ls...), 0, at.UnixMilli(), value, nil, nil, storage.AppendV2Options{}); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestAChangeThatNobodyRecordedIsFound(t *testing.T) {
	a := newApp(t, map[string]string{"evenkeel.yml": "metrics: {out_of_order: 2h}\n"})
	ctx := t.Context()
	start := time.Now().Add(-40 * time.Minute).Truncate(time.Second)
	see := func(after time.Duration, version string) {
		t.Helper()
		at := start.Add(after)
		a.sample(t, at, 1, "__name__", "build_info", "job", "checkout", "version", version)
		if err := a.lookForUnrecorded(ctx, at); err != nil {
			t.Fatal(err)
		}
	}
	open := func() []detect.Finding { return a.findings.OpenFindings(detectorChange) }
	see(0, "1.0")
	see(10*time.Minute, "1.1")
	see(12*time.Minute, "1.1")
	if len(open()) != 0 {
		t.Errorf("too early: %+v", open())
	}
	see(25*time.Minute, "1.1")
	if found := open(); len(found) != 1 || found[0].Service != "checkout" || found[0].Team != "shop" || !strings.Contains(found[0].Summary, "from 1.0 to 1.1") {
		t.Fatalf("got %+v", found)
	}
	// Recorded late, it is explained.
	if _, err := a.changes.Record(ctx, time.Now(), "person:alice", act.Change{Kind: act.Deploy, Service: "checkout", To: "v1.1", StartedAt: start.Add(9 * time.Minute)}); err != nil {
		t.Fatal(err)
	}
	see(26*time.Minute, "1.1")
	if found := open(); len(found) != 0 {
		t.Errorf("got %+v", found)
	}
}

func TestHooksAreSignedWithTheSecretOfTheSettings(t *testing.T) {
	t.Setenv("TEST_GITHUB_SECRET", "s3cret")
	a := newApp(t, map[string]string{"evenkeel.yml": "hooks: {github: {secret: '${env:TEST_GITHUB_SECRET}'}, argocd: {secret_file: argocd.secret}}\n"})
	body := `{"repository":{"full_name":"acme/checkout"},"deployment":{"id":42,"ref":"v1.5.0","environment":"production","creator":{"login":"ci"},"created_at":"` + time.Now().UTC().Format(time.RFC3339) + `"}}`
	m := hmac.New(sha256.New, []byte("s3cret"))
	m.Write([]byte(body))
	send := func(source string, header map[string]string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/hooks/"+source, strings.NewReader(body))
		for k, v := range header {
			r.Header.Set(k, v)
		}
		rec := httptest.NewRecorder()
		a.Handler().ServeHTTP(rec, r)
		return rec
	}
	event := map[string]string{"X-GitHub-Event": "deployment", "X-GitHub-Delivery": "1", "X-Hub-Signature-256": "sha256=" + hex.EncodeToString(m.Sum(nil))}
	if rec := send("github", event); rec.Code != http.StatusAccepted {
		t.Fatalf("got %d %s", rec.Code, rec.Body)
	}
	c, err := a.changes.Get(t.Context(), "github:acme/checkout:deployment:42")
	if err != nil || c.Service != "checkout" || c.Risk != "high" { // of tier 1, by the catalogue
		t.Errorf("got %+v %v", c, err)
	}
	if rec := send("github", event); rec.Code != http.StatusConflict {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	t.Setenv("TEST_GITHUB_SECRET", "rotated") // takes effect at once
	if rec := send("github", event); rec.Code != http.StatusUnauthorized {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	for source, status := range map[string]int{"gitlab": 403, "argocd": 403, "nothing": 404} {
		if rec := send(source, event); rec.Code != status || strings.Contains(rec.Body.String(), a.ws().Dir) {
			t.Errorf("%s: got %d %s", source, rec.Code, rec.Body)
		}
	}
}

// TestAFactThatChangedWithoutAChangeIsFound: replicas, configuration, a kernel, and what a
// service's annotation names; what an autoscaler does is nobody's change.
func TestAFactThatChangedWithoutAChangeIsFound(t *testing.T) {
	a := newApp(t, map[string]string{"evenkeel.yml": "metrics: {out_of_order: 2h}\n", "catalog/shop.yml": strings.Replace(estate, "github.com/project-slug: acme/checkout",
		"evenkeel.dev/facts: \"flags = group by (flag) (flag_on)\\nrate limit = max(rate_limit)\"", 1) + `
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: web}
spec: {type: service, lifecycle: production, owner: shop}
---
apiVersion: backstage.io/v1alpha1
kind: Resource
metadata: {name: web-1}
spec: {type: host, owner: shop}
`})
	ctx := t.Context()
	start := time.Now().Add(-40 * time.Minute).Truncate(time.Second)
	see := func(after time.Duration, replicas float64, hash float64, kernel, flag string) {
		t.Helper()
		at := start.Add(after)
		for _, d := range []string{"checkout", "web"} {
			a.sample(t, at, replicas, "__name__", "kube_deployment_spec_replicas", "namespace", "shop", "deployment", d)
		}
		a.sample(t, at, 1, "__name__", "kube_horizontalpodautoscaler_info", "namespace", "shop", "scaletargetref_kind", "Deployment", "scaletargetref_name", "web")
		a.sample(t, at, hash, "__name__", "checkout_config_hash", "job", "checkout")
		a.sample(t, at, replicas*10, "__name__", "rate_limit")
		a.sample(t, at, 1, "__name__", "node_uname_info", "nodename", "web-1", "release", kernel, "job", "node", "instance", "web-1:9100")
		a.sample(t, at, 1, "__name__", "flag_on", "flag", flag)
		if err := a.lookForUnrecorded(ctx, at); err != nil {
			t.Fatal(err)
		}
	}
	see(0, 3, 1.5e14, "6.1.0-1", "old")
	see(10*time.Minute, 5, 1.7e14, "6.1.0-2", "new")
	see(25*time.Minute, 5, 1.7e14, "6.1.0-2", "new")
	got := map[string]detect.Finding{}
	for _, f := range a.findings.OpenFindings(detectorChange) {
		got[f.Labels["attribute"]] = f
	}
	for attribute, want := range map[string]string{
		"replicas in shop":                     "replicas in shop of checkout went from 3 to 5",
		"configuration (checkout_config_hash)": "went from 150000000000000 to 170000000000000",
		"kernel":                               "kernel of resource/default/web-1 went from 6.1.0-1 to 6.1.0-2",
		"flags":                                `flags of checkout went from {flag="old"} to {flag="new"}`,
		"rate limit":                           "rate limit of checkout went from 30 to 50",
	} {
		f, ok := got[attribute]
		if !ok || !strings.Contains(f.Summary, want) || f.Team != "shop" {
			t.Errorf("%s: got %+v", attribute, f)
		}
	}
	if len(got) != 5 || len(a.findings.OpenFindings(detectorChange)) != 5 {
		t.Errorf("got %d: %+v", len(got), got)
	}
	// The patch of the host explains its kernel; one change of the service all the others.
	for _, c := range []act.Change{
		{Kind: act.Patch, Resources: []string{"resource/default/web-1"}, StartedAt: start.Add(9 * time.Minute)},
		{Kind: act.Config, Service: "checkout", StartedAt: start.Add(9 * time.Minute)},
	} {
		if _, err := a.changes.Record(ctx, time.Now(), "person:alice", c); err != nil {
			t.Fatal(err)
		}
	}
	see(26*time.Minute, 5, 1.7e14, "6.1.0-2", "new")
	if found := a.findings.OpenFindings(detectorChange); len(found) != 0 {
		t.Errorf("got %+v", found)
	}
}
